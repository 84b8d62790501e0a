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
from facility.broker.clients import Clients
from facility.broker.desk import Desk
from facility.broker.exchange import Exchange
from facility.broker.identity import Identity
from facility.broker.issuer import TOTAL, Issuers, Transport
from facility.broker.people import People
from facility.broker.renewal import Renewal
from facility.broker.routes import Routes
from facility.broker.sealing import Seal
from facility.broker.sessions import Sessions
from facility.broker.store import SecretStore, StoreError
from facility.broker.vos import VirtualOrganizations
from facility.kubernetes import Kubernetes
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


class Broker:
    """The parts, wired. `run` keeps them alive while it is entered; `application` serves them."""

    def __init__(self, around: Surroundings) -> None:
        namespace = around.settings.namespaces.facility
        kubernetes, now = around.kubernetes, around.now
        self._transport = Transport(around.trust, around.issuer_timeout)
        self.cache = TokenCache(now)
        self.people = People(kubernetes, namespace, now)
        self.sessions = Sessions(SecretStore(kubernetes, namespace, Seal(around.keys)), self.people.report)
        self.issuers = Issuers(self._transport, Clients(kubernetes, namespace, now), now)
        self.vos = VirtualOrganizations(self._drop_vo)
        vo_path = f"/apis/{names.API_GROUP}/{names.API_VERSION}/namespaces/{namespace}/virtualorganizations"
        self.vo_mirror = Mirror(kubernetes, vo_path, self.vos.changed, self.vos.removed)
        self.user_mirror = Mirror(kubernetes, self.people.path, lambda _: None, self._drop_user)
        self._tasks: set[asyncio.Task[None]] = set()
        self._around = around

    def application(self) -> web.Application:
        """The HTTP interface."""
        around = self._around
        settings, identity = around.settings, Identity(around.kubernetes, around.settings.namespaces)
        renewal = Renewal(self.sessions, self.issuers, settings.public_url, self.cache.drop)
        exchange = Exchange(settings, self.vos, self.sessions, self.cache, renewal)
        desk = Desk(self.vos, self.people, self.sessions, self.issuers, self.cache)
        return Routes(identity, exchange, desk, self.vo_mirror.synced.is_set, around.now).application()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Watches and reports while entered; at the end waits for refreshes under way and stores what is unsaved."""
        for work in (self.vo_mirror.run(), self.user_mirror.run(), self.people.run()):
            self._spawn(work)
        try:
            yield
        finally:
            await self.cache.settle()
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

    def _drop_vo(self, vo: str) -> None:
        self.cache.drop(vo)
        self.issuers.forget(vo)
        self.sessions.forget_vo(vo)

    def _drop_user(self, user: str) -> None:
        with suppress(names.BadNameError):
            self.cache.drop(names.split_hub_user(user)[0], user)
            self._spawn(self._erase(user))

    async def _erase(self, user: str) -> None:
        try:
            await self.sessions.erase(user)
        except StoreError as error:
            log.warning("session of %s, who has gone, is not removed: %s", user, error)
