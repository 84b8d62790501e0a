"""The development issuer in bad moods, set while it runs, and the stricter habits of other issuers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from facility.dev.issuer.settings import EXCHANGE, REFRESH
from tests.fakes import issuer
from tests.fakes.issuer import ADMIN, HUB, ROTATING, Running


@pytest.fixture
def iam(tmp_path: Path) -> Iterator[Running]:
    with issuer.serving(tmp_path) as running:
        yield running


def refresh(iam: Running, token: str, client: issuer.Client = HUB, **form: Any) -> requests.Response:
    return iam.token(client, grant_type=REFRESH, refresh_token=token, **form)


def test_it_is_busy_broken_or_a_web_page_until_told_otherwise(iam: Running) -> None:
    token = iam.sign_in()["refresh_token"]
    iam.mood(status=429, retry_after=7)
    answer = refresh(iam, token)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    iam.mood(status=502, page=True)
    answer = refresh(iam, token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    iam.mood(page=True)
    assert "<html>" in refresh(iam, token).text
    iam.mood()
    assert refresh(iam, token).status_code == 200


def test_an_answer_that_is_cut_off_has_been_given_all_the_same(iam: Running) -> None:
    token = iam.sign_in(client=ROTATING)["refresh_token"]
    iam.mood(cut=True)
    with pytest.raises(requests.RequestException):
        refresh(iam, token, ROTATING)
    iam.mood()
    assert refresh(iam, token, ROTATING).status_code == 401


def test_answers_are_held_back_as_long_as_it_is_slow(iam: Running) -> None:
    token = iam.sign_in()["refresh_token"]
    iam.mood(delay=0.05)
    assert refresh(iam, token).elapsed.total_seconds() > 0.05


def test_moods_are_an_admin_s_business(iam: Running) -> None:
    put = lambda client, **mood: iam.http.put("/admin/mood", json=mood, auth=(client.client_id, client.client_secret))  # noqa: E731
    assert put(HUB, page=True).status_code == 403
    assert put(ADMIN, happy=True).status_code == 400


def test_a_mood_may_be_there_from_the_start(tmp_path: Path) -> None:
    with issuer.serving(tmp_path, mood={"paths": ["/jwk"], "status": 500}) as iam:
        assert iam.http.get("/jwk").status_code == 500
        assert iam.sign_in()["access_token"]


def test_a_rotated_token_may_have_some_grace(tmp_path: Path) -> None:
    kind = ROTATING.model_copy(update={"refresh_token_grace": 60})
    with issuer.serving(tmp_path, clients=(kind,)) as iam:
        old = iam.sign_in(client=kind)["refresh_token"]
        new = refresh(iam, old, kind).json()["refresh_token"]
        assert {refresh(iam, one, kind).status_code for one in (old, new)} == {200}
        iam.clock.now += 61
        assert refresh(iam, old, kind).status_code == 401


@pytest.mark.parametrize(("widens", "status"), [(True, 200), (False, 400)])
def test_an_exchange_may_be_kept_within_the_exchanged_token(tmp_path: Path, widens: bool, status: int) -> None:
    with issuer.serving(tmp_path, exchange_widens=widens) as iam:
        narrow = refresh(iam, iam.sign_in()["refresh_token"], scope="compute.read").json()["access_token"]
        exchange = {"grant_type": EXCHANGE, "subject_token": narrow}
        assert iam.token(**exchange, scope="compute.read").status_code == 200
        assert iam.token(**exchange, scope="storage.read:/").status_code == status


@pytest.mark.parametrize(("on_record", "status"), [(True, 401), (False, 200)])
def test_a_cleared_token_is_exchanged_only_where_none_is_on_record(
    tmp_path: Path, on_record: bool, status: int
) -> None:
    with issuer.serving(tmp_path, access_tokens_on_record=on_record) as iam:
        session = iam.sign_in()
        refresh(iam, session["refresh_token"])
        revoked = refresh(iam, session["refresh_token"]).json()["access_token"]
        iam.post("/revoke", token=revoked)
        for token in (session["access_token"], revoked):
            answer = iam.token(grant_type=EXCHANGE, subject_token=token, scope="openid")
            assert answer.status_code == status


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [({"active": False}, 401, "invalid_token"), ({"aup_due": True}, 400, "invalid_grant")],
)
def test_nobody_s_token_is_exchanged_once_they_are_out(
    iam: Running, change: dict[str, bool], status: int, error: str
) -> None:
    token = iam.sign_in()["access_token"]
    iam.change(**change)
    answer = iam.token(grant_type=EXCHANGE, subject_token=token, scope="openid")
    assert (answer.status_code, answer.json()["error"]) == (status, error)
