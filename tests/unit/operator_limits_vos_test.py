"""What a VO may use at a time, as the API server is told: quotas that count the pods of one VO among all."""

from __future__ import annotations

from typing import Any

import pytest

from facility import names
from facility.condor import shapes
from facility.operator.build import everything
from facility.operator.build.execute_pod import execute_pod
from facility.operator.build.quotas import quotas
from facility.operator.objects import Manifest
from facility.operator.validate import ValidatedVO
from facility.users import FacilityUser
from facility.vo import VirtualOrganization
from tests.fakes.operator_world import SITE, user, vo

ALICE = FacilityUser.parse(user("alice", uid=20000))
SHAPE = shapes.usual(SITE)
WITHOUT = SITE.model_copy(update={"priority_classes": False})


def cms(**spec: Any) -> VirtualOrganization:
    return VirtualOrganization.parse(vo("cms", **spec))


def hard(made: VirtualOrganization) -> dict[str, dict[str, str]]:
    """What is limited, by namespace."""
    found = [one for one in quotas(made, SITE) if one["kind"] == "ResourceQuota"]
    return {one["metadata"]["namespace"]: one["spec"]["hard"] for one in found}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {"facility-batch": {"pods": "20"}}),
        ({"batch": {"enabled": False}}, {}),
        ({"batch": {"maxExecutePods": 0}}, {"facility-batch": {"pods": "0"}}),
        (
            {"batch": {"maxExecutePods": 5, "limits": {"cpu": "10", "memory": "20Gi", "gpus": 1}}},
            {"facility-batch": {"pods": "5", "requests.cpu": "10", "requests.memory": "20Gi"}},
        ),
        (
            {"limits": {"total": {"servers": 3, "cpu": "64", "memory": "1Ti", "gpus": 2}}, "batch": {"enabled": False}},
            {"facility-users": {"pods": "3", "requests.cpu": "64", "requests.memory": "1Ti"}},
        ),
        ({"limits": {"total": {"servers": 0}}, "batch": {"enabled": False}}, {"facility-users": {"pods": "0"}}),
        ({"limits": {"user": {"servers": 1, "cpu": "2"}}, "batch": {"enabled": False}}, {}),
    ],
)
def test_limits_of_all_of_a_vo_become_quotas_and_those_of_a_person_do_not(
    spec: dict[str, Any], expected: dict[str, dict[str, str]]
) -> None:
    assert hard(cms(**spec)) == expected


def only(kind: str, manifests: list[Manifest]) -> list[Manifest]:
    return [one for one in manifests if one["kind"] == kind]


def test_a_quota_counts_the_pods_of_its_vo_alone() -> None:
    for quota in only("ResourceQuota", quotas(cms(limits={"total": {"servers": 3}}), SITE)):
        (scope,) = quota["spec"]["scopeSelector"]["matchExpressions"]
        assert scope == {"scopeName": "PriorityClass", "operator": "In", "values": ["facility-vo-cms"]}
        assert quota["metadata"]["name"] == "vo-cms"


def test_no_vo_comes_before_another_and_none_pushes_pods_out() -> None:
    (made,) = only("PriorityClass", quotas(cms(), SITE))
    assert made["metadata"]["name"] == names.priority_class("cms")
    assert (made["value"], made["preemptionPolicy"]) == (0, "Never")
    assert "globalDefault" not in made


def test_a_priority_class_says_whose_it_is_although_it_lies_in_no_namespace() -> None:
    (made,) = only("PriorityClass", everything.of_vo(ValidatedVO(cms(), (ALICE,)), SITE))
    assert "namespace" not in made["metadata"]
    assert "ownerReferences" not in made["metadata"]
    assert made["metadata"]["labels"].items() >= {
        (names.LABEL_MANAGED_BY, names.OPERATOR),
        (names.LABEL_VO, "cms"),
        (names.LABEL_FACILITY, "facility"),
    }


def test_the_class_is_there_before_what_needs_it() -> None:
    kinds = [one["kind"] for one in everything.of_vo(ValidatedVO(cms(), (ALICE,)), SITE)]
    assert kinds[0] == "PriorityClass"


def test_execute_pods_are_counted_and_caches_and_queues_are_not() -> None:
    _, pod = execute_pod(cms(), ALICE, SITE, "ep-x", "token", SHAPE)
    assert pod["spec"]["priorityClassName"] == "facility-vo-cms"
    for made in only("StatefulSet", everything.of_vo(ValidatedVO(cms(), (ALICE,)), SITE)):
        assert "priorityClassName" not in made["spec"]["template"]["spec"]


def test_a_site_without_priority_classes_has_no_quotas_either() -> None:
    made = cms(limits={"total": {"servers": 3}})
    assert quotas(made, WITHOUT) == []
    assert "priorityClassName" not in execute_pod(made, ALICE, WITHOUT, "ep-x", "token", SHAPE)[1]["spec"]


def test_execute_pods_have_the_sites_own_class_where_it_names_one_and_are_not_counted_by_the_vos() -> None:
    own = SITE.model_copy(update={"batch": SITE.batch.model_copy(update={"priority_class": "batch-low"})})
    made = cms(limits={"total": {"servers": 3}})
    for here in (own, own.model_copy(update={"priority_classes": False})):
        assert execute_pod(made, ALICE, here, "ep-x", "token", SHAPE)[1]["spec"]["priorityClassName"] == "batch-low"
    spaces = [one["metadata"]["namespace"] for one in only("ResourceQuota", quotas(made, own))]
    assert spaces == ["facility-users"]
    assert only("PriorityClass", quotas(made, own)), "notebooks have it"
