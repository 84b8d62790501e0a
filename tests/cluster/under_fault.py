"""People who read all the time while something of the lake ends, each file checked against the origin's checksum."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facility.dev.demo.mainjob import Stage
from tests.cluster import checked_reads, lakes
from tests.cluster.kills import Containers, Pods
from tests.cluster.through_caches import PODS

_PROGRAM = Path(checked_reads.__file__).read_text()
_COUNT, _SIZE, _FIRST = 12, 3_000_000, 6
BACK = 30  # seconds within which everybody reads again


@dataclass(frozen=True)
class Fault:
    """What happens while people read for so many seconds. unseen: if that is cached, nobody notices anything."""

    name: str
    strike: Callable[[Stage], object]
    unseen: bool = False
    seconds: float = 45


def killed(part: Containers | Pods, at_once: bool = True) -> Callable[[Stage], object]:
    """That it ends and comes back."""
    return lambda stage: stage.cluster.wait_for(f"{part.name} back", part.kill(stage, at_once=at_once), 120)


@contextmanager
def unread(stage: Stage) -> Iterator[dict[str, str]]:
    """Files that nobody has read yet: path to adler32."""
    folder = f"/cms/open/ended-{secrets.token_hex(4)}"
    lakes.fill(stage, folder, count=_COUNT, size=_SIZE)
    yield {f"{folder}/{name}": digest for name, digest in lakes.checksums(stage, folder).items()}
    lakes.remove(stage, folder)


def reads(stage: Stage, files: dict[str, str], seconds: float) -> list[dict[str, Any]]:
    """What alice's readers say."""
    wish = json.dumps({"host": "xcache-cms.facility.svc", "files": files, "seconds": seconds})
    where = ("facility-users", PODS["cms"], "notebook", ["python3", "-c", _PROGRAM])
    found: list[dict[str, Any]] = json.loads(stage.cluster.execute(*where, stdin=wish, timeout=seconds + 240))
    return found


def during(stage: Stage, files: dict[str, str], fault: Fault) -> tuple[list[dict[str, Any]], float]:
    """All reads, and when it happened."""
    found: list[dict[str, Any]] = []
    reading = threading.Thread(target=lambda: found.extend(reads(stage, files, fault.seconds)))
    reading.start()
    time.sleep(_FIRST)
    struck = time.time()
    fault.strike(stage)
    reading.join()
    return found, struck


def outage(stage: Stage, files: dict[str, str], fault: Fault) -> dict[str, float]:
    """How long readers by root and by https were without. Raises AssertionError where that is too long, or a byte was
    wrong."""
    if fault.unseen:
        assert not [one for one in reads(stage, files, 5) if one["error"]]  # all of it is cached from here on
    found, struck = during(stage, files, fault)
    assert not [one for one in found if one["wrong"]]
    assert {one["way"] for one in found if one["ended"] < struck and not one["error"]} == {"root", "https"}
    failed = [one for one in found if one["error"]]
    assert not (fault.unseen and failed), failed[:5]
    late = [one for one in failed if one["at"] > struck + BACK]
    assert not late, late[:5]
    longest = {way: max(one["ended"] - one["at"] for one in found if one["way"] == way) for way in ("root", "https")}
    assert max(longest.values()) < BACK, longest
    without = {way: _recovered([one for one in found if one["way"] == way], struck) for way in ("root", "https")}
    assert max(without.values()) < BACK, without
    return {f"{fault.name}, {way}": seconds for way, seconds in without.items()}


def _recovered(found: list[dict[str, Any]], struck: float) -> float:
    """Seconds from the fault until somebody's read comes whole that began after it, and after the last that failed."""
    whole = [one["ended"] for one in found if one["at"] > struck and not one["error"]]
    assert whole, "nobody read any more"
    last_failed = max((one["ended"] for one in found if one["error"]), default=struck)
    return round(min(one for one in whole if one > last_failed) - struck, 1)
