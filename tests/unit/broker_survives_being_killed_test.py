"""kill -9, in real processes, in the worst moment: the issuer has rotated the refresh token, and nothing is stored."""

from __future__ import annotations

import asyncio
import copy
import os
import re
import sys
import time
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml

from facility.broker.shards import SHARDS, shard_of
from tests.fakes.authority import Authority
from tests.fakes.broker_world import SECRETS, SITE, World, eventually
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.replicas import ALICE, SHORT

LEASES = "/apis/coordination.k8s.io/v1/namespaces/facility/leases"
SESSION = f"{SECRETS}/session-cms-alice"
ROOT = Path(__file__).parents[2]


class Running:
    """A replica in a process of its own; `world` asks it."""

    def __init__(self, world: World, pod: str, process: Process, port: int) -> None:
        self.pod, self.process = pod, process
        self.world = copy.copy(world)
        self.world._broker_url = f"https://127.0.0.1:{port}"
        self.said = b""

    async def listen(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.said += line


@asynccontextmanager
async def process(world: World, folder: Path, pod: str, life: float = SHORT.life) -> AsyncIterator[Running]:
    port = free_port()
    arguments = [str(folder), world._api_url, pod, str(port), str(life)]
    command = [sys.executable, "-m", "tests.fakes.broker_process", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = Running(world, pod, await create_subprocess_exec(*command, stderr=PIPE, env=environment), port)
    listening = asyncio.create_task(started.listen())
    try:
        yield started
    finally:
        if started.process.returncode is None:
            started.process.kill()
        await started.process.wait()
        await listening


@pytest.fixture
async def facility(tmp_path: Path) -> AsyncIterator[tuple[World, Path]]:
    """All but brokers, with files for them, at the time that it is."""
    world = World(Authority(tmp_path), tmp_path)
    world.clock.now = time.time()
    async with world.neighbours():
        write_files(world, tmp_path)
        world.issuer.rotate = True
        yield world, tmp_path


def write_files(world: World, folder: Path) -> None:
    world.authority.write(folder / "etc" / "tls", "127.0.0.1", "broker.facility.svc")
    (folder / "etc" / "site.yaml").write_text(yaml.safe_dump(SITE.model_dump(mode="json", by_alias=True)))


def holders(world: World) -> list[str]:
    """The pods that hold the shards, by number; "" for nobody."""
    leases = [world.api.objects.get(f"{LEASES}/broker-shard-{shard:02}", {}) for shard in range(SHARDS)]
    return [str(lease.get("spec", {}).get("holderIdentity", "")).rpartition("_")[0] for lease in leases]


async def shared(world: World, *pods: str) -> None:
    """Returns once these replicas have an equal share each."""
    async with asyncio.timeout(PATIENCE):
        while any(holders(world).count(pod) != SHARDS // len(pods) for pod in pods):  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.02)


async def killed_between_answer_and_store(world: World, victim: Running) -> None:
    """Kills a replica when the issuer has answered and rotated, and the session's Secret is not yet written."""
    world.api.held["PATCH", SESSION] = asyncio.Event()
    asking = asyncio.create_task(victim.world.token())
    await eventually(lambda: ("PATCH", SESSION) in world.api.requests)
    assert len(world.issuer.issued) == 1
    victim.process.kill()
    await victim.process.wait()
    world.api.fault = lambda method, path: 500 if (method, path) == ("PATCH", SESSION) else None
    world.api.held.pop(("PATCH", SESSION)).set()
    with pytest.raises(aiohttp.ClientError):
        await asking
    await asyncio.sleep(0.05)  # until the API server has refused what the dead one had sent
    world.api.fault = lambda _method, _path: None


async def token_at_last(asked: Running) -> tuple[int, str]:
    """What the replica answers once it no longer says that it has to wait."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await asked.world.token()).status == 503:  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.05)
    return answer.status, answer.error


@pytest.mark.parametrize("grace", [True, False])
async def test_a_session_goes_on_with_the_other_replica_if_the_issuer_still_honours_it(
    facility: tuple[World, Path], grace: bool
) -> None:
    world, folder = facility
    world.issuer.grace = grace
    async with process(world, folder, "broker-a") as one, process(world, folder, "broker-b") as other:
        await shared(world, "broker-a", "broker-b")
        first = holders(world)[shard_of(ALICE)]
        victim, heir = (one, other) if first == "broker-a" else (other, one)
        refresh = await signs_in(heir)
        await killed_between_answer_and_store(world, victim)
        answer = await token_at_last(heir)
        assert world.issuer.forms[1]["refresh_token"] == refresh
        if grace:
            assert answer[0] == 200
            assert await heir.world.state() == {"state": "good", "reason": "SignedIn"}
        else:
            assert answer == (403, "interaction_required")
            assert await heir.world.state() == {"state": "dead", "reason": "SignInAgain"}
        await shared(world, heir.pod)
        assert not world.issuer.overlapped
    for each in (one, other):
        assert re.search(rb"secret-bytes|eyJ", each.said) is None


async def signs_in(asked: Running) -> str:
    """alice signs in through this replica; her refresh token."""
    await asyncio.wait_for(until_known(asked), PATIENCE)
    return await asked.world.sign_in()


async def until_served(asked: Running) -> None:
    while b"serving" not in asked.said:  # noqa: ASYNC110 - another process brings it about
        await asyncio.sleep(0.05)


async def until_known(asked: Running) -> None:
    while (await asked.world.token()).status != 403:  # noqa: ASYNC110 - 503 until the VOs are known there
        await asyncio.sleep(0.05)


async def test_a_replica_that_is_started_again_in_its_pod_goes_on_at_once(facility: tuple[World, Path]) -> None:
    world, folder = facility
    world.issuer.grace = True
    async with process(world, folder, "broker-a", life=600) as one:
        await shared(world, "broker-a")
        await signs_in(one)
        await killed_between_answer_and_store(world, one)
    async with process(world, folder, "broker-a", life=600) as again:  # does not wait until the dead one is out of date
        await asyncio.wait_for(until_served(again), PATIENCE)
        assert (await token_at_last(again))[0] == 200
    assert world.issuer.issued[1:]


async def test_no_process_of_a_broker_leaves_a_core_file(facility: tuple[World, Path]) -> None:
    world, folder = facility
    async with process(world, folder, "broker-a") as one:
        await shared(world, "broker-a")
        limits = await asyncio.to_thread(Path(f"/proc/{one.process.pid}/limits").read_text)
        assert re.search(r"Max core file size +0 +0 ", limits)
