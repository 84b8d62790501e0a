"""`python -m tests.bench.token_broker DIRECTORY PORT`: the broker as in its pod, but for where the API server is."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from kubernetes_asyncio.client import ApiClient, Configuration

from facility.broker import app
from facility.kubernetes import Kubernetes


def connect(directory: Path) -> Kubernetes:
    """A client of the API server of `token_neighbours`."""
    url = json.loads((directory / "neighbours.json").read_text())["api"]
    return Kubernetes(ApiClient(Configuration(host=url, ssl_ca_cert=str(directory / "ca.crt"))))


def main(directory: Path, port: int) -> None:
    """As `facility.broker.app.main`."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("facility", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.INFO)
    app.tune()
    keys, bundle = directory / "broker-key", directory / "ca.crt"
    asyncio.run(app.serve(directory, keys, bundle, lambda: connect(directory), port))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
