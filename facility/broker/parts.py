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
from facility.broker.cache import TokenCache
from facility.broker.callers import Callers
from facility.broker.changes import MOST, Changes
from facility.broker.clients import Clients
from facility.broker.closing import Closing
from facility.broker.desk import Desk
from facility.broker.exchange import Exchange
from facility.broker.groups import Groups
from facility.broker.identity import Identity
from facility.broker.issuer import Issuers
from facility.broker.noticeboard import Noticeboard
from facility.broker.people import People
from facility.broker.renewal import Renewal
from facility.broker.revocation import Revocation
from facility.broker.routes import Routes
from facility.broker.sealing import Seal
from facility.broker.sessions import Sessions
from facility.broker.store import SecretStore, StoreError
from facility.broker.transport import TOTAL, Transport
from facility.broker.vos import VirtualOrganizations
from facility.kubernetes import Json, Kubernetes
from facility.vo import VirtualOrganization
from facility.watching import Mirror

log = logging.getLogger(__name__)
LAST_WORDS = 5.0  # seconds for telling people's objects the last states


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


class Broker:
    """The parts, wired. `run` keeps them alive while it is entered; `application` serves them."""

    def __init__(self, around: Surroundings) -> None:
        namespace = around.settings.namespaces.facility
        kubernetes, now = around.kubernetes, around.now
        self._transport = Transport(around.trust, around.issuer_timeout)
        self._around = around
        self._tasks: set[asyncio.Task[None]] = set()
        self.cache = TokenCache(now)
        self.changes = Changes(around.waiting)
        self.people = People(kubernetes, namespace, now)
        store = SecretStore(kubernetes, namespace, Seal(around.keys))
        self.sessions = Sessions(store, self._report)
        self.issuers = Issuers(self._transport, Clients(kubernetes, namespace, now), now, around.pulse)
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
            self.vos, self.people, self.sessions, store, self._revocation, revoking, self._complete, now
        )

    def application(self) -> web.Application:
        """The HTTP interface."""
        around = self._around
        settings = around.settings
        callers = Callers(Identity(around.kubernetes, settings.namespaces), around.now)
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
        app = Routes(callers, exchange, desk, board, self.vo_mirror.synced.is_set, around.now).application()
        app.on_shutdown.append(self._send_away)
        return app

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Watches and reports while entered; at the end waits for refreshes under way and stores what is unsaved."""
        for work in (self.vo_mirror.run(), self.user_mirror.run(), self.people.run(), self._listed()):
            self._spawn(work)
        try:
            yield
        finally:
            self.issuers.stop()
            await self.cache.settle()
            await self.groups.settle()
            await self.closing.stop()
            await self.sessions.flush()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.people.write_pending(), LAST_WORDS)
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._transport.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _report(self, user: str, state: str, reason: str) -> None:
        self.people.report(user, state, reason)
        self.changes.tell(user)

    def _complete(self) -> bool:
        return self.vo_mirror.synced.is_set() and self.user_mirror.synced.is_set()

    async def _listed(self) -> None:
        await self.vo_mirror.synced.wait()
        await self.user_mirror.synced.wait()
        self.closing.listed()

    async def _send_away(self, _: web.Application) -> None:
        """Answers all who wait for news: the process ends."""
        self.changes.close()

    def _vo_changed(self, name: str, before: VirtualOrganization | None, vo: VirtualOrganization | None) -> None:
        if vo is None or vo.closed:
            self.cache.drop(name)
        if vo is None or (before is not None and before.spec.issuer != vo.spec.issuer):
            self.cache.drop(name)
            self.issuers.forget(name)
            self.sessions.forget_vo(name)
        self.closing.vo(name, vo or before)
        self.changes.tell(name)

    def _person_changed(self, item: Json) -> None:
        self.closing.person(item)

    def _drop_user(self, user: str) -> None:
        self.closing.gone(user)
        with suppress(names.BadNameError):
            self.cache.drop(names.split_hub_user(user)[0], user)
            self._spawn(self._erase(user))

    async def _erase(self, user: str) -> None:
        try:
            await self.sessions.erase(user)
            self.changes.tell(user)
        except StoreError as error:
            log.warning("session of %s, who has gone, is not removed: %s", user, error)
