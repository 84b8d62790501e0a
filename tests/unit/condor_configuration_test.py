"""What HTCondor makes of the configuration that is rendered for it, by its own parser and its own expressions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from facility.condor import access_point_config, config, execute_config, layout
from facility.condor.gauges import EXCESS
from facility.condor.hold_codes import KILLED
from facility.condor.resources import daemons_memory
from facility.condor.shapes import DAEMONS_DISK
from tests.fakes.objects import site, vo

htcondor2 = pytest.importorskip("htcondor2")
classad2 = pytest.importorskip("classad2")

IMAGES = Path(__file__).parents[2] / "images"
_READ = """
import htcondor2, json
print(json.dumps({name.upper(): str(htcondor2.param[name]) for name in htcondor2.param}))
"""
_POD = {"POD_IP": "10.1.2.3", "POD_NAME": "ep-cms-alice-x", "EP_SCHEDD": "ap@ap-cms.facility-batch.svc"}
_POD |= {"EP_OWNER": "cms_alice", "EP_CPUS": "2", "EP_MEMORY": "832", "EP_DISK": "1048576", "EP_GPUS": "0"}
_POD |= {"EP_JOB_ENVIRONMENT": "FACILITY_VO=cms"}
ROLES = {
    "cm": config.central_manager(site()),
    "ap": access_point_config.access_point(vo("cms"), site()),
    "ep": execute_config.execute(site()),
}


@cache
def everything(text: str, **pod: str) -> dict[str, str]:
    """All macros as HTCondor reads them, in a process of its own. `pod`: what its environment has otherwise."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "condor_config"
        path.write_text(text)
        environment = {"PATH": os.environ["PATH"], "CONDOR_CONFIG": str(path), **_POD, **pod}
        done = subprocess.run(
            [sys.executable, "-c", _READ], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def read(text: str, *names: str) -> dict[str, str]:
    """The values of some macros."""
    return {name: everything(text).get(name.upper(), "") for name in names}


@pytest.mark.parametrize("role", ROLES)
def test_every_connection_is_authenticated_encrypted_and_checked(role: str) -> None:
    names = [f"SEC_DEFAULT_{what}" for what in ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY")]
    assert set(read(ROLES[role], *names).values()) == {"REQUIRED"}


@pytest.mark.parametrize("role", ROLES)
def test_nobody_is_believed_without_a_token(role: str) -> None:
    names = [f"{daemon}SEC_DEFAULT_AUTHENTICATION_METHODS" for daemon in ("", "SCHEDD.", "COLLECTOR.")]
    methods = read(ROLES[role], *names, "SEC_CLIENT_AUTHENTICATION_METHODS")
    assert {one.strip() for value in methods.values() if value for one in value.split(",")} <= {"IDTOKENS", "SCITOKENS"}


@pytest.mark.parametrize("role", ROLES)
def test_only_holders_of_the_pools_key_administer(role: str) -> None:
    names = ("ALLOW_DAEMON", "ALLOW_ADMINISTRATOR", "ALLOW_ADVERTISE_SCHEDD")
    assert set(read(ROLES[role], *names).values()) == {"condor@password, condor@pool"}


def test_the_collector_knows_itself_by_its_own_address() -> None:
    found = read(ROLES["cm"], "COLLECTOR_HOST", "ALLOW_WRITE", "DAEMON_LIST")
    assert found["COLLECTOR_HOST"] == "10.1.2.3:9618"
    assert "people" not in found["ALLOW_WRITE"]


def test_who_comes_to_an_access_points_port_and_names_no_daemon_speaks_with_the_schedd() -> None:
    """So a person's own machine needs to know the port's address only, and no collector."""
    found = read(ROLES["ap"], "SHARED_PORT_DEFAULT_ID", "SCHEDD_ARGS")
    assert found["SCHEDD_ARGS"] == f"-sock {found['SHARED_PORT_DEFAULT_ID']}"


def test_an_access_point_lets_its_own_vo_in_and_no_other() -> None:
    found = read(ROLES["ap"], "ALLOW_READ", "ALLOW_WRITE", "SCITOKENS_SERVER_AUDIENCE")
    assert found["ALLOW_WRITE"] == "cms_*@pool, condor@password, condor@pool"
    assert found["ALLOW_READ"] == "cms_*@pool, operator@pool, condor@password, condor@pool"
    assert found["SCITOKENS_SERVER_AUDIENCE"] == site().compute_audience


def test_nothing_of_a_users_runs_on_the_access_point() -> None:
    found = read(ROLES["ap"], "START_LOCAL_UNIVERSE", "START_SCHEDULER_UNIVERSE")
    assert set(found.values()) == {"False"}


def test_an_execute_pod_attaches_itself_works_for_its_owner_and_wastes_no_time() -> None:
    text = execute_config.execute(site(execute_cpus=2, execute_idle=40, execute_grace=70, credential_refresh=10))
    found = read(
        text,
        *("STARTD_DIRECT_ATTACH_SCHEDD_NAME", "START", "RunBenchmarks", "STARTD_NOCLAIM_SHUTDOWN", "NUM_CPUS"),
        *("SLOT1_2_USER", "SEC_CREDENTIAL_REFRESH", "SHUTDOWN_GRACEFUL_TIMEOUT", "USER_JOB_WRAPPER", "MEMORY"),
    )
    assert found == {
        "STARTD_DIRECT_ATTACH_SCHEDD_NAME": "ap@ap-cms.facility-batch.svc",
        "START": 'TARGET.Owner == "cms_alice" && True && True',
        "RunBenchmarks": "False",
        "STARTD_NOCLAIM_SHUTDOWN": "40",
        "NUM_CPUS": "2",
        "SLOT1_2_USER": "slot2",
        "SEC_CREDENTIAL_REFRESH": "10",
        "SHUTDOWN_GRACEFUL_TIMEOUT": "70",
        "USER_JOB_WRAPPER": str(layout.JOB_WRAPPER),
        "MEMORY": "832",
    }


GOOD = {"JobUniverse": 5, "JobStatus": 5, "HoldReasonCode": 16, "RequestCpus": 1, "Owner": "cms_alice"}


@pytest.mark.parametrize(
    ("requirement", "job", "accepted"),
    [
        ("Vanilla", {}, True),
        ("Vanilla", {"JobUniverse": 12}, False),
        ("Vanilla", {"JobUniverse": 7}, False),
        ("Spooled", {}, True),
        ("Spooled", {"JobStatus": 1}, False),
        ("Spooled", {"HoldReasonCode": 1}, False),
        ("OwnGroup", {}, True),
        ("OwnGroup", {"AskedAcctGroup": "group_cms", "AskedAccountingGroup": "group_cms.jovyan"}, True),
        ("OwnGroup", {"AskedAcctGroup": "group_atlas"}, False),
        ("OwnGroup", {"AskedAccountingGroup": "group_atlas.atlas_bob"}, False),
        ("OwnGroup", {"AskedAccountingGroup": "group_cmsx.cms_alice"}, False),
        ("Fits", {}, True),
        ("Fits", {"RequestCpus": 4, "RequestMemory": 2048 - daemons_memory(4), "RequestDisk": 3145728}, True),
        ("Fits", {"RequestCpus": 5}, False),
        ("Fits", {"RequestMemory": 2049 - daemons_memory(4)}, False),
        ("Fits", {"RequestDisk": 3145729}, False),
        ("Fits", {"RequestGPUs": 1}, False),
    ],
)
def test_what_the_queue_takes(requirement: str, job: dict[str, Any], accepted: bool) -> None:
    usual = {"execute_cpus": 2, "execute_resources": {"requests": {"cpu": "1", "memory": "1Gi"}}, "execute_disk": "1Gi"}
    largest = {"execute_max_cpus": 4, "execute_max_memory": "2Gi", "execute_max_disk": "3Gi"}
    text = access_point_config.access_point(vo("cms"), site(**usual, **largest))
    name = f"SUBMIT_REQUIREMENT_{requirement}"
    found = read(text, name, f"{name}_REASON", "SUBMIT_REQUIREMENT_NAMES")
    assert requirement in found["SUBMIT_REQUIREMENT_NAMES"].split()
    ad = classad2.ClassAd(GOOD | job)
    assert classad2.ExprTree(found[name]).eval(ad) is accepted
    assert accepted or len(classad2.ExprTree(found[f"{name}_REASON"]).eval(ad)) > 20


@pytest.mark.parametrize(
    ("job", "released"),
    [
        ({"HoldReasonCode": 4, "NumHolds": 1, "EnteredCurrentStatus": 0}, True),
        ({"HoldReasonCode": 4, "NumHolds": 1000, "EnteredCurrentStatus": 0}, False),
        ({"HoldReasonCode": 1, "NumHolds": 1, "EnteredCurrentStatus": 0}, False),
        ({"HoldReasonCode": 4, "NumHolds": 1, "EnteredCurrentStatus": 2**40}, False),
    ],
)
def test_a_job_that_waits_for_its_token_is_tried_again(job: dict[str, Any], released: bool) -> None:
    text = read(ROLES["ap"], "SYSTEM_PERIODIC_RELEASE")["SYSTEM_PERIODIC_RELEASE"]
    assert classad2.ExprTree(text).eval(classad2.ClassAd(job)) is released


def test_what_the_facility_sets_in_a_job_cannot_be_edited() -> None:
    fixed = read(ROLES["ap"], "IMMUTABLE_JOB_ATTRS")["IMMUTABLE_JOB_ATTRS"].replace(",", " ").split()
    assert {"VO", "AcctGroup", "AcctGroupUser", "AccountingGroup", "OAuthServicesNeeded"} <= set(fixed)


@pytest.mark.parametrize("role", ROLES)
def test_no_daemon_leaves_a_file_of_its_memory(role: str) -> None:
    assert read(ROLES[role], "CREATE_CORE_FILES") == {"CREATE_CORE_FILES": "False"}


def test_a_site_with_gpus_takes_jobs_that_ask_for_them() -> None:
    text = access_point_config.access_point(vo("cms"), site(gpu_resource="nvidia.com/gpu", execute_max_gpus=2))
    takes = classad2.ExprTree(read(text, "SUBMIT_REQUIREMENT_Fits")["SUBMIT_REQUIREMENT_Fits"])
    assert [takes.eval(classad2.ClassAd(GOOD | {"RequestGPUs": gpus})) for gpus in (2, 3)] == [True, False]


def test_a_refusal_says_what_there_is_and_what_was_asked_for() -> None:
    name = "SUBMIT_REQUIREMENT_Fits_REASON"
    reason = classad2.ExprTree(read(ROLES["ap"], name)[name])
    told = reason.eval(classad2.ClassAd(GOOD | {"RequestCpus": 64, "RequestMemory": 100, "RequestDisk": 2048}))
    assert told.startswith("the largest execute pod here has 8 CPUs, ")
    assert told.endswith("(asked for: 64 CPUs, 100 MiB of memory, 2 MiB of disk, 0 GPUs)")


def test_a_schedd_is_found_again_at_the_same_place_and_soon_after_it_has_ended() -> None:
    found = read(ROLES["ap"], "SCHEDD_ARGS", "SHARED_PORT_DEFAULT_ID", "MASTER_BACKOFF_CONSTANT")
    assert found == {"SCHEDD_ARGS": "-sock schedd", "SHARED_PORT_DEFAULT_ID": "schedd", "MASTER_BACKOFF_CONSTANT": "1"}


def test_a_schedd_begins_by_ending_what_one_before_it_has_left() -> None:
    program = read(ROLES["ap"], "SCHEDD")["SCHEDD"]
    assert "facility.condor.schedd" in (IMAGES / "shared" / Path(program).name).read_text()
    assert f"shared/{Path(program).name} " in (IMAGES / "condor/Dockerfile").read_text()


def test_what_ended_jobs_used_is_written_where_it_is_accounted_from_without_their_environment() -> None:
    found = read(ROLES["ap"], "JOB_EPOCH_HISTORY", "HISTORY", "HISTORY_CONTAINS_JOB_ENVIRONMENT")
    assert found["JOB_EPOCH_HISTORY"] == str(layout.HISTORY / "runs")
    assert found["HISTORY"] == str(layout.HISTORY / "jobs")
    assert found["HISTORY_CONTAINS_JOB_ENVIRONMENT"] == "False"


def leaves(job: dict[str, Any], kept: int = 100) -> bool:
    """Whether a job that ended ten seconds ago has left the queue."""
    transform = read(access_point_config.access_point(vo("cms"), site(finished_kept=kept)), "JOB_TRANSFORM_Facility")
    (line,) = (one for one in transform["JOB_TRANSFORM_Facility"].splitlines() if "SET LeaveJobInQueue" in one)
    ended = int(classad2.ExprTree("time()").eval()) - 10
    ad = classad2.ClassAd({"JobStatus": 4, "CompletionDate": ended} | job)
    return classad2.ExprTree(line.partition("LeaveJobInQueue")[2].strip()).eval(ad) is not True


@pytest.mark.parametrize(
    ("job", "left"),
    [
        ({}, False),
        ({"AskedLeave": True}, False),
        ({"AskedLeave": False}, True),
        ({"JobStatus": 3}, True),
        ({"StageOutFinish": 2**40}, True),
        ({"StageOutFinish": 1}, False),
        ({"CompletionDate": 1000}, True),
    ],
)
def test_a_finished_job_waits_for_its_output_to_be_fetched_for_a_while(job: dict[str, Any], left: bool) -> None:
    assert leaves(job) is left


def test_how_long_it_waits_is_the_sites_decision() -> None:
    assert leaves({}, kept=60) is False
    with pytest.raises(ValueError, match="greater than or equal to 60"):
        site(finished_kept=5)


def test_what_condor_submit_itself_asks_for_spooled_jobs_changes_nothing() -> None:
    asked = (
        "JobStatus == 4 && (CompletionDate =?= undefined || CompletionDate == 0 || time() - CompletionDate < 864000)"
    )
    assert leaves({"AskedLeave": classad2.ExprTree(asked)}) is False


@pytest.mark.parametrize("job", [{"WantDocker": True}, {"ContainerImage": "docker://debian"}])
def test_a_job_with_an_image_is_refused_with_a_sentence_where_it_could_never_run(job: dict[str, Any]) -> None:
    found = read(ROLES["ap"], "SUBMIT_REQUIREMENT_Images", "SUBMIT_REQUIREMENT_NAMES")
    assert "Images" in found["SUBMIT_REQUIREMENT_NAMES"].split()
    assert classad2.ExprTree(found["SUBMIT_REQUIREMENT_Images"]).eval(classad2.ClassAd(GOOD | job)) is not True
    assert classad2.ExprTree(found["SUBMIT_REQUIREMENT_Images"]).eval(classad2.ClassAd(GOOD)) is True


def test_no_job_fills_the_access_point_whatever_it_says_of_itself() -> None:
    text = access_point_config.access_point(vo("cms"), site(transfer_max="3Gi"))
    found = read(text, "JOB_TRANSFORM_Facility", "IMMUTABLE_JOB_ATTRS")
    for name in ("MaxTransferInputMB", "MaxTransferOutputMB"):
        assert f"SET {name} 3072" in found["JOB_TRANSFORM_Facility"]
        assert name in found["IMMUTABLE_JOB_ATTRS"].split()


def on_exit(name: str, job: dict[str, Any]) -> Any:
    """What the access point makes of a job's OnExit… when it has ended so."""
    transform = read(ROLES["ap"], "JOB_TRANSFORM_Facility")["JOB_TRANSFORM_Facility"]
    (line,) = (one for one in transform.splitlines() if one.split()[:2] == ["SET", name])
    return classad2.ExprTree(line.partition(name)[2].strip()).eval(classad2.ClassAd(job))


ENDED: dict[str, Any] = {"ExitBySignal": False, "ExitCode": 0}
BY_SIGNAL: dict[str, Any] = {"ExitBySignal": True, "ExitSignal": 9}


def asked(job: dict[str, Any], text: str) -> dict[str, Any]:
    """With on_exit_hold in its submit description."""
    return job | {"AskedHold": classad2.ExprTree(text), "AskedHoldReason": "mine", "AskedHoldSubCode": 7}


@pytest.mark.parametrize(
    ("job", "held"),
    [
        (ENDED, False),
        (ENDED | {"ExitCode": 137}, False),
        (BY_SIGNAL, True),
        (BY_SIGNAL | {"ExitSignal": 11}, False),
        (asked(ENDED, "ExitCode != 0"), False),
        (asked(ENDED | {"ExitCode": 3}, "ExitCode != 0"), True),
        (asked(BY_SIGNAL, "ExitCode != 0"), True),
    ],
)
def test_a_job_that_was_killed_has_not_finished_and_what_people_ask_for_holds_too(
    job: dict[str, Any], held: bool
) -> None:
    assert on_exit("OnExitHold", job) is held


def test_a_killed_job_says_what_may_have_been_the_reason_and_others_what_their_owner_says() -> None:
    assert "request_memory" in on_exit("OnExitHoldReason", asked(BY_SIGNAL, "true"))
    assert on_exit("OnExitHoldSubCode", BY_SIGNAL) == KILLED
    theirs = asked(ENDED, "true")
    assert (on_exit("OnExitHoldReason", theirs), on_exit("OnExitHoldSubCode", theirs)) == ("mine", 7)


def test_the_logs_of_the_largest_pod_fit_beside_its_jobs_files() -> None:
    found = read(ROLES["ep"], "MAX_STARTER_LOG", "MAX_DEFAULT_LOG", "MAX_NUM_STARTER_LOG")
    assert found["MAX_NUM_STARTER_LOG"] in ("", "1"), "beside the one that is written"
    each, other = (int(found[name].removesuffix(" Mb")) for name in ("MAX_STARTER_LOG", "MAX_DEFAULT_LOG"))
    starters, daemons = 128, 4
    assert 2 * (starters * each + daemons * other) < DAEMONS_DISK - EXCESS
