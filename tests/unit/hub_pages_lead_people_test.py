"""The hub's pages for people: finding one's VO, going on with it, being sent to sign in again, changing the VO."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fakes.hub_neighbours import Reply
from tests.fakes.hub_world import Browser, World, links, spec, text, world
from tests.fakes.patience import PATIENCE

PNG = b"\x89PNG\r\n\x1a\n rest of a picture"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def hub(running: World) -> World:
    running.reset()
    return running


def first(page: requests.Response) -> tuple[str, str] | None:
    """VO and text of the button that has the focus."""
    found = re.search(r'id="continue" data-first="(\w+)"[^>]* autofocus>\s*(.*?)\s*</a>', page.text, re.S)
    return (found[1], found[2]) if found else None


def dead(hub: World, reason: str = "SignInAgain", user: str = "cms-alice") -> None:
    hub.broker.states[user] = Reply(body={"state": "dead", "reason": reason, "groups": None})


def changed(hub: World, **more: Any) -> None:
    before = hub.log.count("VOs new or changed: cms")
    hub.api.put("cms", spec(hub.cms, **more))
    hub.wait_for(lambda: hub.log.count("VOs new or changed: cms") > before, "the changed VO")


def test_a_new_browser_chooses_among_all(hub: World) -> None:
    page = hub.browser().get("/hub/login")
    assert first(page) is None
    assert "Whoever belongs to two virtual organizations is two users here" in text(page)
    assert set(links(page)) == {"cms", "atlas"}


def test_the_vo_of_the_last_sign_in_comes_first_the_next_time(hub: World) -> None:
    browser = hub.browser()
    cookie = browser.sign_in("cms").headers["Set-Cookie"].lower()
    assert re.search(r"facility-vo=cms; expires=[^;]+; httponly; path=/hub/; samesite=lax; secure", cookie)
    browser.get("/hub/logout")
    page = browser.get("/hub/login?next=%2Fhub%2Ftoken")
    assert first(page) == ("cms", "Continue with CMS")
    assert 'href="/hub/oauth/cms/login?next=%2Fhub%2Ftoken" autofocus' in page.text
    assert set(links(page)) == {"cms", "atlas"}


@pytest.mark.parametrize("value", ["lhcb", "<i>", "cms x", '"><script>', "CMS"])
def test_a_remembered_vo_that_is_none_changes_nothing(hub: World, value: str) -> None:
    browser = hub.browser()
    browser.session.cookies.set("facility-vo", value, domain="127.0.0.1", path="/hub/")
    page = browser.get("/hub/login")
    assert page.status_code == 200
    assert first(page) is None


def test_a_link_may_name_the_vo(hub: World) -> None:
    answer = hub.browser().get("/hub/login?vo=cms&next=%2Fhub%2Fspawn")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/hub/oauth/cms/login?next=%2Fhub%2Fspawn")


def test_a_link_to_the_vo_that_one_is_signed_in_with_leads_on(hub: World) -> None:
    browser = hub.browser()
    browser.sign_in("cms")
    assert browser.get("/hub/login?vo=cms&next=%2Fhub%2Ftoken").headers["Location"] == "/hub/token"
    assert browser.get("/hub/login?vo=atlas").headers["Location"] == "/hub/oauth/atlas/login"


def test_a_link_to_an_unknown_vo_says_so_and_lets_choose(hub: World) -> None:
    page = hub.browser().get("/hub/login?vo=%3Ci%3Elhcb")
    assert page.status_code == 200
    assert "There is no virtual organization &#39;&lt;i&gt;lhcb&#39; here." in page.text
    assert set(links(page)) == {"cms", "atlas"}


def test_many_vos_have_a_search_that_the_script_shows(hub: World) -> None:
    page = hub.browser().get("/hub/login").text
    assert re.search(r'<div class="facility-search" hidden>\s*<label for="search">', page)
    assert re.search(r'<input type="search" id="search"[^>]* aria-controls="vos">', page)
    for src in re.findall(r'(?:src|href)="(/hub/facility/static/[^"]+)"', page):
        answer = hub.browser().get(src)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith(("text/javascript", "text/css", "application/javascript"))


@pytest.mark.parametrize("path", ["../config.py", "..%2Fconfig.py", "chooser.html", "own.html", ""])
def test_nothing_but_scripts_and_styles_is_served(hub: World, path: str) -> None:
    assert hub.browser().get(f"/hub/facility/static/{path}").status_code in (403, 404)


@pytest.mark.parametrize(("kind", "content"), [("image/png", PNG), ("image/svg+xml", SVG)])
def test_a_logo_in_the_object_is_a_picture_and_never_a_page(hub: World, kind: str, content: bytes) -> None:
    changed(hub, logo=f"data:{kind};base64,{b64encode(content).decode()}")
    page = hub.browser().get("/hub/login")
    source = re.search(r'<img src="(/hub/facility/logo/cms\?v=\w+)" alt=""[^>]*referrerpolicy="no-referrer"', page.text)
    assert source
    answer = hub.browser().get(source[1])
    assert (answer.content, answer.headers["Content-Type"]) == (content, kind)
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers
    changed(hub)


@pytest.mark.parametrize("logo", ["data:image/png;base64,%%%", "data:image/x-html,<script>", "data:image/png,abc"])
def test_a_logo_that_is_no_picture_is_a_letter(hub: World, logo: str) -> None:
    changed(hub, logo=logo)
    page = hub.browser().get("/hub/login").text
    assert '<span class="facility-letter" aria-hidden="true">C</span>' in page
    assert hub.browser().get("/hub/facility/logo/cms").status_code == 404
    changed(hub)


def test_a_logo_elsewhere_is_fetched_from_there_without_saying_from_where(hub: World) -> None:
    changed(hub, logo='https://cms.example/logo.png?a="b')
    page = hub.browser().get("/hub/login").text
    assert '<img src="https://cms.example/logo.png?a=&#34;b" alt=""' in page
    changed(hub)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("SignInAgain", "Your session with CMS has ended, or CMS wants you to confirm something there"),
        ("NotInGroup", "CMS says that you are not, or no longer, in a group that may work here."),
    ],
)
def test_whose_session_has_ended_reads_why_and_how_to_go_on(hub: World, reason: str, sentence: str) -> None:
    browser = hub.browser()
    browser.sign_in("cms")
    dead(hub, reason)
    answer = browser.get("/hub/home")
    assert answer.headers["Location"] == "/hub/login?next=%2Fhub%2Fhome"
    page = browser.get(answer.headers["Location"])
    assert sentence in text(page)
    assert first(page) == ("cms", "Sign in again with CMS")
    assert 'href="/hub/oauth/cms/login?next=%2Fhub%2Fhome" autofocus' in page.text
    del hub.broker.states["cms-alice"]
    assert browser.sign_in("cms", "?next=%2Fhub%2Fhome").headers["Location"] == "/hub/home"
    assert browser.get("/hub/home").status_code == 200


def test_programs_are_told_in_json(hub: World) -> None:
    browser = hub.browser()
    browser.sign_in("cms")
    browser.get("/hub/home")
    dead(hub)
    answer = browser.api("GET", "users/cms-alice")
    assert answer.status_code == 403
    assert answer.json()["status"] == 403


def test_a_dead_session_starts_no_server_by_token_and_the_answer_says_why(hub: World) -> None:
    browser = hub.browser()
    browser.sign_in("cms")
    browser.get("/hub/home")
    token = browser.token("cms-alice")
    dead(hub)
    server = f"{hub.hub}/hub/api/users/cms-alice/server"
    answer = requests.post(server, headers=token, json={}, timeout=PATIENCE)
    assert answer.status_code == 403
    assert "Sign in again; what runs goes on running." in answer.json()["message"]
    assert "cms-alice" not in hub.servers()


def test_what_runs_goes_on_when_a_session_ends(hub: World) -> None:
    browser = hub.browser()
    browser.sign_in("atlas")
    browser.get("/hub/home")
    token = browser.token("atlas-alice")
    assert browser.api("POST", "users/atlas-alice/server").status_code == 201
    dead(hub, user="atlas-alice")
    assert browser.get("/hub/home").status_code == 302
    assert hub.servers() >= {"atlas-alice"}
    answer = requests.get(f"{hub.hub}/hub/api/users/atlas-alice", headers=token, timeout=PATIENCE)
    assert set(answer.json()["servers"]) == {""}


def both(hub: World) -> Browser:
    """A browser that is signed in with cms, and about to be with atlas."""
    browser = hub.browser()
    browser.sign_in("cms")
    browser.get("/hub/home")
    return browser


def test_who_is_signed_in_is_asked_before_becoming_another_user(hub: World) -> None:
    browser = both(hub)
    page = browser.get("/hub/oauth/atlas/login?next=%2Fhub%2Ftoken")
    assert page.status_code == 200
    assert "You are signed in as cms-alice" in text(page)
    assert "Signing in with ATLAS signs cms-alice out of this browser." in text(page)
    forward = re.search(r'id="continue" href="(.*?)"', page.text)
    assert forward
    assert forward[1] == "/hub/oauth/atlas/login?over=1&amp;next=%2Fhub%2Ftoken"
    assert "cms-alice" in text(browser.get("/hub/token"))


def test_becoming_another_user_ends_the_first_ones_session_in_this_browser(hub: World) -> None:
    browser = both(hub)
    assert browser.sign_in("atlas", "?over=1&next=%2Fhub%2Ftoken").headers["Location"] == "/hub/token"
    assert "atlas-alice" in text(browser.get("/hub/token"))
    assert browser.api("GET", "user").json()["name"] == "atlas-alice"
    assert first_session(browser) is not None
    assert "User cms-alice is logging in as atlas-alice" in hub.log


def first_session(browser: Browser) -> str | None:
    return browser.session.cookies.get("jupyterhub-session-id")


def test_the_new_user_has_a_session_of_their_own(hub: World) -> None:
    browser = both(hub)
    before = first_session(browser)
    browser.sign_in("atlas", "?over=1")
    assert first_session(browser) not in (None, before)


def test_everybody_sees_who_they_are(hub: World) -> None:
    changed(hub, lakes=[_lake("/cms"), _lake("/cmsopen")])
    hub.cms.person["wlcg.groups"] = ["/cms", "/cms/<b>"]
    browser = hub.browser()
    browser.sign_in("cms")
    page = browser.get("/hub/facility")
    told = text(page)
    for part in ("cms-alice", hub.cms.issuer, "/cms, /cms/<b>", "/cms, /cmsopen", "You are signed in, and your tokens"):
        assert part in told
    assert "<b>" not in page.text
    assert 'id="again" href="/hub/oauth/cms/login"' in page.text
    assert set(re.findall(r'data-vo="(\w+)"', page.text)) == {"atlas"}
    changed(hub)


def test_every_page_of_the_hub_leads_to_the_own_page(hub: World) -> None:
    browser = hub.browser()
    assert "/hub/facility" not in re.findall(r'href="(.*?)"', browser.get("/hub/login").text)
    browser.sign_in("cms")
    for page in ("home", "token", "facility"):
        assert "/hub/facility" in re.findall(r'href="(.*?)"', browser.get(f"/hub/{page}").text)


def test_who_is_not_signed_in_has_no_such_page(hub: World) -> None:
    assert hub.browser().get("/hub/facility").headers["Location"].startswith("/hub/login?next=")


def test_issuer_trouble_is_told_and_signs_nobody_out(hub: World) -> None:
    browser = hub.browser()
    browser.sign_in("cms")
    hub.broker.states["cms-alice"] = Reply(body={"state": "unknown", "reason": "IssuerUnavailable", "groups": None})
    assert "CMS does not answer now. You stay signed in" in text(browser.get("/hub/facility"))
    hub.broker.away = True
    assert "The state of your session is not known" in text(browser.get("/hub/facility"))


def _lake(prefix: str) -> dict[str, Any]:
    origin = "https://origin.example:1094"
    return {"prefix": prefix, "origin": origin, "audience": origin, "scopes": ["storage.read:/"]}
