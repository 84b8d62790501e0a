"""Looks at everything that decides about a read: environment, token, agent or session, policy, and the cache itself."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facility.agent import client
from facility.agent.clock import steady
from facility.agent.report import report
from facility.agent.state import Moment
from facility.commands.agent import Agent
from facility.commands.asking import Ask, NoTokenError
from facility.commands.sources import at_facility
from facility.laptop import access, private
from facility.laptop.errors import LaptopError
from facility.laptop.sessions import Record, Sessions
from facility.storages import origins
from facility.tokens import claims
from facility.tokens.discovery import InvalidTokenError, located
from facility.why import ask
from facility.why.facts import Address, Answer, Evidence, Lake, Place, Token, address, lake_of
from facility.why.judge import lacks, scope_for

_PORT = 1094
#: of an address, with a token, trusting further authorities (PEM)
Asked = Callable[[Address, str, str], Answer]


@dataclass(frozen=True)
class Around:
    """What is around this process. `asked` reads one byte of an address with a token."""

    environment: Mapping[str, str]
    uid: int
    asked: Asked
    now: Callable[[], float] = time.time


def around() -> Around:
    """Of this process."""
    return Around(os.environ, os.geteuid(), tried)


def tried(where: Address, token: str, further: str = "") -> Answer:
    """Over the protocol of the URL; over https where the machine has no XRootD client."""

    def trust() -> ssl.SSLContext:
        context = ssl.create_default_context()
        if further:
            context.load_verify_locations(cadata=further)
        return context

    found = ask.root(where, token) if where.scheme == "root" else None
    return found or ask.https(where, token, trust)


def gather(url: str, here: Around, vo: str = "") -> Evidence:
    """Raises facts.AddressError for what is no URL of a file."""
    record = _record(here, vo)
    status = client.status(_pod(here)) if _is_pod(here) else {}
    place = _place(here, status, record)
    where = address(url, place, _PORT)
    value, token = _token(here)
    host_known = where.host in place.caches
    trust = record.offer.trust if record else ""
    answer = here.asked(where, value, trust) if value and host_known else Answer("nobody")
    said = report(here.environment, status, Moment(steady(), here.now())).trouble if status else ()
    ahead = float((status.get("clock") or {}).get("ahead") or 0)
    policy = _policy(here, where, place, token, record)
    return Evidence(where, place, token, answer, here.now(), ahead, tuple(said), policy)


def _pod(here: Around) -> Path:
    return Path(here.environment.get("AGENT_DIRECTORY", "/run/token"))


def _is_pod(here: Around) -> bool:
    return at_facility(here.environment) and "_CONDOR_CREDS" not in here.environment


def _record(here: Around, vo: str) -> Record | None:
    """The session of a person's own machine: the only one, or that of `vo`."""
    if at_facility(here.environment):
        return None
    sessions = Sessions(private.home(here.environment), {})
    there = (vo,) if vo else sessions.vos()
    try:
        return sessions.record(there[0]) if len(there) == 1 else None
    except LaptopError:
        return None


def _place(here: Around, status: Mapping[str, Any], record: Record | None) -> Place:
    if record:
        lakes = tuple(Lake(one["prefix"], one["base"], one["audience"]) for one in record.offer.lakes)
        hosts = dict.fromkeys(one["https"].split("/")[2].rpartition(":")[0] for one in record.offer.lakes)
        return Place(record.vo, tuple(hosts), lakes, record.offer.issuer)
    environment = here.environment
    prefixes = environment.get("LAKE_PREFIXES", "").split()
    bases = environment.get("LAKE_BASES", "").split()
    kept = (status.get("files") or {}).get("lake") or {}
    audience = str(kept.get("audience") or "") if len(_lakes(status)) == 1 else ""  # of several, which is not said
    pairs = zip(prefixes, bases if len(bases) == len(prefixes) else prefixes, strict=True)
    lakes = tuple(Lake(prefix, base, audience) for prefix, base in pairs)
    caches = tuple(environment.get("LAKE_HOSTS", "").lower().split())
    return Place(environment.get("FACILITY_VO", ""), caches, lakes, storages=tuple(origins(environment)))


def _lakes(status: Mapping[str, Any]) -> list[str]:
    return [name for name in status.get("files") or {} if name.startswith("lake")]


def _token(here: Around) -> tuple[str, Token]:
    try:
        found = located(here.environment, here.uid)
    except InvalidTokenError as error:
        return "", Token(problem=str(error))
    if found is None:
        return "", Token(problem="no place that programs look at has one (BEARER_TOKEN_FILE, bt_u… files)")
    where, value = found
    fixed = where == "BEARER_TOKEN"
    readable = not fixed and _others_may_read(Path(where))
    try:
        read = claims.read(claims.unverified(value)[1])
    except claims.ClaimsError as error:
        return "", Token(where, f"{where} holds something else: {error}", None, fixed, readable)
    return value, Token(_named(where, here.environment), "", read, fixed, readable)


def _others_may_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:  # the agent has just taken it away
        return False


def _named(where: str, environment: Mapping[str, str]) -> str:
    if where == "BEARER_TOKEN":
        return "the variable BEARER_TOKEN"
    return f"BEARER_TOKEN_FILE, {where}" if where == environment.get("BEARER_TOKEN_FILE") else where


def _policy(here: Around, where: Address, place: Place, token: Token, record: Record | None) -> str | None:
    """What comes of asking for the scope that the token lacks; None when it lacks none or nobody can be asked."""
    lake = lake_of(where.path, place)
    if lake is None or token.claims is None or not lacks(token.claims, scope_for(where.path, lake)):
        return None
    scope = scope_for(where.path, lake)
    try:
        if record:
            access.aimed(record, access.Wish(lake.audience, "", scope))
        elif _is_pod(here):
            Agent(_pod(here)).get(Ask(lake.audience, "" if lake.audience else "lake", scope))
        else:
            return None
    except (LaptopError, NoTokenError) as error:
        return str(error)
    return ""
