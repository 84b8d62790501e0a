"""A hostile issuer beside an honest one: codes, states, tokens and groups of one VO never count at the other's.

The attacks are those of RFC 9700, section 4.4, and RFC 9207. ATLAS is the hostile one: whoever runs its issuer wants
to be somebody of CMS, or to get what belongs to people of CMS, from a person who trusts both enough to begin there.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.fakes.hub_world import PUBLIC, Browser, World, spec, world
from tests.fakes.patience import PATIENCE

RFC_9207 = {"authorization_response_iss_parameter_supported": True}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture(params=[False, True], ids=["without iss", "with iss"])
def hub(running: World, request: pytest.FixtureRequest) -> World:
    """The honest issuer names itself in its answers, or it does not; it knows the redirect URI of its own VO only."""
    running.reset()
    running.cms.redirect_uris = [f"{PUBLIC}/hub/oauth/cms/callback"]
    running.cms.metadata |= RFC_9207 if request.param else {}
    rediscovered(running)
    return running


def rediscovered(hub: World) -> None:
    """Let the hub read the metadata of both issuers anew."""
    for issuer in (hub.cms, hub.atlas):
        before = hub.log.count(f"VOs new or changed: {issuer.name}")
        hub.api.put(issuer.name, spec(issuer, cache={"size": f"{len(hub.api.requests) + before}Gi"}))
        hub.wait_for(lambda seen=before, vo=issuer: hub.log.count(f"changed: {vo.name}") > seen, "the changed VO")


def nobody_came_in(hub: World, browser: Browser) -> None:
    assert not hub.broker.sessions
    assert browser.get("/hub/home").status_code == 302


def asked(url: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}


def code_of_cms(hub: World, **query: str) -> requests.Response:
    """The honest issuer's answer to a request that the attacker wrote; the person is signed in there."""
    plain = {"response_type": "code", "client_id": "the-hub", "scope": "openid", "nonce": "n", "code_challenge": "c"}
    url = f"{hub.cms.url}/authorize?{urlencode({**plain, **query})}"
    return requests.get(url, allow_redirects=False, verify=str(hub.authority.bundle), timeout=PATIENCE)


def got_a_code(hub: World) -> list[str]:
    return [one.form["code"] for one in hub.atlas.requests if one.path == "/token"]


def test_the_hostile_issuer_cannot_have_the_honest_one_answer_to_its_own_callback(hub: World) -> None:
    browser = hub.browser()
    begun = asked(browser.begin("atlas"))
    # the hostile authorization endpoint sends the browser on to the honest issuer, for that sign-in
    assert code_of_cms(hub, redirect_uri=begun["redirect_uri"], state=begun["state"]).status_code == 400


def test_nor_would_the_hub_take_that_code_to_the_hostile_token_endpoint_if_the_issuer_names_itself(
    hub: World,
) -> None:
    hub.cms.redirect_uris = []  # an issuer that looks at nothing
    browser = hub.browser()
    begun = asked(browser.begin("atlas"))
    answer = code_of_cms(hub, redirect_uri=begun["redirect_uri"], state=begun["state"])
    page = browser.get(answer.headers["Location"])
    if "iss=" in answer.headers["Location"]:
        assert page.status_code == 400
        assert not got_a_code(hub)
    nobody_came_in(hub, browser)


def test_a_code_of_the_honest_issuer_with_the_state_of_the_hostile_sign_in_goes_nowhere(hub: World) -> None:
    browser = hub.browser()
    begun = asked(browser.begin("atlas"))
    honest = f"{PUBLIC}/hub/oauth/cms/callback"
    answer = code_of_cms(hub, redirect_uri=honest, state=begun["state"]).headers["Location"]
    assert browser.get(answer).status_code == 400
    assert not got_a_code(hub)
    assert not [one for one in hub.cms.requests if one.path == "/token"]
    nobody_came_in(hub, browser)


def test_nor_does_it_when_the_person_has_begun_with_both(hub: World) -> None:
    browser = hub.browser()
    begun = asked(browser.begin("atlas"))
    browser.begin("cms")
    honest = f"{PUBLIC}/hub/oauth/cms/callback"
    answer = code_of_cms(hub, redirect_uri=honest, state=begun["state"]).headers["Location"]
    assert browser.get(answer).status_code == 400
    assert not got_a_code(hub)


def test_a_state_of_the_honest_sign_in_opens_nothing_at_the_hostile_callback(hub: World) -> None:
    browser = hub.browser()
    answer = browser.answer_of(browser.begin("cms"))
    browser.begin("atlas")
    assert browser.get(answer.replace("/oauth/cms/", "/oauth/atlas/")).status_code == 400
    assert not got_a_code(hub)
    assert browser.get(answer).status_code == 302


def test_cookies_of_one_vos_sign_in_taken_to_the_others_path_open_nothing(hub: World) -> None:
    browser = hub.browser()
    answer = browser.answer_of(browser.begin("cms"))
    value = browser.session.cookies.get("oauthenticator-state-cms")
    browser.session.cookies.set("oauthenticator-state-atlas", value, domain="127.0.0.1", path="/hub/oauth/atlas/")
    assert browser.get(answer.replace("/oauth/cms/", "/oauth/atlas/")).status_code == 400
    assert not got_a_code(hub)


def test_a_code_from_the_attackers_own_sign_in_is_not_taken_in_the_victims_browser(hub: World) -> None:
    attacker, victim = hub.browser(), hub.browser()
    stolen = attacker.answer_of(attacker.begin("cms"))
    victims = asked(victim.begin("cms"))
    mine = asked(stolen)
    iss = {"iss": mine["iss"]} if "iss" in mine else {}
    again = urlencode({"code": mine["code"], "state": victims["state"], **iss})
    # even with the victim's state: the code was for another PKCE verifier
    assert victim.get(f"/hub/oauth/cms/callback?{again}").status_code == 503
    nobody_came_in(hub, victim)


@pytest.mark.parametrize("iss", ["https://evil.example/", "", "{atlas}"])
def test_an_answer_that_says_it_is_from_elsewhere_is_refused(hub: World, iss: str) -> None:
    browser = hub.browser()
    answer = browser.answer_of(browser.begin("cms")).partition("&iss=")[0]
    page = browser.get(f"{answer}&{urlencode({'iss': iss.format(atlas=hub.atlas.issuer)})}")
    assert page.status_code == 400
    assert not [one for one in hub.cms.requests if one.path == "/token"]


def test_metadata_that_name_the_honest_issuer_are_not_believed(hub: World) -> None:
    hub.atlas.metadata["issuer"] = hub.cms.issuer
    rediscovered(hub)
    assert hub.browser().get("/hub/oauth/atlas/login").status_code == 503


def test_metadata_with_the_honest_endpoints_make_nobody_a_person_of_either_vo(hub: World) -> None:
    hub.cms.redirect_uris = []
    places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
    hub.atlas.metadata |= {f"{one}_endpoint": f"{hub.cms.url}/{path}" for one, path in places.items()}
    rediscovered(hub)
    browser = hub.browser()
    page = browser.get(browser.answer_of(browser.begin("atlas")))
    assert page.status_code in (400, 503)
    nobody_came_in(hub, browser)


def test_an_id_token_of_the_honest_issuer_is_not_taken_from_the_hostile_one(hub: World) -> None:
    hub.atlas.id_token = {"iss": hub.cms.issuer, "sub": "cms-1"}
    browser = hub.browser()
    assert browser.sign_in("atlas").status_code == 503
    nobody_came_in(hub, browser)


@pytest.mark.parametrize("name", ["cms-alice", "../cms-alice", "cms_alice", "alice\x00", "-alice", "ALICE"])
def test_whatever_the_hostile_issuer_calls_a_person_it_is_one_of_its_own_vo(hub: World, name: str) -> None:
    hub.atlas.person["preferred_username"] = name
    hub.browser().sign_in("atlas")
    assert all(user.startswith("atlas-") for user in hub.broker.sessions)
    assert {session["vo"] for session in hub.broker.sessions.values()} == {"atlas"}
