"""A real hub starts, refuses, keeps and stops servers as VOs and the site say."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes import hub_pods
from tests.fakes.hub_pods import World
from tests.fakes.hub_servers import Reply
from tests.fakes.vo_spawner import notebook

TWO = {"profiles": [{"name": "small", "displayName": "Small", "memory": "1Gi"}, {"name": "big", "memory": "8Gi"}]}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with hub_pods.world(tmp_path_factory.mktemp("hub"), cull={"enabled": False}) as world, world.running():
        yield world


@pytest.fixture(autouse=True)
def empty(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test begins with no server and a VO without profiles and limits."""
    yield
    if "hub" in request.fixturenames:
        hub: World = request.getfixturevalue("hub")
        hub.cluster.refusal = None
        hub.stop_all()
        hub.tell(cms={})


def text(page: requests.Response) -> str:
    """What a person reads."""
    plain = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", page.text, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(plain))


def running(hub: World, user: str) -> set[str]:
    servers: dict[str, Any] = hub.ask("GET", f"/users/{user}").json()["servers"]
    return {name for name, one in servers.items() if one["ready"]}


def test_a_server_starts_and_its_home_is_there(hub: World) -> None:
    answer = hub.start("cms-alice")
    assert answer.status_code == 201, answer.text
    assert running(hub, "cms-alice") == {""}
    assert hub.cluster.pods["jupyter-cms-alice"]["spec"]["priorityClassName"] == "facility-vo-cms"
    assert "home-cms-alice" in hub.cluster.claims


def test_a_home_that_was_removed_meanwhile_is_made_again(hub: World) -> None:
    for _ in range(2):
        hub.cluster.claims.pop("home-cms-alice", None)
        assert hub.start("cms-alice").status_code == 201
        assert "home-cms-alice" in hub.cluster.claims
        assert hub.ask("DELETE", "/users/cms-alice/servers/").ok


def test_several_servers_have_names_and_one_home(hub: World) -> None:
    for name in ("", "second"):
        assert hub.start("cms-alice", name).status_code == 201
    assert running(hub, "cms-alice") == {"", "second"}
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for pod in hub.cluster.pods.values()
        for volume in pod["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"home-cms-alice"}


def test_more_named_servers_than_the_site_lets_are_refused(hub: World) -> None:
    answers = [hub.start("cms-alice", f"n{number}").status_code for number in range(4)]
    assert answers == [201, 201, 201, 400]


def test_the_chosen_profile_starts_by_page_query_and_api(hub: World) -> None:
    hub.tell(cms=TWO)
    alice = hub.page("cms-alice")
    assert "Small" in text(alice.get("/hub/spawn/cms-alice"))
    assert not hub.cluster.pods
    alice.post("/hub/spawn/cms-alice", profile="big")
    alice.get("/hub/spawn/cms-alice/by-query?profile=big")
    hub.start("cms-alice", "by-api", profile="big")
    asked = [notebook(pod)["resources"]["requests"]["memory"] for pod in hub.cluster.pods.values()]
    assert asked == [8 * 1024**3] * 3


def test_a_profile_that_is_not_offered_is_refused_by_page_query_and_api(hub: World) -> None:
    hub.tell(cms={"profiles": [{"name": "small"}, {"name": "usual"}, {"name": "gpu", "groups": ["/cms/gpu"]}]})
    alice = hub.page("cms-alice")
    sentence = "There is no profile 'gpu' for you. There are: small, usual."
    assert "Small" not in text(alice.get("/hub/spawn/cms-alice"))
    answer = hub.start("cms-alice", profile="gpu")
    assert (answer.status_code, answer.json()["message"]) == (403, sentence)
    for page in (alice.post("/hub/spawn/cms-alice", profile="gpu"), alice.get("/hub/spawn/cms-alice?profile=gpu")):
        assert page.status_code == 403
        assert sentence in text(page)
        assert "small" in text(page)
    assert not hub.cluster.pods


def test_a_profile_is_offered_to_those_whose_group_it_names(hub: World) -> None:
    hub.tell(cms={"profiles": [{"name": "gpu", "groups": ["/cms/gpu"]}]})
    hub.ask("POST", "/users/cms-alice")
    hub.ask("POST", "/groups/cms:%2Fcms%2Fgpu", {"users": ["cms-alice"]})
    assert hub.start("cms-alice", profile="gpu").status_code == 201
    assert hub.start("cms-bob", profile="gpu").status_code == 403


def test_a_profile_that_was_lost_is_told_once_and_then_forgotten(hub: World) -> None:
    both = [{"name": "usual"}, {"name": "gpu"}]
    hub.tell(cms={"profiles": both})
    assert hub.start("cms-alice", profile="gpu").status_code == 201
    assert hub.ask("DELETE", "/users/cms-alice/server").status_code in (202, 204)
    hub.tell(cms={"profiles": both[:1]})
    answer = hub.start("cms-alice")
    assert answer.status_code == 403
    assert "There is no profile 'gpu' for you" in answer.json()["message"]
    assert hub.start("cms-alice").status_code == 201


def test_a_limit_is_told_on_every_page_and_leaves_no_pod(hub: World) -> None:
    hub.tell(cms={"limits": {"user": {"servers": 1}}})
    alice = hub.page("cms-alice")
    assert hub.start("cms-alice").status_code == 201
    sentence = "You may have 1 server at a time, and 1 run or start now. Stop one of yours on the hub's home page first"
    answer = hub.start("cms-alice", "second")
    assert answer.status_code == 429
    assert answer.json()["message"].startswith(sentence)
    assert sentence in text(alice.get("/hub/spawn/cms-alice/second"))
    assert sentence in text(alice.get("/hub/spawn-pending/cms-alice/second"))
    assert list(hub.cluster.pods) == ["jupyter-cms-alice"]
    hub.tell(cms={**TWO, "limits": {"user": {"servers": 1}}})
    alice.get("/hub/spawn/cms-alice/second")
    assert sentence in text(alice.post("/hub/spawn/cms-alice/second", profile="big"))


def test_after_a_refusal_another_choice_starts_clean(hub: World) -> None:
    profiles = [{"name": "small", "memory": "1Gi"}, {"name": "big", "memory": "8Gi", "environment": {"BIG": "1"}}]
    hub.tell(cms={"profiles": profiles, "limits": {"user": {"memory": "2Gi"}}})
    assert hub.start("cms-alice", profile="big").status_code == 429
    assert hub.start("cms-alice", profile="small").status_code == 201
    assert "BIG" not in str(hub.cluster.pods["jupyter-cms-alice"])


def test_a_quota_of_the_cluster_is_told_and_no_token_is_logged(hub: World) -> None:
    message = "pods is forbidden: exceeded quota: vo-cms, requested: pods=1, used: pods=5, limited: pods=5"
    hub.cluster.refusal = Reply(403, {"kind": "Status", "code": 403, "message": message})
    before = len(hub.log)
    answer = hub.start("cms-alice")
    assert answer.status_code == 429
    assert "no room for this server within your virtual organization's quota" in answer.json()["message"]
    assert "(requested: pods=1, used: pods=5, limited: pods=5)" in answer.json()["message"]
    said = hub.log[before:]
    assert "Traceback" not in said
    (asked,) = [one.json for one in hub.cluster.requests if one.path.endswith("/pods") and one.method == "POST"][-1:]
    token = next(one["value"] for one in notebook(asked)["env"] if one["name"] == "JUPYTERHUB_API_TOKEN")
    assert token not in said


def test_a_server_of_a_closed_vo_does_not_start(hub: World) -> None:
    hub.tell(cms={"suspended": True})
    answer = hub.start("cms-alice")
    assert (answer.status_code, answer.json()["message"]) == (403, "The virtual organization cms is suspended.")


def test_nobody_notices_that_the_hub_restarts(tmp_path: Path) -> None:
    with hub_pods.world(tmp_path, cull={"enabled": False}) as world:
        with world.running():
            assert world.start("cms-alice").status_code == 201
            pod = world.cluster.pods["jupyter-cms-alice"]
        with world.running():
            world.until(lambda: running(world, "cms-alice") == {""}, "the server to be known")
            assert world.cluster.pods["jupyter-cms-alice"] is pod
            assert world.start("cms-bob").status_code == 201


def test_servers_that_nobody_uses_are_stopped(tmp_path: Path) -> None:
    with hub_pods.world(tmp_path, cull={"timeout": 1, "every": 1}) as world, world.running():
        assert world.start("cms-alice").status_code == 201
        world.until(lambda: not world.cluster.pods, "the culler")
        world.until(lambda: not world.ask("GET", "/users/cms-alice").json()["servers"], "the hub knows it")
        assert world.cluster.claims
