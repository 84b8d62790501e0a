"""A VirtualOrganization that cannot work says why in its status, and everything else goes on working."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.demo.kube import NotReadyError
from facility.dev.demo.mainjob import Outcome, Stage

pytestmark = pytest.mark.cluster
Change = Callable[[dict[str, Any]], None]


def spec(**changes: Any) -> Change:
    return lambda made: made["spec"].update(changes)


def lake(**changes: Any) -> Change:
    return lambda made: made["spec"]["lakes"][0].update(changes)


def both(*changes: Change) -> Change:
    return lambda made: [change(made) for change in changes] and None


FREE = both(spec(issuer="https://iam-nowhere.demo.svc:31449/"), lake(prefix="/wrong"))
WRONG: dict[str, tuple[Change, str]] = {
    "unreachable": (FREE, "iam-nowhere.demo.svc"),
    "nosecret": (
        both(lake(prefix="/wrong2"), spec(issuer=world.ESCAPE.issuer, clientSecret={"name": "not-there"})),
        "not-there",
    ),
    "sameissuer": (lake(prefix="/wrong3"), world.CMS.name),
    "sameprefix": (both(FREE, lake(prefix="/cms")), "/cms"),
    "inside": (both(FREE, lake(prefix="/atlas/embargoed")), "/atlas"),
}


@pytest.fixture(scope="module", params=WRONG)
def wrong(request: pytest.FixtureRequest, stage: Stage, outcome: Outcome) -> Any:
    """One wrong object, applied and taken away again; its name and the word that its status must have."""
    name: str = request.param
    change, word = WRONG[name]
    made = world.manifest(world.CMS)
    made["metadata"]["name"] = name
    change(made)
    if name == "nosecret":
        stage.cluster.do("delete", "vo", world.ESCAPE.name, "-n", "facility", "--ignore-not-found")
    stage.cluster.apply(made)
    yield name, word
    stage.cluster.do("delete", "vo", name, "-n", "facility", "--ignore-not-found")


def test_the_status_says_what_is_wrong(stage: Stage, wrong: tuple[str, str]) -> None:
    name, word = wrong
    conditions: dict[str, Any] = {}

    def refused() -> bool:
        status = stage.cluster.get("vo", name, "-n", "facility").get("status", {})
        conditions.update({one["type"]: one for one in status.get("conditions", [])})
        return conditions.get("Ready", {}).get("status") == "False"

    try:
        stage.cluster.wait_for(f"status of {name}", refused, 40)
    except NotReadyError:
        pytest.fail(f"no refusal of {name}: {conditions}")
    told = " ".join(one["message"] for one in conditions.values() if one["status"] == "False")
    assert word in told, conditions
    assert conditions["Ready"]["reason"]


def test_nothing_is_made_for_it_and_the_others_stay_ready(stage: Stage, wrong: tuple[str, str]) -> None:
    name, _ = wrong
    label = f"analysis-facility.io/vo={name}"
    assert not stage.cluster.items("statefulsets", "-A", "-l", label)
    for vo in (world.CMS, world.ATLAS):
        assert stage.cluster.condition("vo", "facility", vo.name, "Ready")["status"] == "True"
