"""A VO that is suspended or being removed: nobody signs in, its people are out, its servers are stopped or kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fakes.hub_neighbours import Reply
from tests.fakes.hub_world import Browser, World, links, spec, text, world
from tests.fakes.patience import PATIENCE

CLOSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "suspended": ({"suspended": True}, {}, "CMS is suspended"),
    "deleted": ({}, {"deleted": "2026-11-01T00:00:00Z"}, "CMS is being removed"),
    "deleted and not ready": ({}, {"deleted": "2026-11-01T00:00:00Z", "ready": "False"}, "CMS is being removed"),
}
KEEP = {"removal": {"servers": "Keep"}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    # as in the cluster: only what has changed makes the hub look at a session before five minutes have passed
    with world(tmp_path_factory.mktemp("hub"), refresh_age=300) as made:
        yield made


@pytest.fixture
def hub(running: World) -> World:
    running.reset()
    opened(running)
    return running


def opened(hub: World) -> None:
    hub.api.put("cms", spec(hub.cms))
    hub.wait_for(lambda: hub.browser().get("/hub/oauth/cms/login").status_code == 302, "cms to be open")


def closed(hub: World, more: dict[str, Any], how: dict[str, Any]) -> None:
    hub.api.put("cms", spec(hub.cms, **more), **how)
    hub.wait_for(lambda: hub.browser().get("/hub/oauth/cms/login").status_code == 403, "cms to be closed")


def at_work(hub: World, vo: str) -> tuple[Browser, dict[str, str]]:
    """Alice of that VO, with a server, and a token of hers."""
    browser = hub.browser()
    assert browser.sign_in(vo).status_code == 302
    browser.get("/hub/home")
    assert browser.api("POST", f"users/{vo}-alice/server").status_code in (201, 400)
    return browser, browser.token(f"{vo}-alice")


@pytest.mark.parametrize(("more", "how", "sentence"), CLOSED.values(), ids=CLOSED)
def test_nobody_signs_in_with_a_closed_vo_and_both_pages_say_why(
    hub: World, more: dict[str, Any], how: dict[str, Any], sentence: str
) -> None:
    browser = hub.browser()
    late = browser.answer_of(browser.begin("cms"))
    closed(hub, more, how)
    for page in (hub.browser().get("/hub/oauth/cms/login"), browser.get(late)):
        assert page.status_code == 403
        assert f"{sentence}: nobody can sign in with it here now." in text(page)
    chooser = hub.browser().get("/hub/login")
    assert f"Not open: {sentence}." in text(chooser)
    assert set(links(chooser)) == {"atlas"}
    assert not hub.broker.sessions
    assert not [one for one in hub.cms.requests if one.path == "/token"]


def test_people_of_a_closed_vo_are_out_at_once_and_read_why(hub: World) -> None:
    browser, token = at_work(hub, "cms")
    other, _ = at_work(hub, "atlas")
    assert browser.get("/hub/home").status_code == 200
    closed(hub, {"suspended": True}, {})
    page = browser.get("/hub/home")
    assert page.headers["Location"].startswith("/hub/login?next=")
    told = text(browser.get(page.headers["Location"]))
    assert "CMS is suspended: nobody can work with it here now." in told
    assert "Sign in again with CMS" not in told
    assert browser.api("GET", "user").status_code == 403
    refused = requests.post(f"{hub.hub}/hub/api/users/cms-alice/server", headers=token, json={}, timeout=PATIENCE)
    assert refused.status_code in (403, 404)
    assert refused.json()["message"]
    assert other.get("/hub/home").status_code == 200


def test_when_a_vo_opens_again_its_people_go_on(hub: World) -> None:
    browser, token = at_work(hub, "cms")
    closed(hub, {"suspended": True}, {})
    url = f"{hub.hub}/hub/api/users/cms-alice"
    assert requests.get(url, headers=token, timeout=PATIENCE).status_code in (403, 404)
    opened(hub)
    assert browser.get("/hub/home").status_code == 200
    assert requests.get(url, headers=token, timeout=PATIENCE).json()["name"] == "cms-alice"


@pytest.mark.parametrize(("more", "how", "sentence"), CLOSED.values(), ids=CLOSED)
def test_servers_of_a_closed_vo_are_stopped_and_no_others(
    hub: World, more: dict[str, Any], how: dict[str, Any], sentence: str
) -> None:
    at_work(hub, "cms")
    at_work(hub, "atlas")
    assert hub.servers() == {"atlas-alice", "cms-alice"}
    closed(hub, more, how)
    hub.wait_for(lambda: hub.servers() == {"atlas-alice"}, "the server to be stopped")
    opened(hub)
    at_work(hub, "cms")


def test_servers_of_a_closed_vo_stay_where_its_object_says_so(hub: World) -> None:
    at_work(hub, "cms")
    closed(hub, {"suspended": True, **KEEP}, {})
    closed(hub, {"suspended": True, **KEEP, "displayName": "CMS again"}, {})
    hub.wait_for(lambda: hub.log.count("VOs new or changed: cms") >= 2, "the hub to have heard")
    assert "cms-alice" in hub.servers()


def test_servers_of_a_vo_that_was_closed_while_the_hub_was_away_are_stopped(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with world(tmp_path_factory.mktemp("hub"), refresh_age=300, with_hub=False) as hub:
        with hub.running():
            at_work(hub, "cms")
            at_work(hub, "atlas")
        assert hub.servers() == {"atlas-alice", "cms-alice"}
        hub.api.put("cms", spec(hub.cms, suspended=True))
        with hub.running():
            hub.wait_for(lambda: hub.servers() == {"atlas-alice"}, "the server to be stopped", seconds=PATIENCE)


def test_whose_session_ended_a_moment_ago_is_told_on_the_page_that_starts_servers(hub: World) -> None:
    hub.cms.person |= {"sub": "cms-lena", "preferred_username": "lena"}
    browser = hub.browser()
    browser.sign_in("cms")
    assert browser.get("/hub/home").status_code == 200
    hub.broker.states["cms-lena"] = Reply(body={"state": "dead", "reason": "SignInAgain", "groups": None})
    page = browser.get("/hub/spawn/cms-lena")
    assert page.status_code == 403
    assert "Your session with CMS has ended" in text(page)
    assert 'href="/hub/oauth/cms/login?next=%2Fhub%2Fhome">Sign in again</a>' in page.text
    assert "cms-lena" not in hub.servers()


def test_an_admin_reads_that_only_the_person_can_begin_a_new_session(hub: World) -> None:
    hub.api.put("cms", spec(hub.cms, login={"adminGroups": ["/cms/admins"]}))
    hub.cms.person |= {"sub": "cms-lena", "preferred_username": "lena"}
    hub.wait_for(lambda: hub.browser().sign_in("cms").status_code == 302, "lena to come in")
    hub.cms.person = {"sub": "cms-ruth", "preferred_username": "ruth", "wlcg.groups": ["/cms/admins"]}
    ruth = hub.browser()
    hub.wait_for(lambda: ruth.sign_in("cms").status_code == 302, "ruth to come in")
    hub.wait_for(lambda: ruth.get("/hub/admin").status_code == 200, "the role")
    hub.broker.states["cms-lena"] = Reply(body={"state": "dead", "reason": "SignInAgain", "groups": None})
    answer = ruth.api("POST", "users/cms-lena/server")
    assert answer.status_code == 403
    assert answer.json()["message"].startswith("The session of cms-lena has ended: only they can begin a new one")
