"""The hub's authenticator for several virtual organizations: one issuer each, at routes of their own.

It holds a Provider per VO object and follows the objects in the hub's own loop; a VO that comes or goes restarts
nothing. `c.JupyterHub.authenticator_class = "facility.hub.authenticator.VOAuthenticator"`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.spawner import SpawnException
from tornado import web
from tornado.httputil import url_concat
from traitlets import Instance, Unicode, default

from facility.hub import admins, pages, refresh
from facility.hub.broker_client import BrokerClient
from facility.hub.closing import Servers, vo_of
from facility.hub.cluster import Cluster
from facility.hub.errors import SignInError, UnavailableError
from facility.hub.http import Http
from facility.hub.provider import Provider
from facility.hub.rounds import Round
from facility.hub.routes import routes
from facility.hub.standing import CLOSED, UNKNOWN, Standing
from facility.hub.watch import VOs, Watcher
from facility.kubernetes import SERVICE_ACCOUNT
from facility.site import Settings, Site
from facility.vo import VirtualOrganization

_FIRST_LIST = 5  # seconds that a sign-in waits for the first list of VOs after the hub's start
_GOOD, _BAD = 300, 30  # seconds between looks at an issuer that answers, and at one that does not
_AGAIN = 5  # seconds after which servers of closed VOs are looked for again: some were just starting or stopping
_ROLES = 60  # seconds after which roles that could not be written are tried again
_SETTINGS = 10  # seconds between looks at the file of the site's settings


class VOAuthenticator(Authenticator):  # type: ignore[misc]
    """Chooses the VO; the sign-in itself is its Provider's."""

    namespace = Unicode("facility", help="Namespace of the VirtualOrganization objects.").tag(config=True)
    broker_url = Unicode(help="https URL of the token broker.").tag(config=True)
    public_url = Unicode(help="URL under which browsers reach the hub; redirect URIs begin with it.").tag(config=True)
    site = Instance(Site, help="The site's settings: under which names the facility's parts are reached.").tag(
        config=True
    )
    settings = Instance(Settings, help="Where they come from: the hub starts anew when they change.").tag(config=True)
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
        self._app: Any = None
        self._servers: Servers | None = None
        self._admins: admins.Wanted | None = None  # as they are in the database
        self._rounds: list[Round] = []
        self._tasks: list[asyncio.Task[None]] = []

    @default("manage_groups")
    def _with_groups(self) -> bool:
        return True

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """The routes; the hub asks for them once, with its loop running, so the watch begins here."""
        self._app = app
        self._start()
        return routes()

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

    async def standing(self, user: str) -> Standing:
        """What is known of a user's session."""
        provider = self.providers.get(vo_of(user))
        return CLOSED if provider and provider.vo.closed else await self._broker.standing(user)

    def sentence(self, user: str, standing: Standing) -> str:
        """What that is, for the person."""
        provider = self.providers.get(vo_of(user))
        title, closed = (provider.login_service, provider.vo.closed) if provider else (vo_of(user), "")
        return standing.sentence(title, closed)

    async def refresh_user(self, user: Any, handler: Any = None) -> bool | dict[str, Any]:
        """False only for a session that is known to be dead; True whenever that is not certain.

        An exception would sign the person out, None would start oauthenticator's own refresh: neither ever happens.
        """
        name, standing = user.name, UNKNOWN
        try:
            standing = await self.standing(name)
            if handler is not None:
                handler.facility_standing = standing  # for the page that says so
            return refresh.answer(user, vo_of(name), standing)
        except Exception:
            self.log.exception("The session of %s is %s, and could not be followed", name, standing.state)
            return not standing.dead

    async def pre_spawn_start(self, user: Any, spawner: Any) -> None:
        """Nothing starts for somebody whose session is dead. Raises SpawnException with what to do."""
        standing = await self.standing(user.name)
        if not standing.dead:
            return
        text, link = self.sentence(user.name, standing), self._again(user.name)
        if spawner.handler is not None and spawner.handler.current_user is not user:
            text, link = f"The session of {user.name} has ended: only they can begin a new one, by signing in.", ""
        raise SpawnException(text, reason="session", message_html=pages.again(link, text), status_code=403)

    def _again(self, user: str) -> str:
        """Where a person signs in again, and then finds their server; empty when their VO is closed or gone."""
        provider = self.providers.get(vo_of(user))
        if provider is None or provider.vo.closed:
            return ""
        base = self._app.hub.base_url
        return str(url_concat(provider.login_url(base), {"next": f"{base}home"}))

    async def delete_user(self, user: Any) -> None:
        """A user who is removed from the hub leaves no session behind; without the broker nobody is removed (503)."""
        try:
            await self._broker.forget(user.name)
        except SignInError as error:
            raise web.HTTPError(503, str(error)) from None

    def changed(self, vos: VOs) -> None:
        """Follow the objects: a provider stays while its VO does not change, with the sign-ins that go through it."""
        old = self.providers
        self.providers = {
            name: old[name] if name in old and _same(old[name].vo, vo) else self._made(vo) for name, vo in vos.items()
        }
        gone = sorted(old.keys() - vos.keys())
        new = sorted(name for name, one in self.providers.items() if old.get(name) is not one)
        if gone:
            self.log.info("VOs gone: %s", ", ".join(gone))
        if new:
            self.log.info("VOs new or changed: %s", ", ".join(new))
        if self._servers and (new or gone):
            self._servers.expire({*new, *gone})
        for one in self._rounds:
            one.wake()

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
        self._servers = Servers(self._app, self.log)
        self._rounds = [
            Round(self._look_at_issuers, _BAD, self.log),
            Round(self._follow_admins, _ROLES, self.log),
            Round(self._stop_closed, _AGAIN, self.log),
            Round(self._follow_settings, _SETTINGS, self.log),
        ]
        self._tasks = [asyncio.create_task(one) for one in (self._watch(), *(each.run() for each in self._rounds))]

    async def _watch(self) -> None:
        assert self._watcher is not None
        assert self._cluster is not None
        try:
            await self._watcher.run()
        finally:
            await self._cluster.close()

    async def _look_at_issuers(self) -> None:
        """Keep `problem` of each provider true, so that the chooser can say who is not reachable."""
        await asyncio.gather(*(one.look(_GOOD, _BAD) for one in self.providers.values()))

    async def _follow_admins(self) -> None:
        """Roles of the VOs' admins; not before the first list, or they would lose them at each start."""
        assert self._watcher is not None
        wanted = admins.wanted({name: one.vo for name, one in self.providers.items()})
        if self._watcher.synced.is_set() and wanted != self._admins:
            admins.follow(self._app.db, wanted)
            self._admins = wanted

    async def _stop_closed(self) -> None:
        assert self._servers is not None
        closed = {
            name for name, one in self.providers.items() if one.vo.closed and one.vo.spec.removal.servers == "Stop"
        }
        await self._servers.stop(closed)

    async def _follow_settings(self) -> None:
        """Ends the hub as Kubernetes would, when the site's settings change; it starts with the new ones, and people's
        servers run on."""
        try:
            if not self.settings.changed():
                return
        except ValueError as error:
            self.log.warning("The site's settings have changed, and the hub goes on with those before: %s", error)
            return
        self.log.info("The site's settings have changed: starting anew")
        os.kill(os.getpid(), signal.SIGTERM)


def _same(old: VirtualOrganization, new: VirtualOrganization) -> bool:
    return (old.spec, old.closed) == (new.spec, new.closed)
