"""Signing in at the hub with several issuers: who comes in, who does not, and what each is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fakes.hub_neighbours import Reply
from tests.fakes.hub_world import PUBLIC, World, links, spec, text, world
from tests.fakes.patience import PATIENCE


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def hub(running: World) -> World:
    running.reset()
    return running


def test_the_first_page_lets_people_choose_their_vo(hub: World) -> None:
    page = hub.browser().get("/hub/login?next=%2Fhub%2Fspawn")
    assert "Choose your virtual organization" in page.text
    for vo in ("cms", "atlas"):
        assert links(page)[vo] == (f"/hub/oauth/{vo}/login?next=%2Fhub%2Fspawn", vo.upper())


def test_a_person_of_a_vo_is_signed_in_under_a_name_of_that_vo(hub: World) -> None:
    browser = hub.browser()
    answer = browser.sign_in("cms", "?next=%2Fhub%2Ftoken")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/hub/token")
    assert "cms-alice" in text(browser.get("/hub/token"))


def test_the_request_to_the_issuer_is_bound_to_browser_and_vo(hub: World) -> None:
    begun = urlsplit(hub.browser().begin("cms"))
    asked = {key: values[0] for key, values in parse_qs(begun.query).items()}
    assert asked["redirect_uri"] == f"{PUBLIC}/hub/oauth/cms/callback"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert len(asked["nonce"]) == len(asked["code_challenge"]) == 43
    assert {"openid", "offline_access", "wlcg.groups"} <= set(asked["scope"].split())


def test_the_state_cookie_is_for_the_pages_of_its_vo_only(hub: World) -> None:
    answer = hub.browser().get("/hub/oauth/cms/login")
    cookie = answer.headers["Set-Cookie"].lower()
    assert cookie.startswith("oauthenticator-state-cms=")
    for part in ("path=/hub/oauth/cms/", "max-age=900", "httponly", "secure", "samesite=lax"):
        assert part in cookie


def test_the_broker_gets_the_session_and_the_hub_keeps_no_token(hub: World) -> None:
    hub.browser().sign_in("cms")
    session = hub.broker.sessions["cms-alice"]
    assert (session["vo"], session["sub"], session["claim"]) == ("cms", "cms-1", "alice")
    assert session["refresh_token"] == hub.cms.refresh_token
    assert "offline_access" in session["scopes"]
    assert session["groups"] == ["/cms"]
    stored = _stored(hub.directory)
    assert b"cms-alice" in stored
    for place in (stored, hub.log.encode()):
        assert b"REFRESH~" not in place
        assert b"ACCESS~" not in place


def test_what_is_kept_of_a_sign_in_has_four_keys(hub: World) -> None:
    from jupyterhub.crypto import CryptKeeper

    hub.browser().sign_in("cms")
    with sqlite3.connect(hub.directory / "jupyterhub.sqlite") as database:
        row = database.execute("SELECT encrypted_auth_state FROM users WHERE name = 'cms-alice'").fetchone()
    kept = CryptKeeper(keys=["ab" * 32])._decrypt(row[0])
    assert sorted(kept) == ["issuer", "scope", "sub", "vo"]


def test_a_name_that_is_not_plain_is_made_one(hub: World) -> None:
    hub.cms.person["preferred_username"] = "Jörg.Müller@example.org"
    assert hub.browser().sign_in("cms").status_code == 302
    (user,) = hub.broker.sessions
    assert user.startswith("cms-j-rg-m")


def test_groups_may_come_by_userinfo_alone(hub: World) -> None:
    del hub.cms.person["wlcg.groups"]
    hub.cms.userinfo["wlcg.groups"] = ["/cms"]
    assert hub.browser().sign_in("cms").status_code == 302


@pytest.mark.parametrize(
    ("token", "userinfo", "admitted", "groups"),
    [
        (["/cms"], None, True, ["cms:", "cms:/cms"]),
        (["/cms", "/cms/a"], ["/x"], True, ["cms:", "cms:/cms", "cms:/cms/a", "cms:/x"]),
        (None, ["/cms"], True, ["cms:", "cms:/cms"]),
        (["/cms", "atlas:/atlas", ""], None, True, ["cms:", "cms:/cms", "cms:atlas:/atlas"]),
        (["/cms/a"], None, False, []),
        (["/CMS"], None, False, []),
        (["/cms/"], None, False, []),
        (["cms"], None, False, []),
        ([], [], False, []),
        ("/cms", None, False, []),
        ({"/cms": 1}, None, False, []),
        ([["/cms"]], None, False, []),
        (None, None, False, []),
    ],
)
def test_who_comes_in_is_in_the_groups_that_the_vo_asserts_and_in_no_others(
    hub: World, token: object, userinfo: object, admitted: bool, groups: list[str]
) -> None:
    hub.cms.person |= {"preferred_username": "grete", "sub": "cms-grete", "wlcg.groups": token}
    hub.cms.userinfo = {"wlcg.groups": userinfo}
    browser = hub.browser()
    assert browser.sign_in("cms").status_code == (302 if admitted else 403)
    assert bool(hub.broker.sessions) is admitted
    browser.get("/hub/home")
    assert sorted(browser.api("GET", "user").json().get("groups", [])) == groups


def test_a_vo_that_lists_no_groups_lets_everybody_of_its_issuer_in(hub: World) -> None:
    hub.api.put("cms", spec(hub.cms, login={}))
    hub.cms.person |= {"preferred_username": "otto", "sub": "cms-otto", "wlcg.groups": []}
    hub.wait_for(lambda: hub.browser().sign_in("cms").status_code == 302, "otto to come in")
    hub.api.put("cms", spec(hub.cms))
    hub.wait_for(lambda: hub.browser().sign_in("cms").status_code == 403, "otto to stay out")


def test_an_issuer_without_userinfo_will_do(hub: World) -> None:
    hub.cms.metadata["userinfo_endpoint"] = None
    _rediscovered(hub)
    assert hub.browser().sign_in("cms").status_code == 302
    hub.reset()
    _rediscovered(hub)


def test_a_person_outside_the_allowed_groups_learns_which_groups_would_do(hub: World) -> None:
    hub.cms.person |= {"preferred_username": "mallory", "wlcg.groups": ["/guests", "/cms/outside"]}
    answer = hub.browser().sign_in("cms")
    assert answer.status_code == 403
    assert "only members of /cms may work here. Your groups: /cms/outside, /guests." in text(answer)
    assert "mallory" in text(answer)
    assert not hub.broker.sessions
    assert b"mallory" not in _stored(hub.directory)


def test_a_name_that_is_another_persons_is_refused_with_the_brokers_reason(hub: World) -> None:
    hub.browser().sign_in("cms")
    hub.cms.person["sub"] = "somebody-else"
    answer = hub.browser().sign_in("cms")
    assert answer.status_code == 403
    assert "The name cms-alice is another person's." in text(answer)
    assert hub.broker.sessions["cms-alice"]["sub"] == "cms-1"


def test_the_same_name_in_two_vos_is_two_users(hub: World) -> None:
    hub.browser().sign_in("cms")
    hub.browser().sign_in("atlas")
    assert sorted(hub.broker.sessions) == ["atlas-alice", "cms-alice"]


def test_without_the_broker_nobody_signs_in_and_the_page_says_so(hub: World) -> None:
    hub.broker.away = True
    answer = hub.browser().sign_in("cms")
    assert answer.status_code == 503
    assert "token broker does not answer" in text(answer)
    assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize(
    ("status", "error", "shown"),
    [
        (400, "invalid_request", "this subject cannot be written down"),
        (403, "access_denied", "token broker does not answer"),
        (401, "invalid_client", "token broker does not answer"),
    ],
)
def test_what_the_broker_says_of_a_person_is_shown_and_what_it_says_of_the_hub_is_not(
    hub: World, status: int, error: str, shown: str
) -> None:
    reason = "this subject cannot be written down"
    hub.broker.refusal = Reply(status, {"error": error, "error_description": reason})
    answer = hub.browser().sign_in("cms")
    assert answer.status_code == (403 if status == 400 else 503)
    assert shown in text(answer)


def test_without_a_refresh_token_the_page_says_what_the_client_lacks(hub: World) -> None:
    hub.cms.refresh_token = None
    answer = hub.browser().sign_in("cms")
    assert answer.status_code == 503
    assert "offline_access" in text(answer)


def test_a_wrong_client_secret_is_told_without_what_the_issuer_wrote(hub: World) -> None:
    hub.api.secrets["cms-client"]["client_secret"] = "old"
    answer = hub.browser().sign_in("cms")
    assert answer.status_code == 503
    assert "did not accept the sign-in (401 unauthorized)" in text(answer)


def test_a_new_client_secret_counts_from_the_next_sign_in(hub: World) -> None:
    hub.api.secrets["cms-client"]["client_secret"] = "old"
    assert hub.browser().sign_in("cms").status_code == 503
    hub.reset()
    assert hub.browser().sign_in("cms").status_code == 302


def test_a_missing_secret_stops_its_own_vo_only(hub: World) -> None:
    del hub.api.secrets["cms-client"]
    answer = hub.browser().get("/hub/oauth/cms/login")
    assert answer.status_code == 503
    assert "client Secret is missing" in text(answer)
    assert hub.browser().sign_in("atlas").status_code == 302


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example/"},
        {"aud": "another-client"},
        {"aud": ["the-hub", "another"], "azp": "another"},
        {"exp": 1},
        {"nonce": "of another sign-in"},
        {"sub": None},
    ],
    ids=lambda claims: sorted(claims)[-1],
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(hub: World, claims: dict[str, object]) -> None:
    hub.cms.id_token = claims
    answer = hub.browser().sign_in("cms")
    assert answer.status_code == 503
    assert f"(claim {sorted(claims)[-1]})" in text(answer)
    assert not hub.broker.sessions


def test_userinfo_of_somebody_else_is_refused(hub: World) -> None:
    hub.cms.userinfo = {"sub": "another", "wlcg.groups": ["/cms"]}
    assert hub.browser().sign_in("cms").status_code == 503
    assert not hub.broker.sessions


def test_a_code_of_one_issuer_is_not_taken_at_another_vos_callback(hub: World) -> None:
    browser = hub.browser()
    browser.begin("atlas")
    answer = browser.answer_of(browser.begin("cms")).replace("/oauth/cms/", "/oauth/atlas/")
    assert browser.get(answer).status_code == 400
    assert not [one for one in hub.atlas.requests if one.path == "/token"]


def test_an_answer_that_names_another_issuer_is_refused(hub: World) -> None:
    browser = hub.browser()
    answer = browser.answer_of(browser.begin("cms")) + f"&iss={hub.atlas.issuer}"
    page = browser.get(answer)
    assert page.status_code == 400
    assert "does not come from the issuer of CMS" in text(page)
    assert not [one for one in hub.cms.requests if one.path == "/token"]


def test_an_issuer_that_names_itself_must_do_so(hub: World) -> None:
    hub.cms.metadata["authorization_response_iss_parameter_supported"] = True
    _rediscovered(hub)
    browser = hub.browser()
    with_issuer = browser.answer_of(browser.begin("cms"))
    assert "&iss=" in with_issuer
    assert browser.get(with_issuer.partition("&iss=")[0]).status_code == 400
    assert hub.browser().sign_in("cms").status_code == 302
    hub.reset()
    _rediscovered(hub)


def test_an_answer_in_another_browser_is_refused(hub: World) -> None:
    answer = (browser := hub.browser()).answer_of(browser.begin("cms"))
    page = hub.browser().get(answer)
    assert page.status_code == 400
    assert "begun in another browser" in text(page)


def test_an_answer_counts_once(hub: World) -> None:
    browser = hub.browser()
    answer = browser.answer_of(browser.begin("cms"))
    assert browser.get(answer).status_code == 302
    assert browser.get(answer).status_code == 400


def test_two_tabs_for_two_vos_both_sign_in(hub: World) -> None:
    browser = hub.browser()
    first, second = browser.begin("cms"), browser.begin("atlas")
    assert browser.get(browser.answer_of(first)).status_code == 302
    assert browser.get(browser.answer_of(second)).status_code == 302
    assert sorted(hub.broker.sessions) == ["atlas-alice", "cms-alice"]


def test_of_two_tabs_for_one_vo_the_later_signs_in_whichever_answers_first(hub: World) -> None:
    browser = hub.browser()
    first, second = browser.begin("cms"), browser.begin("cms")
    assert browser.get(browser.answer_of(first)).status_code == 400
    assert browser.get(browser.answer_of(second)).status_code == 302


@pytest.mark.parametrize("state", ["", "x", "W10=", "bnVsbA==", "%C3%A9", "e30=", "WyJhIl0="])
def test_a_state_that_is_none_is_refused_as_another_sign_ins(hub: World, state: str) -> None:
    browser = hub.browser()
    begun = browser.begin("cms")
    assert browser.get(f"/hub/oauth/cms/callback?code=c&state={state}").status_code == 400
    assert browser.get(browser.answer_of(begun)).status_code == 302


def test_a_refusal_at_the_issuer_is_shown_escaped(hub: World) -> None:
    browser = hub.browser()
    state = parse_qs(urlsplit(browser.begin("cms")).query)["state"][0]
    error = "error=access_denied&error_description=%3Cb%3EUser%20denied%20access"
    page = browser.get(f"/hub/oauth/cms/callback?{error}&state={state}")
    assert page.status_code == 403
    assert "CMS did not sign you in: &lt;b&gt;User denied access." in page.text


def test_next_never_leads_away_from_the_hub(hub: World) -> None:
    answer = hub.browser().sign_in("cms", "?next=https%3A%2F%2Fevil.example%2Fx")
    assert answer.headers["Location"] == "/x"


def test_there_is_no_form_for_names_and_passwords(hub: World) -> None:
    browser = hub.browser()
    browser.get("/hub/login")
    xsrf = {"_xsrf": browser.session.cookies["_xsrf"], "username": "cms-alice", "password": "x"}
    assert browser.session.post(f"{hub.hub}/hub/login", data=xsrf, timeout=PATIENCE).status_code == 403


def test_an_unknown_vo_has_no_pages(hub: World) -> None:
    assert hub.browser().get("/hub/oauth/lhcb/login").status_code == 404


def test_a_vo_comes_changes_and_goes_without_a_restart(hub: World) -> None:
    hub.api.put("other", {"issuer": "https://bad.example/?query", "clientSecret": {"name": "x"}})
    hub.api.put("escape", spec(hub.cms, displayName="<i>Escape</i>"), created="2027-01-01T00:00:00Z")
    hub.wait_for(lambda: "VO escape is left out: an older one has the issuer" in hub.log, "the double")
    assert hub.browser().get("/hub/oauth/escape/login").status_code == 404
    hub.api.remove("cms")
    hub.wait_for(lambda: hub.browser().get("/hub/oauth/cms/login").status_code == 404, "cms to go")
    page = hub.browser().get("/hub/login")
    assert links(page)["escape"][1] == "<i>Escape</i>"
    assert "<i>" not in page.text.partition("choose")[2].partition("</section>")[0]
    hub.api.remove("escape")
    hub.api.expire()
    hub.api.put("cms", spec(hub.cms))
    hub.wait_for(lambda: hub.browser().get("/hub/oauth/cms/login").status_code == 302, "cms to come")


def test_a_vo_that_the_operator_refuses_is_not_offered(hub: World) -> None:
    hub.api.put("cms", spec(hub.cms), ready="False")
    hub.wait_for(lambda: hub.browser().get("/hub/oauth/cms/login").status_code == 404, "cms to go")
    assert "/oauth/cms/" not in hub.browser().get("/hub/login").text
    hub.api.put("cms", spec(hub.cms))
    hub.wait_for(lambda: hub.browser().get("/hub/oauth/cms/login").status_code == 302, "cms to come")


def test_a_vo_edited_into_something_unreadable_stays_as_it_was(hub: World) -> None:
    hub.api.put("cms", {"issuer": "http://not-https.example/"})
    hub.wait_for(lambda: "VO cms cannot be read, so it stays as it was" in hub.log, "the warning")
    assert hub.browser().get("/hub/oauth/cms/login").status_code == 302
    hub.api.put("cms", spec(hub.cms))


def test_an_issuer_that_is_away_is_said_to_be_and_stops_nobody_else(hub: World) -> None:
    hub.cms.away = True
    _rediscovered(hub)
    hub.wait_for(lambda: "Not reachable now" in hub.browser().get("/hub/login").text, "the chooser")
    answer = hub.browser().get("/hub/oauth/cms/login")
    assert answer.status_code == 503
    assert "The issuer of CMS is not reachable now" in text(answer)
    assert hub.browser().sign_in("atlas").status_code == 302
    hub.reset()
    _rediscovered(hub)
    hub.wait_for(lambda: "Not reachable now" not in hub.browser().get("/hub/login").text, "the chooser")
    assert hub.browser().sign_in("cms").status_code == 302


@pytest.mark.parametrize(
    ("reply", "stays"),
    [
        (Reply(body={"state": "good"}), True),
        (Reply(body={"state": "unknown", "reason": "IssuerUnavailable"}), True),
        (Reply(body={"state": "dead", "reason": "SignInAgain"}), False),
        (Reply(500), True),
        (Reply(404, {"error": "not_found"}), True),
        (Reply(401, {"error": "invalid_client"}), True),
        (Reply(body=["dead"]), True),
        (Reply(503, {"state": "dead"}), True),
    ],
    ids=["good", "unknown", "dead", "error", "no session", "hub refused", "nonsense", "dead by a failing broker"],
)
def test_only_a_session_known_dead_has_to_be_begun_again(hub: World, reply: Reply, stays: bool) -> None:
    browser = hub.browser()
    browser.sign_in("cms")
    hub.broker.states["cms-alice"] = reply
    page = browser.get("/hub/token")
    assert page.status_code == (200 if stays else 302)
    if not stays:
        assert page.headers["Location"].startswith("/hub/login?next=")


def test_spawning_with_a_dead_session_asks_for_a_new_sign_in(hub: World) -> None:
    browser = hub.browser()
    browser.sign_in("cms")
    hub.broker.states["cms-alice"] = Reply(body={"state": "dead"})
    assert browser.get("/hub/spawn/cms-alice").status_code == 302


def test_codes_and_states_are_not_in_the_hubs_log(hub: World) -> None:
    browser = hub.browser()
    answer = browser.answer_of(browser.begin("cms"))
    browser.get(answer)
    browser.get(answer)
    asked = parse_qs(urlsplit(answer).query)
    assert asked["code"][0] not in hub.log
    assert asked["state"][0] not in hub.log


def _rediscovered(hub: World) -> None:
    """Make the hub look the endpoints up again: a changed VO gets a new provider."""
    cms = spec(hub.cms)
    cms["cache"] = {"size": f"{len(hub.api.requests)}Gi"}
    before = hub.log.count("VOs new or changed: cms")
    hub.api.put("cms", cms)
    hub.wait_for(lambda: hub.log.count("VOs new or changed: cms") > before, "the changed VO")


def _stored(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.glob("jupyterhub.sqlite*"))
