"""The hub's authenticator for several virtual organizations: one issuer each, at routes of their own.

It holds a Provider per VO object and follows the objects in the hub's own loop; a VO that comes or goes restarts
nothing. `c.JupyterHub.authenticator_class = "facility.hub.authenticator.VOAuthenticator"`.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from tornado import web
from traitlets import Unicode

from facility.hub import chooser
from facility.hub.broker_client import BrokerClient
from facility.hub.cluster import Cluster
from facility.hub.errors import SignInError, UnavailableError
from facility.hub.handlers import CallbackHandler, LoginHandler
from facility.hub.http import Http
from facility.hub.provider import Provider
from facility.hub.watch import VOs, Watcher
from facility.kubernetes import SERVICE_ACCOUNT
from facility.vo import VirtualOrganization

_FIRST_LIST = 5  # seconds that a sign-in waits for the first list of VOs after the hub's start
_GOOD, _BAD = 300, 30  # seconds between looks at an issuer that answers, and at one that does not


class VOAuthenticator(Authenticator):  # type: ignore[misc]
    """Chooses the VO; the sign-in itself is its Provider's."""

    namespace = Unicode("facility", help="Namespace of the VirtualOrganization objects.").tag(config=True)
    broker_url = Unicode(help="https URL of the token broker.").tag(config=True)
    public_url = Unicode(help="URL under which browsers reach the hub; redirect URIs begin with it.").tag(config=True)
    identity = Unicode("/var/run/identity/token", help="File of the token that the broker knows the hub by.").tag(
        config=True
    )
    service_account = Unicode(str(SERVICE_ACCOUNT), help="Directory of the hub's ServiceAccount.").tag(config=True)
    bundle = Unicode(help="PEM file of the trusted CAs; $SSL_CERT_FILE unless given.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.providers: dict[str, Provider] = {}
        self._http = Http(self.bundle or os.environ.get("SSL_CERT_FILE"))
        self._broker = BrokerClient(self.broker_url, Path(self.identity), self._http)
        self._cluster: Cluster | None = None
        self._watcher: Watcher | None = None
        self._news: asyncio.Event | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """The routes; the hub asks for them once, with its loop running, so the watch begins here."""
        self._start()
        vo = r"/oauth/(?P<vo>[a-z][a-z0-9]{0,14})"
        return [(f"{vo}/login", LoginHandler), (f"{vo}/callback", CallbackHandler)]

    def get_custom_html(self, base_url: str) -> str:
        """The chooser instead of a form for names and passwords."""
        return chooser.page(base_url)

    @property
    def choices(self) -> list[Provider]:
        """The VOs in the order of the sign-in page."""
        return sorted(self.providers.values(), key=lambda one: one.login_service.casefold())

    async def provider(self, vo: str) -> Provider | None:
        """The provider of a VO, None when there is no such VO. Raises UnavailableError while that is not known."""
        if self._watcher and vo not in self.providers:
            try:
                await asyncio.wait_for(self._watcher.synced.wait(), _FIRST_LIST)
            except TimeoutError:
                raise UnavailableError("The hub has just started. Try again in a few seconds.") from None
        return self.providers.get(vo)

    async def virtual_organization(self, vo: str) -> VirtualOrganization | None:
        """The VO object of that name, for the spawner. Raises as `provider` does."""
        provider = await self.provider(vo)
        return provider.vo if provider else None

    async def authenticate(self, handler: Any, data: Any) -> None:
        """Nobody signs in by a form here."""
        return None

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        """False only for a session that the broker knows to be dead; True whenever that is not certain.

        An exception would sign the person out, None would start oauthenticator's own refresh: neither ever happens.
        """
        try:
            return not await self._broker.is_dead(user.name)
        except Exception:
            self.log.exception("State of %s unknown, taken for good", user.name)
            return True

    async def delete_user(self, user: Any) -> None:
        """A user who is removed from the hub leaves no session behind; without the broker nobody is removed (503)."""
        try:
            await self._broker.forget(user.name)
        except SignInError as error:
            raise web.HTTPError(503, str(error)) from None

    def changed(self, vos: VOs) -> None:
        """Follow the objects: a provider stays while its VO's spec does, with the sign-ins that go through it."""
        old = self.providers
        self.providers = {
            name: old[name] if name in old and old[name].vo.spec == vo.spec else self._made(vo)
            for name, vo in vos.items()
        }
        if gone := sorted(old.keys() - vos.keys()):
            self.log.info("VOs gone: %s", ", ".join(gone))
        if new := sorted(name for name, one in self.providers.items() if old.get(name) is not one):
            self.log.info("VOs new or changed: %s", ", ".join(new))
        if self._news:
            self._news.set()

    def _made(self, vo: VirtualOrganization) -> Provider:
        return Provider(
            parent=self,
            vo=vo,
            http=self._http,
            cluster=self._cluster,
            broker=self._broker,
            public_url=self.public_url,
        )

    def _start(self) -> None:
        self._cluster = Cluster.connect(self.namespace, Path(self.service_account))
        self._watcher = Watcher(self._cluster, self.changed, self.log)
        self._news = asyncio.Event()
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._look_after_issuers())]

    async def _watch(self) -> None:
        assert self._watcher is not None
        assert self._cluster is not None
        try:
            await self._watcher.run()
        finally:
            await self._cluster.close()

    async def _look_after_issuers(self) -> None:
        """Keep `problem` of each provider true, so that the chooser can say who is not reachable."""
        assert self._news is not None
        while True:
            self._news.clear()
            await asyncio.gather(*(one.look(_GOOD, _BAD) for one in self.providers.values()))
            try:
                await asyncio.wait_for(self._news.wait(), _BAD)
            except TimeoutError:
                continue
