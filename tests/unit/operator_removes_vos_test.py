"""How a VO goes: what is waited for, for how long, and what is said. A real HTTP API server is asked."""

from __future__ import annotations

from typing import Any

import pytest

from facility import names
from facility.operator import removal
from facility.operator.cluster import ClusterError
from facility.operator.objects import Manifest
from facility.operator.removal import Left
from facility.operator.validate import RefusedVO, ValidatedVO
from facility.vo import VirtualOrganization
from tests.fakes.apiserver import ApiServer
from tests.fakes.operator_world import SITE, connected, vo

DELETED = "2026-01-01T00:00:00Z"
AT = 1767225600.0  # the same, in seconds
LATE = AT + SITE.removal_deadline


def deleted(**spec: Any) -> Manifest:
    """A VO that somebody has deleted and the finalizer holds."""
    manifest = vo("cms", **spec)
    manifest["metadata"] |= {"deletionTimestamp": DELETED, "finalizers": [names.FINALIZER], "resourceVersion": "7"}
    return manifest


def session(name: str, of: str = "cms") -> Manifest:
    """A session's Secret, as the broker labels it."""
    labels = {f"{names.API_GROUP}/component": "session", names.LABEL_VO: of}
    meta = {"name": f"session-{name}", "namespace": "facility", "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {}}


def pod(name: str, component: str, namespace: str, phase: str = "Running", of: str = "cms") -> Manifest:
    """A pod of a VO."""
    labels = {names.LABEL_COMPONENT: component, names.LABEL_VO: of}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}, "status": {"phase": phase}}


EVERYTHING = Left(("session-cms-alice",), ("ep-cms-alice-x",), ("jupyter-cms-alice",))


@pytest.mark.parametrize(
    ("left", "now", "release", "told"),
    [
        (Left(), AT, True, "the object goes"),
        (Left(), LATE, True, "the object goes"),
        (Left(sessions=("a",)), AT, False, "waiting, at most 60 s, for: 1 session"),
        (Left(sessions=("a", "b")), LATE - 1, False, "2 sessions"),
        (Left(execute_pods=("a",)), AT, False, "1 execute pod"),
        (Left(user_pods=("a",)), AT, False, "1 notebook server"),
        (EVERYTHING, AT, False, "1 session, 1 execute pod, 1 notebook server"),
        (Left(sessions=("a",)), LATE, True, "end this facility's client at the issuer"),
        (Left(execute_pods=("a",)), LATE, True, "delete the pods"),
        (EVERYTHING, LATE + 9, True, "although there is still: 1 session, 1 execute pod, 1 notebook server"),
    ],
)
def test_a_vo_goes_when_nothing_is_left_or_when_its_time_is_over(
    left: Left, now: float, release: bool, told: str
) -> None:
    step = removal.step(deleted(), left, SITE, now)
    assert step.release is release
    assert told in step.message
    assert step.kind == ("Warning" if release and left else "Normal")
    assert (step.problem.condition, step.problem.reason) == ("Ready", "Removing")


def test_the_finalizer_is_put_on_what_is_served_and_only_before_it_goes() -> None:
    manifest = vo("cms")
    good = ValidatedVO(VirtualOrganization.parse(manifest))
    assert removal.needs_finalizer(manifest, good)
    assert not removal.needs_finalizer(manifest, RefusedVO("cms", ()))
    assert not removal.needs_finalizer(deleted(), good)
    held = vo("cms")
    held["metadata"]["finalizers"] = [names.FINALIZER]
    assert not removal.needs_finalizer(held, good)


def test_others_finalizers_are_left_and_a_conflict_is_seen() -> None:
    manifest = deleted()
    manifest["metadata"]["finalizers"] = ["else.example.org/x", names.FINALIZER]
    off, on = removal.patch(manifest, put=False), removal.patch(manifest, put=True)
    assert off == {"metadata": {"finalizers": ["else.example.org/x"], "resourceVersion": "7"}}
    assert on["metadata"]["finalizers"] == ["else.example.org/x", names.FINALIZER]


async def test_only_what_is_the_vos_and_has_not_ended_is_waited_for() -> None:
    async with ApiServer() as api, connected(api) as cluster:
        for one in (
            session("cms-alice"),
            session("atlas-bob", "atlas"),
            pod("ep-cms-alice-x", "execute", "facility-batch"),
            pod("ep-cms-alice-done", "execute", "facility-batch", "Succeeded"),
            pod("ep-atlas-bob-x", "execute", "facility-batch", of="atlas"),
            pod("ap-cms-0", "access-point", "facility-batch"),
            pod("jupyter-cms-alice", "notebook", "facility-users"),
            pod("jupyter-cms-carol", "notebook", "facility-users", "Failed"),
        ):
            api.put(one)
        assert (await removal.look(cluster, SITE, deleted(), AT)).left == EVERYTHING
        kept = await removal.look(cluster, SITE, deleted(removal={"servers": "Keep"}), AT)
        assert kept.left == Left(EVERYTHING.sessions, EVERYTHING.execute_pods)


async def test_a_vo_of_which_nothing_is_left_goes_at_once() -> None:
    async with ApiServer() as api, connected(api) as cluster:
        assert (await removal.look(cluster, SITE, deleted(), AT)).release


async def test_an_object_that_cannot_be_read_can_be_deleted() -> None:
    async with ApiServer() as api, connected(api) as cluster:
        api.put(session("cms-alice"))
        step = await removal.look(cluster, SITE, deleted(issuer="http://iam.example.org"), AT)
        assert (step.release, step.kind) == (True, "Warning")
        assert "cannot be read" in step.message


async def test_an_api_server_that_does_not_answer_holds_nothing_up_beyond_the_deadline() -> None:
    async with ApiServer() as api, connected(api) as cluster:
        api.refuse["GET", "pods", ""] = "pods is forbidden"
        with pytest.raises(ClusterError):
            await removal.look(cluster, SITE, deleted(), AT)
        step = await removal.look(cluster, SITE, deleted(), LATE)
        assert step.release
        assert "forbidden" in step.message
