"""The file that the agent has written is the one that XRootD's client and HTCondor's tools show to real servers.

They find it by WLCG Bearer Token Discovery alone, on through its renewals, and by nothing else: without it they show
none, and what lies at a later place of the search is not taken. The two other readers, Rucio's clients and scitokens,
are libraries that show a token to nobody here: tests/unit/others_read_the_agents_token_test.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage

pytestmark = pytest.mark.cluster

#: in the pod: each reader with the environment of the notebook, changed as told ("": left out)
READ = r"""
import json, os, subprocess, sys
given = json.load(sys.stdin)
env = {k: v for k, v in {**os.environ, **given["change"]}.items() if v}
done = subprocess.run(given["command"], env=env, capture_output=True, text=True, timeout=90)
text = done.stdout + done.stderr
for name in ("lake", "compute"):
    with open(f"/run/token/{name}") as file:
        text = text.replace(file.read(), "A-TOKEN-ITSELF")
print(json.dumps({"code": done.returncode, "text": text[-3000:]}))
"""
XRDCP = ["xrdcp", "-f", "-N", f"root://xcache-cms.facility.svc:1094/{world.CMS.file}", "/dev/null"]
PING = ["condor_ping", "-type", "SCHEDD", "-verbose", "WRITE"]
#: HTCondor is told by nothing but discovery
DISCOVERY = {"_CONDOR_SCITOKENS_FILE": "", "SCITOKENS_FILE": "", "BEARER_TOKEN_FILE": "/run/token/compute"}
NOWHERE = {"BEARER_TOKEN": "", "BEARER_TOKEN_FILE": "", "XDG_RUNTIME_DIR": "/nonexistent"}


def read(stage: Stage, command: list[str], **change: str) -> dict[str, Any]:
    """Exit status and words of one reader in alice's notebook."""
    asked = json.dumps({"command": command, "change": change})
    told = stage.cluster.execute(
        "facility-users", "jupyter-cms-alice", "notebook", ["python3", "-c", READ], stdin=asked
    )
    found: dict[str, Any] = json.loads(told)
    return found


def token_of(stage: Stage, name: str) -> str:
    """A digest of the file as it is now."""
    return stage.cluster.execute(
        "facility-users", "jupyter-cms-alice", "notebook", ["sha256sum", f"/run/token/{name}"]
    ).split()[0]


def decoy(stage: Stage) -> str:
    """A directory with a token file for a later place of the search, whose content nobody would accept."""
    script = "mkdir -p /tmp/decoy && umask 077 && printf not.a.token > /tmp/decoy/bt_u$(id -u) && echo /tmp/decoy"
    return stage.cluster.execute("facility-users", "jupyter-cms-alice", "notebook", ["sh", "-c", script]).strip()


def test_xrootds_client_reads_with_the_agents_file(stage: Stage, outcome: Outcome) -> None:
    assert read(stage, XRDCP, XDG_RUNTIME_DIR=decoy(stage))["code"] == 0


def test_xrootds_client_has_no_other_token(stage: Stage, outcome: Outcome) -> None:
    found = read(stage, XRDCP, **NOWHERE)
    assert found["code"] == 52
    assert "Auth failed" in found["text"]


def test_htcondor_shows_the_agents_file_by_discovery(stage: Stage, outcome: Outcome) -> None:
    found = read(stage, PING, **DISCOVERY, XDG_RUNTIME_DIR=decoy(stage))
    assert found["code"] == 0, found
    assert "SCITOKENS" in found["text"]
    assert "cms_alice@pool" in found["text"]


def test_htcondor_has_no_other_token(stage: Stage, outcome: Outcome) -> None:
    found = read(stage, PING, **{**DISCOVERY, **NOWHERE})
    assert found["code"] != 0
    assert "cms_alice@pool" not in found["text"]


def test_both_go_on_after_the_files_were_renewed_twice(stage: Stage, outcome: Outcome) -> None:
    for _ in range(2):
        before = {name: token_of(stage, name) for name in ("lake", "compute")}

        def renewed(before: dict[str, str] = before) -> bool:
            return all(token_of(stage, name) != old for name, old in before.items())

        stage.cluster.wait_for("new tokens in both files", renewed, 2 * world.TOKEN_LIFE)
        assert read(stage, XRDCP)["code"] == 0
        assert read(stage, PING, **DISCOVERY)["code"] == 0


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        (f"root://cache/{world.CMS.file}", 0, "lets you read it"),
        (f"https://xcache-cms.facility.svc:1094{world.CMS.file}", 0, "lets you read it"),
        ("root://cache//cms/embargoed/no-such-file.root", 1, "the origin has no /cms/embargoed/no-such-file.root"),
        ("root://cache//cms/secret/x.root", 1, "cms does not give it to you"),
        ("https://xcache-cms.facility.svc:1094/cms/secret/x.root", 1, "refuses it"),
        ("root://cache//atlas/embargoed/x.root", 1, "No lake of cms holds"),
        ("root://xcache-atlas.facility.svc//atlas/embargoed/x.root", 1, "your token stays here"),
    ],
)
def test_facility_why_tells_it_as_it_is(stage: Stage, outcome: Outcome, url: str, code: int, words: str) -> None:
    found = read(stage, ["facility", "why", url])
    assert found["code"] == code, found["text"]
    assert words in found["text"]
    assert "A-TOKEN-ITSELF" not in found["text"]
