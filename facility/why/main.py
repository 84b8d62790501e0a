"""`facility why URL`: 0 when the file can be read, 1 when not, 2 for what is no URL of a file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

from facility.why.facts import AddressError
from facility.why.gather import Around, around, gather
from facility.why.judge import Verdict, judge

CANNOT = 1
USAGE = 2


def options(made: argparse.ArgumentParser) -> None:
    """Of the command."""
    made.add_argument("url", metavar="URL", help="root://cache//cms/…, https://…, or a path of the lake")
    made.add_argument("--vo", default="", help="on your own machine: whose session")
    made.add_argument("--json", action="store_true", help="the same as one JSON object")


def run(given: argparse.Namespace, environment: Mapping[str, str], here: Around | None = None) -> int:
    """Tries the read and says what there is to say."""
    try:
        found = gather(given.url, replace(here or around(), environment=environment), given.vo)
    except AddressError as error:
        print(error, file=sys.stderr)
        return USAGE
    verdict = judge(found)
    print(json.dumps(asdict(verdict), indent=1) if given.json else "\n".join(lines(given.url, verdict)))
    return 0 if verdict.readable else CANNOT


def lines(url: str, verdict: Verdict) -> Iterator[str]:
    """For people: the verdict first, then how it comes about, then what to do."""
    yield f"You {'can' if verdict.readable else 'cannot'} read {url}."
    yield from (f"  {sentence}" for sentence in verdict.sentences)
    yield from (f"To do: {one}" for one in verdict.todo)
