"""People who read all the time while something of the lake ends, each file checked against what the origin has.

Beside those who may, others read who may not: a fault is no way in.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage
from tests.cluster import checked_reads, forge, judged_reads, lakes
from tests.cluster.checked_reads import Files
from tests.cluster.judged_reads import Record, Seen
from tests.cluster.kills import Containers, Pods
from tests.cluster.through_caches import PODS

_PROGRAM = Path(checked_reads.__file__).read_text()
_WHERE = ("facility-users", PODS["cms"], "notebook")
#: seconds until all have begun to read, and after which they end untold
_BEGUN, _MOST = 180, 1500
#: bytes of what a slow reader holds; and what is not cached: as many files as are read in a minute, of more bytes than
#: the origin is asked for at once
_HELD, _COLD, _COLD_SIZE = 64_000_000, 200, 1_200_000
#: who reads without a right to: each with one thing that is wrong, for as long as anybody reads
_WRONGFUL: dict[str, Callable[[], str]] = {
    "another-scope": lambda: forge.token(scope="storage.read:/embargoed", life=2 * _MOST),
    "expired": lambda: forge.token(scope="storage.read:/", life=-60),
    "forged": lambda: forge.token(scope="storage.read:/", life=2 * _MOST, forged=True),
}
_CONTENTS = """
import json, pathlib, sys, zlib
folder, size = pathlib.Path(sys.argv[1]), int(sys.argv[2])
def content(data):
    found, digest = [], 1
    for at in range(0, len(data), size):
        piece = data[at:at + size]
        digest = zlib.adler32(piece, digest)
        found.append((at + len(piece), f"{digest:08x}"))
    return found
print(json.dumps({one.name: content(one.read_bytes()) for one in folder.iterdir()}))
"""


@dataclass(frozen=True)
class Fault:
    """What happens while people read: for so many `seconds` from its beginning on, and so many `after` its end.

    unseen: if it is cached, nobody notices anything. most: errors that a reader may get who tries again after `retry`
    seconds. held: two read a large file meanwhile. cold: two read what is not cached, and may get so many errors.
    slower: what is cached takes less than so many times as long.
    """

    name: str
    strike: Callable[[Stage], object]
    unseen: bool = False
    seconds: float = 38
    after: float = 10
    most: float = math.inf
    retry: float = 0.1
    held: bool = False
    cold: float | None = None
    slower: float | None = None


def killed(part: Containers | Pods, at_once: bool = True) -> Callable[[Stage], object]:
    """That it ends and comes back."""
    return lambda stage: stage.cluster.wait_for(f"{part.name} back", part.kill(stage, at_once=at_once), 120)


@contextmanager
def unread(stage: Stage, count: int = 12, size: int = 3_000_000) -> Iterator[Files]:
    """Files that nobody has read yet: path to content."""
    folder = f"/cms/open/ended-{secrets.token_hex(4)}"
    lakes.fill(stage, folder, count=count, size=size)
    try:
        yield {f"{folder}/{name}": content for name, content in _contents(stage, folder).items()}
    finally:
        lakes.remove(stage, folder)


def _contents(stage: Stage, folder: str) -> Files:
    command = ["python3", "-c", _CONTENTS, f"/data{folder}", str(checked_reads.PIECE)]
    found: Files = json.loads(stage.cluster.execute(world.NAMESPACE, "deploy/origin", "origin", command))
    return found


def outage(stage: Stage, files: Files, fault: Fault) -> dict[str, float]:
    """How long readers by root and by https were without. Raises AssertionError where that is too long, where a byte
    was wrong, or where somebody read who may not."""
    seen = during(stage, files, fault)
    judged_reads.right(seen)
    judged_reads.refused(seen)
    judged_reads.lasting(seen, 0 if fault.unseen else fault.most)
    found = {f"{fault.name}, {way}": seconds for way, seconds in judged_reads.without(seen).items()}
    if fault.held:
        judged_reads.held(seen)
    if fault.slower is not None:
        judged_reads.as_fast(seen, fault.slower)
    if fault.cold is not None:
        missed = judged_reads.cold(seen, fault.cold)
        found |= {f"{fault.name}, not cached, {way}": seconds for way, seconds in missed.items()}
    return found


def during(stage: Stage, files: Files, fault: Fault) -> Seen:
    """Everybody's reads, from before it until after it."""
    with ExitStack() as stack:
        held = stack.enter_context(unread(stage, 1, _HELD)) if fault.held else {}
        cold = stack.enter_context(unread(stage, _COLD, _COLD_SIZE)) if fault.cold is not None else {}
        wishes = _wishes(fault, {"again": files, "held": held, "cold": cold})
        readers = stack.enter_context(_reading(stage, wishes))
        # from the first moment on at which all have begun: each of them reads before it, in the middle and after
        stage.cluster.wait_for("everybody reading", readers.begun, _BEGUN)
        struck = time.time()
        fault.strike(stage)
        returned = time.time()
        readers.tell("struck")
        # no condition: for so long they are watched
        time.sleep(max(0, struck + fault.seconds - time.time(), returned + fault.after - time.time()))
        found = readers.end()
    rightful = [one for one in found if one["kind"] != "never"]
    return Seen(rightful, [one for one in found if one["kind"] == "never"], struck, returned)


def _wishes(fault: Fault, files: dict[str, Files]) -> list[dict[str, Any]]:
    """What alice's readers are to do, and those with wrong tokens: these try what is cached, what is not and what is
    held, of what is not the last, as nobody comes to that."""
    signs = f"/tmp/reads-{secrets.token_hex(4)}"
    all_have = {"host": "xcache-cms.facility.svc", "signs": signs, "seconds": _MOST, "retry": fault.retry}
    refused = files["again"] | files["held"] | dict(list(files["cold"].items())[-len(files["again"]) :])
    wrongful = [{"who": who, "token": make(), "never": refused} for who, make in _WRONGFUL.items()]
    return [all_have | one for one in ({"who": "alice", "token": "", **files}, *wrongful)]


class _Readers:
    """The programs that read."""

    def __init__(self, stage: Stage, wishes: list[dict[str, Any]], beside: ThreadPoolExecutor) -> None:
        self._stage, self._signs = stage, str(wishes[0]["signs"])
        self._names = {task.name for wish in wishes for task in checked_reads.readers(wish)}
        self._running: list[Future[str]] = [beside.submit(self._read, wish) for wish in wishes]

    def _read(self, wish: dict[str, Any]) -> str:
        """Its answer; `kubectl exec` loses what a program prints last at times."""
        command = ["python3", "-c", _PROGRAM]
        told = self._stage.cluster.execute(*_WHERE, command, stdin=json.dumps(wish), timeout=_MOST + 240)
        return told or self._do("cat", f"{self._signs}/{wish['who']}.json")

    def begun(self) -> bool:
        """Whether all of them have. Raises ClusterError where a program ended in trouble."""
        for one in self._running:
            if one.done():
                one.result()
        return self._names <= set(self._do("ls", self._signs).split())

    def tell(self, sign: str) -> None:
        """All of them, tried again where that fails: untold they would read on for long."""
        script = f"mkdir -p {self._signs} && touch {self._signs}/{sign} && ls {self._signs}"
        self._stage.cluster.wait_for(f"sign {sign}", lambda: sign in self._do("sh", "-c", script).split(), 60)

    def end(self) -> list[Record]:
        """All that they have read. A line for each is printed, which is seen where the test fails."""
        self.tell("end")
        found: list[Record] = [record for one in self._running for record in json.loads(one.result())]
        print(judged_reads.told(found))
        self._do("rm", "-rf", self._signs)
        return found

    def _do(self, *command: str) -> str:
        return self._stage.cluster.execute(*_WHERE, command)


@contextmanager
def _reading(stage: Stage, wishes: list[dict[str, Any]]) -> Iterator[_Readers]:
    """They read, and end in any case."""
    with ThreadPoolExecutor(len(wishes)) as beside:
        readers = _Readers(stage, wishes, beside)
        try:
            yield readers
        except BaseException:
            readers.end()
            raise
