"""Where a site's nodes let them, jobs run in container images of their own, by Apptainer and without any privilege."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import place, values
from facility.dev.demo.mainjob import Outcome, Stage, result
from tests.cluster import disasters
from tests.cluster.batch import BATCH, clear, in_kernel
from tests.cluster.node import on_node

pytestmark = [pytest.mark.cluster, pytest.mark.long]

#: made in the notebook: an image that holds a shell and a word of its own, and nothing of the facility's
MADE = """
import pathlib, shutil, subprocess
root = pathlib.Path("small")
for folder in ("bin", "etc", "tmp", "proc", "sys", "dev", "home", "var/tmp"):
    (root / folder).mkdir(parents=True, exist_ok=True)
shutil.copy("/bin/sh", root / "bin/sh")
told = subprocess.run(["ldd", "/bin/sh"], check=True, capture_output=True, text=True).stdout
for library in (word for word in told.split() if word.startswith("/")):
    (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(library, root / library[1:])
(root / "etc/whose").write_text("an image of alice's\\n")
made = subprocess.run(["apptainer", "build", "--force", "small.sif", "small"], capture_output=True, text=True)
assert made.returncode == 0, made.stderr
"""
WORK = """#!/bin/sh
read -r whose </etc/whose && echo "in $whose"
[ -e /usr/lib/facility ] || echo "nothing of the pod"
read -r token <"$BEARER_TOKEN_FILE" || [ -n "$token" ] && echo "a token"
echo kept >result
"""
RUN = """
image = sent(executable="work.sh", arguments="", transfer_executable="true", universe="container",
             container_image="small.sif", output="said", error="wrong", transfer_output_files="result")
until(image, 4, 240)
schedd.retrieve(f"ClusterId == {image}")
read = lambda name: pathlib.Path(name).read_text()
print("RESULT", json.dumps({"said": read("said").splitlines(), "wrong": read("wrong"), "result": read("result")}))
"""


def _containers(wanted: values.Values) -> None:
    wanted["operator"]["site"]["batch"]["containers"] = True


@pytest.fixture
def containers(stage: Stage, outcome: Outcome) -> Iterator[None]:
    """A site that lets jobs bring images, while this runs."""
    try:
        on_node(stage, "unshare --user --map-root-user true")
    except ClusterError as problem:
        pytest.skip(f"the node allows no user namespaces: {problem}")
    _install(stage, _containers)
    yield
    clear(stage, "cms_alice")
    _install(stage, lambda _: None)


def _install(stage: Stage, change: values.Change) -> None:
    """The facility with those settings, when pods of before are gone and the queue is there."""
    place.install(stage.cluster, change)
    clear(stage, "cms_alice")
    rollout = ("rollout", "status", "statefulset/ap-cms", "-n", BATCH, "--timeout=180s")
    stage.cluster.do(*rollout, timeout=200)
    stage.cluster.wait_for("the queue", lambda: disasters.answers(stage), 120)


def test_a_job_runs_in_the_image_that_came_with_it_and_reads_its_token_there(stage: Stage, containers: None) -> None:
    code = asyncio.run(in_kernel(stage, "alice", MADE + RUN, 400, {"work.sh": WORK}))
    found = result(code)
    assert found["said"] == ["in an image of alice's", "nothing of the pod", "a token"], found
    assert found["result"] == "kept\n"
