"""`facility check` in the operator's pod: it may read everything, finds nothing wrong, and tells what is made wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.demo.kube import NotReadyError
from facility.dev.demo.mainjob import Outcome, Stage

pytestmark = pytest.mark.cluster
OPERATOR = ("-n", "facility", "exec", "deployment/operator", "-c", "operator", "--")


def check(stage: Stage, *options: str) -> dict[str, Any]:
    """What it says, and the exit status that it ends with."""
    words = " ".join(("facility", "check", "--json", *options))
    told, _, status = stage.cluster.do(*OPERATOR, "sh", "-c", f"{words}; echo $?").rstrip().rpartition("\n")
    found: dict[str, Any] = json.loads(told)
    return found | {"status": int(status)}


def faults(found: dict[str, Any]) -> list[str]:
    return [f"{one['about']}: {one['sentence']}" for one in found["findings"] if one["severity"] != "note"]


def test_it_may_read_everything_and_finds_nothing_wrong(stage: Stage, outcome: Outcome) -> None:
    found: dict[str, Any] = {}

    def well() -> bool:
        found.update(check(stage))
        return bool(found["well"])

    try:
        stage.cluster.wait_for("a facility without a fault", well, 120)
    except NotReadyError:
        pytest.fail("\n".join(faults(found)))
    assert found["unread"] == []
    assert found["status"] == 0
    assert {world.CMS.name, world.ATLAS.name} <= set(found["vos"])


@pytest.fixture
def clientless(stage: Stage, outcome: Outcome) -> Iterator[str]:
    """A VO whose Secret was forgotten."""
    made = world.manifest(world.CMS)
    made["metadata"]["name"] = "forgotten"
    made["spec"] |= {"issuer": "https://iam-nowhere.demo.svc:31449/", "clientSecret": {"name": "not-there"}}
    made["spec"]["lakes"][0]["prefix"] = "/forgotten"
    stage.cluster.apply(made)
    yield "forgotten"
    stage.cluster.do("delete", "vo", "forgotten", "-n", "facility", "--ignore-not-found")


def test_a_vo_without_its_client_is_told_with_what_to_do(stage: Stage, clientless: str) -> None:
    def told() -> bool:
        return any("not-there is missing" in one for one in faults(check(stage, "--vo", clientless)))

    stage.cluster.wait_for("the missing Secret in what facility check says", told, 40)
    found = check(stage, "--vo", clientless)
    assert found["status"] == 1
    assert any("create the Secret" in one["todo"] for one in found["findings"])
    assert not [one for one in faults(check(stage, "--vo", world.CMS.name)) if "not-there" in one]
