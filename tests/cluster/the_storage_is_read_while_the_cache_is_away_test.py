"""Who names a file at its storage reads it there while the VO's cache is away, and at the cache when it is back.

That is the plug-in of XRootD's client in the notebook's image (images/notebook/lakes), under xrdcp, Python's bindings
and uproot. Notebooks of the demo cannot reach its storage; here cache and storage are on this machine's loopback, and
programs run in a container of that image.
"""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from facility.dev.lake import made
from tests.bench.cache_rig import VO, Server
from tests.cluster.kept_caches import Cache, Caches, caches
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port

pytestmark = pytest.mark.cluster

EVENTS, COUNT = 1000, 8
WAYS = ("xrdcp", "bindings", "uproot", "source")
#: seconds for which a program knows whether a server was there (reach.cc), and what an open may take besides
KNOWN, OPENED = 5, 15
#: a program of somebody who lives long: reads, in the way that it is told, the URL that it is told
PROGRAM = """
import json, os, subprocess, sys
os.environ |= {"BEARER_TOKEN_FILE": "/bench/token", "X509_CERT_FILE": "/bench/ca.crt"}
import uproot
from XRootD import client

def xrdcp(url):
    done = subprocess.run(["xrdcp", "-s", "-f", url, "/tmp/copy"], capture_output=True, text=True)
    return {"size": os.path.getsize("/tmp/copy") if done.returncode == 0 else 0, "error": done.stderr}

def bindings(url):
    with client.File() as file:
        status, _ = file.open(url)
        size = len(file.read()[1]) if status.ok else 0
        return {"size": size, "error": "" if status.ok else status.message, "server": file.get_property("DataServer")}

def uproot_(url, **more):
    try:
        with uproot.open(url, **more) as file:
            return {"events": file["Events"].num_entries, "error": ""}
    except OSError as error:
        return {"events": 0, "error": str(error)}

ways = {"xrdcp": xrdcp, "bindings": bindings, "uproot": uproot_}
ways["source"] = lambda url: uproot_(url, handler=uproot.XRootDSource)
for line in sys.stdin:
    way, url = line.split()
    print(json.dumps(ways[way](url)), flush=True)
"""


class Person:
    """Whoever runs that program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def reads(self, way: str, url: str) -> dict[str, Any]:
        """What came of it: `size` or `events`, `error` or nothing, and how many seconds it `took`."""
        assert self._process.stdin
        assert self._process.stdout
        began = time.monotonic()
        self._process.stdin.write(f"{way} {url}\n")
        self._process.stdin.flush()
        assert select.select([self._process.stdout], [], [], PATIENCE)[0], f"{way} of {url}: nothing for {PATIENCE} s"
        line = self._process.stdout.readline()
        assert line, self._process.communicate()[1]
        told: dict[str, Any] = json.loads(line)
        return told | {"took": time.monotonic() - began}

    def server(self, url: str) -> str:
        """Where a file is opened now, which has to succeed: user@host:port."""
        told = self.reads("bindings", url)
        assert not told["error"], told
        return str(told["server"])


@dataclass(frozen=True)
class Stand:
    """A storage that speaks root://, and the port at which the VO's cache is, if it is there."""

    rig: Caches
    storage: Server
    port: int

    def url(self, number: int, port: int = 0) -> str:
        """Of a file, at its storage."""
        return f"root://localhost:{port or self.storage.port}//{VO}/made/{made.names(COUNT)[number]}"

    def size(self) -> int:
        """Of each file."""
        return (self.rig.lake / VO / "made" / made.names(COUNT)[0]).stat().st_size

    @contextmanager
    def person(self, storage: int = 0, **more: str) -> Iterator[Person]:
        """Whose environment says where the lake is, as notebooks' do (facility.surroundings)."""
        around = {"LAKE_PREFIXES": f"/{VO}", "LAKE_ROOT": f"root://localhost:{self.port}/"}
        around["LAKE_ORIGINS"] = f"https://localhost:{storage or self.storage.port}"
        command = _in_client(self.rig, {**around, **more}, "/opt/venv/bin/python", "-u", "-c", PROGRAM)
        pipes = subprocess.PIPE
        with subprocess.Popen(command, text=True, stdin=pipes, stdout=pipes, stderr=pipes) as process:
            try:
                yield Person(process)
            finally:
                process.kill()


def _in_client(rig: Caches, environment: Mapping[str, str], *command: str) -> list[str]:
    given = [f"--env={name}={value}" for name, value in environment.items()]
    return ["docker", "exec", "-i", *given, rig.client, *command]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with caches(tmp_path_factory.mktemp("away")) as rig:
        made.make(rig.lake / VO / "made", COUNT, EVENTS)
        yield Stand(rig, rig.origin(), free_port())


@pytest.fixture
def cache(stand: Stand, request: pytest.FixtureRequest) -> Iterator[Cache]:
    """The VO's, at its port."""
    one = stand.rig.kept(f"cache-{request.node.name.partition('[')[0]}"[:50], stand.storage.port, port=stand.port)
    yield one
    one.end()


def good(stand: Stand, told: Mapping[str, Any]) -> bool:
    """Whether all of a file came."""
    return not told["error"] and (told.get("size", stand.size()), told.get("events", EVENTS)) == (stand.size(), EVENTS)


def at_once(stand: Stand, told: Mapping[str, Any]) -> bool:
    """Whether all of it came before anybody would wonder."""
    return good(stand, told) and told["took"] < OPENED


@pytest.mark.parametrize("way", WAYS)
def test_while_the_cache_is_away_the_storage_is_read_at_once(stand: Stand, way: str) -> None:
    with stand.person() as person:
        assert good(stand, person.reads("bindings", stand.url(0)))  # the program has begun
        told = person.reads(way, stand.url(0))
        assert at_once(stand, told), told


def test_when_the_cache_is_back_it_is_read_by_programs_that_have_read_the_storage(
    stand: Stand, request: pytest.FixtureRequest
) -> None:
    with stand.person() as person:
        assert person.server(stand.url(1)).endswith(f"localhost:{stand.storage.port}")
        cache: Cache = request.getfixturevalue("cache")
        at_cache = lambda: person.server(stand.url(2)).endswith(f"localhost:{stand.port}")  # noqa: E731
        cache.until("it is read at the cache", at_cache, KNOWN + 1)
        for number, way in enumerate(WAYS, 3):
            told = person.reads(way, stand.url(number))
            assert good(stand, told), told
        assert {made.names(COUNT)[number] for number in range(3, 3 + len(WAYS))} <= cache.kept(f"/{VO}/made")


def test_when_the_cache_goes_while_somebody_reads_the_next_file_comes_from_the_storage(
    stand: Stand, cache: Cache
) -> None:
    with stand.person() as person:
        for way in WAYS:
            assert good(stand, person.reads(way, stand.url(0)))
        cache.end()
        for number, way in enumerate(WAYS, 1):
            told = person.reads(way, stand.url(number))
            assert at_once(stand, told), told


@pytest.mark.parametrize("way", WAYS)
def test_when_neither_is_there_the_error_names_both(stand: Stand, way: str) -> None:
    nowhere = free_port()
    # notebooks' own are such that this is said after ten minutes: a cache that is started anew comes back
    impatient = {"XRD_CONNECTIONWINDOW": "1", "XRD_CONNECTIONRETRY": "1"}
    with stand.person(nowhere, **impatient) as person:
        told = person.reads(way, stand.url(0, nowhere))
    both = f"neither the cache localhost:{stand.port} nor the storage localhost:{nowhere} can be reached from here"
    assert both in told["error"], told
