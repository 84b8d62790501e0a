"""Reading from the API server as the pod's own ServiceAccount, with the standard library."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT = 10.0  # seconds


def get(path: str) -> dict[str, Any]:
    """The document at a path. Raises OSError when the API server refuses or cannot be reached."""
    context = ssl.create_default_context(cafile=str(_POD / "ca.crt"))
    connection = HTTPSConnection("kubernetes.default.svc", timeout=_TIMEOUT, context=context)
    try:
        token = (_POD / "token").read_text()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        return document(connection.getresponse())
    finally:
        connection.close()


def document(response: HTTPResponse) -> dict[str, Any]:
    """The answer's document. Raises OSError with the API server's own words when it refused."""
    found: dict[str, Any] = json.loads(response.read())
    if response.status != 200:
        raise OSError(f"the API server answered {response.status}: {found.get('message')}")
    return found
