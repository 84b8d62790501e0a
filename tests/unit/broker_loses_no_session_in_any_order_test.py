"""Two replicas, one session, and everything that can come in between, in any order: no session is lost.

Real sessions, shards and leases over a store and an API server in memory, each of whose requests waits until the test
lets it happen, or kills the replica that sent it before or after it has happened. The model is the issuer: it rotates,
and honours a refresh token until its successor has been used.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from facility.broker.holding import Holding
from facility.broker.leases import Leases, Me, Terms
from facility.broker.replicas import Replicas
from facility.broker.sessions import Sessions
from facility.broker.shards import MovedError
from facility.broker.store import ConflictError, Content, Document, Kind, Record, StoreError, to_content
from facility.kubernetes import ApiError
from tests.fakes.clock import Clock

ALICE = "cms-alice"
TERMS = Terms(period=2, deadline=15, life=18)
LONGEST = 10.0  # seconds of a request to the issuer
LEASES = "/apis/coordination.k8s.io/v1/namespaces/facility/leases"


class DeadTokenError(Exception):
    """The issuer does not know this refresh token any more."""


class Issuer:
    """Rotates; `good` are the tokens that it honours: the newest, and the one before until the newest is used."""

    def __init__(self) -> None:
        self.good = ["r0"]
        self.busy: set[str] = set()
        self.overlapped = False
        self._numbers = itertools.count(1)

    def use(self, token: str) -> str:
        if token not in self.good:
            raise DeadTokenError
        self.good = [token, f"r{next(self._numbers)}"]
        return self.good[1]


class Api:
    """Leases by path, as the API server has them: versions, and refusal of what is not the newest."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self._versions = itertools.count(1)

    def write(self, path: str, body: dict[str, Any], new: bool) -> dict[str, Any]:
        old = self.objects.get(path)
        if (old is not None) if new else (old is None):
            raise ApiError("WRITE", path, 409 if new else 404)
        if old is not None and body["metadata"].get("resourceVersion") not in (
            None,
            old["metadata"]["resourceVersion"],
        ):
            raise ApiError("WRITE", path, 409)
        meta = {**(old or {}).get("metadata", {}), **body["metadata"], "resourceVersion": str(next(self._versions))}
        spec = {**(old or {}).get("spec", {}), **body["spec"]}
        self.objects[path] = {"metadata": meta, "spec": spec}
        return self.objects[path]


class Documents:
    """A session's document."""

    def __init__(self) -> None:
        self.kept: tuple[Content, int] | None = None

    def write(self, content: Content, version: str | None) -> str:
        at = self.kept[1] if self.kept else 0
        if at != int(version or 0):
            raise ConflictError("another version")
        self.kept = content, at + 1
        return str(at + 1)


class Replica:
    """One process: its requests go through `steps`, where they wait."""

    def __init__(self, world: World, pod: str) -> None:
        self.world, self.pod = world, pod
        self.steps: list[tuple[asyncio.Future[None], Callable[[], Any], asyncio.Future[Any]]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        me = Me(pod, f"{pod}:8443")
        leases = Leases(self, "facility", TERMS, me)  # type: ignore[arg-type] - the part of Kubernetes that they use
        replicas = Replicas(leases, me, TERMS, world.clock)
        self.holding = Holding(leases, replicas, TERMS.period)
        self.sessions = Sessions(self, lambda *_: None, self.holding, LONGEST + 0.5)  # type: ignore[arg-type]
        self.holding.keeper = self
        self.outcomes: list[str] = []
        self.asking: Callable[[], str] | None = None

    # a keeper
    def gained(self, _: int) -> None:
        self.sessions.forget(lambda _: True)

    async def yielding(self, _: int) -> None:
        await self.sessions.flush()
        self.sessions.forget(lambda _: True)

    def lost(self, _: int) -> None:
        self.sessions.forget(lambda _: True)

    # requests, each of which waits for its step
    async def step(self, happens: Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        begin, end = loop.create_future(), loop.create_future()
        self.steps.append((begin, happens, end))
        return await end

    async def get(self, _: str, __: object = None) -> dict[str, Any]:
        return {"items": await self.step(lambda: list(self.world.api.objects.values()))}

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        return await self.step(lambda: self.world.api.write(f"{path}/{body['metadata']['name']}", body, True))

    async def patch(self, path: str, body: dict[str, Any]) -> Any:
        return await self.step(lambda: self.world.api.write(path, body, False))

    async def read(self, _: Kind, __: str) -> Document | None:
        kept = await self.step(lambda: self.world.documents.kept)
        return Document(kept[0], str(kept[1])) if kept else None

    async def write(self, _: Kind, content: Content, version: str | None, __: str | None = None) -> str:
        return str(await self.step(lambda: self.world.documents.write(content, version)))

    # what it is asked to do
    def begin(self, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            try:
                await work()
            except (MovedError, StoreError, ApiError) as error:
                self.outcomes.append(type(error).__name__)

        self.tasks.add(asyncio.get_running_loop().create_task(run()))

    async def refresh(self) -> None:
        """As renewal does it."""
        async with self.sessions.hold(ALICE) as session:
            if session is None or session.dead:
                return
            await self.sessions.save(session)
            try:
                rotated = await self._use(session)
            except DeadTokenError:
                if not await self.sessions.newer(session):
                    await self.sessions.bury(session)
                    return
                rotated = await self._use(session)
            await self.sessions.rotate(session, rotated)
            self.outcomes.append("good")

    async def _use(self, session: Any) -> str:
        token = session.record.refresh_token
        self.sessions.permit(session)
        issuer, until = self.world.issuer, self.world.clock() + LONGEST
        issuer.overlapped |= bool(issuer.busy)
        issuer.busy.add(self.pod)
        self.world.using[self.pod] = until
        try:
            self.asking = lambda: issuer.use(token)
            return str(await self.step(self.asking))
        finally:
            issuer.busy.discard(self.pod)
            self.world.using.pop(self.pod, None)


class World:
    """What outlives replicas."""

    def __init__(self) -> None:
        self.clock, self.issuer, self.api, self.documents = Clock(0.0), Issuer(), Api(), Documents()
        #: until when a replica's request to the issuer may last
        self.using: dict[str, float] = {}
        record = Record(ALICE, "cms", "https://issuer.test/", "client", "sub", ("openid",), "r0")
        self.documents.write(to_content(record), None)


class Interleavings(RuleBasedStateMachine):
    """Rules are what can happen next."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World()
        self.replicas = {pod: Replica(self.world, pod) for pod in ("a", "b")}

    def turn(self) -> None:
        """Lets everything run until it waits for a step."""
        self.loop.run_until_complete(_turned())

    def do(self, work: Callable[[], None]) -> None:
        async def inside() -> None:
            work()

        self.loop.run_until_complete(inside())
        self.turn()

    def happen(self, replica: Replica, which: int) -> None:
        """One of a replica's requests reaches its end, and so does its answer."""
        _, happens, end = replica.steps.pop(which % len(replica.steps))
        if end.done():
            return
        try:
            end.set_result(happens())
        except Exception as error:
            end.set_exception(error)
        self.turn()

    @rule(pod=st.sampled_from("ab"))
    def refreshes(self, pod: str) -> None:
        self.do(lambda: self.replicas[pod].begin(self.replicas[pod].refresh))

    @initialize()
    def everybody_is_there(self) -> None:
        for pod in "abab":
            self.sees(pod)

    @rule(pod=st.sampled_from("ab"))
    def sees(self, pod: str) -> None:
        """A whole round, after all that was under way; only a request to the issuer goes on waiting."""
        replica = self.replicas[pod]
        for begin in (lambda: None, lambda: self.looks(pod)):
            begin()
            for _ in range(200):
                quick = [index for index, step in enumerate(replica.steps) if step[1] is not replica.asking]
                if not quick:
                    break
                self.happen(replica, quick[0])

    @rule(pod=st.sampled_from("ab"))
    def asks_the_issuer(self, pod: str) -> None:
        """A refresh up to the moment in which the issuer is asked, if it comes to that."""
        self.refreshes(pod)
        for _ in range(3):
            if self.replicas[pod].steps and pod not in self.world.using:
                self.happen(self.replicas[pod], -1)

    @rule(pod=st.sampled_from("ab"))
    def looks(self, pod: str) -> None:
        self.do(lambda: self.replicas[pod].begin(self.replicas[pod].holding.look))

    @rule(pod=st.sampled_from("ab"), which=st.integers(0, 3), count=st.integers(1, 25))
    def goes_on(self, pod: str, which: int, count: int) -> None:
        for _ in range(count):
            if self.replicas[pod].steps:
                self.happen(self.replicas[pod], which)

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0, 10.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        """No request to the issuer lasts longer than it may."""
        if self.world.using:
            seconds = min(seconds, min(self.world.using.values()) - self.world.clock())
        self.world.clock.pass_by(max(0.0, seconds))

    @precondition(lambda self: any(replica.steps for replica in self.replicas.values()))
    @rule(pod=st.sampled_from("ab"), reached=st.booleans())
    def is_killed_and_started_again(self, pod: str, reached: bool) -> None:
        """A process dies; what it had sent last has been done, or never will be."""
        old = self.replicas[pod]
        if old.steps and reached:
            _, happens, _ = old.steps[-1]
            with suppress(DeadTokenError, ApiError, StoreError):
                happens()
        self.bury(old)
        self.world.using.pop(pod, None)
        self.world.issuer.busy.discard(pod)
        self.replicas[pod] = Replica(self.world, pod)

    def bury(self, replica: Replica) -> None:
        tasks = [*replica.tasks, *replica.holding._leaving.values()]
        for task in tasks:
            task.cancel()
        replica.steps.clear()
        self.loop.run_until_complete(_ended(tasks))

    @invariant()
    def no_refresh_token_is_used_by_two(self) -> None:
        assert not self.world.issuer.overlapped

    @invariant()
    def the_session_is_not_taken_for_dead(self) -> None:
        assert self.world.documents.kept is not None
        assert self.world.documents.kept[0]["state"] == "good"

    def teardown(self) -> None:
        """Whatever has happened: left alone, one of the two refreshes the session."""
        for _ in range(30):
            for pod, replica in self.replicas.items():
                self.looks(pod)
                self.refreshes(pod)
                for _ in range(200):
                    if not replica.steps:
                        break
                    self.happen(replica, 0)
            self.world.clock.pass_by(1.0)
        self.the_session_is_not_taken_for_dead()
        self.no_refresh_token_is_used_by_two()
        assert any("good" in replica.outcomes[-60:] for replica in self.replicas.values())
        for replica in self.replicas.values():
            self.bury(replica)
        self.loop.close()


async def _turned() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_a_holder_that_is_taken_for_gone_too_early_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the machine can see what it looks for: with a life below the deadline two replicas use one refresh token."""
    monkeypatch.setattr(sys.modules[__name__], "TERMS", Terms(period=2, deadline=15, life=3))
    machine = Interleavings()
    machine.everybody_is_there()
    holder, other = sorted("ab", key=lambda pod: not machine.replicas[pod].holding.held(ALICE))
    machine.asks_the_issuer(holder)
    machine.time_passes(5.0)
    machine.sees(other)
    machine.asks_the_issuer(other)
    assert machine.world.issuer.overlapped
    for replica in machine.replicas.values():
        machine.bury(replica)
    machine.loop.close()
