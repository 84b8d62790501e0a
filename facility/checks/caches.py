"""`python3 -m facility.checks.caches NAMESPACE`: whether every cache proves its name and refuses strangers.

It runs in a pod that may list Services and has no lake token.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from facility import names
from facility.checks import api
from facility.checks.https import problem
from facility.checks.report import patiently, report

Get = Callable[[str], dict[str, Any]]


def services(namespace: str, get: Get = api.get) -> list[str]:
    """Names of the caches' Services, as the API server lists them. Raises OSError when it does not.

    Without the ways in from outside: their names are the site's DNS's to tell, and nobody inside uses them.
    """
    listed = get(f"/api/v1/namespaces/{namespace}/services?labelSelector={names.LABEL_COMPONENT}%3Dxcache")
    inside = [item for item in listed["items"] if (item.get("spec") or {}).get("type") != "LoadBalancer"]
    return sorted(item["metadata"]["name"] for item in inside)


def main(arguments: Sequence[str] | None = None, get: Get = api.get) -> int:
    """0 when no cache is in trouble, also when there is none yet."""
    namespace = (sys.argv[1:] if arguments is None else arguments)[0]
    found: list[str] = []

    def listing() -> str:
        try:
            found[:] = services(namespace, get)
        except OSError as error:
            return str(error)
        return ""

    if wrong := patiently(listing):
        return report({"the caches": wrong}, "")
    if not found:
        print("no VO has a cache yet")
    urls = {name: f"https://{names.host(name, namespace)}:{names.XROOTD_PORT}/" for name in found}
    troubles = {name: patiently(partial(problem, url, refuses=True)) for name, url in urls.items()}
    return report(troubles, "answers, and refuses whoever has no token")


if __name__ == "__main__":
    sys.exit(main())
