"""Stops the servers of VOs that are closed, and makes the hub look at their people anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator
from typing import Any

from jupyterhub import orm

from facility import names

_AT_ONCE = 20  # servers that are stopped at a time


class Servers:
    """The running servers of the hub `app` (JupyterHub's application), by their people's VO."""

    def __init__(self, app: Any, log: logging.Logger) -> None:
        self._app = app
        self._log = log

    async def stop(self, vos: Collection[str]) -> None:
        """Stop what runs of these VOs. What is just starting or stopping is left for the next call. Never raises."""
        found = list(self._running(vos)) if vos else []
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(user: Any, name: str) -> None:
            async with gate:
                await self._stop(user, name)

        await asyncio.gather(*(one(user, name) for user, name in found))

    def expire(self, vos: Collection[str]) -> None:
        """Let the next request of each of these VOs' people ask for the state of their session, however fresh it is."""
        for user in self._app.users.values():
            if vo_of(user.name) in vos:
                user._auth_refreshed = None

    def _running(self, vos: Collection[str]) -> Iterator[tuple[Any, str]]:
        """(user, server's name). After a restart the hub first looks what still runs; until then that is pending."""
        with_server = self._app.db.query(orm.Spawner).filter(orm.Spawner.server_id.isnot(None))
        for spawner in with_server:
            if vo_of(spawner.user.name) in vos and spawner.user.id in self._app.users:
                user = self._app.users[spawner.user]
                if spawner.name in user.spawners and not user.spawners[spawner.name].pending:
                    yield user, spawner.name

    async def _stop(self, user: Any, name: str) -> None:
        spawner = user.spawners.get(name)
        if spawner is None or spawner.pending:
            return
        spawner._stop_pending = True  # as JupyterHub's own handlers do, before anything is awaited
        self._log.info("Stopping server %s: its VO is closed", spawner._log_name)
        try:
            await self._app.proxy.delete_user(user, name)
            await user.stop(name)
        except Exception:
            self._log.exception("Server %s is not stopped yet", spawner._log_name)
        finally:
            spawner._stop_pending = False


def vo_of(user: str) -> str:
    """The VO of a user of the hub, empty if it is none of this facility's."""
    try:
        return names.split_hub_user(user)[0]
    except names.BadNameError:
        return ""
