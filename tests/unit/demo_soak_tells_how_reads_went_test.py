"""The soak's record: every read with time, way, outcome and the token's remaining life, and what all of it comes to."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from facility.dev.demo import secrets, world
from facility.dev.lake import analysis
from tests.cluster import soaked
from tests.cluster.kills import PROCESSES, SIGNAL, Kill, Pods, plan
from tests.fakes.clock import Clock
from tests.fakes.patience import PATIENCE
from tests.unit.demo_jobs_say_nothing_of_tokens_test import shipped

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(analysis.__file__).parent))
    return shipped("soak")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A token file with 30 s left at the clock's beginning."""
    claims = base64.urlsafe_b64encode(json.dumps({"jti": "one", "exp": Clock().now + 30}).encode()).decode().rstrip("=")
    path = tmp_path / "lake"
    path.write_text(f"eyJh.{claims}.x")
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(path))
    return path


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (OSError("[ERROR] Server responded with an error: [3010] Unable to open /x; permission denied"), "stale"),
        (OSError("[FATAL] Auth failed: No protocols left to try"), "stale"),
        (RuntimeError("403, message='Forbidden', url='https://xcache'"), "stale"),
        (type("InvalidTokenError", (ValueError,), {})("gone"), "stale"),
        (ValueError("BEARER_TOKEN_FILE names /run/token/lake, which does not exist"), "stale"),
        (OSError("[3011] Unable to locate /x; no such file"), "other"),
        (TimeoutError(), "other"),
        (OSError("Connection refused at port 1403"), "other"),
    ],
)
def test_a_refused_token_is_told_from_other_trouble(soak: ModuleType, error: Exception | None, outcome: str) -> None:
    assert soak.outcome(error) == outcome


def test_a_refusal_that_another_error_hides_is_found(soak: ModuleType) -> None:
    shown = TypeError("'ClientResponseError' object is not subscriptable")
    shown.__context__ = OSError("401, message='Unauthorized'")
    assert soak.outcome(shown) == "stale"


def test_a_read_is_recorded_with_the_life_of_its_token(soak: ModuleType, token: Path) -> None:
    clock = Clock()

    def read() -> int:
        clock.pass_by(2)
        return 5

    expected = {"at": Clock().now, "way": "root", "outcome": "ok", "took": 2.0, "left": 30.0, "token": "one"}
    assert soak.one("root", read, clock) == expected


def test_reading_nothing_is_no_read(soak: ModuleType, token: Path) -> None:
    assert soak.one("root", lambda: 0)["outcome"] == "other"


def test_an_errors_token_is_counted_and_never_kept(soak: ModuleType, token: Path) -> None:
    def read() -> int:
        raise OSError(f"403 for {TOKEN}")

    record = soak.one("https", read)
    assert record["leaked"] is True
    assert TOKEN not in json.dumps(record)


def test_a_missing_token_file_is_written_down_too(soak: ModuleType, token: Path) -> None:
    token.unlink()
    assert soak.in_force() == ("", 0.0)


def test_it_reads_in_turn_until_the_time_is_over(soak: ModuleType, token: Path) -> None:
    clock, said = Clock(), list[str]()
    records = soak.soak({"a": lambda: 1, "b": lambda: 1}, 40, clock, clock.pass_by, said.append)
    assert [record["way"] for record in records[:4]] == ["a", "b", "a", "b"]
    assert len(records) == 2 * 40 / soak.PAUSE
    assert said == ["15 s: 62 reads, 0 failed", "30 s: 122 reads, 0 failed"]


def test_every_way_really_reads(soak: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: Path) -> None:
    uproot = pytest.importorskip("uproot")
    pytest.importorskip("fsspec")
    (tmp_path / "cms").mkdir()
    with uproot.recreate(tmp_path / "cms" / "x.root") as file:
        file["Events"] = {"Muon_pt": list(range(20))}
    monkeypatch.setenv("LAKE_ROOT", f"file://{tmp_path}")
    monkeypatch.setenv("LAKE_HTTPS", f"file://{tmp_path}")
    with ExitStack() as keep:
        found = soak.ways("cms", "/cms/x.root", keep)
        assert [soak.one(way, read)["outcome"] for way, read in found.items()] == ["ok"] * len(found)
    assert len(found) >= 6


def test_the_job_reads_by_the_same_file_and_says_nothing_of_tokens() -> None:
    text = (Path(secrets.__file__).parent / "notebook" / "soaking.py").read_text()
    assert 'transfer_input_files": "soak.py, analysis.py' in text
    assert "BEARER_TOKEN" not in text


RECORDS: list[dict[str, Any]] = [
    {"at": 100.0, "way": "root", "outcome": "ok", "took": 0.1, "left": 50.0, "token": "a"},
    {"at": 103.0, "way": "https", "outcome": "stale", "took": 0.2, "left": -2.0, "token": "a", "error": "403"},
    {"at": 104.0, "way": "https", "outcome": "other", "took": 9.0, "left": 40.0, "token": "b", "error": "timeout"},
]
KILLS = [Kill("broker", 90.0, False, 6.0), Kill("hub", 102.0, True, 8.0)]


def test_the_summary_counts_stale_reads_and_says_what_had_been_ended_before() -> None:
    told = soaked.summary({"cms notebook": RECORDS, "cms job": RECORDS[:1]}, KILLS, 60)
    assert (told["P3"], told["reads"], told["other_errors"]) == (1, 4, 1)
    notebook = told["readers"]["cms notebook"]
    assert (notebook["tokens"], notebook["least_left"], notebook["slowest"], notebook["longest_gap"]) == (2, -2, 9, 3)
    assert notebook["ways"]["https"]["stale"] == 1
    assert told["failed"][0]["when"] == "1 s after hub was ended, which was back after 8 s"
    assert json.loads(json.dumps(told)) == told


def test_every_part_is_ended_twice_in_turn_within_the_time() -> None:
    parts = [Pods(name, "facility", name) for name in ("broker", "hub", "operator")]
    found = plan(parts, 300)
    assert [(part.name, at_once) for _, part, at_once in found] == [
        *((part.name, False) for part in parts),
        *((part.name, True) for part in parts),
    ]
    times = [when for when, _, _ in found]
    assert 0 < times[0] < times[-1] < 0.9 * 300
    assert len({round(b - a, 3) for a, b in pairwise(times)}) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process table of its own")
def test_a_containers_program_is_ended_from_within_and_nothing_else() -> None:
    begin = "import subprocess, sys; found = [subprocess.Popen([sys.executable, '-m', name], stdin=subprocess.PIPE) "
    begin += "for name in ('code', 'asyncio')]; "
    ask = f"[sys.executable, '-c', {PROCESSES!r}, 'code']"
    look = f"seen = subprocess.run({ask}, capture_output=True, text=True).stdout.split(); "
    end = f"subprocess.run([sys.executable, '-c', {SIGNAL!r}, '9', *seen]); "
    inner = f"{begin}{look}{end}print(*seen, found[0].wait(), found[1].poll())"
    command = ["unshare", "--pid", "--mount-proc", "--fork", sys.executable, "-c", inner]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode == 1 and "unshare" in done.stderr:
        pytest.skip("no process table of its own here")
    assert done.stdout.split()[-2:] == ["-9", "None"]  # before it a prompt, perhaps, and the process


def test_the_demos_issuers_rotate_refresh_tokens_of_the_people_of_the_soak() -> None:
    found = {vo.name: secrets.client_of(vo, "x").reuse_refresh_token for vo in world.VOS.values()}
    assert found == {"cms": False, "atlas": False, "escape": True}
