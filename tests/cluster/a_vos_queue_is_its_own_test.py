"""Nobody of one VO sees or changes another VO's queue: walls keep them away, and its access point knows them not."""

from __future__ import annotations

import json

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.batch import BATCH

pytestmark = pytest.mark.cluster
#: with a token on standard input: what that person's tool says of the queue of cms, wherever this runs
LOOK = r"""
import json, os, subprocess, sys, tempfile
with tempfile.TemporaryDirectory() as there:
    name = f"{there}/token"
    with open(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(sys.stdin.read())
    own = {"_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "SCITOKENS", "_CONDOR_SCITOKENS_FILE": name,
           "_CONDOR_Q_QUERY_TIMEOUT": "8"}
    env = {key: value for key, value in os.environ.items() if not key.startswith("BEARER_TOKEN")} | own
    done = subprocess.run(sys.argv[1:], env=env, capture_output=True, text=True)
print(json.dumps([done.returncode, (done.stdout + done.stderr)[-2000:]]))
"""
QUEUE = ("condor_q", "-all", "-totals")
ELSEWHERE = ("condor_q", "-name", "ap@ap-cms.facility-batch.svc", "-all", "-totals")


def token(stage: Stage, pod: str) -> str:
    """The token by which a person submits."""
    return stage.cluster.execute("facility-users", pod, "notebook", ["cat", "/run/token/compute"])


def looked(stage: Stage, where: tuple[str, str, str], whose: str, *command: str) -> tuple[int, str]:
    """Status and output of a tool of HTCondor's in a container, with somebody's token."""
    told = stage.cluster.execute(*where, ["python3", "-c", LOOK, *command], stdin=token(stage, whose))
    status, text = json.loads(told.splitlines()[-1])
    return int(status), str(text)


def test_who_is_of_another_vo_does_not_get_to_the_queue(stage: Stage, outcome: Outcome) -> None:
    bob = f"jupyter-{world.ATLAS.name}-{world.ATLAS.person.name}"
    status, text = looked(stage, ("facility-users", bob, "notebook"), bob, *ELSEWHERE)
    assert status != 0, text
    assert "Total for all users" not in text


def test_and_would_not_be_known_there(stage: Stage, outcome: Outcome) -> None:
    """Beside the schedd itself, where no wall is: one's own person is let in, another VO's is not."""
    beside = (BATCH, "ap-cms-0", "access-point")
    status, text = looked(stage, beside, "jupyter-cms-alice", *QUEUE)
    assert status == 0, text
    assert "Total for all users" in text
    status, text = looked(stage, beside, f"jupyter-{world.ATLAS.name}-{world.ATLAS.person.name}", *QUEUE)
    assert status != 0, text
    assert "Total for all users" not in text
