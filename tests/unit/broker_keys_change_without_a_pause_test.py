"""The key that seals sessions: changed step by step while brokers work, and nothing is lost or left behind."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from facility import cli, names
from facility.broker import rekey as command
from facility.broker.rekey import Found, rekey, told
from facility.broker.sealing import PATIENCE, KeysError, Seal, SealError
from facility.broker.secrets import SecretStore, key_of
from facility.broker.store import Kind
from facility.operator import wake
from facility.operator.cluster import Cluster
from facility.operator.keys import SPREAD, Keys, RefusedError, hurry
from tests.fakes.broker_world import COMPUTE, SECRETS, SITE, World, facility
from tests.fakes.clock import Clock

KEY = f"{SECRETS}/broker-key"
PEOPLE = [f"u{number}" for number in range(20)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """With twenty people who have signed in and have tokens."""
    async with facility(tmp_path) as made:
        key = (made.keys / "current").read_bytes()
        made.api.put(KEY, {"metadata": {"name": "broker-key"}, "data": {"current": b64encode(key).decode()}})
        for name in PEOPLE:
            made.add_pod(f"{name}-pod", f"cms-{name}")
            await made.sign_in(name)
            await made.token(f"{name}-pod")
        await made.broker.shelf.flush()
        yield made


def mounted(world: World) -> None:
    """What the volume of the Secret looks like once the node has followed."""
    data = {name: b64decode(value) for name, value in world.api.objects[KEY]["data"].items()}
    for path in world.keys.iterdir():
        if path.name not in data:
            path.unlink()
    for name, value in data.items():
        (world.keys / name).write_bytes(value)


def sealed(world: World) -> Counter[str]:
    """How many documents are sealed with which key."""
    stored = (
        one for path, one in world.api.objects.items() if path.startswith((f"{SECRETS}/session-", f"{SECRETS}/tok"))
    )
    return Counter(map(key_of, stored))


def store(world: World) -> SecretStore:
    """As `rekey` has it, in a process of its own."""
    return SecretStore(world.connect(), "facility", Seal(world.keys))


async def sealed_anew(world: World) -> Counter[Found]:
    made = store(world)
    try:
        return await rekey(made)
    finally:
        await made._kubernetes.close()


@asynccontextmanager
async def operators(world: World) -> AsyncIterator[Cluster]:
    """The operator's way to the API server."""
    cluster = Cluster(world.client())
    try:
        yield cluster
    finally:
        await cluster.close()


async def step(world: World, name: str, now: float = 0.0) -> str:
    async with operators(world) as cluster:
        return str(await getattr(Keys(cluster, "facility", now), name)())


async def test_the_key_is_changed_in_four_steps_and_everybody_goes_on_all_the_time(world: World) -> None:
    old = names.key_name((world.keys / "current").read_bytes())
    assert sealed(world) == {old: 40}
    await step(world, "add")
    mounted(world)
    await step(world, "use", SPREAD)
    mounted(world)
    new = names.key_name((world.keys / "current").read_bytes())
    assert new != old
    world.issuer.rotate = True
    busy = asyncio.create_task(refreshed(world))  # brokers write while all is sealed anew
    total = await sealed_anew(world)
    await busy
    assert total[Found.AGAIN] == total[Found.LOST] == 0
    assert set(sealed(world)) == {new}
    assert (await step(world, "show")).splitlines()[0].startswith(f"{new}      40 documents  current")
    await step(world, "forget")
    mounted(world)
    assert {path.name for path in world.keys.iterdir()} == {"current"}
    async with world.running_broker():
        for name in PEOPLE:
            assert (await world.token(f"{name}-pod", audience=world.compute, scope=COMPUTE[0])).status == 200
            assert (await world.state(f"cms-{name}"))["state"] == "good"


async def test_nodes_are_told_twice_to_look_at_brokers_pods_and_at_no_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = "/api/v1/namespaces/facility/pods"
    for name, component in (("broker-1", "broker"), ("hub-1", "hub")):
        world.api.put(f"{pods}/{name}", {"metadata": {"name": name, "labels": {names.LABEL_COMPONENT: component}}})
    monkeypatch.setattr(wake, "LATER", 0.0)
    async with operators(world) as cluster:
        await hurry(cluster, "facility")
    assert [path for method, path in world.api.requests if method == "PATCH" and "/pods/" in path] == 2 * [
        f"{pods}/broker-1"
    ]
    assert wake.ANNOTATION in world.api.objects[f"{pods}/broker-1"]["metadata"]["annotations"]


async def test_a_touch_that_fails_fails_no_step(world: World) -> None:
    world.api.fault = lambda method, path: 500 if path.endswith("/pods") else None
    async with operators(world) as cluster:
        await hurry(cluster, "facility")
    world.api.fault = lambda _method, _path: None


async def refreshed(world: World) -> None:
    """Everybody's refresh tokens are used, and rotated, again and again."""
    for scope in COMPUTE:
        asks = [world.token(f"{name}-pod", audience=world.compute, scope=scope) for name in PEOPLE]
        assert {answer.status for answer in await asyncio.gather(*asks)} == {200}
        await asyncio.sleep(0.05)


async def test_sealing_anew_twice_does_nothing_the_second_time(world: World) -> None:
    await step(world, "add")
    await step(world, "use", SPREAD)
    mounted(world)
    assert await sealed_anew(world) == {Found.ANEW: 40}
    before = {path: one["metadata"]["resourceVersion"] for path, one in world.api.objects.items()}
    total = await sealed_anew(world)
    assert list(told(total)) == ["    40 sealed with the key in use before"]
    assert {path: world.api.objects[path]["metadata"]["resourceVersion"] for path in before} == before


async def test_a_document_that_a_broker_writes_meanwhile_is_never_put_back(world: World) -> None:
    await step(world, "add")
    await step(world, "use", SPREAD)
    mounted(world)
    path, made = f"{SECRETS}/session-cms-u0", store(world)
    listed = world.api.objects[path]
    world.issuer.rotate = True
    await world.token("u0-pod", audience=world.compute, scope=COMPUTE[0])
    newest = await made.read(Kind.SESSION, "cms-u0")
    with pytest.raises(Exception, match="409"):
        await made.reseal({**listed, "metadata": {**listed["metadata"], "annotations": {}}})
    assert await made.read(Kind.SESSION, "cms-u0") == newest
    await made._kubernetes.close()


async def test_a_replica_that_has_not_got_the_key_yet_takes_nobody_s_session_for_lost(tmp_path: Path) -> None:
    clock, one, other = Clock(), tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "current").write_bytes(b"A" * 43 + b"=")
    (one / "current").write_bytes(b"B" * 43 + b"=")
    record = Seal(one).seal(b"record")
    late = Seal(other, clock)
    for _ in range(2):
        with pytest.raises(KeysError, match="not yet"):
            late.open(record)
        clock.pass_by(PATIENCE - 1)
    clock.pass_by(2)
    with pytest.raises(SealError):
        late.open(record)
    (other / "next").write_bytes(b"B" * 43 + b"=")
    assert late.open(record) == b"record"


async def test_no_step_is_taken_before_its_time(world: World) -> None:
    with pytest.raises(RefusedError, match="no new key"):
        await step(world, "use")
    await step(world, "add", 100.0)
    with pytest.raises(RefusedError, match="there is a new key already"):
        await step(world, "add", 100.0)
    with pytest.raises(RefusedError, match="wait 80 s more"):
        await step(world, "use", 100.0 + SPREAD - 80)
    await step(world, "use", 100.0 + SPREAD)
    with pytest.raises(RefusedError, match="40 documents are sealed with other keys"):
        await step(world, "forget")
    assert len(world.api.objects[KEY]["data"]) == 2


async def test_a_document_that_no_key_opens_is_told_and_left_alone(world: World) -> None:
    path = f"{SECRETS}/session-cms-u0"
    world.api.put(path, {**world.api.objects[path], "data": {"key": "", "record": ""}})
    await step(world, "add")
    await step(world, "use", SPREAD)
    mounted(world)
    total = await sealed_anew(world)
    assert (total[Found.ANEW], total[Found.LOST]) == (39, 1)
    assert world.api.objects[path]["data"] == {"key": "", "record": ""}


def in_a_pod(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """As the command finds things in a broker's pod."""
    document = SITE.model_dump(mode="json", by_alias=True) | settings
    (folder / "site.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.setattr(command, "DIRECTORY", folder)
    monkeypatch.setattr(command, "KEYS", world.keys)
    monkeypatch.setattr(command.Kubernetes, "in_cluster", world.connect)
    monkeypatch.setattr(command, "keep_secrets", lambda: None)  # it is for the whole process, which is the tests'


async def run(*words: str) -> int:
    """`facility` with these words, as `kubectl exec` runs it."""
    return await asyncio.to_thread(cli.main, words)


async def test_the_command_says_what_it_did_and_whether_old_keys_may_go(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_a_pod(world, tmp_path, monkeypatch)
    await step(world, "add")
    await step(world, "use", SPREAD)
    mounted(world)
    assert await run("rekey") == 0
    assert capsys.readouterr().out == "    40 sealed anew\n"
    path = f"{SECRETS}/session-cms-u0"
    world.api.put(path, {**world.api.objects[path], "data": {"key": "", "record": ""}})
    world.api.objects[path]["metadata"]["annotations"] = {}
    assert await run("rekey") == 1
    assert "     1 opened by no key that is here: their people sign in again" in capsys.readouterr().out
    world.api.fault = lambda method, path: 500 if path == SECRETS else None
    assert await run("rekey") == 1
    assert "run this again" in capsys.readouterr().err
    world.api.fault = lambda _method, _path: None


async def test_with_a_vault_the_command_has_nothing_to_do(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_a_pod(world, tmp_path, monkeypatch, storage={"vault": {"url": "https://vault.test"}})
    assert await run("rekey") == 0
    assert "nothing to do" in capsys.readouterr().out


async def test_no_step_prints_a_key(world: World) -> None:
    said = await step(world, "add") + await step(world, "use", SPREAD) + await step(world, "show")
    for value in world.api.objects[KEY]["data"].values():
        assert b64decode(value).decode() not in said
        assert value not in said
