"""A person's own machine keeps its session: privately, over rotation, for one process at a time, and gets tokens."""

from __future__ import annotations

import json
import stat
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest

from facility.laptop import keeping, private
from facility.laptop.access import Wish
from facility.laptop.errors import LaptopError, SignInError
from facility.laptop.keeping import InFile, InKeyring
from tests.fakes import issuer
from tests.fakes.machine import LAKE, LAPTOPS, Machine, at_once, machine
from tests.fakes.safe import Safe


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        made.sign_in()
        yield made


@pytest.fixture
def safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TEST_SAFE", str(tmp_path / "safe"))
    before = keyring.get_keyring()
    keyring.set_keyring(Safe())
    yield tmp_path / "safe"
    keyring.set_keyring(before)


def secret(here: Machine) -> str:
    record = here.sessions.record("iam")
    assert record is not None
    found = here.sessions.secret(record)
    assert found is not None
    return found


def test_each_token_has_its_audience_and_no_scope_too_many(here: Machine) -> None:
    lake = issuer.claims(here.token())
    assert (lake["aud"], lake["scope"]) == (LAKE, "storage.read:/")
    compute = issuer.claims(here.token(name="compute"))
    assert compute["aud"].startswith("condor://")
    assert set(compute["scope"].split()) == {"compute.read", "compute.create"}
    narrow = issuer.claims(here.token(scope="storage.read:/open"))
    assert (narrow["aud"], narrow["scope"]) == (LAKE, "storage.read:/open")
    other = issuer.claims(here.token(audience="https://fts.test", scope="openid profile"))
    assert (other["aud"], set(other["scope"].split())) == ("https://fts.test", {"openid", "profile"})


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"name": "rucio"}, r"no such token; there are: lake \(https://lake\.test:1094\), compute"),
        ({"audience": "https://elsewhere"}, "For another audience name the scopes"),
        ({"scope": "storage.modify:/x/../y"}, "not normalised"),
        ({"scope": "storage.stage:/"}, r"not granted at your sign-in: storage\.stage:/; granted is: "),
    ],
)
def test_what_cannot_be_had_is_said_with_what_can(here: Machine, wish: dict[str, Any], words: str) -> None:
    with pytest.raises(LaptopError, match=words):
        here.token(**wish)


def test_a_token_at_hand_is_given_again_while_it_is_good_for_long_enough(here: Machine) -> None:
    first = here.token()
    assert here.token() == first
    here.iam.clock.now += 3600 - 61
    assert here.token() == first
    here.iam.clock.now += 2
    assert here.token() != first


def test_a_longer_life_or_a_new_token_is_asked_of_the_issuer(here: Machine) -> None:
    first = here.token()
    here.iam.clock.now += 60
    second = here.token(least=3600.0)
    assert second != first
    assert here.token(new=True) not in (first, second)


def test_a_rotated_refresh_token_is_kept_each_time(here: Machine) -> None:
    seen = {secret(here)}
    for _ in range(3):
        here.token(new=True)
        seen.add(secret(here))
    assert len(seen) == 4


def test_a_rotated_refresh_token_is_kept_before_the_access_token_is_looked_at(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = secret(here)
    monkeypatch.setattr("facility.laptop.access.claims.check", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        here.token()
    monkeypatch.undo()
    assert secret(here) != before
    assert here.token()


def test_two_processes_at_once_lose_no_session(here: Machine) -> None:
    """A rotated refresh token is good for one use: whoever used the old one would end the session."""
    tokens: list[str] = []
    at_once(*[lambda: tokens.append(here.token(new=True)) for _ in range(6)])
    assert len(set(tokens)) == 6
    assert here.token(new=True)


def test_a_session_that_was_revoked_says_to_sign_in_again(here: Machine) -> None:
    here.iam.http.post("/revoke", data={"token": secret(here), "client_id": LAPTOPS.client_id})
    with pytest.raises(SignInError, match="your session with iam is over: facility login --vo iam"):
        here.token()


def test_a_refresh_token_that_is_too_old_says_to_sign_in_again(here: Machine) -> None:
    here.iam.clock.now += 31 * 86400
    with pytest.raises(SignInError, match="facility login --vo iam"):
        here.token()


def test_while_the_issuer_is_away_a_token_that_is_still_good_is_given(here: Machine) -> None:
    first = here.token()
    here.iam.clock.now += 3600 - 30
    trusted = here.bundle.read_text()
    here.bundle.write_text("")
    assert here.token() == first
    here.iam.clock.now += 31
    with pytest.raises(LaptopError, match="the CAs to trust cannot be read, see SSL_CERT_FILE"):
        here.token()
    here.bundle.write_text(trusted)
    assert here.token() != first


def test_a_token_that_is_for_somebody_else_or_of_another_issuer_is_given_to_nobody(here: Machine) -> None:
    path = here.directory / "facility" / "iam.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"subject": "somebody-else"}))
    with pytest.raises(LaptopError, match="claim sub names somebody else"):
        here.token()


def test_all_files_are_for_their_person_alone(here: Machine) -> None:
    here.token()
    home = here.directory / "facility"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert modes == dict.fromkeys(["iam.json", "iam.refresh", "iam.access", "iam.lock"], 0o600)
    assert secret(here) not in (home / "iam.json").read_text() + (home / "iam.access").read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_refresh_token_that_others_may_read_is_not_used(here: Machine, mode: int) -> None:
    path = here.directory / "facility" / "iam.refresh"
    path.chmod(mode)
    with pytest.raises(LaptopError, match="is not yours alone"):
        here.token()


def test_a_link_in_the_place_of_the_file_is_not_followed(here: Machine, tmp_path: Path) -> None:
    path = here.directory / "facility" / "iam.refresh"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LaptopError, match="cannot be read"):
        here.token()


def test_no_error_and_no_repr_shows_a_token(here: Machine) -> None:
    kept = here.token()
    text = secret(here)
    here.bundle.write_text("")
    with pytest.raises(LaptopError) as caught:
        here.token(new=True, name="compute")
    told = "".join(traceback.format_exception(caught.value)) + repr(here.sessions.record("iam"))
    told += repr(here.access.token("iam", Wish(least=0.0)))
    assert text not in told
    assert kept not in told


def test_in_a_keyring_the_refresh_token_is_in_no_file(here: Machine, safe: Path) -> None:
    here.places = keeping.places(here.directory / "facility")
    record = here.sign_in()
    assert record.kept == "keyring"
    assert not (here.directory / "facility" / "iam.refresh").exists()
    before = secret(here)
    assert before in safe.read_text()
    assert here.token(new=True)
    assert secret(here) != before
    here.sessions.forget("iam")
    assert json.loads(safe.read_text()) == {}


def test_a_keyring_that_takes_nothing_at_rotation_does_not_lose_the_session(
    here: Machine, safe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was open when the refresh token was read, and locked when the new one came."""
    here.places = keeping.places(here.directory / "facility")
    here.sign_in()
    real = InKeyring.write
    monkeypatch.setattr(InKeyring, "write", refusing)
    assert here.token(new=True)
    record = here.sessions.record("iam")
    assert record is not None
    assert record.kept == "file"
    monkeypatch.setattr(InKeyring, "write", real)
    assert here.token(new=True)


def refusing(self: InKeyring, name: str, secret: str) -> None:
    raise LaptopError("locked")


def test_a_locked_keyring_is_said_without_its_words(here: Machine, safe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here.places = keeping.places(here.directory / "facility")
    here.sign_in()
    monkeypatch.setenv("TEST_SAFE_LOCKED", "1")
    with pytest.raises(LaptopError, match=r"keyring does not answer \(KeyringLocked\): is it locked\?$"):
        here.token()


def test_a_keyring_that_keeps_nothing_is_not_taken(tmp_path: Path, safe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(keeping.places(tmp_path)) == ["keyring", "file"]
    monkeypatch.setattr(Safe, "priority", 0.5)
    assert list(keeping.places(tmp_path)) == ["file"]


def test_without_the_library_sessions_are_kept_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    assert list(keeping.places(tmp_path)) == ["file"]


def test_a_session_that_is_in_a_keyring_which_is_not_here_is_said_so(here: Machine, safe: Path) -> None:
    here.places = keeping.places(here.directory / "facility")
    here.sign_in()
    here.places = {"file": InFile(here.directory / "facility")}
    with pytest.raises(LaptopError, match="is in the system's keyring, which is not here"):
        here.token()


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/a"}, "/state/facility"),
        ({"HOME": "/home/a"}, "/home/a/.local/state/facility"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/a"}, "/home/a/.local/state/facility"),
    ],
)
def test_sessions_are_where_the_xdg_specification_has_state(environment: dict[str, str], place: str) -> None:
    assert private.home(environment) == Path(place)


@pytest.mark.parametrize("vo", ["../x", "Cms", "", "a" * 20])
def test_a_name_that_is_no_vos_is_no_part_of_a_files_name(here: Machine, vo: str) -> None:
    calls: list[Callable[[str], Any]] = [here.sessions.record, here.sessions.access, here.sessions.forget]
    for call in calls:
        with pytest.raises(LaptopError, match="is no name of a virtual organization"):
            call(vo)
