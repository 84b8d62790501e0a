"""Cores are shared out by weighted max-min among VOs and people, within all limits, and nobody starves."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facility.condor.filling import weights
from facility.condor.shapes import Shape
from facility.condor.share import BURST, decide
from facility.condor.situation import VO, Cause, Need, Person, Phase, Pod, Situation
from tests.fakes.small_cluster import JOB, MAXIMUM, USUAL, SmallCluster

PLENTY = 10_000


def person(owner: str, jobs: int = PLENTY, shape: Shape = JOB, **more: object) -> Person:
    needs = (Need(shape, jobs),) if jobs else ()
    return replace(Person(owner, owner.partition("_")[0], needs=needs), **more)  # type: ignore[arg-type]


def cluster(cores: int, *people: Person, vos: tuple[VO, ...] = (), **more: int) -> SmallCluster:
    named = {vo.name: vo for vo in vos}
    for one in people:
        named.setdefault(one.vo, VO(one.vo, 100, 50))
    return SmallCluster(cores, named, {one.owner: one for one in people}, **more)


def cpus(shared: SmallCluster) -> dict[str, int]:
    return {owner: shared.cpus(owner) for owner in shared.people}


# how much, and for whom


def test_one_job_gets_one_pod_of_the_usual_size() -> None:
    shared = cluster(100, person("cms_a", 1))
    shared.rounds(5)
    assert [pod.shape for pod in shared.pods.values()] == [USUAL]


def test_jobs_that_fit_together_share_a_pod() -> None:
    shared = cluster(100, person("cms_a", 6))
    shared.rounds(5)
    assert len(shared.pods) == 3


def test_a_thousand_short_jobs_do_not_make_a_thousand_pods() -> None:
    shared = cluster(PLENTY, person("cms_a", 1000), vos=(VO("cms", 100, 20),))
    shared.rounds(10)
    assert len(shared.pods) == 20


def test_a_larger_job_gets_a_larger_pod_and_small_ones_do_not_follow_it() -> None:
    shared = cluster(100, person("cms_a", 1, Shape(4, 9000, 100)))
    shared.rounds(3)
    assert [pod.shape for pod in shared.pods.values()] == [Shape(4, 9000, 8000)]


def test_a_job_that_no_pod_can_hold_gets_none_and_is_told_why() -> None:
    shared = cluster(100, person("cms_a", 1, Shape(9, 1000, 1000)))
    decision = shared.round()
    assert not decision.create
    assert decision.reasons["cms_a"].cause is Cause.TOO_LARGE


def test_small_jobs_leave_pods_with_gpus_alone() -> None:
    both = person("cms_a", 3, Shape(1, 1000, 1000, 1))
    both = replace(both, needs=(*both.needs, Need(JOB, 2)))
    shared = cluster(100, both)
    shared.rounds(4)
    assert Counter(pod.shape.gpus for pod in shared.pods.values()) == {1: 3, 0: 1}


def test_a_pod_shrinks_to_what_a_limit_leaves() -> None:
    shared = cluster(100, person("cms_a", 5, ceiling=3))
    shared.rounds(4)
    assert sorted(pod.shape.cpus for pod in shared.pods.values()) == [1, 2]
    assert shared.history[-1].reasons["cms_a"].cause is Cause.PERSON


def test_idle_pods_are_used_before_new_ones_are_made() -> None:
    shared = cluster(100, person("cms_a", 2))
    shared.pods["idle"] = Pod("idle", "cms_a", USUAL)
    assert not shared.round().create


def test_room_beside_running_jobs_that_waiting_ones_do_not_take_is_not_counted_on() -> None:
    there = Pod("there", "cms_a", USUAL, used=JOB)
    shared = cluster(100, person("cms_a", 1))
    shared.pods["there"] = there
    assert decide(shared.situation()).reasons["cms_a"].cause is Cause.ROOM
    shared.people["cms_a"] = replace(shared.people["cms_a"], stuck=True)
    assert len(decide(shared.situation()).create) == 1
    shared.pods["idle"] = Pod("idle", "cms_a", USUAL)
    assert not decide(shared.situation()).create, "what an idle pod does not take no other will"


# fairness


def test_equal_people_get_equal_parts_whoever_came_first() -> None:
    shared = cluster(40, person("cms_a"), drain=3)
    shared.rounds(8)
    assert cpus(shared) == {"cms_a": 40}
    shared.people["cms_b"] = person("cms_b")
    shared.rounds(20)
    assert cpus(shared) == {"cms_a": 20, "cms_b": 20}


def test_vos_come_before_people() -> None:
    shared = cluster(40, *(person(f"cms_{n}") for n in "abcd"), person("atlas_z"), max_cpus=40)
    shared.rounds(20)
    assert cpus(shared) | {"atlas_z": 0} == {f"cms_{n}": pytest.approx(5, abs=1) for n in "abcd"} | {"atlas_z": 0}
    assert shared.cpus("atlas_z") == 20


def test_twice_the_share_is_twice_as_many() -> None:
    vos = (VO("cms", 200, 50), VO("atlas", 100, 50))
    shared = cluster(100, person("cms_a"), person("atlas_z"), vos=vos, max_cpus=60)
    shared.rounds(15)
    assert cpus(shared) == {"cms_a": 40, "atlas_z": 20}


def test_what_somebody_does_not_need_is_for_the_others() -> None:
    shared = cluster(100, person("cms_a", 4), person("cms_b"), person("atlas_z", 2), max_cpus=40)
    shared.rounds(15)
    assert cpus(shared) == {"cms_a": 4, "cms_b": 34, "atlas_z": 2}


def test_past_use_weighs_but_never_more_than_half() -> None:
    people = {"cms_a": person("cms_a", usage=1e9), "cms_b": person("cms_b", usage=0.0)}
    assert 50 < weights(people)["cms_a"] < weights(people)["cms_b"] == 100
    assert weights({"cms_a": people["cms_a"]})["cms_a"] == 75, "alone it weighs against nobody"


def test_nobody_loses_a_running_job() -> None:
    shared = cluster(10, person("cms_a"), drain=1000)
    shared.rounds(5)
    running = {name for name, pod in shared.pods.items() if pod.phase is Phase.RUNNING}
    shared.people["cms_b"] = person("cms_b")
    shared.rounds(20)
    assert running <= set(shared.pods)
    assert shared.waiting("cms_b") == 2


def test_with_one_pod_for_two_they_take_turns() -> None:
    shared = cluster(2, person("cms_a", usage=10_000.0))
    shared.rounds(3)
    holders = []
    shared.people["cms_b"] = person("cms_b", usage=10_000.0)
    for _ in range(40):
        shared.rounds(3)
        for owner, one in shared.people.items():
            waited = 0.0 if shared.cpus(owner) else one.waited + 300
            shared.people[owner] = replace(one, waited=waited)
        holders.append("".join(owner[-1] for owner in shared.people if shared.cpus(owner)))
    assert 15 <= holders.count("a") <= 25
    assert 15 <= holders.count("b") <= 25


def test_past_use_keeps_nobody_waiting_for_longer_than_an_hour_and_a_turn() -> None:
    old, new = person("cms_a", usage=1e9, waited=4300.0), person("cms_b", usage=0.0)
    shared = cluster(2, old, new)
    shared.pods["b"] = Pod("b", "cms_b", USUAL, used=JOB)
    shared.pods["a"] = Pod("a", "cms_a", USUAL, Phase.UNSCHEDULABLE)
    assert decide(shared.situation()).retire == ("b",)
    shared.people["cms_a"] = replace(old, waited=100.0)
    assert decide(shared.situation()).retire == ()


# the cluster's room


def test_pods_that_no_node_has_room_for_are_not_multiplied() -> None:
    shared = cluster(0, person("cms_a"), person("cms_b"), person("atlas_z"))
    shared.rounds(30)
    assert shared.waiting() <= 3 * BURST
    assert not shared.history[-1].create


def test_an_image_that_no_node_can_fetch_holds_up_nobody_else() -> None:
    shared = cluster(1000, person("cms_a", 100), person("atlas_z", 2))
    shared.pods = {f"a{n}": Pod(f"a{n}", "cms_a", USUAL, Phase.PLACED) for n in range(40)}
    decision = decide(shared.situation())
    assert "atlas_z" in {new.owner for new in decision.create}
    assert decision.reasons["cms_a"].cause is Cause.STARTING


def test_a_full_cluster_comes_to_rest() -> None:
    shared = cluster(20, person("cms_a"), person("cms_b"), person("atlas_z"), drain=4)
    shared.rounds(40)
    for decision in shared.history[-15:]:
        assert (decision.create, decision.retire, decision.drop) == ((), (), ())


def test_what_no_node_can_ever_hold_costs_nobody_a_pod() -> None:
    shared = cluster(10, person("cms_a"))
    shared.rounds(6)
    shared.people["cms_b"] = person("cms_b", 3, Shape(8, 8000, 8000))
    shared.rounds(20)
    assert shared.cpus("cms_a") == 10
    assert shared.history[-1].reasons["cms_b"].cause is Cause.CLUSTER


def test_gpus_are_shared_among_those_who_ask_for_them() -> None:
    job = Shape(1, 1000, 1000, 1)
    running = [Pod(f"a{n}", "cms_a", replace(USUAL, gpus=1), used=job) for n in range(4)]
    shared = cluster(100, person("cms_a", 9, job), person("cms_b", 9, job), person("cms_c"))
    shared.pods = {pod.name: pod for pod in running}
    shared.pods["c"] = Pod("c", "cms_c", USUAL, used=Shape(2, 2000, 2000))
    shared.pods["b"] = Pod("b", "cms_b", replace(USUAL, gpus=1), Phase.UNSCHEDULABLE)
    retired = decide(shared.situation()).retire
    assert retired
    assert set(retired) < {pod.name for pod in running}


# limits


def test_a_limit_that_was_lowered_is_met_as_jobs_end() -> None:
    shared = cluster(100, person("cms_a"), max_cpus=20)
    shared.rounds(8)
    shared.max_cpus = 10
    shared.people["cms_a"] = replace(shared.people["cms_a"], needs=())
    shared.rounds(3)
    assert shared.cpus("cms_a") == 10


@pytest.mark.parametrize(
    ("vo", "cause"),
    [
        (VO("cms", 100, 2), Cause.VO_PODS),
        (VO("cms", 100, 50, max_cpus=4), Cause.VO_CPUS),
    ],
)
def test_a_vo_that_is_full_shares_among_its_own(vo: VO, cause: Cause) -> None:
    shared = cluster(100, person("cms_a"), vos=(vo,))
    shared.rounds(5)
    assert cpus(shared) == {"cms_a": 4}
    shared.people["cms_b"] = person("cms_b")
    shared.people["atlas_z"] = person("atlas_z", 2)
    shared.vos["atlas"] = VO("atlas", 100, 50)
    decision = shared.round()
    assert decision.reasons["cms_b"].cause is cause
    shared.rounds(5)
    assert cpus(shared) == {"cms_a": 2, "cms_b": 2, "atlas_z": 2}


# properties

FEW = settings(deadline=None, max_examples=40)  # each decides about all of a facility, some of them many times
OWNERS = ("cms_a", "cms_b", "cms_c", "atlas_y", "atlas_z")
SHAPES = st.builds(Shape, st.integers(1, 9), st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([0, 0, 0, 1]))
PEOPLE = st.lists(
    st.builds(
        lambda owner, needs, weight, ceiling, usage, waited: Person(
            owner, owner.partition("_")[0], weight, ceiling, usage, waited, tuple(needs)
        ),
        st.sampled_from(OWNERS),
        st.lists(st.builds(Need, SHAPES, st.integers(1, 200)), max_size=3),
        st.sampled_from([1, 50, 100, 400]),
        st.sampled_from([0, 0, 1, 5, 16]),
        st.sampled_from([0.0, 100.0, 1e7]),
        st.sampled_from([0.0, 500.0, 5000.0]),
    ),
    unique_by=lambda one: one.owner,
)
PODS = st.lists(
    st.builds(
        lambda owner, shape, phase, used, retiring: Pod(
            "", owner, shape, phase, used if phase is Phase.RUNNING and used.fits(shape) else Shape(0, 0, 0), retiring
        ),
        st.sampled_from((*OWNERS, "gone_g")),
        st.sampled_from([USUAL, Shape(1, 2000, 4000), Shape(8, 9000, 9000), replace(USUAL, gpus=1)]),
        st.sampled_from(Phase),
        st.sampled_from([Shape(0, 0, 0), JOB, Shape(1, 1000, 1000, 1)]),
        st.booleans(),
    ),
    max_size=12,
).map(lambda pods: tuple(replace(pod, name=f"pod{n}") for n, pod in enumerate(pods)))
VOS = st.fixed_dictionaries(
    {
        name: st.builds(VO, st.just(name), st.sampled_from([1, 100, 300]), st.integers(0, 12), st.sampled_from([0, 7]))
        for name in ("cms", "atlas")
    }
)
SITUATIONS = st.builds(
    lambda vos, people, pods, most: Situation(vos, {one.owner: one for one in people}, pods, USUAL, MAXIMUM, most),
    VOS,
    PEOPLE,
    PODS,
    st.sampled_from([0, 0, 9, 30]),
)


def totals(situation: Situation) -> tuple[Counter[str], Counter[str]]:
    """Cores by owner, VO and "" for all; pods by VO."""
    counted, pods = Counter[str](), Counter[str]()
    for pod in situation.pods:
        vo = pod.owner.partition("_")[0]
        pods[vo] += 1
        for name in (pod.owner, vo, ""):
            counted[name] += pod.shape.cpus
    return counted, pods


@FEW
@given(SITUATIONS)
def test_what_is_made_stays_within_all_limits(situation: Situation) -> None:
    counted, pods = totals(situation)
    for new in decide(situation).create:
        one = situation.people[new.owner]
        vo = situation.vos[one.vo]
        pods[one.vo] += 1
        for name in (one.owner, one.vo, ""):
            counted[name] += new.shape.cpus
        assert new.shape.fits(situation.maximum)
        assert not one.ceiling or counted[one.owner] <= one.ceiling
        assert not vo.max_cpus or counted[vo.name] <= vo.max_cpus
        assert pods[vo.name] <= vo.max_pods
        assert not situation.max_cpus or counted[""] <= situation.max_cpus


@FEW
@given(SITUATIONS)
def test_each_pod_is_let_go_once_and_never_when_it_is_leaving_already(situation: Situation) -> None:
    decision = decide(situation)
    gone = [*decision.retire, *decision.drop]
    by_name = {pod.name: pod for pod in situation.pods}
    assert len(set(gone)) == len(gone)
    assert not any(by_name[name].retiring for name in decision.retire)
    assert not any(by_name[name].phase.on_node for name in decision.drop)
    assert all(by_name[name].phase.on_node for name in decision.retire)


def test_pods_of_a_vo_that_is_not_known_just_now_are_left_alone_and_count() -> None:
    pods = (Pod("a", "cms_a", USUAL, used=JOB), Pod("b", "cms_a", USUAL, Phase.UNSCHEDULABLE))
    decision = decide(Situation({}, {}, pods, USUAL, MAXIMUM))
    assert (decision.retire, decision.drop) == ((), ())
    people = {"atlas_b": person("atlas_b", 2)}
    vos = {"atlas": VO("atlas", 100, 50)}
    assert not decide(Situation(vos, people, pods, USUAL, MAXIMUM, 2 * USUAL.cpus)).create


def test_pods_of_a_vo_that_has_no_batch_system_any_more_leave() -> None:
    pods = (Pod("a", "cms_a", USUAL, used=JOB), Pod("b", "cms_a", USUAL, Phase.STARTING))
    decision = decide(Situation({"cms": VO("cms", 1, 0)}, {}, pods, USUAL, MAXIMUM))
    assert (decision.retire, decision.drop) == (("a",), ("b",))


def test_a_pod_that_waits_for_room_and_is_for_nobodys_jobs_any_more_is_dropped() -> None:
    pods = (Pod("a", "cms_a", USUAL, Phase.UNSCHEDULABLE),)
    people = {"cms_a": person("cms_a", 0)}
    assert decide(Situation({"cms": VO("cms", 100, 50)}, people, pods, USUAL, MAXIMUM)).drop == ("a",)


def test_a_pod_that_was_told_to_leave_before_it_found_a_node_is_dropped() -> None:
    pods = (Pod("a", "cms_a", USUAL, Phase.UNSCHEDULABLE, retiring=True),)
    people = {"cms_a": person("cms_a")}
    assert decide(Situation({"cms": VO("cms", 100, 50)}, people, pods, USUAL, MAXIMUM)).drop == ("a",)


def test_jobs_that_match_no_pod_get_no_more_than_one_that_does_nothing() -> None:
    vos = {"cms": VO("cms", 100, 50)}
    people = {"cms_a": person("cms_a", 1000, stuck=True)}
    idle = Situation(vos, people, (Pod("a", "cms_a", USUAL),), USUAL, MAXIMUM)
    assert not decide(idle).create
    assert decide(idle).reasons["cms_a"].cause is Cause.UNTAKEN
    assert len(decide(replace(idle, pods=())).create) == 1


@FEW
@given(SITUATIONS, st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_listed_makes_no_difference(situation: Situation, order: random.Random) -> None:
    pods, people = list(situation.pods), list(situation.people.items())
    order.shuffle(pods)
    order.shuffle(people)
    assert decide(replace(situation, pods=tuple(pods), people=dict(people))) == decide(situation)


@FEW
@given(SITUATIONS)
def test_whoever_waits_is_told_why(situation: Situation) -> None:
    decision = decide(situation)
    assert set(decision.reasons) == {owner for owner, one in situation.people.items() if one.needs}


@FEW
@given(SITUATIONS)
def test_nobodys_waiting_pods_are_multiplied(situation: Situation) -> None:
    waiting = Counter(pod.owner for pod in situation.pods if not pod.phase.on_node)
    for owner, count in Counter(new.owner for new in decide(situation).create).items():
        assert waiting[owner] + count <= BURST


CROWD = st.lists(
    st.tuples(st.sampled_from(OWNERS), st.integers(1, 60), st.sampled_from([50, 100, 300])),
    min_size=1,
    unique_by=lambda one: one[0],
)


@FEW
@given(CROWD, st.integers(1, 30), st.booleans())
def test_at_rest_nobody_has_less_for_their_share_than_another_whose_pods_could_be_theirs(
    crowd: list[tuple[str, int, int]], pods: int, known: bool
) -> None:
    people = [person(owner, 2 * jobs, weight=weight) for owner, jobs, weight in crowd]
    shared = cluster(2 * pods, *people, max_cpus=2 * pods if known else 0)
    shared.rounds(25)
    had = cpus(shared)
    assert sum(had.values()) == min(2 * pods, sum(2 * jobs for _, jobs, _ in crowd)), "no core is idle that has a use"
    for poor, jobs, weight in crowd:
        if had[poor] >= 2 * jobs:
            continue
        for rich, _, other in crowd:
            if rich.partition("_")[0] == poor.partition("_")[0]:
                assert had[poor] / weight >= (had[rich] - 2) / other


@FEW
@given(CROWD, st.integers(1, 30))
def test_more_room_takes_nothing_from_anybody(crowd: list[tuple[str, int, int]], pods: int) -> None:
    people = [person(owner, 2 * jobs, weight=weight) for owner, jobs, weight in crowd]

    def allowed(most: int) -> dict[str, int]:
        return dict(decide(replace(cluster(0, *people).situation(), max_cpus=most)).allowed)

    less, more = allowed(2 * pods), allowed(2 * pods + 2)
    assert all(less[owner] <= more[owner] for owner in less)


@FEW
@given(CROWD, st.integers(1, 30))
def test_a_larger_share_never_gives_less(crowd: list[tuple[str, int, int]], pods: int) -> None:
    people = [person(owner, 2 * jobs, weight=weight) for owner, jobs, weight in crowd]
    first = crowd[0][0]

    def allowed(weight: int) -> int:
        changed = [replace(one, weight=weight) if one.owner == first else one for one in people]
        return decide(replace(cluster(0, *changed).situation(), max_cpus=2 * pods)).allowed[first]

    assert allowed(crowd[0][2]) <= allowed(2 * crowd[0][2])
