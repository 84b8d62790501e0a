"""`facility env`: on a person's own machine, what a notebook has from the start: token files and where things are.

eval "$(facility env)"
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping

from facility.agent import files
from facility.commands.asking import Ask, Given, NoTokenError
from facility.commands.machine import machine
from facility.commands.sources import at_facility
from facility.laptop import private
from facility.laptop.errors import LaptopError
from facility.laptop.sessions import Record, Sessions
from facility.laptop.surroundings import variables

FAILED = 1


def options(made: argparse.ArgumentParser) -> None:
    """Of the command."""
    made.add_argument("--vo", default="", help="whose session")


def run(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Prints shell commands; 1 and reasons on stderr for what could not be had, the rest is told all the same."""
    if at_facility(environment):
        print("# notebooks and jobs have all of it from the start")
        return 0
    sessions = Sessions(private.home(environment))
    try:
        source = machine(environment, given.vo)
        record = sessions.record(source.vo)
        if record is None:
            raise LaptopError(f"the session with {source.vo} has just ended")
        found = variables(record, sessions.tokens(record.vo), sessions.bundle(record))
        missing = list(_written(sessions, record, source.get))
    except (LaptopError, NoTokenError) as error:
        print(error, file=sys.stderr)
        return FAILED
    print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.items()))
    print("\n".join(missing), end="\n" if missing else "", file=sys.stderr)
    return FAILED if missing else 0


def _written(sessions: Sessions, record: Record, get: Callable[[Ask], Given]) -> Iterator[str]:
    """Puts a token into each file; yields why one could not be had."""
    place = sessions.tokens(record.vo)
    for one in record.offer.tokens:
        try:
            token = get(Ask(one.audience, one.name)).token
            place.mkdir(mode=0o700, exist_ok=True)
            files.write_token(place / one.name, token)
        except NoTokenError as error:
            yield f"{one.name}: {error}"
        except OSError as error:
            yield f"{place / one.name} cannot be written: {error.strerror}"
