"""An issuer is away: whoever judges its tokens has its keys, also after a restart, and asks nobody for them.

What libscitokens would do in a tenth minute is not waited for: it is when it would ask again that is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from facility.condor import layout
from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.lake import origin
from facility.xcache import places
from tests.cluster import forge, lakes
from tests.cluster.kills import end, ready
from tests.cluster.reading import Answer, Attempt, attempt
from tests.cluster.waiting import until_issuer_answers

pytestmark = pytest.mark.cluster
CACHE = "xcache-cms.facility.svc"
#: put into the lake by the test: in no cache yet
NEW = "/cms/open/away/new.bin"
DAY = 86400
#: in a pod: seconds until libscitokens asks for the keys of an issuer again by itself, if it has keys
LEFT = """
import json, pathlib, sqlite3, sys, time
home, issuer = sys.argv[1:]
rows = sqlite3.connect(pathlib.Path(home) / "scitokens/scitokens_cpp.sqllite").execute(
    "SELECT keys FROM keycache WHERE issuer = ?", [issuer]).fetchall()
found = json.loads(rows[0][0])
print(json.dumps(found["next_update"] - time.time() if found["jwks"]["keys"] else 0))
"""
#: namespace, pod, container, directory of libscitokens' cache
JUDGES = {
    "cache": ("facility", "xcache-cms-0", "xcache", places.KEYS),
    "access point": ("facility-batch", "ap-cms-0", "access-point", str(layout.KEYCACHE)),
    "central manager": ("facility-batch", "cm-0", "cm", str(layout.KEYCACHE)),
    "the demo's origin": (world.NAMESPACE, "deploy/origin", "origin", origin.RUN),
}


@pytest.mark.parametrize("judge", JUDGES)
def test_keys_that_were_fetched_are_good_for_days(stage: Stage, outcome: Outcome, judge: str) -> None:
    namespace, pod, container, home = JUDGES[judge]
    command = ["python3", "-c", LEFT, home, world.CMS.issuer]
    assert json.loads(stage.cluster.execute(namespace, pod, container, command)) > 3 * DAY


@pytest.fixture(scope="module")
def away(stage: Stage, outcome: Outcome) -> Iterator[None]:
    """The issuer of cms is gone until the tests are over."""
    stage.cluster.do("scale", f"deployment/iam-{world.CMS.name}", "-n", world.NAMESPACE, "--replicas=0")
    try:
        stage.cluster.wait_for("the issuer gone", lambda: not issuers(stage), 60)
        yield
    finally:
        stage.cluster.do("scale", f"deployment/iam-{world.CMS.name}", "-n", world.NAMESPACE, "--replicas=1")
        stage.cluster.wait_for("the issuer", lambda: all(issuers(stage)), 120)
        until_issuer_answers(stage, world.CMS)


def issuers(stage: Stage) -> list[bool]:
    """Of each pod of the issuer of cms, whether it runs."""
    found = stage.cluster.items("pods", "-n", world.NAMESPACE, "-l", "app.kubernetes.io/component=issuer")
    mine = [one for one in found if one["metadata"]["name"].startswith(f"iam-{world.CMS.name}-")]
    return [one["status"]["phase"] == "Running" for one in mine]


def read(stage: Stage, *paths: str) -> list[Answer]:
    """By both protocols, each with a token that nobody has judged before."""
    wanted = [(protocol, path) for path in paths for protocol in ("root", "https")]
    asked = [Attempt(protocol, CACHE, path, forge.token(scope="storage.read:/")) for protocol, path in wanted]
    return attempt(stage.cluster, "jupyter-cms-alice", asked)


def test_new_tokens_open_what_is_cached_and_what_is_not(stage: Stage, away: None) -> None:
    lakes.put(stage, NEW, 50_000)
    answers = read(stage, world.CMS.file, NEW)
    assert all(one.ok and one.bytes > 10_000 for one in answers), answers


def test_bad_tokens_are_refused_as_ever(stage: Stage, away: None) -> None:
    asked = [Attempt(protocol, CACHE, world.CMS.file, forge.token(forged=True)) for protocol in ("root", "https")]
    assert [one.code for one in attempt(stage.cluster, "jupyter-cms-alice", asked)] == [52, 403]


def test_a_cache_that_is_started_anew_opens_files_too(stage: Stage, away: None) -> None:
    old = end(stage, "facility", "xcache")
    stage.cluster.wait_for("the caches", lambda: ready(stage, "facility", "xcache", old), 120)
    answers = read(stage, world.CMS.file)
    assert all(one.ok for one in answers), answers
