"""`facility login` on a person's own machine, against the development issuer, which answers as INDIGO IAM does."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facility.commands.login import last_hub
from facility.laptop import device, offers
from facility.laptop.device import Approved, Begun, Pending
from facility.laptop.errors import LaptopError
from facility.laptop.login import sign_out
from facility.tokens.metadata import Metadata
from facility.tokens.wire import Response, UnavailableError
from tests.fakes import issuer
from tests.fakes.machine import LAPTOPS, Machine, machine, offer
from tests.fakes.patience import PATIENCE

METADATA = Metadata("https://i/", "https://i/token", "https://i/jwk", device_authorization_endpoint="https://i/device")
BEGUN = Begun("the-device-code", "ABCDEF", "https://i/device", "", 600.0, 5.0)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


def test_a_person_approves_in_a_browser_and_the_session_is_there(here: Machine) -> None:
    record = here.sign_in()
    assert here.shown[0].page == f"{here.iam.url}/device"
    assert here.shown[0].user_code in here.shown[0].direct
    assert here.slept == [5.0]
    assert (record.vo, record.subject, record.kept) == ("iam", issuer.ALICE.sub, "file")
    assert {"storage.read:/", "compute.create", "offline_access"} <= set(record.scopes)
    assert issuer.claims(here.token())["sub"] == issuer.ALICE.sub


def test_while_nobody_has_approved_it_waits_as_long_between_questions_as_the_rfc_says(here: Machine) -> None:
    here.meanwhile[4] = lambda: here.answer("Authorize")
    here.sign_in(approve=False)
    assert here.slept == [5.0] * 4


def test_a_denial_is_never_said_by_iam_and_waiting_ends_with_the_code(here: Machine) -> None:
    here.meanwhile[1] = lambda: here.answer("Deny")
    with pytest.raises(LaptopError, match="nobody approved the sign-in within 10 minutes, or it was refused"):
        here.sign_in(approve=False)
    assert sum(here.slept) <= 600
    assert here.sessions.vos() == ()


def test_a_person_without_the_vos_groups_gets_a_session_that_says_what_it_lacks(here: Machine) -> None:
    here.meanwhile[1] = lambda: here.answer("Authorize", issuer.GUEST)
    record = here.sign_in(approve=False)
    assert "storage.read:/" not in record.scopes
    with pytest.raises(LaptopError, match=r"your sign-in granted none of storage\.read:/: ask the VO"):
        here.token()


def test_signing_in_again_ends_the_session_before(here: Machine) -> None:
    first = here.sign_in()
    before = here.sessions.secret(first)
    here.sign_in()
    answer = here.iam.http.post(
        "/token", data={"grant_type": "refresh_token", "refresh_token": before, "client_id": LAPTOPS.client_id}
    )
    assert answer.status_code in (400, 401)
    assert here.token()


def test_signing_out_revokes_at_the_issuer_and_leaves_nothing_here(here: Machine) -> None:
    record = here.sign_in()
    secret = here.sessions.secret(record)
    here.token()
    assert sign_out(here.sessions, here.web, "iam")
    assert [path.name for path in (here.directory / "facility").iterdir()] == ["iam.lock"]
    answer = here.iam.http.post(
        "/token", data={"grant_type": "refresh_token", "refresh_token": secret, "client_id": LAPTOPS.client_id}
    )
    assert answer.status_code in (400, 401)
    with pytest.raises(LaptopError, match="no session with iam"):
        sign_out(here.sessions, here.web, "iam")


def test_signing_out_while_the_issuer_is_away_forgets_all_the_same_and_says_so(here: Machine) -> None:
    here.sign_in()
    here.bundle.write_text("")  # nobody is trusted any more
    assert not sign_out(here.sessions, here.web, "iam")
    assert here.sessions.vos() == ()


def test_a_damaged_record_is_got_over_by_signing_in_again(here: Machine) -> None:
    here.sign_in()
    (here.directory / "facility" / "iam.json").write_text("{}")
    with pytest.raises(LaptopError, match="damaged: facility login --vo iam"):
        here.token()
    here.sign_in()
    assert here.token()


def test_a_vo_that_is_not_offered_is_said_with_those_that_are(here: Machine) -> None:
    here.hub.answers["/hub/facility/vos.json"] = 200, offer(here.iam.url).replace(b'"iam"', b'"cms"')
    with pytest.raises(LaptopError, match="offers signing in from outside for cms, not for iam"):
        here.sign_in()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, b""), "answers 404"),
        ((200, b"<html>"), "no JSON object"),
        ((200, b'{"vos": []}'), "no list of virtual organizations"),
        ((200, b'{"vos": {"iam": {"title": 3}}}'), "older than the hub"),
        ((302, b"https://elsewhere.test/"), "answers 302"),
    ],
)
def test_a_hub_that_tells_no_vos_is_said_so(here: Machine, answer: tuple[int, bytes], words: str) -> None:
    here.hub.answers["/hub/facility/vos.json"] = answer
    with pytest.raises(LaptopError, match=words):
        here.sign_in()


def test_a_hub_whose_certificate_is_not_trusted_is_told_apart(here: Machine) -> None:
    here.bundle.write_text(here.iam.bundle.read_text())
    with pytest.raises(LaptopError, match=r"certificate is not trusted here .*SSL_CERT_FILE"):
        here.sign_in()


def test_a_client_that_may_not_have_all_scopes_is_the_vos_to_mend(tmp_path: Path) -> None:
    narrow = LAPTOPS.model_copy(update={"scopes": ("openid", "offline_access")})
    with machine(tmp_path, clients=(narrow,)) as made, pytest.raises(LaptopError, match="invalid_scope"):
        made.sign_in()


def test_a_client_without_the_device_grant_is_the_vos_to_mend(tmp_path: Path) -> None:
    plain = LAPTOPS.model_copy(update={"grant_types": (issuer.REFRESH,)})
    with machine(tmp_path, clients=(plain,)) as made, pytest.raises(LaptopError, match="device flow"):
        made.sign_in()


@pytest.mark.parametrize(
    ("hub", "url"),
    [
        ("https://hub.example", "https://hub.example/hub/facility/vos.json"),
        ("hub.example:31443/", "https://hub.example:31443/hub/facility/vos.json"),
        ("https://hub.example/hub", "https://hub.example/hub/facility/vos.json"),
        ("https://hub.example/hub/home", "https://hub.example/hub/facility/vos.json"),
        ("https://example.org/af/hub/", "https://example.org/af/hub/facility/vos.json"),
        ("https://example.org/af", "https://example.org/af/hub/facility/vos.json"),
    ],
)
def test_a_hub_is_found_by_whatever_a_person_would_call_its_url(hub: str, url: str) -> None:
    assert offers.address(hub) == url


def test_a_hub_without_tls_is_refused() -> None:
    with pytest.raises(LaptopError, match="must be https"):
        offers.address("http://hub.example")


def polled(answer: Response) -> Approved | Pending:
    flow = device.poll(METADATA, "laptops", BEGUN)
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(answer)
    found: Approved | Pending = end.value.value
    return found


def error(code: str, status: int = 400) -> Response:
    return Response(status, json.dumps({"error": code}).encode())


def test_an_issuer_that_wants_slower_questions_gets_them() -> None:
    answers = [error("slow_down"), error("authorization_pending"), error("slow_down")]
    slept: list[float] = []
    approved = Approved("token", "refresh")

    def ask() -> Approved | Pending:
        return polled(answers.pop(0)) if answers else approved

    assert device.wait(BEGUN, ask, lambda: sum(slept), slept.append) == approved
    assert slept == [5.0, 10.0, 10.0, 15.0]


def test_an_issuer_that_is_away_for_a_moment_is_asked_ever_less_often() -> None:
    slept: list[float] = []
    answers: list[Any] = [UnavailableError("away"), UnavailableError("busy", 40.0)]

    def ask() -> Approved | Pending:
        if answers:
            raise answers.pop(0)
        return Approved("token", "refresh")

    device.wait(BEGUN, ask, lambda: sum(slept), slept.append)
    assert slept == [5.0, 10.0, 40.0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error("access_denied"), "refused in the browser"),
        (error("expired_token"), "expired before anybody approved"),
        (error("invalid_grant"), "was used, or has expired"),
        (error("invalid_client", 401), "tell the VO's admins"),
        (error("something\u001b[31m"), r"refuses: 400 something\[31m$"),
        (Response(403, b"<html>"), "refuses: 403$"),
    ],
)
def test_a_refusal_is_told_in_words(answer: Response, words: str) -> None:
    with pytest.raises(LaptopError, match=words):
        polled(answer)


@pytest.mark.parametrize("answer", [Response(500, b""), Response(200, b"{}"), Response(200, b'{"access_token": 3}')])
def test_an_answer_that_is_none_is_no_refusal(answer: Response) -> None:
    with pytest.raises(UnavailableError):
        polled(answer)


def test_a_page_without_tls_is_not_shown_to_anybody() -> None:
    flow = device.begin(METADATA, "laptops", ("openid",))
    next(flow)
    said = {"device_code": "d", "user_code": "u", "verification_uri": "http://i/device", "expires_in": 600}
    with pytest.raises(LaptopError, match="not https"):
        flow.send(Response(200, json.dumps(said).encode()))


def command(here: Machine, *words: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "facility.cli", *words]
    return subprocess.run(run, env=here.environment, capture_output=True, text=True, check=False, timeout=PATIENCE)


def approved(here: Machine, said: Any) -> str:
    """Reads what the command shows and does as it says."""
    text = ""
    for line in said:
        text += line
        if found := re.search(r"enter the code (\S+)", line):
            here.answer("Authorize", user_code=found[1])
            return text
    raise AssertionError(text)


def test_the_commands_sign_in_get_tokens_and_sign_out_as_programs_of_their_own(here: Machine) -> None:
    here.iam.clock.now = time.time()
    run = [sys.executable, "-m", "facility.cli", "login", "--vo", "iam", "--hub", here.hub.url]
    with subprocess.Popen(
        run, env=here.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as login:
        approved(here, login.stderr)
        out, _ = login.communicate(timeout=PATIENCE)
    assert login.returncode == 0
    assert "kept in a file that only you can read\ntokens: lake, compute" in out
    printed = command(here, "token", "--vo", "iam")
    assert issuer.claims(printed.stdout.strip())["scope"] == "storage.read:/"
    written = command(here, "get-token", "--for", "compute", "--out", str(here.directory / "compute"))
    assert written.returncode == 0, written.stderr
    file = here.directory / "compute"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert issuer.claims(file.read_text())["aud"].startswith("condor://")
    found = json.loads(command(here, "status", "--json").stdout)
    assert (found["vo"], found["user"], found["trouble"]) == ("iam", issuer.ALICE.sub, [])
    secrets = [path for path in here.directory.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert secrets == []
    assert command(here, "logout").stdout == "signed out\n"
    assert command(here, "token").returncode == 1
    assert "facility login --vo VO --hub URL" in command(here, "token").stderr


def test_the_device_code_is_neither_shown_nor_in_arguments_or_environment_while_the_command_waits(
    here: Machine,
) -> None:
    here.iam.clock.now = time.time()
    run = [sys.executable, "-m", "facility.cli", "login", "--vo", "iam", "--hub", here.hub.url]
    with subprocess.Popen(run, env=here.environment, stderr=subprocess.PIPE, text=True) as login:
        assert login.stderr is not None
        text = "".join(login.stderr.readline() for _ in range(3))
        place = Path(f"/proc/{login.pid}")
        told = (place / "cmdline").read_bytes() + (place / "environ").read_bytes() + text.encode()
        login.terminate()
    assert "enter the code" in text
    assert not re.search(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-", told), "the device code is a UUID"


def test_a_hub_that_was_used_before_need_not_be_named_again(here: Machine) -> None:
    here.sign_in()
    assert last_hub(here.sessions, "iam", {}) == here.hub.url
    assert last_hub(here.sessions, "other", {}) == here.hub.url
    sign_out(here.sessions, here.web, "iam")
    assert last_hub(here.sessions, "iam", {"FACILITY_HUB": "https://h"}) == "https://h"
    with pytest.raises(LaptopError, match="which hub"):
        last_hub(here.sessions, "iam", {})
