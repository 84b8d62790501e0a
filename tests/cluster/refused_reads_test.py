"""What the cache must refuse, over both protocols, on a miss and on a hit; and that the same read is otherwise allowed.

Each case is one try from inside alice's pod. The words of a refusal are what a person has to go by, so they are part
of the claim: XRootD's client knows two (no login, no permission), https one (403).
"""

from __future__ import annotations

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import forge
from tests.cluster.reading import Answer, Attempt, attempt
from tests.cluster.refusals import ATLAS, CMS, HIT, MISS, REFUSED, as_told

pytestmark = pytest.mark.cluster

BOTH = pytest.mark.parametrize("protocol", ["root", "https"])


@pytest.fixture(scope="module")
def tried(stage: Stage, outcome: Outcome) -> dict[tuple[str, str], Answer]:
    """All refusals tried at once (one program in the pod), by case and protocol."""
    asked = {
        (case, protocol): Attempt(protocol, host, path, make())
        for case, (make, host, path, _) in REFUSED.items()
        for protocol in ("root", "https")
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


CLIMBING = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%252E.", "%25252e%25252e", "x/%2e%2e/%2e%2e", ".%00."]


@BOTH
def test_no_spelling_of_a_path_climbs_out_of_its_scope(stage: Stage, tried: object, protocol: str) -> None:
    """Decoded nowhere, at the cache, or by the cache's own client on the way to the origin: refused each time."""
    token = forge.token(scope="storage.read:/open")
    asked = [Attempt(protocol, CMS, f"/cms/open/{up}/embargoed/nano_dimuon.root", token) for up in CLIMBING]
    answers = dict(zip(CLIMBING, attempt(stage.cluster, "jupyter-cms-alice", asked), strict=True))
    assert not {up: answer for up, answer in answers.items() if answer.ok or answer.bytes}


ODD = ["/cms//embargoed/nano_dimuon.root", "//cms/embargoed//nano_dimuon.root", f"/cms/embargoed/{'long/' * 2000}x"]


@BOTH
@pytest.mark.parametrize("path", ODD, ids=["slashes", "more slashes", "long"])
def test_no_odd_path_is_taken_for_another(stage: Stage, tried: object, path: str, protocol: str) -> None:
    one = Attempt(protocol, CMS, path, forge.token(scope="storage.read:/open"))
    [answer] = attempt(stage.cluster, "jupyter-cms-alice", [one])
    assert not answer.ok
    assert answer.bytes == 0


def test_a_token_in_the_url_is_taken_and_in_no_log(stage: Stage, tried: object) -> None:
    """As some tools send it; what refuses it, or does not find the file, does not write it down either."""
    token = forge.token(scope="storage.read:/embargoed")
    paths = [HIT, "/cms/embargoed/not-there", "/cms/open/nano_dimuon.root"]
    asked = [Attempt("https", CMS, f"{path}?authz=Bearer%20{token}") for path in paths]
    answers = attempt(stage.cluster, "jupyter-cms-alice", asked)
    assert [answer.code for answer in answers] == [200, 404, 403]
    logs = stage.cluster.do("logs", "-n", "facility", "xcache-cms-0", "-c", "xcache", "--tail=-1")
    logs += stage.cluster.do("logs", "-n", world.NAMESPACE, "deploy/origin", "-c", "origin", "--tail=-1")
    assert token.rsplit(".", 1)[1] not in logs


@BOTH
def test_nobody_writes_through_the_cache(stage: Stage, tried: object, protocol: str) -> None:
    strong = forge.token(scope="storage.read:/ storage.create:/ storage.modify:/")
    [answer] = attempt(
        stage.cluster, "jupyter-cms-alice", [Attempt(protocol, CMS, "/cms/open/new.txt", strong, write=True)]
    )
    assert not answer.ok


def test_plain_http_is_not_served(stage: Stage, outcome: Outcome) -> None:
    code = (
        "import http.client as h\n"
        f"c = h.HTTPConnection('{CMS}', 1094, timeout=20)\n"
        "try:\n"
        f"    c.request('GET', '{HIT}')\n"
        "    print(c.getresponse().status)\n"
        "except (h.HTTPException, OSError) as e:\n"
        "    print('closed')\n"
    )
    told = stage.cluster.execute("facility-users", "jupyter-cms-alice", "notebook", ["python3", "-c", code])
    assert told.strip() == "closed"
