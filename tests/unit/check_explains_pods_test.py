"""`facility check` says why pods do not work: the facility's own, caches, access points, notebooks, execute pods."""

from __future__ import annotations

from typing import Any

import pytest

from facility.inspection.finding import Finding, Severity
from facility.inspection.judge.everything import judge
from tests.fakes.inspected import facts, moment, objects, pod, thing, vo, vos, without, workload

E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE
Changed = dict[tuple[str, str], Any]


def told(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.severity, one.vo, f"{one.about}: {one.sentence}") for one in found]


def waiting(reason: str, message: str = "", /, **last: Any) -> dict[str, Any]:
    """A container's status that waits for that reason; `last`: how it ended before."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": "main", "image": "af/hub:1", "state": state, "lastState": {"terminated": last} if last else {}}


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"name": "main", "state": {"terminated": {"exitCode": code, "reason": reason, "message": message}}}


def unplaced(message: str) -> dict[str, Any]:
    return {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}


def broken(**status: Any) -> Changed:
    """The hub's Deployment with no pod ready, and its pod in that state."""
    others = tuple(one for one in objects()["deployments", "facility"] if one["metadata"]["name"] != "hub")
    pods = (pod("hub-1", component="hub", **status),) if status else ()
    return {("deployments", "facility"): (*others, workload("hub", ready=0)), ("pods", "facility"): pods}


def execute(name: str, **status: Any) -> dict[str, Any]:
    return pod(name, "facility-batch", "execute", "cms", **status)


def claim(phase: str, ago: float) -> Changed:
    labels = {"analysis-facility.io/vo": "cms"}
    asking = pod("xcache-cms-0", component="xcache", vo="cms")
    asking["spec"]["volumes"] = [{"persistentVolumeClaim": {"claimName": "cache-0"}}]
    wanted = thing("cache-0", ago=ago, labels=labels, status={"phase": phase})
    return {("persistentvolumeclaims", "facility"): (wanted,), ("pods", "facility"): (asking,)}


HUB = "Deployment facility/hub: 0 of 1 pods ready: hub-1: "
CASES: list[tuple[str, Changed, list[tuple[str, str, str]]]] = [
    (
        "an image that is not there",
        broken(phase="Pending", containerStatuses=[waiting("ImagePullBackOff")]),
        [(E, "", HUB + "image af/hub:1 cannot be pulled (ImagePullBackOff)")],
    ),
    (
        "a Secret that is missing",
        broken(initContainerStatuses=[waiting("CreateContainerConfigError", 'secret "x" not found')]),
        [(E, "", HUB + 'container main cannot be started: secret "x" not found')],
    ),
    (
        "a program that ends",
        broken(containerStatuses=[waiting("CrashLoopBackOff", exitCode=3)]),
        [(E, "", HUB + "container main ends again and again (last with 3)")],
    ),
    (
        "too little memory",
        broken(containerStatuses=[waiting("CrashLoopBackOff", reason="OOMKilled", exitCode=137)]),
        [(E, "", HUB + "container main is ended again and again for lack of memory")],
    ),
    (
        "no room",
        broken(**unplaced("0/3 nodes are available: 3 Insufficient cpu.")),
        [(E, "", HUB + "no node takes it: 0/3 nodes are available: 3 Insufficient cpu")],
    ),
    (
        "a node that is gone",
        broken(phase="Failed", reason="NodeLost", message="Node n1 is gone."),
        [(E, "", HUB + "it was ended: NodeLost: Node n1 is gone")],
    ),
    (
        "a pod that is starting",
        broken(ago=20, containerStatuses=[waiting("ContainerCreating")]),
        [(W, "", "Deployment facility/hub: 0 of 1 pods ready: its pod is starting")],
    ),
    (
        "a pod that does not become ready",
        broken(containerStatuses=[]),
        [(E, "", "Deployment facility/hub: 0 of 1 pods ready: its pod runs and does not become ready")],
    ),
    ("no pod", broken(), [(E, "", "Deployment facility/hub: 0 of 1 pods ready: no pod of it was found")]),
    (
        "a cache that is not there",
        without("xcache-cms", "statefulsets"),
        [(E, "cms", "StatefulSet facility/xcache-cms: it is not there")],
    ),
    (
        "an access point that is not there",
        without("ap-cms", "statefulsets", "facility-batch"),
        [(E, "cms", "StatefulSet facility-batch/ap-cms: it is not there")],
    ),
    ("a VO without batch", vos(vo(batch={"enabled": False})) | without("ap-cms", "statefulsets", "facility-batch"), []),
    (
        "a cache that is not ready",
        {("statefulsets", "facility"): (workload("xcache-cms", vo="cms", ready=0, component="xcache"),)},
        [(E, "cms", "StatefulSet facility/xcache-cms: 0 of 1 pods ready: its pod runs and does not become ready")],
    ),
    (
        "execute pods that fail, for one cause and for another",
        {
            ("pods", "facility-batch"): (
                *(execute(f"ep-{n}", phase="Failed", containerStatuses=[ended(4)]) for n in range(4)),
                execute("ep-8", phase="Failed", containerStatuses=[ended(137, "OOMKilled")]),
                execute("ep-9"),
            )
        },
        [
            (W, "cms", "execute pods: 4 of 6: container main ended with 4 (ep-0, ep-1, ep-2 and 1 more)"),
            (W, "cms", "execute pods: 1 of 6: container main was ended for lack of memory (ep-8)"),
        ],
    ),
    (
        "a notebook that was ended for lack of memory of late",
        {
            ("pods", "facility-users"): (
                pod(
                    "jupyter-cms-alice",
                    "facility-users",
                    "notebook",
                    "cms",
                    containerStatuses=[
                        {"name": "nb", "lastState": {"terminated": {"reason": "OOMKilled", "finishedAt": moment(600)}}}
                    ],
                ),
            )
        },
        [
            (
                W,
                "cms",
                "notebook pods: 1 of 1: container nb was ended for lack of memory within the last hour "
                "(jupyter-cms-alice)",
            )
        ],
    ),
    (
        "a pod that does not go",
        {
            ("pods", "facility-batch"): (
                execute("ep-1") | {"metadata": {**execute("ep-1")["metadata"], "deletionTimestamp": moment(900)}},
            )
        },
        [(W, "cms", "execute pods: 1 of 1: it should have gone 900 s ago (ep-1)")],
    ),
    (
        "a volume that is not bound",
        claim("Pending", 600),
        [(W, "cms", "PersistentVolumeClaim facility/cache-0: it has not been bound to a volume for 600 s")],
    ),
    ("a volume that is being bound", claim("Pending", 20), []),
    (
        "a volume that is lost",
        claim("Lost", 20),
        [(E, "cms", "PersistentVolumeClaim facility/cache-0: its volume is lost")],
    ),
]


@pytest.mark.parametrize(("changed", "expected"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_why_pods_do_not_work_is_told(changed: Changed, expected: list[tuple[str, str, str]]) -> None:
    assert told(judge(facts(changed))) == expected
