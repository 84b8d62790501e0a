"""`python3 -m facility.lake.reach NAMESPACE`: whether every cache of a facility answers by TLS and refuses strangers.

It runs as `helm test`, in a pod that may list Services and has no lake token.
"""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path

from facility import names

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT = 10.0  # seconds
Trust = Callable[[], ssl.SSLContext]


def services(namespace: str) -> list[str]:
    """Names of the caches' Services, as the API server lists them. Raises OSError when it does not."""
    path = f"/api/v1/namespaces/{namespace}/services?labelSelector={names.LABEL_COMPONENT}%3Dxcache"
    context = ssl.create_default_context(cafile=str(_POD / "ca.crt"))
    connection = HTTPSConnection("kubernetes.default.svc", timeout=_TIMEOUT, context=context)
    try:
        token = (_POD / "token").read_text()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        return listed(connection.getresponse())
    finally:
        connection.close()


def listed(response: HTTPResponse) -> list[str]:
    """Names out of the API server's answer. Raises OSError when it refused."""
    document = json.loads(response.read())
    if response.status != 200:
        raise OSError(f"the API server answered {response.status}: {document.get('message')}")
    return sorted(item["metadata"]["name"] for item in document["items"])


def trouble(host: str, port: int = names.XROOTD_PORT, trust: Trust = ssl.create_default_context) -> str:
    """What is wrong with the cache at `host`; empty when its certificate is good and it refuses strangers."""
    connection = HTTPSConnection(host, port, timeout=_TIMEOUT, context=trust())
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"cannot be reached: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if 400 <= status < 500 else f"answered {status} to a read without token; it should refuse"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when no cache is in trouble, also when there is none yet."""
    namespace = (sys.argv[1:] if arguments is None else arguments)[0]
    found = {name: trouble(names.host(name, namespace)) for name in services(namespace)}
    for name, problem in found.items():
        print(f"{name}: {problem or 'answers, and refuses whoever has no token'}")
    if not found:
        print("no VO has a cache yet")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
