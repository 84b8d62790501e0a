"""`facility login` and `facility logout`: sessions of a person's own machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import suppress

from facility.laptop import private
from facility.laptop.device import Begun
from facility.laptop.errors import LaptopError
from facility.laptop.keeping import FILE, KEYRING
from facility.laptop.login import SignIn, sign_out
from facility.laptop.sessions import Record, Sessions
from facility.laptop.web import Web

FAILED = 1


def options(made: argparse.ArgumentParser) -> None:
    """Of `facility login`."""
    made.add_argument("--vo", required=True, help="the virtual organization")
    made.add_argument("--hub", default="", metavar="URL", help="the facility's hub; the one of last time if not given")
    made.add_argument(
        "--keep", choices=(KEYRING, FILE), default="", help="where the session is kept; the keyring if any"
    )


def out_options(made: argparse.ArgumentParser) -> None:
    """Of `facility logout`."""
    made.add_argument("--vo", default="", help="which session, if there are several")


def login(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """0 when the session is there, 1 and a reason on stderr otherwise."""
    sessions = Sessions(private.home(environment))
    try:
        if given.keep and given.keep not in sessions.places:
            raise LaptopError("there is no keyring here that keeps secrets: install facility[laptop], or --keep file")
        hub = given.hub or last_hub(sessions, given.vo, environment)
        record = SignIn(sessions, Web(), _show).run(hub, given.vo, given.keep)
    except LaptopError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\nnot signed in", file=sys.stderr)
        return FAILED
    print(_welcome(record))
    return 0


def logout(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """0 when the session is over, 1 when there is none or the issuer could not be told."""
    sessions = Sessions(private.home(environment))
    try:
        told = sign_out(sessions, Web(), given.vo or _only(sessions))
    except LaptopError as error:
        print(error, file=sys.stderr)
        return FAILED
    if not told:
        print(
            "forgotten here, but the issuer could not be told: it may honour the session until it ends", file=sys.stderr
        )
        return FAILED
    print("signed out")
    return 0


def _show(begun: Begun) -> None:
    print(f"Open {begun.page} in any browser, sign in, and enter the code {begun.user_code}", file=sys.stderr)
    if begun.direct:
        print(f"or open {begun.direct}", file=sys.stderr)
    print(f"Waiting for at most {begun.seconds / 60:.0f} minutes …", file=sys.stderr, flush=True)


def _welcome(record: Record) -> str:
    where = "the system's keyring" if record.kept == KEYRING else "a file that only you can read"
    names = ", ".join(one.name for one in record.offer.tokens)
    return f"signed in with {record.offer.title}; the session is kept in {where}\ntokens: {names}"


def last_hub(sessions: Sessions, vo: str, environment: Mapping[str, str]) -> str:
    """The hub that was used last, of this VO or of any; or the one that the environment names."""
    for one in (vo, *sessions.vos()):
        with suppress(LaptopError):
            record = sessions.record(one)
            if record:
                return record.hub
    hub = environment.get("FACILITY_HUB", "")
    if not hub:
        raise LaptopError("which hub? facility login --vo VO --hub https://hub.example.org")
    return hub


def _only(sessions: Sessions) -> str:
    there = sessions.vos()
    if len(there) != 1:
        raise LaptopError(f"this machine has sessions with {', '.join(there) or 'nobody'}: choose one by --vo")
    return there[0]
