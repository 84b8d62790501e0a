"""A person at the terminal sees what the demo does and how long it takes; the bench reads the same seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facility.dev.demo.steps import Progress, Verified, checklist
from tests.fakes.clock import Clock


def progress(clock: Clock, lines: list[str], record: Path | None = None) -> Progress:
    return Progress(record, now=clock, write=lines.append)


def test_a_step_is_told_when_it_begins_and_when_it_ends() -> None:
    clock, lines = Clock(), list[str]()
    shown = progress(clock, lines)
    clock.now += 2
    with shown.step("build the images") as say:
        clock.now += 1.5
        say("notebook")
        clock.now += 1
    assert lines == [
        "[    2.0 s] ▸ build the images\n",
        "[    3.5 s]     notebook\n",
        "[    4.5 s] ✓ build the images (2.5 s)\n",
    ]


def test_seconds_of_finished_steps_are_on_disk_at_once(tmp_path: Path) -> None:
    clock, record = Clock(), tmp_path / "new" / "steps.json"
    shown = progress(clock, [], record)
    with shown.step("first"):
        clock.now += 3.14159
    assert json.loads(record.read_text()) == {"first": 3.1}
    with shown.step("second"):
        clock.now += 1
    assert json.loads(record.read_text()) == {"first": 3.1, "second": 1.0}
    assert shown.total == pytest.approx(4.14159)


@pytest.mark.parametrize("ended_by", [RuntimeError("no disk"), KeyboardInterrupt()])
def test_a_failed_step_is_said_to_have_failed_and_counts_for_nothing(ended_by: BaseException, tmp_path: Path) -> None:
    clock, lines, record = Clock(), list[str](), tmp_path / "steps.json"
    shown = progress(clock, lines, record)

    def work() -> None:
        with shown.step("first"):
            clock.now += 2
            raise ended_by

    with pytest.raises(type(ended_by)):
        work()
    assert lines[-1].endswith("✗ first failed after 2.0 s\n")
    assert shown.seconds == {}
    assert not record.exists()


def test_the_checklist_says_what_was_verified_and_measured() -> None:
    items = [Verified("the histograms are equal"), Verified("tokens were renewed", "3 in 135 s")]
    assert checklist(items) == "  ✓ the histograms are equal\n  ✓ tokens were renewed (3 in 135 s)"
