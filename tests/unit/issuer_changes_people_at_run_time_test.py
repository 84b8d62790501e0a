"""Groups, the AUP and disabled accounts change while the issuer runs, by a client that administers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facility.dev.issuer.app import assemble
from facility.dev.issuer.settings import REFRESH
from tests.fakes import issuer
from tests.fakes.issuer import ALICE, HUB, OTHER, Running, authorization, claims, form, log_in, query


@pytest.fixture
def iam(tmp_path: Path) -> Iterator[Running]:
    with issuer.serving(tmp_path) as running:
        yield running


def refresh(iam: Running, token: str) -> Any:
    return iam.token(grant_type=REFRESH, refresh_token=token)


def test_changed_groups_are_in_the_next_tokens_and_in_userinfo(iam: Running) -> None:
    token = iam.sign_in()["refresh_token"]
    answer = iam.change(groups=["/Production"])
    assert (answer.status_code, answer.json()["groups"]) == (200, ["/Production"])
    found = refresh(iam, token).json()
    assert claims(found["access_token"])["wlcg.groups"] == ["/Production"]
    assert claims(found["id_token"])["wlcg.groups"] == ["/Production"]
    answer = iam.http.get("/userinfo", headers={"Authorization": f"Bearer {found['access_token']}"})
    assert answer.json()["wlcg.groups"] == ["/Production"]


def test_scopes_follow_the_groups(iam: Running) -> None:
    token = iam.sign_in()["refresh_token"]
    iam.change(groups=[])
    assert "storage.read:/" not in refresh(iam, token).json()["scope"].split()


def test_who_must_sign_the_aup_gets_nothing_by_refresh_until_it_is_signed(iam: Running) -> None:
    token = iam.sign_in()["refresh_token"]
    iam.change(aup_due=True)
    answer = refresh(iam, token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert "needs to sign AUP" in answer.json()["error_description"]
    iam.change(aup_due=False)
    assert refresh(iam, token).status_code == 200


def test_at_a_sign_in_the_aup_comes_first_and_then_what_was_asked_for(iam: Running) -> None:
    token = iam.sign_in()["refresh_token"]
    iam.change(aup_due=True)
    with iam.browser() as browser:
        answer = log_in(browser, browser.get("/authorize", params=authorization(HUB)), ALICE)
        assert (answer.status_code, answer.headers["location"]) == (302, "/iam/aup/sign")
        assert 'action="/iam/aup/sign"' in browser.get("/iam/aup/sign").text
        answer = browser.post("/iam/aup/sign", data={"sign": "Sign"})
        answer = browser.get(answer.headers["location"])
        answer = browser.post("/authorize", data=form(answer.text) | {"remember": "none"})
    assert query(answer)["code"]
    assert refresh(iam, token).status_code == 200


def test_nobody_signs_the_aup_without_having_signed_in(iam: Running) -> None:
    iam.change(aup_due=True)
    with iam.browser() as browser:
        assert browser.post("/iam/aup/sign").headers["location"] == "/login"


def test_a_disabled_person_neither_signs_in_nor_refreshes(iam: Running) -> None:
    token = iam.sign_in()["refresh_token"]
    iam.change(active=False)
    assert (refresh(iam, token).status_code, refresh(iam, token).json()["error"]) == (401, "invalid_token")
    with iam.browser() as browser:
        answer = browser.post("/login", data={"username": ALICE.login, "password": ALICE.password})
        assert answer.headers["location"] == "/login?error=failure"
    iam.change(active=True)
    assert refresh(iam, token).status_code == 200


def test_changes_add_up_and_outlive_a_restart(iam: Running) -> None:
    iam.change(groups=["/one"])
    iam.change(aup_due=True)
    again = assemble(iam.files, iam.clock)
    found = again.known(ALICE.sub)
    again.store.close()
    assert found is not None
    assert (found.groups, found.aup_due, found.active) == (("/one",), True, True)


def test_only_a_client_that_administers_changes_people(iam: Running) -> None:
    for client, status in ((HUB, 403), (OTHER, 403), (HUB.model_copy(update={"client_secret": "wrong"}), 401)):
        assert iam.change(client=client, groups=[]).status_code == status
    assert iam.issuer.known(ALICE.sub) == ALICE


def test_a_change_that_makes_no_sense_is_refused(iam: Running) -> None:
    assert iam.change(groups="/one").status_code == 400
    assert iam.change(password="x").status_code == 400
    assert iam.change(ALICE.model_copy(update={"login": "nobody"}), active=False).status_code == 404
