"""What an execute pod makes of jobs that take too much, of GPUs, and of being told to take no more."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from facility.condor import execute_config, gpus, layout, retire
from facility.condor.execute_config import DISK_EXCEEDED, MEMORY_EXCEEDED
from tests.fakes.objects import site
from tests.unit.condor_configuration_test import everything

classad2 = pytest.importorskip("classad2")
SLOT = {"Memory": 512, "Disk": 2**20}
#: memory in MiB and disk in KiB that the job uses
MODEST: dict[str, Any] = {"JobUniverse": 5, "MemoryUsage": 512, "DiskUsage": 2**20, "Owner": "cms_alice"}
GREEDY: dict[str, Any] = MODEST | {"MemoryUsage": 700}
WIDE: dict[str, Any] = MODEST | {"DiskUsage": 2**21}


def said(name: str, job: dict[str, Any], text: str = "", **environment: str) -> Any:
    """What a macro of an execute pod says of a job that runs in SLOT."""
    values = everything(text or execute_config.execute(site()), **environment)
    slot = classad2.ClassAd({str(key): value for key, value in SLOT.items()})
    slot["It"] = classad2.ExprTree(values[name.upper()])
    return slot["It"].eval(slot, classad2.ClassAd(job))


@pytest.mark.parametrize(
    ("job", "held", "subcode", "told"),
    [
        (MODEST, False, None, ""),
        (GREEDY, True, MEMORY_EXCEEDED, "used 700 MiB of memory and had 512 MiB"),
        (WIDE, True, DISK_EXCEEDED, "files took 2048 MiB and it had 1024 MiB"),
        ({"JobUniverse": 5}, False, None, ""),
    ],
)
def test_a_job_that_takes_more_than_it_asked_for_is_held_at_once_and_told_why(
    job: dict[str, Any], held: bool, subcode: int | None, told: str
) -> None:
    assert said("PREEMPT", job) is held
    assert said("WANT_HOLD", job) is held
    assert said("MaxJobRetirementTime", job) == (-1 if held else 86400 * 30)
    if held:
        assert told in said("WANT_HOLD_REASON", job)
        assert said("WANT_HOLD_SUBCODE", job) == subcode


def test_what_jobs_use_is_known_within_seconds() -> None:
    values = everything(execute_config.execute(site()))
    names = ("STARTER_UPDATE_INTERVAL", "PROCD_MAX_SNAPSHOT_INTERVAL", "POLLING_INTERVAL")
    assert all(int(values[name]) <= 10 for name in names)


@pytest.mark.parametrize(
    ("pod", "asked", "taken"), [("0", 0, True), ("0", None, True), ("2", 0, False), ("2", None, False), ("2", 1, True)]
)
def test_a_pod_with_gpus_is_for_jobs_that_want_one(pod: str, asked: int | None, taken: bool) -> None:
    job = MODEST | ({} if asked is None else {"RequestGPUs": asked})
    assert said("START", job, EP_GPUS=pod) is taken
    assert ("MACHINE_RESOURCE_INVENTORY_GPUS" in everything(execute_config.execute(site()), EP_GPUS=pod)) is (
        pod != "0"
    )


def test_a_pod_that_is_told_to_leave_takes_no_more_jobs_and_goes_when_it_is_idle(tmp_path: Path) -> None:
    told = tmp_path / "leaving.conf"
    text = execute_config.execute(site(execute_idle=300)).replace(str(layout.LEAVING), str(told))
    assert said("START", MODEST, text) is True
    told.write_text(retire.TEXT)
    text += "# read anew\n"
    assert said("START", MODEST, text) is False
    assert everything(text)["STARTD_NOCLAIM_SHUTDOWN"] == "1"


def test_every_slot_of_the_largest_pod_has_an_account_of_its_own() -> None:
    values = everything(execute_config.execute(site(execute_cpus=2, execute_max_cpus=16)))
    assert [values[f"SLOT1_{n}_USER"] for n in (1, 16)] == ["slot1", "slot16"]


def inventory(tmp_path: Path, count: str, discovered: str) -> str:
    """What the program for GPUs prints."""
    discovery, program = tmp_path / "condor_gpu_discovery", tmp_path / "gpus"
    discovery.write_text(f"#!/bin/sh\necho '{discovered}'\n")
    discovery.chmod(0o755)
    program.write_text(gpus.TEXT.replace("/usr/libexec/condor/condor_gpu_discovery", str(discovery)))
    done = subprocess.run(["/bin/sh", str(program)], env={"EP_GPUS": count}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_gpus_are_those_that_htcondor_finds_or_as_many_as_the_pod_was_given(tmp_path: Path) -> None:
    found = 'DetectedGPUs="GPU-8f2b, GPU-77aa"'
    assert inventory(tmp_path, "2", found) == found
    assert inventory(tmp_path, "3", "DetectedGPUs=0") == 'DetectedGPUs="CUDA0, CUDA1, CUDA2"'
