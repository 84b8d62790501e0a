"""Reads as people's programs do, and tells how long it took: runs in a container of the notebook's image.

The last argument says in JSON which measurement (a function's name, `what`) with which arguments.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_TRUST, _TOKEN = "/bench/ca.crt", "/bench/token"
os.environ |= {"BEARER_TOKEN_FILE": _TOKEN, "X509_CERT_FILE": _TRUST}
_MEBI = 1 << 20


def big(url: str, size: int) -> dict[str, float]:
    """One file by the usual program: xrdcp or curl. Rate in MB/s."""
    curl = ["curl", "-sf", "-K", "/etc/facility/curl/bearer", "-o", "/dev/null", "-w", "%{size_download}", url]
    command = ["xrdcp", "-f", "-N", url, "/dev/null"] if url.startswith("root") else curl
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.monotonic() - begun
    if done.returncode or (command is curl and int(done.stdout) != size):
        sys.exit(f"{command[0]} {done.returncode}: {done.stdout} {done.stderr}")
    return {"rate": size / took / 1e6, "seconds": took}


def small(base: str, count: int, size: int, at_once: int) -> dict[str, float]:
    """Files `base/0` and so on, each opened, read whole and closed, so many at once. Rate in files a second."""
    numbers = [list(range(first, count, at_once)) for first in range(at_once)]
    read = _root if base.startswith("root") else _https
    begun = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        got = sum(pool.map(lambda mine: read(base, mine), numbers))
    took = time.monotonic() - begun
    if got != count * size:
        sys.exit(f"{got} bytes instead of {count * size}")
    return {"rate": count / took, "seconds": took}


def crowd(url: str, size: int, readers: int) -> dict[str, float]:
    """One file by so many at once, each on a connection of its own. Rate in MB/s of all together."""
    read: Callable[[int], int] = (
        (lambda number: _root_once(url.replace("root://", f"root://r{number}@")))
        if url.startswith("root")
        else (lambda number: _https(url.rpartition("/")[0], [url.rpartition("/")[2]]))
    )
    begun = time.monotonic()
    with ThreadPoolExecutor(readers) as pool:
        got = list(pool.map(read, range(readers)))
    took = time.monotonic() - begun
    if got != [size] * readers:
        sys.exit(f"{sum(one != size for one in got)} of {readers} did not get all")
    return {"rate": readers * size / took / 1e6, "seconds": took}


def analyse(urls: list[str], events: int) -> dict[str, float]:
    """The demo's analysis of files of so many events."""
    sys.path.insert(0, "/bench")
    import analysis  # type: ignore[import-not-found,unused-ignore]

    begun = time.monotonic()
    whole = analysis.merge([analysis.histogram(url, "cms", 0, events) for url in urls])
    return {"seconds": time.monotonic() - begun, "above": whole["above"]}


def _root(base: str, numbers: list[Any]) -> int:
    return sum(_root_once(f"{base}/{number}") for number in numbers)


def _root_once(url: str) -> int:
    from XRootD import client  # type: ignore[import-untyped,unused-ignore]

    got = 0
    with client.File() as file:
        status, _ = file.open(url)
        while status.ok:
            status, data = file.read(got, 4 * _MEBI)
            if not status.ok or not data:
                break
            got += len(data)
        if not status.ok:
            sys.exit(f"{url}: {status.message}")
    return got


def _https(base: str, numbers: list[Any]) -> int:
    there, got = urlsplit(base), 0
    headers = {"Authorization": f"Bearer {Path(_TOKEN).read_text()}"}
    trust = ssl.create_default_context(cafile=_TRUST)
    one = http.client.HTTPSConnection(there.hostname or "", there.port, timeout=300, context=trust)
    room = memoryview(bytearray(4 * _MEBI))
    for number in numbers:
        one.request("GET", f"{there.path}/{number}", headers=headers)
        answer = one.getresponse()
        if answer.status != 200:
            sys.exit(f"{base}/{number}: {answer.status}")
        while read := answer.readinto(room):
            got += read
    one.close()
    return got


def main() -> None:
    """Does what the last argument says."""
    how = json.loads(sys.argv[-1])
    print(json.dumps({"big": big, "small": small, "crowd": crowd, "analyse": analyse}[how.pop("what")](**how)))


if __name__ == "__main__":
    main()
