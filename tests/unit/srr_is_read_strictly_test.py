"""Who reads storage resource reports for the tests finds what accounting would stumble over."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from facility.srr import Service, Share, report
from tests.fakes.srr_reader import complaints

NOW = 1_800_000_000.0
GOOD = report(
    Service("origin", "org.xrootd", "6.2.0", "origin.test", 1094),
    [Share("cms", ["cms"], ["/cms"], 500, 100, 3, NOW), Share("atlas", ["atlas"], ["/atlas"], 400, 50, 2, NOW)],
    NOW,
)


def broken(change: Callable[[dict[str, Any]], object]) -> list[str]:
    """What is said of the report after that change to its service."""
    found = copy.deepcopy(GOOD)
    change(found["storageservice"])
    return complaints(found, NOW)


def test_a_good_report_is_good() -> None:
    assert complaints(GOOD, NOW) == []


@pytest.mark.parametrize("found", [None, [], {}, "", {"storageservice": []}, {**GOOD, "more": 1}])
def test_another_document_is_no_report(found: Any) -> None:
    assert complaints(found, NOW)


@pytest.mark.parametrize("member", ["implementation", "implementationversion", "storageendpoints", "storageshares"])
def test_what_the_service_needs_is_missed(member: str) -> None:
    (said,) = broken(lambda service: service.pop(member))
    assert member in said


@pytest.mark.parametrize("member", ["timestamp", "totalsize", "usedsize", "vos"])
def test_what_a_share_needs_is_missed(member: str) -> None:
    (said,) = broken(lambda service: service["storageshares"][1].pop(member))
    assert member in said
    assert "storageshares[1]" in said


@pytest.mark.parametrize("member", ["name", "endpointurl", "interfacetype", "assignedshares"])
def test_what_an_endpoint_needs_is_missed(member: str) -> None:
    assert broken(lambda service: service["storageendpoints"][0].pop(member))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("accesslatency", "ONLINE"),
        ("retentionpolicy", "REPLICA"),
        ("servingstate", "suspended"),
        ("vos", "cms"),
        ("vos", []),
        ("path", "/cms"),
        ("path", ["cms"]),
        ("totalsize", "500"),
        ("totalsize", 500.5),
        ("usedsize", -1),
        ("usedsize", 501),
        ("numberoffiles", True),
        ("timestamp", 1000 * int(NOW)),
        ("timestamp", 0),
        ("assignedendpoints", ["gsiftp"]),
        ("usedspace", 100),
    ],
)
def test_a_share_that_says_something_else_is_found(member: str, value: Any) -> None:
    assert broken(lambda service: service["storageshares"][0].update({member: value}))


@pytest.mark.parametrize("value", [{"offline": {"totalsize": 1, "usedsize": 1}}, {"online": {"totalsize": 900}}])
def test_a_capacity_is_of_what_is_online_and_has_both_amounts(value: Any) -> None:
    assert broken(lambda service: service.update(storagecapacity=value))


def test_sums_links_and_times_of_the_service_are_looked_at() -> None:
    assert broken(lambda service: service["storagecapacity"]["online"].update(usedsize=149))
    assert broken(lambda service: service["storageendpoints"][0].update(assignedshares=["lhcb"]))
    assert broken(lambda service: service["storageendpoints"][0].update(endpointurl="origin.test:1094"))
    assert broken(lambda service: service["storageshares"][1].update(name="cms"))
    assert broken(lambda service: service.pop("latestupdate"))
