"""A cache or an origin ends, hangs or changes while people read: nobody gets a wrong byte, soon everybody reads on, and
who may not read gets nothing.

The readers check each file against the origin's checksum. How long they were without, from one read that went well to
the next, is in `artifacts/cache-recovery.json`.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from facility.dev.demo import place, values, world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.issuer import mint
from tests.cluster.checked_reads import Files
from tests.cluster.judged_reads import BACK
from tests.cluster.kills import Containers, Pods, ready
from tests.cluster.reading import Attempt, attempt
from tests.cluster.through_caches import PODS
from tests.cluster.under_fault import Fault, killed, outage, unread

pytestmark = pytest.mark.cluster


def origin_killed(stage: Stage) -> None:
    """Its server: the pod, in which the lake lies, stays."""
    (pod,) = stage.cluster.items("pods", "-n", world.NAMESPACE, "-l", "app.kubernetes.io/component=origin")
    killed(Containers("origin", world.NAMESPACE, "origin", pod["metadata"]["name"]))(stage)


def upgraded(stage: Stage) -> None:
    """`helm upgrade` with a setting that replaces the caches' pods."""
    old = {pod["metadata"]["uid"] for pod in stage.cluster.items("pods", "-n", "facility", *_OF_CACHES)}
    place.install(stage.cluster, _others)
    stage.cluster.wait_for("other caches", lambda: ready(stage, "facility", "xcache", old), 240)


def _others(wanted: values.Values) -> None:
    wanted["operator"]["site"]["cache"]["resources"]["requests"]["cpu"] = "21m"


def as_usual(stage: Stage) -> None:
    """The demo's own settings, and all caches with them."""
    place.install(stage.cluster)

    def back() -> bool:
        return all(usual(one) for one in stage.cluster.items("statefulsets", "-n", "facility", *_OF_CACHES))

    stage.cluster.wait_for("caches as usual", back, 240)


def usual(found: dict[str, Any]) -> bool:
    """Whether all pods of a StatefulSet have the demo's own settings, and are ready."""
    (cache,) = found["spec"]["template"]["spec"]["containers"]
    status = found["status"]
    wanted = cache["resources"]["requests"]["cpu"] == values.site("")["cache"]["resources"]["requests"]["cpu"]
    known = status.get("observedGeneration") == found["metadata"]["generation"]
    current = status.get("currentRevision") == status.get("updateRevision")
    return bool(wanted and known and current) and status.get("readyReplicas", 0) == int(found["spec"]["replicas"])


#: to all servers there; fails where there is none, as nothing would have happened then
_SIGNAL = (
    "found=; for p in /proc/[0-9]*; do grep -qx xrootd $p/comm && kill -{} ${{p#/proc/}} && found=1; done; "
    'test "$found" || exit 1'
)


def origin_hangs(stage: Stage) -> None:
    """Its server stops for a while, and goes on."""
    at_origin(stage, f"{_SIGNAL.format('STOP')}; sleep 15; {_SIGNAL.format('CONT')}")


def origin_slow(stage: Stage) -> None:
    """Its server works in one tenth of the time."""
    turn = f"{_SIGNAL.format('STOP')}; sleep 0.9; {_SIGNAL.format('CONT')}; sleep 0.1"
    at_origin(stage, f"for i in $(seq 30); do {turn}; done")


def at_origin(stage: Stage, command: str) -> None:
    stage.cluster.do("exec", "-n", world.NAMESPACE, "deploy/origin", "-c", "origin", "--", "sh", "-c", command)


def certificate_renewed(stage: Stage) -> None:
    """The operator makes another, and the cache serves with it."""
    before = served(stage)
    stage.cluster.do("delete", "secret", "tls-xcache-cms", "-n", "facility")
    stage.cluster.wait_for("another certificate", lambda: served(stage) != before, 300)


def served(stage: Stage) -> str:
    """The certificate that people are shown."""
    program = "import ssl; print(ssl.get_server_certificate(('xcache-cms.facility.svc', 1094)))"
    return stage.cluster.execute("facility-users", PODS["cms"], "notebook", ["python3", "-c", program])


def issuers_keys_change(stage: Stage) -> None:
    """The issuer has a further key, by whose name it never signs with it itself, and takes it back."""
    name, key = f"key-0000-{secrets.token_hex(4)}", mint.signing_key()

    def patch(content: dict[str, Any]) -> None:
        where = ("secret", f"iam-{world.CMS.name}-keys", "-n", world.NAMESPACE)
        stage.cluster.do("patch", *where, "--type=merge", "-p", json.dumps(content))

    def opens(token: str) -> set[bool]:
        asked = [Attempt(way, "xcache-cms.facility.svc", world.CMS.file, token) for way in ("root", "https")]
        return {answer.ok for answer in attempt(stage.cluster, PODS["cms"], asked)}

    def signed() -> str:
        claims = {"sub": world.CMS.person.subject, "audience": world.ORIGIN, "scope": "storage.read:/embargoed"}
        return mint.token(key, name, world.CMS.issuer, **claims)

    assert opens(signed()) == {False}
    keys = mint.keys_secret({name: key})
    patch({"stringData": keys})
    try:
        stage.cluster.wait_for("the further key known", lambda: opens(signed()) == {True}, KEYS_KNOWN)
    finally:
        patch({"data": dict.fromkeys(keys)})
    stage.cluster.wait_for("the key unknown again", lambda: opens(signed()) == {False}, KEYS_KNOWN)


#: seconds: kubelets bring a changed Secret to an issuer within a minute and a half, caches ask once in five minutes
KEYS_KNOWN = 420
#: how often as long as before what is cached may take while its origin is slow: if readers waited for that, ten times
SLOWER = 3
_OF_CACHES = ("-l", "app.kubernetes.io/component=xcache")
FAULTS = (
    Fault("the cache is killed", killed(Containers("cache", "facility", "xcache", "xcache-cms-0")), held=True),
    Fault("the origin is killed", origin_killed, unseen=True, cold=math.inf, after=BACK),
)
#: what `make pool-tests` has time for
FURTHER = (
    Fault("the cache is moved", killed(Pods("cache", "facility", "xcache"), at_once=False), held=True),
    Fault("the origin hangs", origin_hangs, unseen=True),
    Fault("the origin is slow", origin_slow, unseen=True, cold=0, slower=SLOWER),
    Fault("the certificate is renewed", certificate_renewed, unseen=True),
    Fault("the issuer's keys change", issuers_keys_change, unseen=True),
)


@pytest.fixture(scope="module")
def recovery(stage: Stage) -> Iterator[dict[str, float]]:
    """Seconds by fault, kept for whoever wants to know."""
    found: dict[str, float] = {}
    yield found
    file = stage.artifacts / "cache-recovery.json"
    stage.artifacts.mkdir(parents=True, exist_ok=True)
    before = json.loads(file.read_text()) if file.exists() else {}  # the long tests run apart from the others
    file.write_text(json.dumps(before | found, indent=1) + "\n")


@pytest.fixture
def files(stage: Stage, outcome: Outcome) -> Iterator[Files]:
    """Files that nobody has read yet."""
    with unread(stage) as found:
        yield found


@pytest.mark.parametrize(
    "fault", [*FAULTS, *(pytest.param(one, marks=pytest.mark.long) for one in FURTHER)], ids=lambda one: one.name
)
def test_nobody_gets_a_wrong_byte_and_soon_everybody_reads_again(
    stage: Stage, files: Files, recovery: dict[str, float], fault: Fault
) -> None:
    recovery |= outage(stage, files, fault)


@pytest.mark.long
def test_an_upgrade_that_replaces_the_caches_is_no_more_than_that(
    stage: Stage, files: Files, recovery: dict[str, float]
) -> None:
    try:
        recovery |= outage(stage, files, Fault("an upgrade", upgraded, after=BACK))
    finally:
        as_usual(stage)
