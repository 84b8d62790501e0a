"""A broker in a process of its own, as in a pod, to be killed.

    python broker_process.py FOLDER API-URL POD PORT LIFE

The folder has `etc` (site.yaml, tls), `broker-key` and `ca.crt`. Its leases and requests are short; LIFE: seconds after
which others may take it for gone.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import replace
from pathlib import Path

from kubernetes_asyncio.client import ApiClient, Configuration

from facility.broker.app import serve
from facility.broker.leases import Me
from facility.kubernetes import Kubernetes
from facility.secrecy import keep_secrets
from tests.fakes.replicas import SHORT, TIMEOUT

if __name__ == "__main__":
    folder, api, pod, port, life = Path(sys.argv[1]), *sys.argv[2:]
    logging.basicConfig(level=logging.INFO)
    keep_secrets()
    asyncio.run(
        serve(
            folder / "etc",
            folder / "broker-key",
            folder / "ca.crt",
            lambda: Kubernetes(ApiClient(Configuration(host=api, ssl_ca_cert=str(folder / "ca.crt")))),
            int(port),
            0,
            me=Me(pod, f"127.0.0.1:{port}"),
            terms=replace(SHORT, life=float(life)),
            issuer_timeout=TIMEOUT,
        )
    )
