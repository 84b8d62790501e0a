"""The agent keeps the files that the broker names good, through outages, sign-outs and its own restarts."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from facility.agent.keeper import Keeper
from facility.exchange import Broker
from tests.fakes.agent_pod import START, Pod
from tests.fakes.authority import Authority
from tests.fakes.token_broker import IDENTITY, TokenBroker, serving


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    directory = tmp_path / "token"
    directory.mkdir()
    identity = tmp_path / "identity"
    identity.write_text(IDENTITY + "\n")
    authority = Authority(tmp_path)
    with serving(authority, TokenBroker()) as broker:
        yield Pod(broker, authority, directory, identity)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_wanted_file_is_written_for_its_owner_alone(pod: Pod) -> None:
    before = os.umask(0)
    try:
        pod.keeper().round()
    finally:
        os.umask(before)
    assert pod.read("lake") == "token-1.lake.test"
    assert pod.read("compute") == "token-2.cm.test"
    assert mode(pod.directory / "lake") == 0o600
    assert mode(pod.directory / "status.json") == 0o644
    assert sorted(path.name for path in pod.directory.iterdir()) == ["compute", "lake", "status.json"]


def test_the_broker_is_asked_as_rfc_8693_has_it_with_audience_and_scope(pod: Pod) -> None:
    pod.keeper().round()
    assert pod.broker.asked[0] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": IDENTITY,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "audience": "https://lake.test",
        "scope": "storage.read:/open",
    }


def test_a_short_token_is_renewed_with_two_thirds_of_its_life_left(pod: Pod) -> None:
    keeper = pod.keeper()
    assert keeper.round() == pytest.approx(20)
    pod.now += 19
    keeper.round()
    assert pod.read("lake") == "token-1.lake.test"
    pod.now += 1
    keeper.round()
    assert pod.read("lake") == "token-3.lake.test"


def test_a_token_of_a_very_short_life_is_not_asked_for_more_often_than_each_five_seconds(pod: Pod) -> None:
    pod.broker.life = 6
    assert pod.keeper().round() == pytest.approx(5)


def test_a_reader_sees_the_old_file_or_the_new_one_and_never_a_part(pod: Pod) -> None:
    keeper = pod.keeper()
    keeper.round()
    with (pod.directory / "lake").open() as old:
        pod.now += 30
        keeper.round()
        assert old.read() == "token-1.lake.test"
    assert pod.read("lake") == "token-3.lake.test"


def test_while_the_broker_fails_the_last_good_file_stays_until_it_expires_and_then_goes(pod: Pod) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.broker.refusal = (503, "temporarily_unavailable", "the issuer of cms does not answer")
    pod.now += 30
    keeper.round()
    lake = pod.status()["files"]["lake"]
    assert (lake["state"], lake["error_description"]) == ("failing", "the issuer of cms does not answer")
    assert pod.read("lake") == "token-1.lake.test"
    pod.now = START + 60
    keeper.round()
    assert not (pod.directory / "lake").exists()
    assert pod.status()["files"]["lake"]["state"] == "missing"


def test_the_round_that_removes_an_expired_file_is_not_missed_between_two_attempts(pod: Pod) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.broker.refusal = (503, "temporarily_unavailable", "down")
    while pod.now < START + 60:
        pod.now += keeper.round()
    keeper.round()
    assert pod.now == pytest.approx(START + 60)
    assert not (pod.directory / "lake").exists()


def test_failing_attempts_come_at_growing_pauses_of_at_most_thirty_seconds(pod: Pod) -> None:
    pod.broker.refusal = (503, "temporarily_unavailable", "down")
    pod.broker.wanted = pod.broker.wanted[:1]
    keeper = pod.keeper()
    times = []
    for _ in range(12):
        asked = len(pod.broker.asked)
        pause = keeper.round()
        if len(pod.broker.asked) > asked:
            times.append(pod.now)
        pod.now += pause
    pauses = [round(later - earlier) for earlier, later in pairwise(times)]
    assert pauses[:6] == [1, 2, 4, 8, 16, 30]
    assert max(pauses) == 30


@pytest.mark.parametrize(("life", "longest"), [(60, 5), (180, 15), (3600, 30)])
def test_without_a_token_it_asks_again_in_a_twelfth_of_a_tokens_life_and_within_half_a_minute(
    pod: Pod, life: int, longest: float
) -> None:
    pod.broker.wanted, pod.broker.life = pod.broker.wanted[:1], life
    keeper = pod.keeper()
    keeper.round()
    pod.broker.refusal = (503, "temporarily_unavailable", "down")
    times = []
    while pod.now < START + 3 * life + 120:  # away for long after the token's end
        asked = len(pod.broker.asked)
        pause = keeper.round()
        if len(pod.broker.asked) > asked and pod.now > START + 2 * life:
            times.append(pod.now)
        pod.now += pause
    assert max(round(later - earlier) for earlier, later in pairwise(times)) == longest


@pytest.mark.parametrize("code", ["interaction_required", "access_denied"])
def test_a_refusal_takes_the_file_away_at_once_and_says_who_can_mend_it(pod: Pod, code: str) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.broker.refusal = (403, code, "sign in again at https://hub.test")
    pod.now += 30
    keeper.round()
    lake = pod.status()["files"]["lake"]
    assert (lake["error"], lake["error_description"]) == (code, "sign in again at https://hub.test")
    assert (lake["state"], lake["expires"]) == ("missing", None)
    assert not (pod.directory / "lake").exists()


@pytest.mark.parametrize("code", ["invalid_scope", "invalid_target", "invalid_client", "server_error"])
def test_other_refusals_leave_the_file_until_its_token_expires(pod: Pod, code: str) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.broker.refusal = (400, code, "no")
    pod.now += 30
    keeper.round()
    assert (pod.directory / "lake").exists()


def test_after_signing_in_again_the_files_are_back(pod: Pod) -> None:
    pod.broker.refusal = (403, "interaction_required", "sign in again at https://hub.test")
    keeper = pod.keeper()
    pod.now += keeper.round()
    pod.broker.refusal = None
    keeper.round()
    assert pod.status()["files"]["lake"]["state"] == "good"
    assert "error" not in pod.status()["files"]["lake"]


def test_the_list_of_files_is_asked_for_each_minute_and_followed(pod: Pod) -> None:
    pod.broker.life = 3600
    keeper = pod.keeper()
    keeper.round()
    pod.broker.wanted = [pod.broker.wanted[0], {"name": "rucio", "audience": "rucio", "scope": "openid"}]
    pod.now += 59
    keeper.round()
    assert pod.broker.lists == 1
    pod.now += 1
    keeper.round()
    assert sorted(pod.status()["files"]) == ["lake", "rucio"]
    assert not (pod.directory / "compute").exists()
    assert pod.read("rucio") == "token-3.rucio"
    assert pod.read("lake") == "token-1.lake.test"


def test_a_file_whose_scope_changed_is_asked_for_at_once(pod: Pod) -> None:
    pod.broker.life = 3600
    keeper = pod.keeper()
    keeper.round()
    pod.broker.wanted[0] = pod.broker.wanted[0] | {"scope": "storage.read:/embargoed"}
    pod.now += 60
    keeper.round()
    assert pod.broker.asked[-1]["scope"] == "storage.read:/embargoed"


def test_a_broker_that_is_away_at_start_leaves_a_reason_and_no_exception(pod: Pod) -> None:
    outside = Broker("https://127.0.0.1:1", pod.identity, pod.authority.client, lambda: pod.now)
    pause = Keeper(outside, pod.directory, lambda: pod.now, lambda: 1.0).round()
    assert pause == pytest.approx(1)
    assert pod.status()["broker"]["error"] == "temporarily_unavailable"
    assert "127.0.0.1:1" in pod.status()["broker"]["error_description"]


def test_a_broker_whose_certificate_is_of_another_authority_gets_nothing(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    outside = Broker(pod.broker.url, pod.identity, stranger.client, lambda: pod.now)
    Keeper(outside, pod.directory, lambda: pod.now, lambda: 1.0).round()
    assert "certificate verify failed" in pod.status()["broker"]["error_description"]
    assert pod.broker.lists == 0


def test_a_plain_http_broker_is_refused(pod: Pod) -> None:
    with pytest.raises(ValueError, match="must be https"):
        Broker("http://broker.facility.svc:8443", pod.identity)


def test_an_identity_token_that_is_not_there_yet_is_said_and_tried_again(pod: Pod) -> None:
    pod.identity.unlink()
    keeper = pod.keeper()
    pod.now += keeper.round()
    assert "identity token cannot be read" in pod.status()["broker"]["error_description"]
    pod.identity.write_text(IDENTITY)
    keeper.round()
    assert pod.read("lake") == "token-1.lake.test"


def test_a_restarted_agent_knows_when_the_files_of_its_predecessor_expire(pod: Pod) -> None:
    pod.keeper().round()
    pod.broker.refusal = (503, "temporarily_unavailable", "down")
    pod.broker.raw = b"not json"
    successor = pod.keeper()
    pod.now += 20
    successor.round()
    assert pod.read("lake") == "token-1.lake.test"
    pod.now += 40
    successor.round()
    assert not (pod.directory / "lake").exists()


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "../../etc/passwd", "audience": "a"},
        {"name": "status.json", "audience": "a"},
        {"name": "", "audience": "a"},
        {"name": "lake", "audience": ""},
        {"name": "lake", "audience": 3},
        "lake",
    ],
)
def test_a_list_of_files_with_an_unusable_entry_changes_nothing(pod: Pod, entry: Any) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.broker.wanted = [entry]
    pod.now += 60
    keeper.round()
    assert pod.status()["broker"]["error"] == "server_error"
    assert sorted(pod.status()["files"]) == ["compute", "lake"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        b'{"access_token": "two words", "expires_in": 60}',
        b'{"access_token": "t", "expires_in": 0}',
        b'{"access_token": "t", "expires_in": true}',
        b'{"access_token": "' + b"t" * 20000 + b'", "expires_in": 60}',
        b"{" + b" " * 70000 + b"}",
    ],
)
def test_an_answer_that_holds_no_usable_token_is_not_written(pod: Pod, answer: bytes) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.broker.raw = answer
    pod.now += 30
    keeper.round()
    assert pod.read("lake") == "token-1.lake.test"
    assert pod.status()["files"]["lake"]["state"] == "failing"


def test_no_token_is_in_the_log_in_the_status_or_in_an_error(pod: Pod) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.broker.refusal = (403, "access_denied", "no")
    pod.now += 30
    keeper.round()
    told = json.dumps(pod.status()) + " ".join(pod.log) + repr(keeper.kept)
    assert "token-" not in told.replace("token-exchange", "")
    assert IDENTITY not in told


def test_the_log_tells_changes_and_not_each_attempt(pod: Pod) -> None:
    pod.broker.wanted = pod.broker.wanted[:1]
    keeper = pod.keeper()
    keeper.round()
    pod.broker.refusal = (503, "temporarily_unavailable", "down")
    for _ in range(8):
        pod.now += 20
        keeper.round()
    pod.broker.refusal = None
    pod.now += 40
    keeper.round()
    assert pod.log == ["lake: good", "lake: temporarily_unavailable: down", "lake: removed", "lake: good again"]
