"""Dask's clusters: a person's notebooks and execute pods reach each other, and nobody reaches anybody else's."""

from __future__ import annotations

from typing import Any

import pytest

from facility.operator.build import everything
from facility.operator.validate import ValidatedVO
from facility.users import FacilityUser
from facility.vo import VirtualOrganization
from tests.fakes.operator_world import SITE, vo

USERS, BATCH = "facility-users", "facility-batch"
Pod = tuple[str, str, str, str]  # namespace, component, VO, person


def person(vo: str, name: str, uid: int) -> FacilityUser:
    return FacilityUser.parse({"spec": {"vo": vo, "sub": f"sub-{name}", "name": name, "uid": uid}})


def policies(batch: bool = True) -> list[Any]:
    people = {"cms": ("alice", "bob"), "atlas": ("alice",)}
    found: list[Any] = []
    for name, who in people.items():
        users = tuple(person(name, one, 20000 + number) for number, one in enumerate(who))
        parsed = VirtualOrganization.parse(vo(name, batch={"enabled": batch}))
        found += everything.of_vo(ValidatedVO(parsed, users), SITE)
    return [one for one in found if one["kind"] == "NetworkPolicy"]


def labels(pod: Pod) -> dict[str, str]:
    namespace, component, vo_, name = pod
    mine = {"analysis-facility.io/vo": vo_, "analysis-facility.io/owner": f"{vo_}_{name}"}
    return {"app.kubernetes.io/component": component, "kubernetes.io/metadata.name": namespace, **mine}


def matches(selector: dict[str, str], pod: Pod) -> bool:
    return selector.items() <= labels(pod).items()


def allowed(found: list[Any], pod: Pod, direction: str, other: Pod, port: int) -> bool:
    """As a network plugin reads the policies of a pod: one that allows is enough."""
    side = "to" if direction == "egress" else "from"
    rules = [
        rule
        for one in found
        if one["metadata"]["namespace"] == pod[0] and matches(one["spec"]["podSelector"]["matchLabels"], pod)
        for rule in one["spec"].get(direction, ())
    ]
    return any(_opens(rule, port) and any(_is(peer, other) for peer in rule.get(side, ())) for rule in rules)


def _opens(rule: dict[str, Any], port: int) -> bool:
    return any(one["port"] <= port <= one.get("endPort", one["port"]) for one in rule.get("ports", ()) if "port" in one)


def _is(peer: dict[str, Any], pod: Pod) -> bool:
    if "podSelector" not in peer:
        return False
    return matches(peer["namespaceSelector"]["matchLabels"] | peer["podSelector"]["matchLabels"], pod)


def reaches(found: list[Any], source: Pod, target: Pod, port: int) -> bool:
    return allowed(found, source, "egress", target, port) and allowed(found, target, "ingress", source, port)


NOTEBOOK, JOB = (USERS, "notebook", "cms", "alice"), (BATCH, "execute", "cms", "alice")


@pytest.mark.parametrize(("source", "target"), [(NOTEBOOK, JOB), (JOB, NOTEBOOK), (JOB, JOB)])
def test_scheduler_and_workers_of_one_person_reach_each_other(source: Pod, target: Pod) -> None:
    found = policies()
    assert all(reaches(found, source, target, port) for port in (32768, 45000, 60999))


@pytest.mark.parametrize("port", [32768, 60999, 8888, 8787])
@pytest.mark.parametrize("other", [("cms", "bob"), ("atlas", "alice")])
def test_nobody_elses_pods_are_reached(other: tuple[str, str], port: int) -> None:
    found = policies()
    for mine in (NOTEBOOK, JOB):
        for theirs in ((USERS, "notebook", *other), (BATCH, "execute", *other)):
            assert not reaches(found, mine, theirs, port)


def test_jobs_reach_no_server_of_their_own_persons_notebook() -> None:
    found = policies()
    assert not any(reaches(found, JOB, NOTEBOOK, port) for port in (8888, 8787, 22, 9618))


def test_people_do_not_reach_each_others_notebooks_nor_their_own_second_one() -> None:
    assert not reaches(policies(), NOTEBOOK, NOTEBOOK, 45000)


def test_a_vo_without_batch_has_no_such_ways() -> None:
    assert not [one for one in policies(batch=False) if one["metadata"]["name"].startswith("dask-")]
