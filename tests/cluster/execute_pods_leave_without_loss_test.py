"""Execute pods that are told to leave, evicted or ended: jobs end, once, or are back in the queue at once."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from facility import names
from facility.condor import idtoken
from facility.dev.cluster.problems import ClusterError
from facility.dev.demo.mainjob import Outcome, Stage, result
from tests.cluster.batch import BATCH, DONE, IDLE, RUNNING, clear, in_kernel, job, lose, phase, pods, until, where

pytestmark = pytest.mark.cluster
GPU = "example.org/gpu"
SHORT_AND_LONG = """
short, long = sent(arguments="30"), sent(arguments="1000")
for one in (short, long):
    until(one, 2)
print("RESULT", json.dumps({"short": short, "long": long}))
"""
ONE = """
c = sent(arguments="%d")
until(c, 2)
print("RESULT", json.dumps({"cluster": c}))
"""


@pytest.fixture(autouse=True)
def nothing_of_alices(stage: Stage, outcome: Outcome) -> Iterator[None]:
    """Before and after each of them."""
    clear(stage, "cms_alice")
    yield
    clear(stage, "cms_alice")


def sent(stage: Stage, code: str) -> dict[str, int]:
    """What a cell of alice's told of the jobs that it has sent."""
    found: dict[str, int] = result(asyncio.run(in_kernel(stage, "alice", code)))
    return found


def starts(stage: Stage, cluster: int) -> int:
    """How often a job was given to a pod; HTCondor counts by another name when it has run, and tells that late."""
    return int(job(stage, cluster, "NumShadowStarts")["NumShadowStarts"])


def test_a_pod_that_is_told_to_leave_ends_its_jobs_takes_no_other_and_goes(stage: Stage) -> None:
    running = sent(stage, ONE % 40)["cluster"]
    pod = where(stage, running)
    stage.cluster.do("annotate", "pod", pod, "-n", BATCH, f"{names.ANNOTATION_RETIRE}=a test wants it")
    told = lambda: "no more jobs: a test wants it" in stage.cluster.do("logs", pod, "-n", BATCH)  # noqa: E731
    took = stage.cluster.wait_for("the pod to hear of it", told, 90)
    print(f"heard after {took:.0f} s")
    other = sent(stage, ONE % 5)["cluster"]
    until(stage, other, DONE, 60)
    assert job(stage, other, "LastRemoteHost")["LastRemoteHost"].rpartition("@")[2] != pod
    until(stage, running, DONE, 90)
    assert starts(stage, running) == 1
    took = stage.cluster.wait_for("the pod to end", lambda: phase(stage, pod) in ("Succeeded", "Gone"), 60)
    print(f"ended after {took:.0f} s")


def test_an_eviction_waits_for_jobs(stage: Stage) -> None:
    running = sent(stage, ONE % 20)["cluster"]
    pod = where(stage, running)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": BATCH}}
    path = f"/api/v1/namespaces/{BATCH}/pods/{pod}/eviction"
    with pytest.raises(ClusterError, match="disruption budget"):
        stage.cluster.do("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    until(stage, running, DONE, 90)
    assert starts(stage, running) == 1


def test_pods_on_a_cordoned_node_are_told_to_leave(stage: Stage) -> None:
    running = sent(stage, ONE % 100)["cluster"]
    pod = where(stage, running)
    node = stage.cluster.get("pod", pod, "-n", BATCH)["spec"]["nodeName"]
    stage.cluster.do("cordon", node)
    try:
        marks = lambda: stage.cluster.get("pod", pod, "-n", BATCH)["metadata"]["annotations"]  # noqa: E731
        stage.cluster.wait_for("the pod to be marked", lambda: node in marks().get(names.ANNOTATION_RETIRE, ""), 60)
    finally:
        stage.cluster.do("uncordon", node)
    assert job(stage, running)["JobStatus"] == RUNNING


def test_a_pod_that_is_deleted_gives_short_jobs_their_end_and_long_ones_back_to_the_queue(stage: Stage) -> None:
    """`executeGrace` is 60 s in the demo."""
    jobs = sent(stage, SHORT_AND_LONG)
    pod = where(stage, jobs["long"])
    assert where(stage, jobs["short"]) == pod
    stage.cluster.do("delete", "pod", pod, "-n", BATCH, "--wait=false")
    until(stage, jobs["short"], DONE, 70)
    assert starts(stage, jobs["short"]) == 1
    stage.cluster.wait_for("the pod gone", lambda: phase(stage, pod) == "Gone", 140)
    back = lambda: job(stage, jobs["long"])["JobStatus"] == IDLE or where(stage, jobs["long"]) not in ("", pod)  # noqa: E731
    took = stage.cluster.wait_for("the long job back", back, 30)
    print(f"the long job was back {took:.0f} s after its pod")
    until(stage, jobs["long"], RUNNING, 90)
    assert starts(stage, jobs["long"]) == 2


@pytest.mark.long
def test_jobs_of_a_pod_that_is_lost_are_missed_within_two_minutes_and_run_again(stage: Stage) -> None:
    """Missed: the job's shadow knows. It lets the job's lease end then, and tries three times to tell the lost pod."""
    lost = sent(stage, ONE % 1000)["cluster"]
    lose(stage, where(stage, lost))
    known = lambda: "JobDisconnectedDate" in job(stage, lost, "JobDisconnectedDate")  # noqa: E731
    missed = stage.cluster.wait_for("the pod to be missed", known, 150)
    again = lambda: job(stage, lost).get("JobStatus") == RUNNING and starts(stage, lost) == 2  # noqa: E731
    took = stage.cluster.wait_for("the job to run again", again, 300)
    print(f"missed after {missed:.0f} s, ran again {took:.0f} s later")
    assert missed <= 120


@pytest.mark.long
def test_a_pod_whose_identity_expires_ends_its_jobs_and_goes(stage: Stage) -> None:
    """A pod as the operator makes them, but with an identity of two minutes."""
    model = where(stage, sent(stage, ONE % 60)["cluster"])
    pod = stage.cluster.get("pod", model, "-n", BATCH)
    key = stage.cluster.do("get", "secret", "pool-key", "-n", BATCH, "-o", "jsonpath={.data.POOL}")
    clear(stage, "cms_alice")
    like(stage, pod, key, "ep-cms-alice-short")
    stage.cluster.wait_for("the pod to run", lambda: phase(stage, "ep-cms-alice-short") == "Running", 60)
    running = sent(stage, ONE % 200)["cluster"]
    assert where(stage, running) == "ep-cms-alice-short"
    told = lambda: "half of the life" in stage.cluster.do("logs", "ep-cms-alice-short", "-n", BATCH)  # noqa: E731
    stage.cluster.wait_for("the pod to retire", told, 120)
    until(stage, running, DONE, 260)
    assert starts(stage, running) == 1, "the job outlived the identity of its pod"
    ended = lambda: phase(stage, "ep-cms-alice-short") in ("Succeeded", "Gone")  # noqa: E731
    stage.cluster.wait_for("the pod to end", ended, 60)


def test_a_stolen_identity_attracts_its_owners_jobs_only(stage: Stage) -> None:
    """A pod that says it works for carol, with an identity of alice's: it attaches, and gets none of carol's jobs."""
    model = where(stage, sent(stage, ONE % 60)["cluster"])
    pod = stage.cluster.get("pod", model, "-n", BATCH)
    key = stage.cluster.do("get", "secret", "pool-key", "-n", BATCH, "-o", "jsonpath={.data.POOL}")
    clear(stage, "cms_alice")
    like(stage, pod, key, "ep-cms-alice-stolen", works_for="cms_carol")
    stage.cluster.wait_for("the pod to offer itself", lambda: attached(stage, "ep-cms-alice-stolen"), 60)
    try:
        carols = result(asyncio.run(in_kernel(stage, "carol", ONE % 30)))["cluster"]
        assert where(stage, carols).startswith("ep-cms-carol-")
    finally:
        clear(stage, "cms_carol")


#: told in the pod: whether its connection to the access point stands, and what its startd has logged of refusals
_ATTACHED = r"""
import pathlib, re
there = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
stands = any(line[2].endswith(":2592") and line[3] in ("01", "06") for line in there)  # 9618; stands, or was ended well
log = pathlib.Path("/condor/log/StartLog").read_text()
print(stands and not re.search(r"denied|refused|failed to (send|authenticate)|AUTHENTICATE", log, re.I))
"""


def attached(stage: Stage, pod: str) -> bool:
    """Whether a pod speaks with the access point and was refused nothing."""
    if phase(stage, pod) != "Running":
        return False
    return stage.cluster.execute(BATCH, pod, "execute", ["python3", "-c", _ATTACHED]).strip() == "True"


def like(stage: Stage, model: dict[str, Any], key: str, name: str, works_for: str = "cms_alice") -> None:
    """Make a pod like `model` whose identity is alice's and good for two minutes. `key`: the pool's, in base64."""
    spec = json.loads(json.dumps(model).replace(model["metadata"]["name"], name))
    for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "ownerReferences", "generation"):
        spec["metadata"].pop(field, None)
    spec.pop("status")
    spec["spec"].pop("nodeName", None)
    for variable in spec["spec"]["containers"][0]["env"]:
        variable |= {"value": works_for} if variable["name"] == "EP_OWNER" else {}
    scopes, identity = idtoken.EXECUTE_SCOPES, f"cms_alice@{names.TRUST_DOMAIN}"
    token = idtoken.mint(base64.b64decode(key), identity, scopes, time.time(), 120)
    meta = {"name": name, "namespace": BATCH}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"token": token}}
    stage.cluster.apply(secret, spec)


@pytest.fixture
def gpus(stage: Stage) -> Iterator[None]:
    """The nodes say that they have two GPUs each; nothing does."""

    def say(patch: list[dict[str, str]]) -> None:
        for node in stage.cluster.items("nodes"):
            name = node["metadata"]["name"]
            stage.cluster.do("patch", "node", name, "--subresource=status", "--type=json", "-p", json.dumps(patch))

    path = f"/status/capacity/{GPU.replace('/', '~1')}"
    say([{"op": "add", "path": path, "value": "2"}])
    yield
    say([{"op": "remove", "path": path}])


def test_a_job_that_wants_a_gpu_gets_one_and_others_do_not_take_its_place(stage: Stage, gpus: None) -> None:
    code = """
tell = {"executable": "/usr/bin/env", "arguments": "", "output": "env.txt"}
gpu = sent(**tell, request_gpus="1")
until(gpu, 4)
schedd.retrieve(f"ClusterId == {gpu}")
seen = dict(line.split("=", 1) for line in open("env.txt").read().splitlines() if "=" in line)
print("RESULT", json.dumps({"gpu": gpu, "seen": seen.get("CUDA_VISIBLE_DEVICES", "")}))
"""
    told = result(asyncio.run(in_kernel(stage, "alice", code)))
    assert told["seen"] == "CUDA0", "as HTCondor calls it; those of NVIDIA have names that CUDA knows"
    pod = job(stage, told["gpu"], "LastRemoteHost")["LastRemoteHost"].rpartition("@")[2]
    limits = stage.cluster.get("pod", pod, "-n", BATCH)["spec"]["containers"][0]["resources"]["limits"]
    assert limits[GPU] == "1"
    plain = sent(stage, ONE % 5)["cluster"]
    until(stage, plain, DONE)
    assert job(stage, plain, "LastRemoteHost")["LastRemoteHost"].rpartition("@")[2] != pod
    assert len(pods(stage, "cms_alice")) <= 2


def test_a_container_image_is_refused_where_the_site_does_not_run_them(stage: Stage) -> None:
    code = """
try:
    sent(container_image="docker://debian:13")
except Exception as error:
    print("RESULT", json.dumps({"told": str(error)}))
"""
    told = result(asyncio.run(in_kernel(stage, "alice", code)))
    assert "leave container_image" in told["told"]
