"""What the admins of a VO may do at a real hub: see its people, start and stop their servers, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fakes.hub_neighbours import Issuer, Reply
from tests.fakes.hub_world import Browser, World, spec, text, world
from tests.fakes.patience import PATIENCE

ADMINS = "/cms/admins"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def hub(running: World) -> World:
    """Ruth of cms is an admin; bob of cms, dora of atlas have servers."""
    running.reset()
    running.api.put("cms", spec(running.cms, login={"allowedGroups": ["/cms"], "adminGroups": [ADMINS]}))
    running.api.put("atlas", spec(running.atlas))
    running.wait_for(lambda: running.browser().get("/hub/oauth/cms/login").status_code == 302, "cms to be open")
    for issuer, name in ((running.cms, "bob"), (running.atlas, "dora")):
        with_server(signed_in(running, issuer, name), f"{issuer.name}-{name}")
    return running


def signed_in(hub: World, issuer: Issuer, name: str, *groups: str) -> Browser:
    issuer.person = {
        "sub": f"{issuer.name}-{name}",
        "preferred_username": name,
        "wlcg.groups": [f"/{issuer.name}", *groups],
    }
    browser = hub.browser()
    assert browser.sign_in(issuer.name).status_code == 302
    browser.get("/hub/home")
    return browser


def with_server(browser: Browser, user: str) -> None:
    assert browser.api("POST", f"users/{user}/server").status_code in (201, 400)  # 400: it runs already


def ruth(hub: World) -> Browser:
    browser = signed_in(hub, hub.cms, "ruth", ADMINS)
    hub.wait_for(lambda: browser.get("/hub/admin").status_code == 200, "the role")
    return browser


def people(answer: requests.Response) -> set[str]:
    return {one["name"] for one in answer.json()} if answer.ok else set()


def test_an_admin_of_a_vo_sees_its_people_and_no_others(hub: World) -> None:
    browser = ruth(hub)
    assert {"cms-bob", "cms-ruth"} <= people(browser.api("GET", "users"))
    assert all(name.startswith("cms-") for name in people(browser.api("GET", "users")))
    assert set(browser.api("GET", "users/cms-bob").json()["servers"]) == {""}
    assert people(browser.api("GET", "groups")) == {"cms:"}


def test_an_admin_of_a_vo_stops_and_starts_servers_of_its_people(hub: World) -> None:
    browser = ruth(hub)
    assert browser.api("DELETE", "users/cms-bob/server").status_code == 204
    assert browser.api("GET", "users/cms-bob").json()["servers"] == {}
    assert browser.api("POST", "users/cms-bob/server").status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "users/atlas-dora/server"),
        ("POST", "users/atlas-dora/server"),
        ("GET", "users/atlas-dora"),
        ("GET", "groups/atlas:"),
        ("DELETE", "users/cms-bob"),
        ("POST", "users/cms-bob/tokens"),
        ("GET", "users/cms-bob/tokens"),
        ("PATCH", "users/cms-bob"),
        ("POST", "users/cms-new"),
        ("POST", "groups/cms:/users"),
        ("DELETE", "groups/cms:"),
        ("GET", "proxy"),
        ("GET", "services"),
        ("POST", "shutdown"),
    ],
)
def test_an_admin_of_a_vo_may_do_nothing_else(hub: World, method: str, path: str) -> None:
    assert ruth(hub).api(method, path).status_code in (403, 404)


def test_an_admin_of_a_vo_cannot_enter_a_server(hub: World) -> None:
    browser = ruth(hub)
    assert browser.get("/hub/user/cms-bob/").status_code == 404
    entering = "client_id=jupyterhub-user-cms-bob&response_type=code&redirect_uri=%2Fuser%2Fcms-bob%2Foauth_callback"
    assert browser.get(f"/hub/api/oauth2/authorize?{entering}").status_code == 403
    assert "cms-ruth" in text(browser.get("/hub/facility"))


def test_a_token_of_an_admin_reaches_no_further(hub: World) -> None:
    token = ruth(hub).token("cms-ruth")
    url = f"{hub.hub}/hub/api/users"
    assert all(name.startswith("cms-") for name in people(requests.get(url, headers=token, timeout=PATIENCE)))
    assert requests.delete(f"{url}/atlas-dora/server", headers=token, timeout=PATIENCE).status_code == 404
    scopes = requests.get(f"{hub.hub}/hub/api/user", headers=token, timeout=PATIENCE).json()["scopes"]
    assert [one for one in scopes if one.startswith("access:")] == ["access:servers!user=cms-ruth"]


def test_people_who_are_no_admins_see_nobody(hub: World) -> None:
    browser = signed_in(hub, hub.cms, "carl", "/cms/adminsx", "/CMS/admins", "/cms/admins/sub")
    assert browser.get("/hub/admin").status_code in (403, 404)
    assert browser.api("GET", "users").status_code == 403
    assert browser.api("DELETE", "users/cms-bob/server").status_code == 404


@pytest.mark.parametrize("group", [ADMINS, "cms:/cms/admins", "cms:"])
def test_a_group_of_that_name_in_another_vo_gives_nothing(hub: World, group: str) -> None:
    ruth(hub)
    browser = signed_in(hub, hub.atlas, "eve", group)
    assert browser.get("/hub/admin").status_code in (403, 404)
    assert browser.api("DELETE", "users/cms-bob/server").status_code == 404


def gone(reply: Reply) -> Any:
    def change(hub: World) -> None:
        hub.broker.states["cms-ruth"] = reply

    return change


def no_admins(hub: World) -> None:
    hub.api.put("cms", spec(hub.cms))


def other_admins(hub: World) -> None:
    hub.api.put("cms", spec(hub.cms, login={"adminGroups": ["/cms/others"]}))


def suspended(hub: World) -> None:
    login = {"adminGroups": [ADMINS]}
    hub.api.put("cms", spec(hub.cms, login=login, suspended=True, removal={"servers": "Keep"}))


LOST = {
    "group left": gone(Reply(body={"state": "good", "reason": "SignedIn", "groups": ["/cms"]})),
    "session dead": gone(Reply(body={"state": "dead", "reason": "SignInAgain", "groups": None})),
    "not in the VO's groups": gone(Reply(body={"state": "dead", "reason": "NotInGroup", "groups": []})),
    "VO without admins": no_admins,
    "VO with other admins": other_admins,
    "VO suspended": suspended,
}


@pytest.mark.parametrize("change", LOST.values(), ids=LOST)
def test_who_is_no_admin_any_more_loses_it_all_at_once(hub: World, change: Any) -> None:
    browser = ruth(hub)
    token = browser.token("cms-ruth")
    url = f"{hub.hub}/hub/api/users"
    assert "cms-bob" in people(requests.get(url, headers=token, timeout=PATIENCE))
    change(hub)
    hub.wait_for(lambda: browser.api("GET", "users").status_code == 403, "the end of the role")
    assert browser.api("DELETE", "users/cms-bob/server").status_code in (403, 404)
    assert requests.get(url, headers=token, timeout=PATIENCE).status_code == 403
    assert requests.delete(f"{url}/cms-bob/server", headers=token, timeout=PATIENCE).status_code in (403, 404)


def test_who_becomes_an_admin_at_the_issuer_is_one_at_the_next_look(hub: World) -> None:
    browser = signed_in(hub, hub.cms, "nina")
    assert browser.api("GET", "users").status_code == 403
    hub.broker.states["cms-nina"] = Reply(body={"state": "good", "reason": "SignedIn", "groups": ["/cms", ADMINS]})
    assert "cms-bob" in people(browser.api("GET", "users"))


def test_another_vo_gets_its_admins_without_a_restart(hub: World) -> None:
    browser = signed_in(hub, hub.atlas, "anna", "/atlas/admins")
    assert browser.api("GET", "users").status_code == 403
    hub.api.put("atlas", spec(hub.atlas, login={"adminGroups": ["/atlas/admins"]}))
    hub.wait_for(lambda: browser.api("GET", "users").ok, "the role")
    assert "atlas-dora" in people(browser.api("GET", "users"))
    assert not any(name.startswith("cms-") for name in people(browser.api("GET", "users")))
