"""The broker's process: serves https until it is told to end, and ends without losing a refresh token.

    python3 -m facility.broker.app

Files: the site's settings and `tls/{tls.crt,tls.key}` in /etc/facility; the key in use (`current`) and older ones in
/etc/broker-key; the bundle of trusted CAs is what SSL_CERT_FILE names.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
from asyncio import sslproto
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from facility import names
from facility.broker import reading
from facility.broker.access_log import AccessLog
from facility.broker.changes import room
from facility.broker.files import Certificate, Trust
from facility.broker.leases import Me
from facility.broker.metrics import PORT, Metrics
from facility.broker.parts import Broker, Surroundings
from facility.kubernetes import Kubernetes
from facility.secrecy import keep_secrets, of_loop
from facility.site import Settings

log = logging.getLogger(__name__)
DIRECTORY, KEYS = Path("/etc/facility"), Path("/etc/broker-key")
LOOK = 10.0  # seconds between two looks at the files
APART = 40.0  # seconds over which replicas start anew
RECORD = 16384  # bytes (RFC 8446, section 5.1)
#: objects after which Python looks for cycles among the newest: a request makes a hundred and leaves none behind
CYCLES = 20_000
GRACE = 20.0  # seconds for requests under way when the process is told to end


def tune() -> None:
    """Has asyncio keep 16 KiB for each TLS connection, not 256: no record is larger, and thousands wait for news; and
    Python look for cycles seldom."""
    sslproto.SSLProtocol.max_size = RECORD
    gc.set_threshold(CYCLES)


async def look_after(
    certificate: Certificate, settings: Settings, stop: asyncio.Event, every: float = LOOK, apart: float = APART
) -> None:
    """Takes a renewed certificate into use; ends the process when the site's settings change, to start with the new.

    Up to `apart` seconds later, at random: replicas hear of a change together, and one is to serve while others end.
    """
    while not stop.is_set():
        await _pause(stop, every)
        try:
            if certificate.renew():
                log.info("the certificate has been renewed")
            if settings.changed():
                log.info("the site's settings have changed: starting anew")
                await _pause(stop, random.uniform(0, apart))  # noqa: S311 - no secret
                stop.set()
        except OSError as error:
            log.warning("files not read: %s", error.strerror or type(error).__name__)
        except ValueError as error:
            log.warning("the site's settings have changed, and the broker goes on with those before: %s", error)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def serve(
    directory: Path,
    keys: Path,
    bundle: Path,
    connect: Callable[[], Kubernetes] = Kubernetes.in_cluster,
    port: int = names.BROKER_PORT,
    metrics: int = PORT,
    **more: Any,
) -> None:
    """Serves until SIGTERM or SIGINT.

    `connect` gives the API server, by default the pod's own; `metrics` is their port; `more` goes into Surroundings.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    certificate, kubernetes = Certificate(directory / "tls"), connect()
    settings = Settings.read(directory / "site.yaml")
    around = Surroundings(
        settings.site, kubernetes, Trust(bundle).context, keys, waiting=room(), broken=stop.set, **more
    )
    try:
        broker = Broker(around)
        async with broker.run():
            watch = look_after(certificate, settings, stop)
            await _listen(broker, certificate, port, metrics, watch)
    finally:
        await kubernetes.close()


async def _listen(
    broker: Broker, certificate: Certificate, port: int, metrics: int, end: Coroutine[None, None, None]
) -> None:
    """Takes requests until `end` returns; then others take over, and requests under way are finished."""
    measures, app = Metrics(broker), broker.application()
    app.middlewares.append(measures.counting)
    options = {"access_log_class": AccessLog, "shutdown_timeout": GRACE, **reading.LIMITS}
    runner, beside = web.AppRunner(app, **options), web.AppRunner(measures.application(), access_log=None)
    await runner.setup()
    await beside.setup()
    try:
        await web.TCPSite(runner, port=port, ssl_context=certificate.context).start()
        await web.TCPSite(beside, port=metrics).start()
        log.info("serving on port %s", port)
        await end
        await broker.leave()
    finally:
        await beside.cleanup()
        await runner.cleanup()


def main() -> None:
    """The process's entry. Libraries log warnings only: at lower levels some print bodies."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("facility", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.INFO)
    keep_secrets()
    tune()
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(of_loop)
        runner.run(serve(DIRECTORY, KEYS, Path(os.environ["SSL_CERT_FILE"]), me=myself(os.environ)))


def myself(environment: Mapping[str, str]) -> Me:
    """This replica, as the pod's environment has it: POD_NAME, POD_IP, POD_UID."""
    host = environment["POD_IP"]
    address = f"[{host}]:{names.BROKER_PORT}" if ":" in host else f"{host}:{names.BROKER_PORT}"
    return Me(environment["POD_NAME"], address, environment["POD_UID"])


if __name__ == "__main__":
    main()
