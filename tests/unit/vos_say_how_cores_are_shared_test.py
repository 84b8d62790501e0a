"""The VO's object and the site's settings are what shares are decided from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from facility.condor import shapes
from facility.condor.jobs import OwnerJobs
from facility.condor.shapes import Shape
from facility.condor.situation import VO, Need, Person, Phase, Pod, Situation
from facility.operator import entries
from facility.operator.situation import pods, situation
from facility.operator.standing import Past
from facility.operator.validate import ValidatedVO
from facility.sharing import Batch
from facility.site import Site
from facility.users import FacilityUser
from facility.vo import VirtualOrganization
from tests.fakes.operator_world import SITE, user, vo

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC).timestamp()
NEED = Need(Shape(1, 500, 100), 3)


def served(*groups: str, **batch: Any) -> ValidatedVO:
    alice = user("alice", "cms", 20000) | {"status": {"groups": list(groups)}}
    return ValidatedVO(VirtualOrganization.parse(vo("cms", batch=batch)), (FacilityUser.parse(alice),))


def seen(one: ValidatedVO, site: Site = SITE) -> Situation:
    jobs = {"cms_alice": OwnerJobs("cms_alice", idle=3, needs=(NEED,))}
    return situation({"cms": one}, jobs, (), site, {"cms_alice": Past(7.0, 8.0, True)})


def pod(manifest: dict[str, Any]) -> entries.Pod:
    marks = {"analysis-facility.io/vo": "cms", "analysis-facility.io/owner": "cms_alice"}
    meta = {"name": "ep", "labels": marks, "creationTimestamp": "2026-01-01T00:00:00Z"} | manifest.pop("metadata", {})
    return entries.pod({"metadata": meta, **manifest})


def waiting(reason: str, since: float) -> dict[str, Any]:
    told = datetime.fromtimestamp(since, UTC).isoformat()
    why = {"type": "PodScheduled", "status": "False", "reason": reason, "lastTransitionTime": told}
    return {"phase": "Pending", "conditions": [why]}


def test_a_pod_of_a_node_that_is_lost_for_good_is_in_nobodys_way() -> None:
    def there(since: float, working: bool) -> bool:
        told = datetime.fromtimestamp(NOW - since, UTC).isoformat()
        lost = {"type": "Ready", "status": "False", "lastTransitionTime": told}
        jobs = OwnerJobs("cms_alice", working={"ep": NEED.shape} if working else {})
        known = {"ep": pod({"status": {"phase": "Running", "conditions": [lost]}})}
        return bool(pods(known, {"cms_alice": jobs}, (), SITE, NOW))

    assert there(60, False)
    assert not there(3600, False)
    assert there(3600, True)


def test_pods_of_a_queue_that_is_not_known_are_busy_however_far_they_are() -> None:
    (found,) = pods({"ep": pod({"status": waiting("Unschedulable", NOW)})}, {}, ("cms",), SITE, NOW)
    assert found.used == found.shape


@pytest.mark.parametrize(
    ("reason", "expected"), [("ImagePullBackOff", "ImagePullBackOff"), ("ContainerCreating", ""), ("", "")]
)
def test_what_keeps_a_container_from_starting_is_known(reason: str, expected: str) -> None:
    state = {"waiting": {"reason": reason}} if reason else {"running": {}}
    assert pod({"status": {"phase": "Pending", "containerStatuses": [{"state": state}]}}).stalled == expected


def test_a_person_has_the_largest_share_of_their_groups() -> None:
    shares = [{"group": "/cms/a", "share": 50}, {"group": "/cms/b", "share": 300}, {"group": "/cms/c", "share": 900}]
    assert seen(served("/cms/a", "/cms/b", shares=shares)).people["cms_alice"].weight == 300
    assert seen(served("/cms/d", shares=shares)).people["cms_alice"].weight == 100
    assert seen(served("/cms/a", shares=shares)).people["cms_alice"].weight == 50


def test_one_group_has_one_share() -> None:
    twice = [{"group": "/cms/a", "share": 50}, {"group": "/cms/a", "share": 60}]
    with pytest.raises(ValidationError, match="group /cms/a has two shares"):
        Batch.model_validate({"shares": twice})


def test_all_that_a_person_and_a_vo_may_have_is_as_the_object_says() -> None:
    limits = {"cpu": "100", "gpus": 2}
    batch = {"share": 200, "maxCpus": 30, "maxCpusPerPerson": 6, "maxExecutePods": 9, "limits": limits}
    found = seen(served(**batch))
    assert found.vos == {"cms": VO("cms", 200, 9, 30, 2)}
    assert found.people == {"cms_alice": Person("cms_alice", "cms", 100, 6, 7.0, 8.0, (NEED,), True)}
    assert (found.usual, found.maximum) == (shapes.usual(SITE), shapes.maximum(SITE))


@pytest.mark.parametrize(
    ("cpu", "own", "expected"), [("8", 0, 8), ("500m", 0, 1), ("8", 4, 4), ("8", 40, 8), (None, 0, 0)]
)
def test_what_kubernetes_grants_a_vo_limits_it_too(cpu: str | None, own: int, expected: int) -> None:
    limits = {"cpu": cpu} if cpu else {}
    assert seen(served(limits=limits, maxCpus=own)).vos["cms"].max_cpus == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"memory": "16Gi"}, 8),
        ({"memory": "1Gi"}, 1),
        ({"memory": "5Gi", "cpu": "8"}, 2),
        ({"memory": "50Gi", "cpu": "8"}, 8),
    ],
)
def test_memory_that_kubernetes_grants_a_vo_limits_its_cores(limits: dict[str, str], expected: int) -> None:
    assert SITE.batch.execute_resources.requests["memory"] == "4Gi", "for two cores"
    assert seen(served(limits=limits)).vos["cms"].max_cpus == expected


def test_a_site_whose_pods_ask_for_no_cpu_limits_nobody_by_it() -> None:
    requests = {"execute_resources": {"requests": {"memory": "4Gi"}}}
    here = SITE.model_copy(update={"batch": SITE.batch.model_validate({**SITE.batch.model_dump(), **requests})})
    assert seen(served(limits={"cpu": "8"}), here).vos["cms"].max_cpus == 0
    assert seen(served(limits={"cpu": "8", "memory": "8Gi"}), here).vos["cms"].max_cpus == 4


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ({"phase": "Running"}, Phase.RUNNING),
        ({"phase": "Pending"}, Phase.STARTING),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}, Phase.STARTING),
        (waiting("Unschedulable", NOW), Phase.UNSCHEDULABLE),
        (waiting("SchedulingGated", NOW - 10), Phase.STARTING),
        (waiting("SchedulingGated", NOW - 60), Phase.UNSCHEDULABLE),
    ],
)
def test_a_pod_is_as_far_as_its_status_says(status: dict[str, Any], phase: Phase) -> None:
    (found,) = pods({"ep": pod({"status": status})}, {}, (), SITE, NOW)
    assert found == Pod("ep", "cms_alice", shapes.usual(SITE), phase)


def test_a_pod_whose_image_is_fetched_has_found_its_node() -> None:
    (found,) = pods({"ep": pod({"spec": {"nodeName": "one"}, "status": {"phase": "Pending"}})}, {}, (), SITE, NOW)
    assert found.phase is Phase.PLACED


@pytest.mark.parametrize(("scheduled", "since"), [([], 0), (["2026-01-01T00:30:00Z"], 1800), ([None], 0)])
def test_since_when_a_pod_has_its_node_is_known(scheduled: list[str | None], since: float) -> None:
    said = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": one} for one in scheduled]
    found = pod({"spec": {"nodeName": "one"}, "status": {"phase": "Failed", "conditions": said}})
    assert (found.placed - found.made, found.begun, found.ended) == (since, found.placed, found.placed)


def test_a_pod_without_a_node_has_begun_when_it_was_made() -> None:
    found = pod({"status": waiting("Unschedulable", NOW)})
    assert (found.placed, found.begun) == (0, found.made)


def test_a_pods_annotations_say_its_shape_and_whether_it_is_leaving() -> None:
    notes = {"analysis-facility.io/shape": "4-100-200-1", "analysis-facility.io/retire": "why"}
    status = {"status": {"phase": "Running"}}
    jobs = {"cms_alice": OwnerJobs("cms_alice", working={"ep": Shape(2, 50, 50)})}
    (found,) = pods({"ep": pod({"metadata": {"annotations": notes}, **status})}, jobs, (), SITE, NOW)
    assert found == Pod("ep", "cms_alice", Shape(4, 100, 200, 1), used=Shape(2, 50, 50), retiring=True)
    (going,) = pods(
        {"ep": pod({"metadata": {"deletionTimestamp": "2026-01-02T00:00:00Z"}, **status})}, {}, (), SITE, NOW
    )
    assert going.retiring


def test_pods_of_a_vo_whose_queue_is_unknown_are_taken_for_busy_and_ended_ones_for_nothing() -> None:
    known = {"a": pod({"status": {"phase": "Running"}}), "b": pod({"status": {"phase": "Succeeded"}})}
    (found,) = pods(known, {}, ("cms",), SITE, NOW)
    assert found.used == found.shape


@pytest.mark.parametrize(("since", "lost"), [("2026-01-01T00:59:50Z", False), ("2026-01-01T00:59:30Z", True)])
def test_a_pod_that_is_not_ready_for_long_is_not_counted_on(since: str, lost: bool) -> None:
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": since}
    (found,) = pods({"ep": pod({"status": {"phase": "Running", "conditions": [ready]}})}, {}, (), SITE, NOW)
    assert found.retiring is lost
