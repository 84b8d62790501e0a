"""`/hub/facility/storage/<vo>.json`: how full a VO's cache is, as WLCG's accounting reads it, for everybody.

The container beside the cache tells it to the hub alone, which is reached from outside and has a certificate that the
world knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any

from tornado import web

from facility import names
from facility.hub.http import Http, NoAnswerError
from facility.hub.outside import host
from facility.hub.public import PublicHandler
from facility.site import Site
from facility.srr import Service, Share, report
from facility.vo import VirtualOrganization
from facility.xcache import places

#: seconds for which an answer is good: XRootD counts once a minute
FRESH = 60
_PATIENCE = 5.0


class Storage:
    """What caches hold, asked of each once a minute at most. ask: of a URL, its JSON; raises NoAnswerError."""

    def __init__(self, ask: Callable[[str], Awaitable[Any]], clock: Callable[[], float] = time.time) -> None:
        self._ask, self._clock = ask, clock
        self._known = dict[str, tuple[float, dict[str, Any]]]()

    async def of(self, vo: VirtualOrganization, site: Site) -> dict[str, Any]:
        """The report of a VO's cache, and of those of several that answer. Raises NoAnswerError if none does."""
        asked, held = self._known.get(vo.name, (float("-inf"), {}))
        if self._clock() - asked >= FRESH:
            held = await self._held(vo, site)
            self._known[vo.name] = (self._clock(), held)
        return told(vo, site, held, self._clock())

    async def _held(self, vo: VirtualOrganization, site: Site) -> dict[str, Any]:
        hosts = site.xcaches(vo.name, vo.spec.cache.replicas)
        answers = await asyncio.gather(
            *(self._answer(f"http://{one}:{places.METRICS_PORT}/held.json") for one in hosts)
        )
        found = [one for one in answers if not isinstance(one, NoAnswerError)]
        if not found:
            raise next(one for one in answers if isinstance(one, NoAnswerError))
        return together(found)

    async def _answer(self, url: str) -> dict[str, Any] | NoAnswerError:
        try:
            found: dict[str, Any] = await self._ask(url)
        except NoAnswerError as error:
            return error
        return found


def together(held: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What several caches hold, as one of them says it; at the time of the oldest word."""
    sums = {key: sum(one[key] for one in held) for key in ("limit", "size", "files")}
    return {**held[0], **sums, "at": min(one["at"] for one in held)}


def told(vo: VirtualOrganization, site: Site, held: dict[str, Any], now: float) -> dict[str, Any]:
    """The report. held: what the container `accounting` says at `/held.json` (facility.xcache.accounting.main)."""
    name = names.xcache(vo.name)
    there = host(name, site.namespaces.facility, site)
    share = Share(
        name="cache",
        vos=[vo.name],
        paths=[lake.prefix for lake in vo.spec.lakes],
        size=held["limit"],
        used=held["size"],
        files=held["files"],
        at=held["at"],
        kept=False,  # whatever is here can be fetched again
        closed=bool(vo.closed),
    )
    return report(Service(name, "org.xrootd.xcache", held["version"], there, names.XROOTD_PORT), [share], now)


@cache
def _http() -> Http:
    """One for all, made when the hub's loop runs."""
    return Http(None)


async def _asked(url: str) -> Any:
    answer = await _http().ask("GET", url, seconds=_PATIENCE)
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise NoAnswerError(f"{url} says {answer.status}")
    return answer.body


class StorageHandler(PublicHandler):
    """The report, to anybody."""

    storage = Storage(_asked)

    async def get(self, vo: str) -> None:
        provider = self.authenticator.providers.get(vo)
        if provider is None or not provider.vo.spec.lakes:
            raise web.HTTPError(404)
        try:
            found = await self.storage.of(provider.vo, self.authenticator.site)
        except NoAnswerError as error:
            self.set_header("Retry-After", str(FRESH))
            raise web.HTTPError(503, f"The cache of {vo} tells nothing at the moment.") from error
        self.set_header("Cache-Control", f"public, max-age={FRESH}")
        self.finish(found)
