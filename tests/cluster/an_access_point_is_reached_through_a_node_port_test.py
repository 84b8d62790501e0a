"""HTCondor's own client outside of the cluster: jobs are sent, seen, fetched and removed through a port of a node.

It knows one address, a name that the certificate has, and a token; it asks no collector, and what the access point says
of its own address, which is a pod's, leads nowhere from there.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facility import names
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.batch import BATCH, clear

pytestmark = pytest.mark.cluster
pytest.importorskip("htcondor2")
NAME = "ap-cms-from-a-node"
SELECTOR = {names.LABEL_COMPONENT: "access-point", names.LABEL_VO: "cms"}
CLIENT = r"""
import classad2, htcondor2, json, pathlib, sys, time
ad = classad2.ClassAd({"MyAddress": sys.argv[1], "Name": "outside", "CondorVersion": htcondor2.version()})
schedd = htcondor2.Schedd(ad)
pathlib.Path("in.txt").write_text("sent from outside\n")
description = {"executable": "/bin/cat", "arguments": "in.txt", "transfer_executable": "false", "output": "out.txt",
    "transfer_input_files": "in.txt", "should_transfer_files": "YES", "when_to_transfer_output": "ON_EXIT",
    "request_memory": "50MB"}
placed = schedd.submit(htcondor2.Submit(description), spool=True)
schedd.spool(placed)
mine, end = f"ClusterId == {placed.cluster()}", time.monotonic() + 240
while [one["JobStatus"] for one in schedd.query(mine, ["JobStatus"])] != [4]:
    assert time.monotonic() < end, [dict(one) for one in schedd.query(mine)]
    time.sleep(1)
(one,) = schedd.query(mine, ["Owner"])
schedd.retrieve(mine)
schedd.act(htcondor2.JobAction.Remove, mine)
print(json.dumps({"owner": one["Owner"], "output": pathlib.Path("out.txt").read_text()}))
"""


@pytest.fixture
def address(stage: Stage, outcome: Outcome) -> Iterator[str]:
    """Of a node, with the port that leads to the access point of cms."""
    wall = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": BATCH},
        "spec": {
            "podSelector": {"matchLabels": SELECTOR},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": names.CONDOR_PORT}]}],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": BATCH},
        "spec": {"type": "NodePort", "selector": SELECTOR, "ports": [{"port": names.CONDOR_PORT}]},
    }
    stage.cluster.apply(wall, service)
    port = stage.cluster.get("service", NAME, "-n", BATCH)["spec"]["ports"][0]["nodePort"]
    known = stage.cluster.items("nodes")[0]["status"]["addresses"]
    host = next(one["address"] for one in known if one["type"] == "InternalIP")
    stage.cluster.wait_for("the node's port to lead somewhere", lambda: _open(host, port), 60)
    yield f"{host}:{port}"
    stage.cluster.do("delete", f"networkpolicy/{NAME}", f"service/{NAME}", "-n", BATCH)
    clear(stage, "cms_alice")


def _open(host: str, port: int) -> bool:
    """Whether the port is served: nodes come to know of a new Service a moment after it was made."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def client(stage: Stage, address: str, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """HTCondor's client on this machine, which takes whom it meets there for `name`."""
    bundle, token = folder / "ca.crt", folder / "token"
    bundle.write_text(stage.cluster.get("configmap", "facility-trust", "-n", BATCH)["data"]["ca.crt"])
    own = stage.cluster.execute("facility-users", "jupyter-cms-alice", "notebook", ["cat", "/run/token/compute"])
    with os.fdopen(os.open(token, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.write(own)
    required = {f"_CONDOR_SEC_CLIENT_{one}": "REQUIRED" for one in ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY")}
    environment = required | {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CONDOR_CONFIG": "ONLY_ENV",
        "_CONDOR_UID_DOMAIN": names.TRUST_DOMAIN,
        "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "SCITOKENS",
        "_CONDOR_SCITOKENS_FILE": str(token),
        "_CONDOR_AUTH_SSL_CLIENT_CAFILE": str(bundle),
        "_CONDOR_AUTH_SSL_USE_CLIENT_PROXY_ENV_VAR": "False",
    }
    command = [sys.executable, "-c", CLIENT, f"<{address}?alias={name}&noUDP>"]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)


def test_a_job_is_sent_seen_and_fetched_by_one_address(stage: Stage, address: str, tmp_path: Path) -> None:
    done = client(stage, address, "ap-cms.facility-batch.svc", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert told == {"owner": "cms_alice", "output": "sent from outside\n"}


def test_one_that_has_another_name_is_not_spoken_with(stage: Stage, address: str, tmp_path: Path) -> None:
    done = client(stage, address, "ap-atlas.facility-batch.svc", tmp_path)
    assert done.returncode != 0
    assert not (tmp_path / "out.txt").exists()
