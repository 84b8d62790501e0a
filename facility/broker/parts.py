"""The parts of the broker, wired: what is made of what, what runs beside the requests, and how it all ends."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from facility import names, site
from facility.broker.batch import Batch
from facility.broker.callers import Callers
from facility.broker.changes import MOST, Changes
from facility.broker.clients import Clients
from facility.broker.closing import Closing
from facility.broker.departures import Departures
from facility.broker.desk import Desk
from facility.broker.exchange import Exchange
from facility.broker.forwarding import Forwarding
from facility.broker.groups import Groups
from facility.broker.holding import Holding
from facility.broker.identity import Identity
from facility.broker.issuer import Issuers
from facility.broker.kept import KeptCache
from facility.broker.leases import Leases, Me, Terms
from facility.broker.memory import Memory
from facility.broker.noticeboard import Noticeboard
from facility.broker.people import People
from facility.broker.renewal import Renewal
from facility.broker.replicas import Replicas
from facility.broker.revocation import Revocation
from facility.broker.routes import Routes
from facility.broker.sessions import Sessions
from facility.broker.shards import SHARDS
from facility.broker.shelf import Shelf
from facility.broker.stores import made
from facility.broker.transport import TOTAL, Transport
from facility.broker.vos import VirtualOrganizations
from facility.kubernetes import Json, Kubernetes
from facility.secrecy import place
from facility.vo import VirtualOrganization
from facility.watching import Mirror

log = logging.getLogger(__name__)
LAST_WORDS = 5.0  # seconds for telling people's objects the last states
TERMS = Terms()
ALONE = Me("broker", "")
STORING = 0.5  # seconds that a shard has to be held for beyond the longest request with a refresh token


@dataclass(frozen=True)
class Surroundings:
    """All that the broker stands on, to be had elsewhere than in a pod too."""

    settings: site.Site
    kubernetes: Kubernetes
    trust: Callable[[], ssl.SSLContext]
    keys: Path
    now: Callable[[], float] = time.time
    issuer_timeout: float = TOTAL
    #: requests that may wait for news at the same time
    waiting: int = MOST
    #: seconds of a clock that never jumps
    pulse: Callable[[], float] = time.monotonic
    #: which replica this is; and the terms of its leases, by a clock of their own that never jumps
    me: Me = ALONE
    terms: Terms = TERMS
    heart: Callable[[], float] = time.monotonic
    #: told when a part that is never done has failed: the process has to end, and begin anew
    broken: Callable[[], None] = lambda: None


class Broker:
    """The parts, wired. `run` keeps them alive while it is entered; `application` serves them."""

    def __init__(self, around: Surroundings) -> None:
        namespace = around.settings.namespaces.facility
        kubernetes, now = around.kubernetes, around.now
        self._transport = Transport(around.trust, around.issuer_timeout)
        self._around = around
        self._tasks: set[asyncio.Task[None]] = set()
        self._uids: dict[str, str] = {}
        self.changes = Changes(around.waiting)
        self.batch = Batch()
        self.people = People(kubernetes, namespace, now)
        leases = Leases(kubernetes, namespace, around.terms, around.me)
        replicas = Replicas(leases, around.me, around.terms, around.heart)
        self.holding = Holding(leases, replicas, around.terms.period)
        self._forwarding = Forwarding(self.holding, around.trust, names.host("broker", namespace))
        self.store = made(around.settings, kubernetes, around.keys, around.trust, around.pulse)
        # one request with a refresh token, and a moment to store what comes of it
        least = around.issuer_timeout + STORING
        self.sessions = Sessions(self.store, self._report, self.holding, least)
        self.people.groups = self.sessions.groups_of
        self.shelf = Shelf(self.store, self._issuer_of, self._uids.get, self.holding.owns, around.heart)
        self.cache = KeptCache(now, self.shelf, self.holding)
        clients, share = Clients(kubernetes, namespace, now), lambda: len(self.holding.shards) / SHARDS
        self.issuers = Issuers(self._transport, clients, now, around.pulse, share)
        self.vos = VirtualOrganizations(self._vo_changed)
        vo_path = f"/apis/{names.API_GROUP}/{names.API_VERSION}/namespaces/{namespace}/virtualorganizations"
        self.vo_mirror = Mirror(kubernetes, vo_path, self.vos.changed, self.vos.removed)
        self.user_mirror = Mirror(kubernetes, self.people.path, self._person_changed, self._drop_user)
        self._revocation = Revocation(self.issuers, now)
        settings = around.settings
        self._renewal = Renewal(self.sessions, self.issuers, self.cache, settings.public_url)
        every = settings.groups_refresh
        self.groups = Groups(self.vos, self.sessions, self._renewal, self._revocation, every, now)
        revoking = settings.removal_deadline / 2
        self.closing = Closing(
            self.vos,
            self.people,
            self.sessions,
            self.store,
            self.holding,
            self._revocation,
            revoking,
            self._complete,
            now,
        )
        self.departures = Departures(
            self.vos, self.people, self.sessions, self.store, self.cache, self._revocation, self.changes.tell
        )
        self.holding.keeper = Memory(self.sessions, self.cache, self.shelf, self.closing)

    def application(self) -> web.Application:
        """The HTTP interface."""
        around = self._around
        settings = around.settings
        callers = Callers(Identity(around.kubernetes, settings.namespaces), around.now, self.holding.is_peer)
        exchange = Exchange(settings, self.vos, self.sessions, self.cache, self._renewal, self.groups)
        desk = Desk(
            self.vos,
            self.people,
            self.sessions,
            self.issuers,
            self.cache,
            self.groups,
            self._revocation,
            around.now,
        )
        board = Noticeboard(exchange, self.changes)
        synced = self.vo_mirror.synced.is_set
        app = Routes(callers, exchange, desk, board, self.batch, synced, around.now, self._forwarding).application()
        app.on_shutdown.append(self._send_away)
        return app

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Watches and reports while entered; at the end waits for refreshes under way and stores what is unsaved."""
        for part in (self.vo_mirror, self.user_mirror, self.people, self.holding, self.shelf):
            self._spawn(self._always(part.run()))
        self._spawn(self._listed())
        try:
            yield
        finally:
            self.issuers.stop()
            await self.cache.settle()
            await self.groups.settle()
            await self.closing.stop()
            await self.departures.stop()
            await self.leave()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.people.write_pending(), LAST_WORDS)
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._forwarding.close()
            await self.store.close()
            await self._transport.close()

    async def leave(self) -> None:
        """Stores what is not stored yet, and hands all shards over: from now on others answer."""
        await self.holding.leave()
        await self.sessions.flush()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _always(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever a part has not foreseen: without it the broker would serve on, and something would never be done."""
        try:
            await work
        except Exception as error:
            log.critical("a part of the broker has failed: %s", place(error))
            self._around.broken()

    def _report(self, user: str, state: str, reason: str) -> None:
        self.people.report(user, state, reason)
        self.changes.tell(user)

    def _complete(self) -> bool:
        return self.vo_mirror.synced.is_set() and self.user_mirror.synced.is_set()

    async def _listed(self) -> None:
        await self.vo_mirror.synced.wait()
        await self.user_mirror.synced.wait()
        self.closing.listed()
        self.departures.listed(self._uids)

    async def _send_away(self, _: web.Application) -> None:
        """Answers all who wait for news: the process ends."""
        self.changes.close()

    def _vo_changed(self, name: str, before: VirtualOrganization | None, vo: VirtualOrganization | None) -> None:
        if vo is None or vo.closed:
            self.cache.drop(name)
        if vo is None or (before is not None and before.spec.issuer != vo.spec.issuer):
            self.cache.drop(name)
            self.issuers.forget(name)
            self.sessions.forget(lambda record: record.vo == name)
        if vo is not None and not vo.closed:
            self.groups.changed(vo)
        self.closing.vo(name, vo or before)
        self.changes.tell(name)

    def _issuer_of(self, name: str) -> str | None:
        vo = self.vos.find(name)
        return None if vo is None or vo.closed else vo.spec.issuer

    def _person_changed(self, item: Json) -> None:
        """Another replica may have written it: whoever waits here for news of that person looks again."""
        user = item["metadata"]["name"]
        self._uids[user] = item["metadata"].get("uid", "")
        self.batch.noted(item)
        self.closing.person(item)
        self.changes.tell(user)

    def _drop_user(self, user: str) -> None:
        self.closing.gone(user)
        self._uids.pop(user, None)
        self.batch.gone(user)
        self.departures.gone(user)
