"""The operator's own token for looking at queues: short, renewed, for reading alone, and in nobody else's reach."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

import jwt
import pytest

from facility.condor.jobs import QueueError
from facility.operator.queues import Reader, configuration
from tests.fakes.clock import Clock
from tests.fakes.operator_world import SITE

KEY = b"k" * 64


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ask(reader: Reader) -> None:
    """Nothing listens in a test, and that is an error of the queue's and of no other kind."""
    with suppress(QueueError):
        reader.ask("ap@ap-cms.facility-batch.svc")
    reader.close()


def test_the_token_is_for_reading_alone_and_renewed_at_half_of_its_life(tmp_path: Path, clock: Clock) -> None:
    reader = Reader(SITE, KEY, clock, tmp_path)
    ask(reader)
    file = tmp_path / "tokens.d/operator"
    first = file.read_text()
    claims = jwt.decode(first, options={"verify_signature": False, "verify_exp": False, "verify_iat": False})
    assert (claims["sub"], claims["scope"]) == ("operator@pool", "condor:/READ")
    clock.pass_by(11 * 3600)
    ask(reader)
    assert file.read_text() == first
    clock.pass_by(2 * 3600)
    ask(reader)
    assert file.read_text() != first


def test_nobody_else_can_read_it(tmp_path: Path, clock: Clock) -> None:
    ask(Reader(SITE, KEY, clock, tmp_path / "cms"))
    assert stat.S_IMODE((tmp_path / "cms/tokens.d").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "cms/tokens.d/operator").stat().st_mode) == 0o600


def test_the_configuration_holds_no_secret_and_asks_for_security(tmp_path: Path) -> None:
    text = configuration(SITE, tmp_path)
    assert KEY.decode() not in text
    for what in ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY"):
        assert f"SEC_CLIENT_{what} = REQUIRED" in text
    assert "COLLECTOR_HOST = cm.facility-batch.svc:9618" in text
