"""What the cache must refuse, over both protocols, on a miss and on a hit; and that the same read is otherwise allowed.

Each case is one try from inside a person's pod, by xrdcp or https. The words of a refusal are what a person has to go
by, so they are part of the claim: XRootD's client knows two (no login, no permission), https one (403). What else is
refused, and where, is in refused_at_every_door_test.py.
"""

from __future__ import annotations

import pytest

from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import forge
from tests.cluster.reading import Answer, Attempt, attempt
from tests.cluster.refusals import ATLAS, CMS, HIT, MISS, REFUSED, WAYS, as_told

pytestmark = pytest.mark.cluster

BOTH = pytest.mark.parametrize("protocol", WAYS)


@pytest.fixture(scope="module")
def tried(stage: Stage, outcome: Outcome) -> dict[tuple[str, str], Answer]:
    """All refusals tried at once (one program in the pod), by case and protocol."""
    asked = {
        (case, protocol): Attempt(protocol, host, path, make())
        for case, (make, host, path, _) in REFUSED.items()
        for protocol in WAYS
    }
    answers: dict[tuple[str, str], Answer] = {}
    for pod, host in (("jupyter-cms-alice", CMS), ("jupyter-atlas-bob", ATLAS)):  # no other VO's cache can be reached
        here = {key: one for key, one in asked.items() if one.host == host}
        answers |= zip(here, attempt(stage.cluster, pod, list(here.values())), strict=True)
    return answers


@BOTH
@pytest.mark.parametrize("case", REFUSED)
def test_a_read_is_refused(tried: dict[tuple[str, str], Answer], case: str, protocol: str) -> None:
    as_told(tried[case, protocol], case, protocol)


@BOTH
def test_the_same_reads_are_allowed_with_the_right_token(stage: Stage, tried: object, protocol: str) -> None:
    paths = [
        (HIT, "storage.read:/embargoed"),
        (MISS, "storage.read:/"),
        ("/cms/open/nano_dy.root", "storage.read:/open"),
    ]
    asked = [Attempt(protocol, CMS, path, forge.token(scope=scope)) for path, scope in paths]
    for answer in attempt(stage.cluster, "jupyter-cms-alice", asked):
        assert answer.ok, answer
        assert answer.bytes > 10_000
