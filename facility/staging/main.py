"""`facility stage PATH…`: 0 when all is in the cache, 1 when something is not, 2 for what makes no sense."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from facility import quantity
from facility.lake.credentials import token
from facility.staging.cache import Cache, StagingError
from facility.staging.plan import Plan, Progress, plan, size
from facility.staging.run import bring
from facility.staging.where import Place, WhereError, place
from facility.tokens.discovery import InvalidTokenError

NOT_ALL, USAGE, STOPPED = 1, 2, 130
_SHOWN = 20  # files that failed, by name
_ROUND = 1.0  # seconds between two questions
_SELDOM = 30.0  # seconds between two lines where lines stay


def main(arguments: Sequence[str]) -> int:
    """`facility stage` with these arguments."""
    given = parser().parse_args(arguments)
    try:
        places = [place(text, os.environ) for text in given.paths]
        return run(given, places, Screen(sys.stdout))
    except WhereError as error:
        return _complain(error, USAGE)
    except (StagingError, InvalidTokenError) as error:
        return _complain(error, NOT_ALL)
    except KeyboardInterrupt:
        return _complain("stopped; what has come is there, and the same command goes on from it", STOPPED)


def parser() -> argparse.ArgumentParser:
    """Its options."""
    made = argparse.ArgumentParser(
        prog="facility stage", description="Bring files, and what is below directories, into your VO's cache."
    )
    made.add_argument("paths", nargs="+", metavar="PATH", help="/cms/open/…, or root://CACHE:1094//cms/open/…")
    made.add_argument("--limit", type=_bytes, metavar="SIZE", help="no more than so much in sum, such as 200G")
    made.add_argument("--dry-run", action="store_true", help="say what would be brought, and bring nothing")
    return made


def run(given: argparse.Namespace, places: Sequence[Place], screen: Screen) -> int:
    """Does what `given` says with paths that may be of several caches."""
    left = False
    for host in dict.fromkeys(one.cache for one in places):
        cache = Cache(host, token)
        found = plan((file for one in places if one.cache == host for file in cache.files(one.path)), given.limit)
        screen.lines(_told(found))
        if given.dry_run:
            continue
        done = bring(cache, found.chosen, screen.now, lambda: time.sleep(_ROUND))
        screen.lines([str(done), *_failures(done.failed)])
        left = left or len(done.there) < len(found.chosen) or bool(found.beyond)
    return NOT_ALL if left else 0


@dataclass
class Screen:
    """Where a person reads: a line that changes on a terminal, a line now and then elsewhere."""

    out: TextIO
    clock: Callable[[], float] = time.monotonic
    _last: float = field(default=float("-inf"))

    def lines(self, texts: Sequence[str] | Iterator[str]) -> None:
        """That stay."""
        start = "\r\033[K" if self.out.isatty() else ""
        for text in texts:
            print(start + text, file=self.out, flush=True)

    def now(self, progress: Progress) -> None:
        """How far it is."""
        if self.out.isatty():
            print(f"\r\033[K{progress}", end="", file=self.out, flush=True)
        elif self.clock() - self._last >= _SELDOM:
            self._last = self.clock()
            print(progress, file=self.out, flush=True)


def _told(found: Plan) -> Iterator[str]:
    yield f"{len(found.chosen)} files, {size(found.chosen)}"
    if found.beyond:
        first = found.beyond[0].path
        yield f"{len(found.beyond)} more, {size(found.beyond)}, are beyond the limit: the first is {first}"


def _failures(failed: Mapping[str, str]) -> Iterator[str]:
    for path, problem in sorted(failed.items())[:_SHOWN]:
        yield f"  {path}: {problem}"
    if len(failed) > _SHOWN:
        yield f"  and {len(failed) - _SHOWN} more"


def _bytes(text: str) -> int:
    try:
        return int(quantity.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _complain(problem: object, code: int) -> int:
    print(problem, file=sys.stderr)
    return code
