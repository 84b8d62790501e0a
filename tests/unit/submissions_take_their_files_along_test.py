"""HTCondor's own tools in a notebook: they submit as if they were beside the access point, and files go along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facility.batch import tool

BIN = Path(__file__).parents[2] / "images" / "notebook" / "bin"


class Schedd:
    """Notes what is done with it."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def submit(self, description: str, count: int = 0, spool: bool = False, itemdata: Any = None) -> str:
        self.done.append(("submit", description, count, spool, itemdata))
        return f"placed {description}"

    def spool(self, placed: str) -> None:
        self.done.append(("spool", placed))


@pytest.mark.parametrize("more", [{"count": 1}, {"itemdata": [{"a": "1"}]}, {"spool": False}])
def test_what_the_tool_submits_is_spooled(more: dict[str, Any]) -> None:
    schedd = Schedd()
    assert tool.spooling(Schedd.submit)(schedd, "job", **more) == "placed job"
    assert schedd.done == [("submit", "job", more.get("count", 0), True, more.get("itemdata")), ("spool", "placed job")]


def test_the_tool_takes_a_person_for_the_owner_of_their_jobs() -> None:
    environment = {"FACILITY_USER": "cms-alice", "LOGNAME": "jovyan"}
    tool.be_owner(environment)
    assert environment["LOGNAME"] == "cms_alice"
    elsewhere = {"LOGNAME": "alice"}
    tool.be_owner(elsewhere)
    assert elsewhere == {"LOGNAME": "alice"}


#: runs `htcondor` with arguments, and a queue that has one job set
ASKED = """
import sys
import classad2, htcondor2
from facility.batch import tool

class Schedd:
    submit = None
    def query(self, constraint, projection=(), opts=None):
        ad = {"MyType": "JobSet", "JobSetName": "s", "Owner": "cms_alice", "JobSetId": 1, "NumJobs": 0, "ClusterId": 17}
        ad = classad2.ClassAd(ad | {"NumSchedulerJobs": 0, "NumIdle": 2})
        return [ad] if classad2.ExprTree(constraint).eval(ad) is True else []

htcondor2.Schedd = Schedd
sys.argv = ["htcondor", *sys.argv[1:]]
sys.exit(tool.main())
"""


def test_job_sets_of_a_person_are_looked_for_under_their_owner() -> None:
    environment = {"PATH": os.environ["PATH"], "CONDOR_CONFIG": "/dev/null", "LOGNAME": "jovyan"}
    environment |= {"FACILITY_USER": "cms-alice", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ASKED, "jobset", "status", "s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert "s currently has 2 jobs idle" in done.stdout + done.stderr


@pytest.mark.parametrize("words", [["dag", "submit", "x.dag"]])
def test_dagman_is_refused_with_what_to_use_instead(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "facility.batch.tool", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "facility batch dag FILE" in done.stderr
    script = subprocess.run(["sh", BIN / "condor_submit_dag", "x.dag"], capture_output=True, text=True, check=False)
    assert (script.returncode, script.stderr) == (1, done.stderr)


def test_the_tool_is_htcondors_own_otherwise() -> None:
    run = [sys.executable, "-m", "facility.batch.tool", "jobset", "submit", "none.set"]
    environment = {"PATH": os.environ["PATH"], "CONDOR_CONFIG": "/dev/null", "FACILITY_USER": "cms-alice"}
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "Error while trying to run jobset submit" in done.stdout + done.stderr


def test_scripts_before_htcondors_own_can_be_run() -> None:
    assert sorted(one.name for one in BIN.iterdir()) == ["condor_submit", "condor_submit_dag", "htcondor"]
    assert all(os.access(one, os.X_OK) for one in BIN.iterdir())
