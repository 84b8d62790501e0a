"""What can be known of a VirtualOrganization at `kubectl apply` is refused there, with a sentence that helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage

pytestmark = pytest.mark.cluster
Change = Callable[[dict[str, Any]], object]


def spec(**changes: Any) -> Change:
    return lambda made: made["spec"].update(changes)


def named(name: str) -> Change:
    return lambda made: made["metadata"].update(name=name)


def lakes(*prefixes: str, **changes: Any) -> Change:
    def change(made: dict[str, Any]) -> None:
        (first,) = made["spec"]["lakes"]
        made["spec"]["lakes"] = [{**first, **changes, "prefix": prefix} for prefix in prefixes]

    return change


COMPUTE = "condor://cm.facility-batch.svc"
RUCIO = {"name": "rucio", "audience": "rucio", "scopes": ["rucio"]}
REFUSED: dict[str, tuple[Change, str]] = {
    "a name that cannot be part of others": (named("not-a-name"), "1 to 15"),
    "an issuer without TLS": (spec(issuer="http://iam.example/"), "https"),
    "one prefix twice": (lakes("/new", "/new"), "overlap"),
    "a prefix inside another": (lakes("/new", "/new/deeper"), "overlap"),
    "a prefix that climbs": (lakes("/new/../cms"), ".."),
    "memory below nothing": (spec(limits={"total": {"memory": "-1Gi"}}), "memory"),
    "servers below nothing": (spec(limits={"user": {"servers": -1}}), "servers"),
    "a destination that is nowhere": (spec(network={"allow": [{"ports": [443]}]}), "host"),
    "one profile twice": (spec(profiles=[{"name": "a"}, {"name": "a"}]), "profile"),
    "one service twice": (spec(services=[RUCIO, {**RUCIO, "audience": "other"}]), "service"),
    "a service named as a file of ours": (spec(services=[{**RUCIO, "name": "lake2"}]), "lake2"),
    "a service with a lake's audience": (spec(services=[{**RUCIO, "audience": world.ORIGIN}]), "both"),
    "a service with the batch system's audience": (spec(services=[{**RUCIO, "audience": COMPUTE}]), "batch"),
    "a service with the VO's name": (spec(services=[{**RUCIO, "name": "fresh"}]), "own name"),
    "no requests at all": (spec(tokens={"requestsPerSecond": 0}), "requestsPerSecond"),
    "a misspelt field": (spec(isuer="https://iam.example/"), "isuer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_kubectl_apply_is_refused_with_a_sentence(stage: Stage, case: str) -> None:
    change, word = REFUSED[case]
    made = world.manifest(world.CMS)
    made["metadata"]["name"] = "fresh"
    change(made)
    with pytest.raises(ClusterError) as refusal:
        stage.cluster.apply(made)
    assert word in str(refusal.value)


def test_prefixes_that_only_begin_alike_are_two_lakes(stage: Stage) -> None:
    made = world.manifest(world.CMS)
    made["metadata"]["name"] = "fresh"
    lakes("/new", "/new2")(made)
    stage.cluster.do("create", "--dry-run=server", "-f", "-", stdin=json.dumps(made))


def test_kubectl_shows_and_explains_a_vo(stage: Stage) -> None:
    header, *rows = stage.cluster.do("get", "vo", "-n", "facility").splitlines()
    assert header.split()[:3] == ["NAME", "ISSUER", "READY"]
    assert {"USERS", "AGE"} <= set(header.split())
    assert any(row.split()[0] == "cms" and world.CMS.issuer in row for row in rows)
    for field in ("suspended", "login.allowedGroups", "limits.user.home", "network.allow", "removal.servers"):
        told = stage.cluster.do("explain", f"vo.spec.{field}")
        _, _, description = told.partition("DESCRIPTION:")
        assert len(description.split()) >= 4, f"{field}: {told}"
