"""Which owner gets an execute pod: one for each who waits without any, and never more than the VO may have."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility import names
from facility.condor.demand import ExecutePod, wanted
from facility.condor.jobs import OwnerJobs

OWNERS = ("cms_alice", "cms_bob", "cms_carol", "atlas_dave", "atlas_erin")


@pytest.mark.parametrize(
    ("queues", "pods", "limits", "expected"),
    [
        pytest.param([OwnerJobs("cms_alice", idle=3, waiting_since=1)], [], {"cms": 5}, ["cms_alice"], id="waits"),
        pytest.param([OwnerJobs("cms_alice", running=3)], [], {"cms": 5}, [], id="nothing idle"),
        pytest.param([OwnerJobs("cms_alice", held=3, starting_over=1)], [], {"cms": 5}, [], id="held"),
        pytest.param([OwnerJobs("cms_alice", idle=9)], ["cms_alice"], {"cms": 5}, [], id="has a pod"),
        pytest.param([OwnerJobs("cms_alice", idle=1)], ["cms_bob"], {"cms": 1}, [], id="the VO has no room"),
        pytest.param([OwnerJobs("cms_alice", idle=1)], ["atlas_dave"], {"cms": 1, "atlas": 1}, ["cms_alice"], id="VOs"),
        pytest.param([OwnerJobs("cms_alice", idle=1)], [], {"atlas": 5}, [], id="a VO without limit has none"),
        pytest.param([OwnerJobs("cms_alice", idle=1)], [], {"cms": 0}, [], id="none allowed"),
        pytest.param([OwnerJobs("root", idle=1)], [], {"cms": 5, "root": 5}, [], id="no owner of this facility"),
        pytest.param(
            [OwnerJobs("cms_alice", idle=1, waiting_since=9), OwnerJobs("cms_bob", idle=1, waiting_since=3)],
            [],
            {"cms": 1},
            ["cms_bob"],
            id="who has waited longest comes first",
        ),
        pytest.param(
            [OwnerJobs("cms_alice", idle=1, waiting_since=9), OwnerJobs("cms_alice", idle=1, waiting_since=3)],
            [],
            {"cms": 5},
            ["cms_alice"],
            id="one pod for an owner named twice",
        ),
    ],
)
def test_who_gets_a_pod(queues: list[OwnerJobs], pods: list[str], limits: dict[str, int], expected: list[str]) -> None:
    living = [ExecutePod(f"pod-{owner}", owner) for owner in pods]
    assert wanted(queues, living, limits) == tuple(expected)


QUEUES = st.lists(
    st.builds(
        OwnerJobs,
        owner=st.sampled_from(OWNERS),
        idle=st.integers(0, 3),
        running=st.integers(0, 3),
        waiting_since=st.floats(0, 100),
    )
)
PODS = st.lists(st.builds(ExecutePod, name=st.just("pod"), owner=st.sampled_from(OWNERS)))
LIMITS = st.fixed_dictionaries({"cms": st.integers(0, 4), "atlas": st.integers(0, 4)})


@given(QUEUES, PODS, LIMITS)
def test_no_vo_gets_beyond_its_limit_and_no_owner_two_at_once(
    queues: list[OwnerJobs], pods: list[ExecutePod], limits: dict[str, int]
) -> None:
    new = wanted(queues, pods, limits)
    alive = Counter(pod.owner for pod in pods)
    assert len(set(new)) == len(new)
    assert not any(alive[owner] for owner in new)
    for vo, limit in limits.items():
        made = sum(names.split_owner(owner)[0] == vo for owner in new)
        there = sum(count for owner, count in alive.items() if names.split_owner(owner)[0] == vo)
        assert made <= max(0, limit - there)


@given(QUEUES, PODS, LIMITS)
def test_nobody_waits_while_their_vo_has_room(
    queues: list[OwnerJobs], pods: list[ExecutePod], limits: dict[str, int]
) -> None:
    new = wanted(queues, pods, limits)
    after = [*pods, *(ExecutePod("new", owner) for owner in new)]
    assert wanted(queues, after, limits) == ()
