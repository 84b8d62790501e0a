"""A job of alice's attacks: her other job beside it, its own pod, the pool, and what lies around. Nothing gives way."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from facility.dev.demo.kernel import CellError
from facility.dev.demo.mainjob import Outcome, Stage, result
from tests.cluster.batch import BATCH, RUNNING, clear, in_kernel, until, where

pytestmark = pytest.mark.cluster

#: beside the attacker, in the same pod: what it has in its directory, its environment and its memory
VICTIM = """
import os, pathlib, time
pathlib.Path("secret.txt").write_text("the victim's secret")
pathlib.Path("/tmp/secret.txt").write_text("the victim's secret")
os.chmod("/tmp/secret.txt", 0o600)
time.sleep(300)
"""

#: tells, attack by attack, what it got; an error is told by its kind
ATTACK = r"""
import ctypes, glob, json, os, pathlib, signal, socket, subprocess, urllib.request
told = {}
CONFIG = "/etc/facility/condor/condor_config"

def attack(name, do):
    try:
        told[name] = do()
    except BaseException as error:
        told[name] = type(error).__name__

def read(path):
    return lambda: len(pathlib.Path(path).read_bytes())

def files(pattern, own):
    found = [path for path in glob.glob(pattern, recursive=True, include_hidden=True) if not path.startswith(own)]
    slots = "/htcondor/.update.ad"  # what the pod tells of its slots; the collector shows it, too
    return [path for path in found if not path.endswith(slots) and os.path.isfile(path) and os.access(path, os.R_OK)]

def connect(host, port):
    def do():
        socket.create_connection((host, port), 3).close()
        return "connected"
    return do

def status():
    found = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return {name: found[name].strip() for name in ("CapEff", "CapPrm", "NoNewPrivs", "Seccomp")}

def environments():
    me, got = os.getuid(), []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            if os.stat(os.path.dirname(path)).st_uid != me and open(path, "rb").read():
                got.append(path)
        except OSError:
            pass
    return got

def kill_others():
    me, got = os.getuid(), []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            if os.stat(path).st_uid != me:
                os.kill(int(path[6:]), signal.SIGCONT)
                got.append(path)
        except OSError:
            pass
    return got

def trace():
    libc = ctypes.CDLL(None, use_errno=True)
    me, got = os.getuid(), []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            other = os.stat(path).st_uid != me
        except OSError:
            continue
        if other and libc.ptrace(16, int(path[6:]), None, None) == 0:  # PTRACE_ATTACH
            got.append(path)
    return got

def namespace():
    libc = ctypes.CDLL(None, use_errno=True)
    return "made" if libc.unshare(0x10000000) == 0 else "refused"  # CLONE_NEWUSER

def tool(*command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})
    return done.returncode

scratch = os.environ["_CONDOR_SCRATCH_DIR"]
attack("uid", os.getuid)
attack("status", status)
attack("pod token", read("/run/condor/tokens.d/execute"))
attack("pod token as mounted", read("/etc/facility/idtoken/token"))
attack("keys", lambda: os.listdir("/run/condor/keys"))
attack("api token", read("/var/run/secrets/kubernetes.io/serviceaccount/token"))
attack("neighbours files", lambda: files("/condor/execute/dir_*/**", scratch.rsplit("/", 1)[0]))
attack("neighbours secret", lambda: files("/condor/execute/dir_*/scratch/secret.txt", scratch))
attack("neighbours tokens", lambda: files("/condor/execute/dir_*/scratch/.condor_creds/*", scratch))
attack("neighbours file in tmp", read("/tmp/secret.txt"))
attack("environments", environments)
attack("signals", kill_others)
attack("traces", trace)
attack("user namespace", namespace)
attack("root by su", lambda: tool("/bin/su", "-c", "true") == 0)
for place in ("/run/condor/leaving.conf", "/run/condor/run/x", "/condor/log/x", "/etc/facility/condor/condor_config",
              "/usr/bin/x", "/opt/venv/x", "/var/lib/extrausers/passwd"):
    attack(f"write {place}", lambda place=place: open(place, "a").close() or "written")
attack("reconfigure the pod", lambda: tool("condor_off", "-all", CONDOR_CONFIG=CONFIG) == 0)
attack("the queue with the jobs token", lambda: tool(
    "condor_q", "-pool", "cm.facility-batch.svc", "-name", "ap@ap-cms.facility-batch.svc", CONDOR_CONFIG=CONFIG,
    _CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS="SCITOKENS",
    _CONDOR_SCITOKENS_FILE=os.environ.get("BEARER_TOKEN_FILE", "/none")) == 0)
for name, host, port in (
    ("metadata", "169.254.169.254", 80), ("api server", os.environ.get("KUBERNETES_SERVICE_HOST", "10.96.0.1"), 443),
    ("hub", "hub.facility.svc", 8081), ("broker", "broker.facility.svc", 8443),
    ("another VO's queue", "ap-atlas.facility-batch.svc", 9618),
    ("another VO's cache", "xcache-atlas.facility.svc", 1094), ("the world", "1.1.1.1", 443),
):
    attack(f"reach {name}", connect(host, port))
for port in (22, 9618, *range(1024, 1032)):
    attack(f"reach another's pod, port {port}", connect("CAROLS_POD", port))
attack("its own queue", connect("ap-cms.facility-batch.svc", 9618))
pathlib.Path("told.json").write_text(json.dumps(told))
"""

BOTH = """
job = {"executable": "/opt/venv/bin/python", "request_cpus": "1"}
victim = sent(**job, arguments="victim.py", transfer_input_files="victim.py")
until(victim, 2)
time.sleep(5)
attacker = sent(**job, arguments="attack.py", transfer_input_files="attack.py", transfer_output_files="told.json",
                error="attack.err")
until(attacker, 4, 240)
schedd.retrieve(f"ClusterId == {attacker}")
print("RESULT", json.dumps({"told": json.load(open("told.json")), "victim": victim, "status": status(victim)}))
"""

#: what an access point handed out whose daemons and jobs shared one account: the key that signs for the whole pool
STEAL = """
import pathlib
KEYS = "/run/condor/keys"
def attempt(do):
    try:
        do()
        return "done"
    except BaseException as error:
        return type(error).__name__
def fetched(cluster):
    got = attempt(lambda: schedd.retrieve(f"ClusterId == {cluster}"))
    schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {cluster}")
    return got
def ended(cluster):
    "Completed, or held for another reason than that its input is on its way (16)."
    end = time.monotonic() + 120
    while True:
        (job,) = schedd.query(f"ClusterId == {cluster}", ["JobStatus", "HoldReasonCode"])
        if job["JobStatus"] == 4 or (job["JobStatus"] == 5 and job["HoldReasonCode"] != 16):
            return
        assert time.monotonic() < end, dict(job)
        time.sleep(1)
def edited(cluster, **places):
    return {name: attempt(lambda: schedd.edit(f"ClusterId == {cluster}", name, '"%s"' % to))
            for name, to in places.items()}
def carried_in():
    "The access point sends the key to the job, which prints it."
    cluster = sent(executable="/bin/cat", arguments="POOL", output="printed.txt")
    told = edited(cluster, TransferInput=f"{KEYS}/POOL")
    ended(cluster)
    return told | {"fetched": fetched(cluster)}
def carried_out(**places):
    "The access point takes the key for what the job has left behind."
    cluster = sent(arguments="1", output="POOL")
    ended(cluster)
    told = edited(cluster, **places)
    return told | {"fetched": fetched(cluster)}
told = [carried_in(), carried_out(TransferOutput=f"{KEYS}/POOL"), carried_out(Iwd=KEYS, SUBMIT_Iwd="."),
        carried_out(SpooledOutputFiles=f"{KEYS}/POOL"), carried_out(Out=f"{KEYS}/POOL")]
places = [path for name in ("POOL", "printed.txt") for path in pathlib.Path(".").rglob(name)]
found = [str(path) for path in places if path.stat().st_size]
print("RESULT", json.dumps({"told": told, "stolen": found}))
"""


@pytest.fixture(scope="module")
def attacked(stage: Stage, outcome: Outcome) -> dict[str, Any]:
    """What the attacker told, and how its neighbour did."""
    clear(stage, "cms_alice")
    carols = working_pod(stage, "carol")
    files = {"victim.py": VICTIM, "attack.py": ATTACK.replace("CAROLS_POD", carols["status"]["podIP"])}
    found = result(asyncio.run(in_kernel(stage, "alice", BOTH, 500, files)))
    print(json.dumps(found["told"], indent=1))
    assert found["status"] == RUNNING, "the victim has been hurt"
    clear(stage, "cms_carol")
    return found


def working_pod(stage: Stage, account: str) -> dict[str, Any]:
    """The execute pod of somebody's job that runs for ten minutes."""
    code = "c = sent(); until(c, 2); print('RESULT', json.dumps({'cluster': c}))"
    cluster = result(asyncio.run(in_kernel(stage, account, code)))["cluster"]
    return stage.cluster.get("pod", where(stage, cluster), "-n", BATCH)


def test_a_job_has_no_right_beyond_those_of_its_account(attacked: dict[str, Any]) -> None:
    told = attacked["told"]
    assert told["uid"] > 1000
    status = told["status"]
    assert {int(status["CapEff"], 16), int(status["CapPrm"], 16)} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert told["user namespace"] == "refused"
    assert told["root by su"] is not True


def test_a_job_reads_no_secret_of_its_pod_nor_of_the_job_beside_it(attacked: dict[str, Any]) -> None:
    told = attacked["told"]
    for name in ("pod token", "pod token as mounted", "keys", "neighbours file in tmp"):
        assert told[name] == "PermissionError", name
    assert told["api token"] == "FileNotFoundError"
    for name in ("neighbours files", "neighbours secret", "neighbours tokens", "environments"):
        assert told[name] == [], name


def test_a_job_neither_signals_nor_traces_what_is_not_its_own(attacked: dict[str, Any]) -> None:
    told = attacked["told"]
    assert (told["signals"], told["traces"]) == ([], [])
    assert told["reconfigure the pod"] is not True


def test_a_job_writes_nowhere_but_in_its_directory_and_tmp(attacked: dict[str, Any]) -> None:
    written = [name for name, got in attacked["told"].items() if name.startswith("write ") and got == "written"]
    assert written == []


def test_a_job_reaches_its_own_vos_queue_and_cache_and_nothing_around(attacked: dict[str, Any]) -> None:
    told = attacked["told"]
    reached = [name for name, got in told.items() if name.startswith("reach ") and got == "connected"]
    assert reached == []
    assert told["its own queue"] == "connected", "the way is open, so the others are shut by a wall"
    assert told["the queue with the jobs token"] is not True


def test_an_access_point_hands_out_no_file_that_is_not_its_owners(stage: Stage, outcome: Outcome) -> None:
    told = result(asyncio.run(in_kernel(stage, "alice", STEAL, 700)))
    print(json.dumps(told["told"], indent=1))
    assert told["stolen"] == []
    here = stage.cluster.execute(BATCH, "ap-cms-0", "access-point", ["ls", "/run/condor/keys"])
    assert "POOL" in here, "there was something to steal"


def test_an_execute_pod_takes_its_owners_jobs_only(stage: Stage, outcome: Outcome) -> None:
    """Alice's pod is idle and attached, carol's job waits for one of her own."""
    first = result(asyncio.run(in_kernel(stage, "alice", "c = sent(arguments='1'); until(c, 4); print('RESULT {}')")))
    assert first == {}
    assert working_pod(stage, "carol")["metadata"]["name"].startswith("ep-cms-carol-")
    clear(stage, "cms_carol")


def test_nobody_of_a_vo_touches_anothers_jobs(stage: Stage, outcome: Outcome) -> None:
    code = "c = sent(arguments='120'); until(c, 2); print('RESULT', json.dumps({'cluster': c}))"
    cluster = result(asyncio.run(in_kernel(stage, "carol", code)))["cluster"]
    act = f"""
told = schedd.act(htcondor2.JobAction.Remove, "ClusterId == {cluster}")
print("RESULT", json.dumps({{str(key): value for key, value in dict(told).items() if isinstance(value, int)}}))
"""
    told = result(asyncio.run(in_kernel(stage, "alice", act)))
    assert told.get("TotalPermissionDenied") == 1
    assert told.get("TotalSuccess") == 0
    with pytest.raises(CellError):
        asyncio.run(in_kernel(stage, "alice", f"schedd.edit('ClusterId == {cluster}', 'Args', '\"1\"')"))
    until(stage, cluster, RUNNING)
    clear(stage, "cms_carol")
