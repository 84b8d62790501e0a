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

from facility.condor import config, layout
from tests.fakes.objects import site, vo

htcondor2 = pytest.importorskip("htcondor2")
classad2 = pytest.importorskip("classad2")

_READ = """
import htcondor2, json
print(json.dumps({name.upper(): str(htcondor2.param[name]) for name in htcondor2.param}))
"""
_POD = {"POD_IP": "10.1.2.3", "POD_NAME": "ep-cms-alice-x", "EP_SCHEDD": "ap@ap-cms.facility-batch.svc"}
_POD |= {"EP_OWNER": "cms_alice", "EP_MEMORY": "832", "EP_JOB_ENVIRONMENT": "FACILITY_VO=cms"}
ROLES = {
    "cm": config.central_manager(site()),
    "ap": config.access_point(vo("cms"), site()),
    "ep": config.execute(site()),
}


@cache
def everything(text: str) -> dict[str, str]:
    """All macros as HTCondor reads them, in a process of its own."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "condor_config"
        path.write_text(text)
        environment = {"PATH": os.environ["PATH"], "CONDOR_CONFIG": str(path), **_POD}
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
    text = config.execute(site(execute_cpus=2, execute_idle=40, execute_grace=30, credential_refresh=10))
    found = read(
        text,
        *("STARTD_DIRECT_ATTACH_SCHEDD_NAME", "START", "RunBenchmarks", "STARTD_NOCLAIM_SHUTDOWN", "NUM_CPUS"),
        *("SLOT1_2_USER", "SEC_CREDENTIAL_REFRESH", "SHUTDOWN_GRACEFUL_TIMEOUT", "USER_JOB_WRAPPER", "MEMORY"),
    )
    assert found == {
        "STARTD_DIRECT_ATTACH_SCHEDD_NAME": "ap@ap-cms.facility-batch.svc",
        "START": 'TARGET.Owner == "cms_alice"',
        "RunBenchmarks": "False",
        "STARTD_NOCLAIM_SHUTDOWN": "40",
        "NUM_CPUS": "2",
        "SLOT1_2_USER": "slot2",
        "SEC_CREDENTIAL_REFRESH": "10",
        "SHUTDOWN_GRACEFUL_TIMEOUT": "30",
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
        ("Fits", {"RequestCpus": 2, "RequestMemory": 832}, True),
        ("Fits", {"RequestCpus": 3}, False),
        ("Fits", {"RequestMemory": 833}, False),
        ("Fits", {"RequestGPUs": 1}, False),
    ],
)
def test_what_the_queue_takes(requirement: str, job: dict[str, Any], accepted: bool) -> None:
    memory = {"requests": {"cpu": "1", "memory": "1Gi"}}
    text = config.access_point(vo("cms"), site(execute_cpus=2, execute_resources=memory))
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
