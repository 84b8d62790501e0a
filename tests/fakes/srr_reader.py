"""Somebody who reads storage resource reports as strictly as their description allows.

What a report may say is SRR 4.2: members, kinds, words. Its JSON schema (`srrschema_4.2.json`) is in a repository of
WLCG's people, github.com/sjones-hep-ph-liv-ac-uk/json_info_system, and in no package of PyPI's or Debian's; what stands
here is in words of our own, after that file and the notes beside it. 4.2 was widened until the reports of dCache, DPM,
EOS and StoRM passed, so it allows much that accounting cannot use; `complaints` asks for that, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft7Validator

Kind = dict[str, Any]

TEXT: Kind = {"type": "string"}
TEXTS: Kind = {"type": "array", "items": TEXT}
NUMBER: Kind = {"type": "number"}


def _words(*allowed: str) -> Kind:
    return {**TEXT, "enum": list(allowed)}


def _thing(needed: dict[str, Kind], more: dict[str, Kind]) -> Kind:
    """An object with these members and no others."""
    return {"type": "object", "required": list(needed), "properties": needed | more, "additionalProperties": False}


def _things(needed: dict[str, Kind], more: dict[str, Kind]) -> Kind:
    return {"type": "array", "items": _thing(needed, more)}


QUALITY = _words("development", "testing", "pre-production", "production")
LATENCY = _words("online", "nearline", "offline")
AMOUNT = _thing({"totalsize": NUMBER, "usedsize": NUMBER}, {"reservedsize": NUMBER})
CAPACITY = _thing({"online": AMOUNT}, {"nearline": AMOUNT, "offline": AMOUNT})
LIFETIME = _thing({}, {"default": TEXT, "maximum": TEXT, "expiration": _words("release", "warn", "never")})
ENDPOINTS = _things(
    {"name": TEXT, "endpointurl": TEXT, "interfacetype": TEXT, "assignedshares": TEXTS},
    {"id": TEXT, "interfaceversion": TEXT, "capabilities": TEXTS, "qualitylevel": QUALITY, "message": TEXT},
)
SHARES = _things(
    {"timestamp": NUMBER, "totalsize": NUMBER, "usedsize": NUMBER, "vos": TEXTS},
    {"name": TEXT, "id": TEXT, "message": TEXT, "path": TEXTS, "assignedendpoints": TEXTS, "numberoffiles": NUMBER}
    | {"policyrules": TEXTS, "accessmode": TEXTS, "accesslatency": LATENCY, "lifetime": LIFETIME}
    | {"servingstate": _words("open", "closed", "draining")}
    | {"retentionpolicy": _words("none", "intermediate", "replicated", "custodial", "replica")},
)
STORES = _things(
    {"name": TEXT, "datastoretype": _words("disk", "tape", "cloud"), "accesslatency": LATENCY, "totalsize": NUMBER}
    # so it is spelled
    | {"vendor": TEXT, "bandwith": _thing({"network": TEXT, "disk": TEXT, "etc": TEXT}, {})},
    {"id": TEXT, "message": TEXT},
)
SERVICE = _thing(
    {"implementation": TEXT, "implementationversion": TEXT, "storageendpoints": ENDPOINTS, "storageshares": SHARES},
    {"name": TEXT, "id": TEXT, "servicetype": TEXT, "capabilities": TEXTS, "qualitylevel": QUALITY, "message": TEXT}
    | {"latestupdate": NUMBER, "lastupdated": NUMBER, "storagecapacity": CAPACITY, "datastores": STORES},
)
REPORT = _thing({"storageservice": SERVICE}, {})

#: members that count something: bytes, files, or seconds since the epoch
_COUNTS = ("totalsize", "usedsize", "reservedsize", "numberoffiles", "timestamp", "latestupdate", "lastupdated")
#: a time before this is none of a report's, and one of milliseconds is after any `now`
_EARLIEST = 1_500_000_000
#: seconds that clocks may differ by
_ASTRAY = 120


def complaints(report: Any, now: float) -> list[str]:
    """What is wrong with a report, as sentences; nothing: it can be accounted for."""
    found = [f"{error.json_path}: {error.message}" for error in Draft7Validator(REPORT).iter_errors(report)]
    if found:
        return found  # whatever else is said of it would be said of something else
    service = report["storageservice"]
    return [*_counted(service, "storageservice"), *_timed(service, now), *_linked(service), *_summed(service)]


def _counted(found: Any, where: str) -> Iterator[str]:
    """Bytes, files and seconds are whole, and none is missing by being below zero."""
    if isinstance(found, list):
        for at, one in enumerate(found):
            yield from _counted(one, f"{where}[{at}]")
    if not isinstance(found, dict):
        return
    for name, value in found.items():
        if name in _COUNTS and (type(value) is not int or value < 0):
            yield f"{where}.{name}: {value!r} is no count"
        yield from _counted(value, f"{where}.{name}")
    if "usedsize" in found and found["usedsize"] > found["totalsize"]:
        yield f"{where}: more is used than there is"


def _timed(service: dict[str, Any], now: float) -> Iterator[str]:
    told = [service.get("latestupdate", service.get("lastupdated")), *(one["timestamp"] for one in _shares(service))]
    for at in told:
        if at is None or not _EARLIEST < at < now + _ASTRAY:
            yield f"{at} is no time in seconds since the epoch that has come"


def _linked(service: dict[str, Any]) -> Iterator[str]:
    """Shares and endpoints name each other; each endpoint is a URL, each path one of a name space, each VO a name."""
    endpoints, shares = service["storageendpoints"], _shares(service)
    yield from _known("assignedshares", endpoints, [one.get("name", "") for one in shares])
    yield from _known("assignedendpoints", shares, [one["name"] for one in endpoints])
    for one in endpoints:
        url = urlsplit(one["endpointurl"])
        if not (url.scheme and url.hostname):
            yield f"{one['endpointurl']} is no URL of a server"
    for one in shares:
        if not one["vos"] or not all(one["vos"]):
            yield f"share {one.get('name')} is no VO's"
        if any(not path.startswith("/") for path in one.get("path", [])):
            yield f"share {one.get('name')} has a path that is not absolute"


def _known(member: str, those: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterator[str]:
    if len(set(names)) != len(names):
        yield f"two have one name: {names}"
    for one in those:
        if strangers := set(one.get(member, [])) - {*names, "all"}:
            yield f"{member} of {one.get('name')} names {sorted(strangers)}, which are not there"


def _summed(service: dict[str, Any]) -> Iterator[str]:
    """What is used is in one share; room that is free may be several shares' at once."""
    online = service.get("storagecapacity", {}).get("online")
    if online and online["usedsize"] != sum(one["usedsize"] for one in _shares(service)):
        yield "shares and service do not agree how much is used"


def _shares(service: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service["storageshares"]
    return found
