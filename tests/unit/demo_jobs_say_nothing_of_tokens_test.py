"""What the demo submits and runs: plain job descriptions, and jobs that read with whatever token is there."""

from __future__ import annotations

import base64
import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import htcondor2
import pytest

from facility.dev.lake import analysis
from tests.fakes.clock import Clock

NOTEBOOK = Path(analysis.__file__).parents[1] / "demo" / "notebook"
CMS = "/cms/embargoed/nano_dimuon.root"


def shipped(name: str) -> ModuleType:
    """A file of the notebook's as it is there: beside `analysis`, outside of any package."""
    spec = spec_from_file_location(f"shipped_{name}", NOTEBOOK / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def beside_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(analysis.__file__).parent))


@pytest.fixture
def submit(beside_analysis: None) -> Any:
    return shipped("submit")


@pytest.fixture
def job(beside_analysis: None) -> Any:
    return shipped("job")


class Queue:
    """A schedd that answers each question with the next of its answers, then with the last again."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.answers = list(answers)

    def query(self, constraint: str, attributes: list[str]) -> list[dict[str, Any]]:
        assert constraint == "ClusterId == 7"
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_the_description_speaks_of_no_token_and_no_group(submit: Any) -> None:
    text = json.dumps(submit.description("cms", CMS, 135)).lower()
    assert not [word for word in ("token", "oauth", "accounting", "x509", "proxy") if word in text]


def test_the_description_is_one_that_htcondor_takes(submit: Any) -> None:
    taken = htcondor2.Submit(submit.description("cms", CMS, 135))
    assert taken.expand("arguments").split()[:2] == ["job.py", "cms"]
    assert taken["arguments"] == f"job.py cms {CMS} $(Process) {submit.JOBS} 135"


def test_each_job_brings_back_files_of_its_own(submit: Any) -> None:
    outputs = submit.description("cms", CMS, 135)["transfer_output_files"]
    assert outputs.count("$(Process)") == 2


def test_jobs_that_have_all_ended_are_done(submit: Any) -> None:
    ended = {"JobStatus": submit.DONE, "JobCurrentStartDate": 1}
    times = submit.wait(Queue([ended] * 4), 7, seconds=10)
    assert set(times) == {"first_start_s", "all_done_s"}


def test_a_job_on_hold_ends_the_waiting_with_its_reason(submit: Any) -> None:
    held = {"JobStatus": submit.HELD, "HoldReason": "disk full", "HoldReasonCode": 21}
    with pytest.raises(SystemExit, match="disk full"):
        submit.wait(Queue([held]), 7, seconds=10)


@pytest.mark.parametrize("code", [4, 16])
def test_holds_that_end_by_themselves_are_waited_for(submit: Any, code: int) -> None:
    held = {"JobStatus": submit.HELD, "HoldReason": "on its way", "HoldReasonCode": code}
    ended = {"JobStatus": submit.DONE, "JobCurrentStartDate": 1}
    clock = Clock()
    submit.time = SimpleNamespace(monotonic=clock, sleep=clock.pass_by)
    assert submit.wait(Queue([held], [ended]), 7, seconds=10) == {"first_start_s": 1.0, "all_done_s": 1.0}


def test_jobs_that_never_end_are_given_up_with_their_state(submit: Any) -> None:
    clock = Clock()
    submit.time = SimpleNamespace(monotonic=clock, sleep=clock.pass_by)
    with pytest.raises(SystemExit, match=r"have not ended after 30 s: .*'JobStatus': 1"):
        submit.wait(Queue([{"JobStatus": 1}]), 7, seconds=30)


def test_a_token_is_named_by_its_id(job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    for name in ("a", "ab", "abc"):  # payloads whose base64 needs each kind of padding
        payload = base64.urlsafe_b64encode(json.dumps({"jti": name}).encode()).decode().rstrip("=")
        file.write_text(f"e30.{payload}.c2ln")
        monkeypatch.setenv("BEARER_TOKEN_FILE", str(file))
        assert job.token_id() == name
