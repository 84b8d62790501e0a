"""The key that seals sessions is changed in its four steps, with `facility keys` and `facility rekey` in their pods."""

from __future__ import annotations

from collections import Counter

import pytest

from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.waiting import USERS

pytestmark = pytest.mark.cluster
KEY = "analysis-facility.io/key"
ADDED = "analysis-facility.io/key-added"
COMPONENT = "analysis-facility.io/component in (session,tokens)"
VOLUME = 180  # seconds in which volumes follow their Secret
#: in a broker's pod: the name of the key in use there, and how many there are
LOOK = """
from pathlib import Path
from facility.names import key_name
keys = Path("/etc/broker-key")
print(key_name((keys / "current").read_bytes().strip()), sum(one.is_file() for one in keys.iterdir()))
"""


def keys(stage: Stage, step: str) -> str:
    return stage.cluster.execute("facility", "deploy/operator", "operator", ["facility", "keys", step])


def brokers(stage: Stage) -> set[tuple[str, int]]:
    """What all brokers have: the key in use, and how many."""
    chosen = ("pods", "-n", "facility", "-l", "app.kubernetes.io/component=broker")
    pods = [str(pod["metadata"]["name"]) for pod in stage.cluster.items(*chosen)]
    told = [stage.cluster.execute("facility", pod, "broker", ["python3", "-c", LOOK]).split() for pod in pods]
    return {(name, int(count)) for name, count in told}


def sealed(stage: Stage) -> Counter[str]:
    """How many documents are sealed with which key."""
    found = stage.cluster.items("secrets", "-n", "facility", "-l", COMPONENT)
    return Counter(str(one["metadata"].get("annotations", {}).get(KEY)) for one in found)


def test_all_is_sealed_with_the_new_key_and_nobody_has_to_sign_in_again(stage: Stage, outcome: Outcome) -> None:
    ((old, count),) = brokers(stage)
    assert set(sealed(stage)) == {old}
    keys(stage, "add")
    stage.cluster.wait_for("the next key", lambda: brokers(stage) == {(old, count + 1)}, VOLUME)
    # all have it: no need to wait out the time in which they must
    stage.cluster.do("annotate", "secret", "broker-key", "-n", "facility", f"{ADDED}=0", "--overwrite")
    keys(stage, "use")
    stage.cluster.wait_for("the new key in use", lambda: {name for name, _ in brokers(stage)} - {old}, VOLUME)
    stage.cluster.wait_for("one key in use", lambda: len(brokers(stage)) == 1, VOLUME)
    ((new, _),) = brokers(stage)
    told = stage.cluster.execute("facility", "deploy/broker", "broker", ["facility", "rekey"])
    assert "sealed anew" in told, told
    assert set(sealed(stage)) == {new}
    assert "are gone" in keys(stage, "forget")
    stage.cluster.wait_for("the old key gone", lambda: brokers(stage) == {(new, 1)}, VOLUME)
    fresh = ["sh", "-c", "facility token --force-new | wc -c"]  # a report would show the token itself
    assert int(stage.cluster.execute(USERS, "jupyter-cms-alice", "notebook", fresh)) > 100
