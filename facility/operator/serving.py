"""What the operator answers: /healthz to the node, /metrics to whom the site lets in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from facility.operator.metrics import CONTENT_TYPE, Metrics

HEALTH, METRICS = 8080, 9090


@asynccontextmanager
async def serving(
    metrics: Metrics, leads: Callable[[], bool], health: int = HEALTH, port: int = METRICS
) -> AsyncIterator[None]:
    """Both, each on a port of its own, for as long as it is entered. Raises OSError."""

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="working\n" if leads() else "standing by\n")

    async def measured(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    runners = [await _listen("/healthz", healthy, health), await _listen("/metrics", measured, port)]
    try:
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


async def _listen(path: str, handler: Callable[[web.Request], object], port: int) -> web.AppRunner:
    app = web.Application()
    app.router.add_get(path, handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
