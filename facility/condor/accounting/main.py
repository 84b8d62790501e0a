"""`python3 -m facility.condor.accounting.main`: a container beside the schedd that accounts and tells.

It has an account of its own, reads HTCondor's records and nothing else, and answers whom the site lets in: `/metrics`,
`/records/` (the days), `/records/2026-01-31` (one of them).
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from facility.condor import layout
from facility.condor.accounting.book import Book
from facility.telling import METRICS, Server, Text

PORT = 9090
PERIOD = 15.0  # seconds between two looks
_DAY = re.compile(r"/records/(\d{4}-\d{2}-\d{2})")


def answered(book: Book, path: str) -> Text | None:
    """Metrics, days, a day; nothing else is here."""
    if path == "/metrics":
        return Text(book.metrics(), METRICS)
    if path == "/records/":
        return Text("".join(f"{one}\n" for one in book.days()))
    day = _DAY.fullmatch(path)
    found = book.day(day[1]) if day else None
    return None if found is None else Text(found)


def follow(book: Book, pause: Callable[[float], None] = time.sleep) -> None:
    """For ever: look again and again. What goes wrong is told once and tried again, whatever it is: metrics tell, too.

    At first that may be the folders, which the schedd's container makes ready, and which starts at the same time.
    """
    problem = ""
    while True:
        before = problem
        try:
            while book.look():
                pass  # there may be more than one look takes
            problem = ""
        except Exception as error:
            problem = f"records cannot be accounted for now: {error!r}"
        if problem != before:
            say(problem or "records are accounted for again")
        pause(PERIOD)


def open_book(environment: dict[str, str]) -> Book:
    """The book of this pod. Raises KeyError."""
    vo, site, host = (environment[f"ACCOUNTING_{name}"] for name in ("VO", "SITE", "HOST"))
    return Book(vo, site, host, Path(layout.HISTORY), Path(layout.ACCOUNTING), time.time, say)


def say(text: str) -> None:
    """For whoever reads the container's log."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """For ever; the container is started again when it ends."""
    signal.signal(signal.SIGTERM, _leave)
    book = open_book(dict(os.environ))
    threading.Thread(target=Server(partial(answered, book), PORT).serve_forever, daemon=True).start()
    follow(book)


def _leave(signum: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
