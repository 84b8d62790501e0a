"""An execute pod takes no more jobs once it is told so, or once half of the life of its identity is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from facility.condor import idtoken, retire
from facility.condor.retire import Retirement
from tests.fakes.clock import Clock


class Pod:
    """An execute pod's files, and how often HTCondor has been told to read its configuration."""

    def __init__(self, directory: Path) -> None:
        self.clock, self.log, self.reread, self.fails = Clock(), list[str](), 0, False
        self.asked, self.token, self.leaving = (directory / name for name in ("retire", "token", "leaving.conf"))
        key = idtoken.make_key()
        self.token.write_text(idtoken.mint(key, "cms_alice@pool", idtoken.EXECUTE_SCOPES, self.clock.now, 7200))
        self.retirement = Retirement(self._reread, self.clock, self.log.append, self.asked, self.token, self.leaving)

    def _reread(self) -> None:
        if self.fails:
            raise ProcessLookupError("no such process")
        self.reread += 1


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_as_long_as_nobody_says_so_it_takes_jobs(pod: Pod) -> None:
    pod.retirement.look()
    pod.asked.write_text("")  # as an annotation is that nobody has set
    pod.retirement.look()
    assert (pod.reread, pod.leaving.exists(), pod.log) == (0, False, [])


def test_when_it_is_told_it_says_why_and_has_htcondor_know_once(pod: Pod) -> None:
    pod.asked.write_text("the VO has more than its share\n")
    pod.retirement.look()
    pod.retirement.look()
    assert pod.reread == 1
    assert pod.leaving.read_text() == retire.TEXT
    assert pod.log == ["no more jobs: the VO has more than its share"]


def test_it_leaves_by_itself_long_before_its_identity_is_refused(pod: Pod) -> None:
    pod.clock.pass_by(3599)
    pod.retirement.look()
    assert pod.reread == 0
    pod.clock.pass_by(1)
    pod.retirement.look()
    assert pod.reread == 1
    assert "half of the life" in pod.log[0]


def test_what_fails_is_told_once_and_tried_again(pod: Pod) -> None:
    pod.asked.write_text("enough")
    pod.fails = True
    pod.retirement.look()
    pod.retirement.look()
    assert pod.log == ["cannot tell whether to take more jobs: no such process"]
    pod.fails = False
    pod.retirement.look()
    assert pod.reread == 1


@pytest.mark.parametrize("token", ["", "no.token", "a.e30.b"])
def test_an_identity_that_does_not_say_until_when_is_told(pod: Pod, token: str) -> None:
    pod.token.write_text(token)
    pod.retirement.look()
    assert len(pod.log) == 1
    assert (token or "cannot") in pod.log[0] or "identity" in pod.log[0]


def test_operators_tokens_of_execute_pods_leave_a_day_for_the_jobs_that_run() -> None:
    assert idtoken.EXECUTE_LIFE / 2 >= 24 * 3600
