"""The main job, as people do it: sign in, read in a notebook, submit jobs, and a third VO joins while all runs."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from facility.dev.demo import world
from facility.dev.demo.kernel import Kernel
from facility.dev.demo.kube import Cluster
from facility.dev.demo.person import Person, at_hub
from facility.dev.demo.steps import Verified

NAMESPACES = ("facility", "facility-users", "facility-batch")


@dataclass(frozen=True)
class Stage:
    """What the main job is played on."""

    cluster: Cluster
    bundle: str = field(repr=False)
    passwords: dict[str, str] = field(repr=False)
    private_cas: tuple[str, ...] = ()
    #: the node's container, where the cluster is kind's
    node: str = ""
    #: where the node ports of hub and issuers are
    address: str = "127.0.0.1"
    artifacts: Path = Path("artifacts")

    def at_hub(self, vo: world.DemoVO, account: str) -> AbstractAsyncContextManager[Person]:
        """A person of the demo at its hub, not signed in yet."""
        return at_hub(world.HUB, self.bundle, vo.name, account, self.passwords[account], self.address)


@dataclass
class Outcome:
    """What was seen: claims for the checklist, seconds for the bench, and each person's results."""

    verified: list[Verified] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    def saw(self, what: str, measured: str = "") -> None:
        """Add a line to the checklist."""
        self.verified.append(Verified(what, measured))


def play(stage: Stage, say: Callable[[str], None]) -> Outcome:
    """The whole main job. Raises AssertionError, SignInError, CellError or NotReadyError where something is not so."""
    outcome = Outcome()
    remove_third(stage.cluster)
    before = restarts(stage.cluster)
    asyncio.run(_everybody(stage, outcome, say))
    after = restarts(stage.cluster)
    changed = {name: (count, after.get(name)) for name, count in before.items() if after.get(name) != count}
    assert not changed, f"pods restarted or went away while a VO was added: {changed}"
    outcome.saw("no pod restarted while the third VO was added")
    return outcome


async def _everybody(stage: Stage, outcome: Outcome, say: Callable[[str], None]) -> None:
    async with asyncio.TaskGroup() as group:
        started = [asyncio.Event(), asyncio.Event()]
        for vo, event in zip((world.CMS, world.ATLAS), started, strict=True):
            group.create_task(_analyse(stage, vo, outcome, say, event))
        await asyncio.gather(*(event.wait() for event in started))
        await _third(stage, outcome, say)


async def _analyse(
    stage: Stage, vo: world.DemoVO, outcome: Outcome, say: Callable[[str], None], running: asyncio.Event
) -> None:
    """One person's work from sign-in to merged histogram."""
    account = vo.person.name
    async with stage.at_hub(vo, account) as person:
        began = time.monotonic()
        user = await person.sign_in()
        await person.spawn()
        took = time.monotonic() - began
        outcome.seconds[f"sign_in_to_notebook_{vo.name}_s"] = round(took, 1)
        outcome.saw(f"{user} signed in with {vo.title} and has a notebook", f"{took:.1f} s")
        say(f"{user} is in JupyterLab")
        await _ship(person)
        async with person.kernel() as kernel:
            seen = await _read(kernel, vo)
            picture = await person.get("histogram.png")
            say(f"{user} read {vo.file} over root://, https:// and by xrdcp")
            running.set()
            batch = await _batch(kernel, vo)
    reference = await asyncio.to_thread(reference_histogram, stage.cluster, vo)
    _judge(vo, user, seen, batch, reference, outcome)
    _keep(stage.artifacts, vo, picture, outcome)


async def _ship(person: Person) -> None:
    """Put the demo's notebook code into the person's home."""
    code = {name: resources.files("facility.dev.demo.notebook") / name for name in ("reads.py", "submit.py", "job.py")}
    code["analysis.py"] = resources.files("facility.dev.lake") / "analysis.py"
    for name, file in code.items():
        await person.put(name, file.read_text())


async def _read(kernel: Kernel, vo: world.DemoVO) -> dict[str, Any]:
    return result(await kernel.run(f"import reads; reads.main({vo.name!r}, {vo.file!r})", 180))


async def _batch(kernel: Kernel, vo: world.DemoVO) -> dict[str, Any]:
    code = f"import submit; submit.main({vo.name!r}, {vo.file!r}, {world.JOB_SECONDS})"
    return result(await kernel.run(code, 600))


def result(printed: str) -> dict[str, Any]:
    """What a cell printed after `RESULT`. Raises AssertionError when there is no such line."""
    lines = [line for line in printed.splitlines() if line.startswith("RESULT ")]
    assert lines, f"the cell printed no result: {printed[-2000:]}"
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return found


def reference_histogram(cluster: Cluster, vo: world.DemoVO) -> dict[str, Any]:
    """The histogram made beside the origin, from the files themselves, without any of the facility's parts."""
    made = f"analysis.histogram('/data{vo.file}', {vo.name!r})"
    code = f"import json; from facility.dev.lake import analysis; print('RESULT', json.dumps({made}))"
    return result(cluster.execute(world.NAMESPACE, f"deploy/iam-{vo.name}", "issuer", ["python3", "-c", code]))


def _judge(
    vo: world.DemoVO,
    user: str,
    seen: dict[str, Any],
    batch: dict[str, Any],
    reference: dict[str, Any],
    outcome: Outcome,
) -> None:
    assert seen == reference, f"{user}: the notebook's histogram is not the reference's"
    outcome.saw(f"{user} read {vo.file} over root://, https:// and xrdcp; the histogram equals the reference")
    assert batch["merged"] == reference, f"{user}: the jobs' merged histogram is not the reference's"
    for reads in batch["reads"]:
        tokens, last = {read["token"] for read in reads}, reads[-1]["at"]
        assert len(tokens) >= 3, f"{user}: a job of {last} s saw {len(tokens)} tokens"
        assert last > 2 * world.TOKEN_LIFE, f"{user}: a job's last read was after {last} s only"
    renewed = min(len({read["token"] for read in reads}) for reads in batch["reads"])
    longest = max(reads[-1]["at"] for reads in batch["reads"])
    outcome.saw(
        f"{user}'s four jobs read at start and end; their merged histogram equals notebook and reference",
        f"last read after {longest:.0f} s, at least {renewed} tokens of {world.TOKEN_LIFE} s each",
    )
    outcome.seconds[f"submit_to_job_start_{vo.name}_s"] = batch["first_start_s"]
    outcome.results[vo.name] = {"user": user, "notebook": seen, "batch": batch, "reference": reference}


def _keep(artifacts: Path, vo: world.DemoVO, picture: str, outcome: Outcome) -> None:
    artifacts.mkdir(parents=True, exist_ok=True)
    path = artifacts / f"{vo.name}-histogram.png"
    path.write_bytes(base64.b64decode(picture))
    outcome.saw(f"the picture is {path}")


async def _third(stage: Stage, outcome: Outcome, say: Callable[[str], None]) -> None:
    """Apply a third VO while the jobs run: its person signs in and reads."""
    vo = world.ESCAPE
    say(f"kubectl apply of a third VO: {vo.name}")
    began = time.monotonic()
    await asyncio.to_thread(stage.cluster.apply, world.manifest(vo))
    ready = lambda: stage.cluster.condition("vo", "facility", vo.name, "Ready").get("status") == "True"  # noqa: E731
    await asyncio.to_thread(stage.cluster.wait_for, f"VO {vo.name} ready", ready, 60)
    account = vo.person.name
    async with stage.at_hub(vo, account) as person:
        user = await person.sign_in()
        await person.spawn()
        await _ship(person)
        async with person.kernel() as kernel:
            seen = await _read(kernel, vo)
    took = time.monotonic() - began
    assert seen == await asyncio.to_thread(reference_histogram, stage.cluster, vo)
    assert took <= 60, f"from kubectl apply to {user}'s first read: {took:.1f} s, the goal is 60"
    outcome.seconds["vo_applied_to_first_read_s"] = round(took, 1)
    outcome.saw(f"a third VO, applied while all this ran: {user} signed in and read", f"{took:.1f} s after the apply")


def remove_third(cluster: Cluster) -> None:
    """Take the third VO away, so that adding it can be seen (again)."""
    name = world.ESCAPE.name
    cluster.do("delete", "vo", name, "-n", "facility", "--ignore-not-found")
    gone = lambda: not cluster.items("statefulsets", "-n", "facility", "-l", f"analysis-facility.io/vo={name}")  # noqa: E731
    cluster.wait_for(f"the cache of {name} gone", gone, 90)


def restarts(cluster: Cluster) -> dict[str, int]:
    """Restart counts of the facility's own pods (daemons and caches, not users' and not execute pods)."""
    found: dict[str, int] = {}
    for namespace in ("facility", "facility-batch"):
        for pod in cluster.items("pods", "-n", namespace):
            labels = pod["metadata"].get("labels", {})
            third = labels.get("analysis-facility.io/vo") == world.ESCAPE.name
            if third or labels.get("app.kubernetes.io/component") == "execute":
                continue
            status = pod["status"].get("containerStatuses", []) + pod["status"].get("initContainerStatuses", [])
            found[f"{namespace}/{pod['metadata']['name']}/{pod['metadata']['uid']}"] = sum(
                s["restartCount"] for s in status
            )
    return found
