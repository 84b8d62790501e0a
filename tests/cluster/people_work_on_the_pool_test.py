"""What a person does with the pool from a notebook: the image's examples, DAGs cut off in the middle, dask, questions.

Each test leaves neither jobs nor execute pods behind.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.demo.kernel import CellError, Kernel
from facility.dev.demo.mainjob import Outcome, Stage, result
from facility.dev.demo.person import Person
from tests.cluster.batch import clear, ids, in_kernel, remove_all

pytestmark = pytest.mark.cluster
EXAMPLES = Path(__file__).parents[2] / "images" / "notebook" / "examples"
ALICE, CAROL = "cms_alice", "cms_carol"
#: a terminal in a cell, in a folder of its own
SHELL = """
import json, os, pathlib, subprocess, time
def sh(command, seconds=600):
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=seconds)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}
def sleeping(seconds, more=""):
    how = f"arguments = {seconds}\\ntransfer_executable = false\\nrequest_memory = 100MB\\n{more}"
    return f"executable = /bin/sleep\\n{how}"
home = pathlib.Path.home() / "people"
home.mkdir(exist_ok=True)
os.chdir(home)
def put(name, text):
    (home / name).write_text(text)
"""
#: two nodes, the second after the first; the runner is killed while the first one runs
CUT = """
put("a.sub", sleeping(20))
put("b.sub", sleeping(1))
put("cut.dag", "JOB A a.sub\\nJOB B b.sub\\nPARENT A CHILD B\\n")
sh("facility batch dag --remove cut.dag")
first = subprocess.Popen(["facility", "batch", "dag", "cut.dag"], stdout=open("first.txt", "w"))
end = time.monotonic() + 120
while "A: submitted" not in (home / "first.txt").read_text():
    assert time.monotonic() < end
    time.sleep(0.2)
first.kill()
first.wait()
second = sh("facility batch dag cut.dag")
print("RESULT", json.dumps(second | {"left": (home / "cut.dag.run").exists()}))
"""
JOBSET = """
put("one.sub", sleeping("$(length)"))
put("some.set", "name = lengths\\niterator = table length {\\n 1\\n 2\\n}\\njob one.sub\\n")
told, listed = sh("htcondor jobset submit some.set"), sh("htcondor jobset status lengths --skip-history")
print("RESULT", json.dumps({"told": told, "listed": listed, "fetched": sh("facility batch fetch --wait 400")}))
"""
ASKING = """
put("long.sub", sleeping(300, "queue 2\\n"))
placed = sh("condor_submit long.sub")
time.sleep(3)  # until the access point has counted them
first, end = sh("facility batch why --json"), time.monotonic() + 90
while not json.loads((last := sh("facility batch why --json"))["out"])["counts"]["running"]:
    assert time.monotonic() < end, last
    time.sleep(2)
print("RESULT", json.dumps({"placed": placed, "first": first, "last": last, "dag": sh("condor_submit_dag x.dag")}))
"""
#: a look into a running job, as HTCondor has it
LOOKING = """
put("loud.sh", "#!/bin/sh\\necho begun; sleep 300\\n")
(home / "loud.sh").chmod(0o755)
put("loud.sub", "executable = loud.sh\\noutput = loud.txt\\nrequest_memory = 100MB\\nqueue\\n")
number = sh("condor_submit -terse loud.sub")["out"].split()[0]
end = time.monotonic() + 180
while "begun" not in (tail := sh(f"condor_tail {number}"))["out"]:
    assert time.monotonic() < end, tail
    time.sleep(3)
inside = sh(f"condor_ssh_to_job -auto-retry {number} 'id -un; cat /run/condor/tokens.d/execute'", 120)
print("RESULT", json.dumps({"tail": tail, "inside": inside}))
"""
CLUSTER = """
from dask_jobqueue import HTCondorCluster
from distributed import Client
cluster = HTCondorCluster(cores=1, memory="700MB", disk="500MB")
cluster.scale(jobs=1)
client = Client(cluster)
client.wait_for_workers(1, timeout=180)
print("RESULT", json.dumps({"scheduler": cluster.scheduler_address, "page": cluster.dashboard_link,
                            "workers": list(client.scheduler_info()["workers"])}))
"""
#: somebody else of the VO who knows the addresses
STRANGER = """
import socket
def reached(address):
    host, port = address.rpartition("//")[2].rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 4).close()
        return True
    except OSError:
        return False
print("RESULT", json.dumps([reached(address) for address in ADDRESSES]))
"""


@pytest.fixture
def alice(stage: Stage, outcome: Outcome) -> Iterator[str]:
    """Her owner name; afterwards nothing of hers is on the pool."""
    remove_all(stage, ALICE)
    yield ALICE
    clear(stage, ALICE)


@asynccontextmanager
async def working(stage: Stage, account: str = "alice") -> AsyncIterator[tuple[Person, Kernel]]:
    """A person of cms in a kernel of theirs with a terminal in it."""
    async with stage.at_hub(world.CMS, account) as person:
        await person.sign_in()
        await person.spawn()
        async with person.kernel() as kernel:
            await kernel.run(SHELL)
            yield person, kernel


def cells(name: str) -> list[str]:
    """The code of an example, cell by cell."""
    document = json.loads((EXAMPLES / f"{name}.ipynb").read_text())
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", ["jobs", "dag", "dask"])
def test_the_images_examples_run_as_they_are(stage: Stage, alice: str, name: str) -> None:
    async def play() -> str:
        async with working(stage) as (_, kernel):
            await kernel.run(f"os.environ['EXAMPLE_FILE'] = {world.CMS.file!r}")
            return "\n".join([await kernel.run(code, 1000) for code in cells(name)])

    printed = asyncio.run(play())
    assert "pi is about 3.1" in printed
    if name == "jobs":
        assert " events" in printed, "a job read the lake"
    stage.cluster.wait_for("no job is left", lambda: not ids(stage, f'Owner == "{alice}"'), 120)


def test_a_dag_that_was_killed_goes_on_where_it_was(stage: Stage, alice: str) -> None:
    found = result(asyncio.run(in_kernel(stage, "alice", SHELL + CUT, 600)))
    assert (found["code"], found["left"]) == (0, False), found
    assert "A: submitted" not in found["out"], "it was submitted by the run that was killed"
    assert "2 nodes done, 0 failed, 0 not run" in found["out"]


def test_job_sets_are_submitted_by_htcondors_own_tool(stage: Stage, alice: str) -> None:
    found = result(asyncio.run(in_kernel(stage, "alice", SHELL + JOBSET, 600)))
    assert found["told"]["code"] == 0, found
    assert "lengths currently has" in found["listed"]["out"] + found["listed"]["err"], found
    assert found["fetched"]["code"] == 0, found


def test_who_asks_why_is_told_and_dagman_is_refused_with_what_to_use(stage: Stage, alice: str) -> None:
    found = result(asyncio.run(in_kernel(stage, "alice", SHELL + ASKING, 300)))
    assert "2 job(s) submitted" in found["placed"]["out"]
    assert json.loads(found["first"]["out"])["counts"]["waiting"] == 2
    assert "wait" in " ".join(json.loads(found["first"]["out"])["sentences"])
    assert json.loads(found["last"]["out"])["counts"]["running"]
    assert (found["dag"]["code"], "facility batch dag" in found["dag"]["err"]) == (1, True)


def test_a_person_looks_into_their_running_job_and_sees_no_more_than_the_job(stage: Stage, alice: str) -> None:
    found = result(asyncio.run(in_kernel(stage, "alice", SHELL + LOOKING, 400)))
    assert "begun" in found["tail"]["out"]
    assert found["inside"]["out"].splitlines()[-1].startswith("slot"), found
    assert "Permission denied" in found["inside"]["err"]


def test_dasks_workers_and_scheduler_are_reached_by_nobody_else_and_end_with_the_kernel(
    stage: Stage, alice: str
) -> None:
    async def play() -> tuple[dict[str, Any], int, int, Any]:
        async with working(stage) as (person, kernel):
            made = result(await kernel.run(CLUSTER, 300))
            assert made["scheduler"].startswith("tls://")
            page = f"{person.hub}{made['page']}"
            async with person.http.get(page) as answer:
                mine = answer.status if "bokeh" in (await answer.text()).lower() else 0
            async with stage.at_hub(world.CMS, "carol") as other:
                await other.sign_in()
                async with other.http.get(page) as answer:
                    strangers = answer.status
            addresses = [made["scheduler"], *made["workers"]]
            code = SHELL + STRANGER.replace("ADDRESSES", repr(addresses))
            others = result(await in_kernel(stage, "carol", code))
            with suppress(CellError):  # it dies
                await kernel.run("os.kill(os.getpid(), 9)", 30)
            return made, mine, strangers, others

    made, mine, strangers, others = asyncio.run(play())
    assert mine == 200
    assert strangers == 403
    assert others == [False] * len(others), made
    began = time.monotonic()
    stage.cluster.wait_for("the workers are gone", lambda: not ids(stage, f'Owner == "{alice}"'), 150)
    print(f"workers were gone {time.monotonic() - began:.0f} s after their kernel")


@pytest.fixture(autouse=True, scope="module")
def carol_leaves(stage: Stage, outcome: Outcome) -> Iterator[None]:
    """Her server is not left running."""
    yield

    async def stop() -> None:
        async with stage.at_hub(world.CMS, "carol") as person:
            await person.sign_in()
            await person.stop()

    asyncio.run(stop())
    clear(stage, CAROL)
