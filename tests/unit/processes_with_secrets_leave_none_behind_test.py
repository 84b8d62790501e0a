"""What a process with secrets in memory says when it goes wrong, in any of the ways in which Python reports errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
SECRET = "secret-refresh-token"
BEGIN = f"""
import asyncio, ctypes, logging, resource, sys, threading
from facility.secrecy import keep_secrets, of_loop
logging.basicConfig(format="%(message)s")
keep_secrets()

def fail():
    held = "{SECRET}"
    raise ValueError(held) from KeyError(held)

class Buried:
    def __del__(self):
        fail()

class Unprintable:
    def __str__(self):
        fail()

async def forgotten():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(of_loop)
    loop.call_soon(fail)
    task = loop.create_task(asyncio.sleep(0, "{SECRET}"), name="{SECRET}")
    loop.call_exception_handler(dict(message="{SECRET}", task=task))
    await asyncio.sleep(0.01)
"""
UNCAUGHT = "uncaught: ValueError in <string>, line 9 (fail)"


def run(last: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + last], cwd=HERE, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("fail()", 1),
        ("thread = threading.Thread(target=fail); thread.start(); thread.join()", 0),
        ("Buried()", 0),
        ("asyncio.run(forgotten())", 0),
    ],
    ids=["the main thread", "another thread", "an object's end", "an event loop"],
)
def test_an_exception_that_nobody_caught_is_told_by_its_kind_and_place_alone(last: str, status: int) -> None:
    done = run(last)
    assert UNCAUGHT in done.stderr.splitlines()
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == status


def test_what_an_event_loop_reports_without_an_exception_is_not_quoted_either() -> None:
    assert "uncaught: something that is no exception" in run("asyncio.run(forgotten())").stderr.splitlines()


def test_a_record_that_cannot_be_written_is_not_shown_with_what_is_in_it() -> None:
    done = run(f'logging.warning("%s and %s", "{SECRET}", Unprintable()); logging.warning("%d", "{SECRET}")')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_core_file_is_left_and_nobody_looks_into_the_process() -> None:
    asked = "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert run(asked).stdout == "(0, 0) 0\n"


def test_a_program_that_such_a_process_becomes_leaves_no_core_file_either() -> None:
    became = "import os; from facility.secrecy import forbid_core_files; forbid_core_files(); "
    became += "os.execv('/bin/sh', ('sh', '-c', 'grep core /proc/self/limits'))"
    done = subprocess.run([sys.executable, "-c", became], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Max", "core", "file", "size", "1", "1", "bytes"]


def test_without_it_python_would_have_quoted_the_secret() -> None:
    """So these ways to fail do show it, and what they show is seen here."""
    for last in ("fail()", "Buried()"):
        assert (
            SECRET
            in run(f"sys.excepthook = sys.__excepthook__; sys.unraisablehook = sys.__unraisablehook__; {last}").stderr
        )
