"""A cache is told which origin holds which part of its VO's lake."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from facility.lakes import Robot
from facility.vo import VirtualOrganization
from facility.xcache import lakes
from facility.xcache.text import CacheConfigError


def vo(**origins: str) -> VirtualOrganization:
    """A VO with a lake `/name` at each of the origins."""

    def lake(prefix: str, origin: str) -> dict[str, Any]:
        return {"prefix": f"/{prefix}", "origin": origin, "audience": "a", "scopes": ["storage.read:/"]}

    found = [lake(prefix, origin) for prefix, origin in origins.items()]
    spec = {"issuer": "https://iam.test/", "clientSecret": {"name": "client"}, "lakes": found}
    return VirtualOrganization.parse({"metadata": {"name": "cms"}, "spec": spec})


def test_each_lake_has_an_origin_of_its_own() -> None:
    made = vo(cms="https://dcache.test:2880", eos="root://eos.test:1095", storm="roots://storm.test:1096")
    assert lakes.render(made) == (
        "/cms https://dcache.test:2880\n/eos root://eos.test:1095\n/storm roots://storm.test:1096\n"
    )


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("https://eos.example.org/", "https://eos.example.org:443"),
        ("root://eos.example.org", "root://eos.example.org:1094"),
        ("roots://eos.example.org//", "roots://eos.example.org:1094"),
    ],
)
def test_an_origin_without_port_gets_its_protocols_own(url: str, full: str) -> None:
    assert lakes.render(vo(cms=url)) == f"/cms {full}\n"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://origin.test:1094/cms", "paths are the same as in the lake"),
        ("root://origin.test//eos/cms", "paths are the same as in the lake"),
        ("http://origin.test:80", "https, root or roots"),
        ("davs://origin.test:443", "https, root or roots"),
        ("root://me@origin.test", "without user"),
        ("https://origin.test:99999", "Port out of range"),
        ("https://[2001:db8::1]:1094", "only letters"),
    ],
)
def test_an_origin_that_a_cache_could_not_read_is_refused(url: str, why: str) -> None:
    with pytest.raises((ValidationError, CacheConfigError), match=why):
        lakes.render(vo(cms=url))


def test_an_origin_that_wants_a_certificate_is_told_from_the_others() -> None:
    spec = {"name": "robot"}
    made = vo(cms="https://dcache.test:2880", old="root://dpm.test")
    lake = made.spec.lakes[1].model_copy(update={"credential": "Robot"})
    cache = made.spec.cache.model_copy(update={"robot": Robot.model_validate(spec)})
    changed = made.spec.model_copy(update={"lakes": (made.spec.lakes[0], lake), "cache": cache})
    told = lakes.render(made.model_copy(update={"spec": changed}))
    assert told == "/cms https://dcache.test:2880\n/old root://dpm.test:1094 robot\n"
