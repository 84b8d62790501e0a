"""`facility get-token`: writes a token to the file where programs look for it, as htgettoken does, and ends.

It never asks a person anything: a script can call it. The file is chosen by WLCG Bearer Token Discovery.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from facility.agent import files
from facility.commands.asking import Ask, NoTokenError
from facility.commands.sources import source

NO_TOKEN = 1
_LEAST = 60  # seconds, htgettoken's own


def options(made: argparse.ArgumentParser) -> None:
    """htgettoken's names where they mean the same."""
    made.add_argument("-o", "--out", "--outfile", dest="out", default="", metavar="FILE", help="the file to write")
    made.add_argument("--audience", "--aud", default="", help="the lake's if not given")
    made.add_argument("--for", dest="name", default="", metavar="NAME", help="by its name: lake, compute, rucio")
    made.add_argument("--scopes", "--scope", default="", help="separated by commas or spaces; all allowed if not given")
    made.add_argument("--minsecs", type=float, default=_LEAST, metavar="SECONDS", help="least remaining life (60)")
    made.add_argument("-i", "--issuer", "--vo", dest="vo", default="", help="on your own machine: whose session")
    made.add_argument("-q", "--quiet", action="store_true", help="say nothing that is no error")


def run(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """0 with a file that is good, 1 and a reason on stderr without."""
    path = place(given.out, environment, os.geteuid())
    ask = Ask(given.audience, given.name, given.scopes.replace(",", " "), given.minsecs)
    try:
        token = source(environment, given.vo).get(ask)
        told = f"{path} is good for {token.seconds} s"
        if kept_by_agent(path, environment):
            told = _as_kept(path, token.token)
        else:
            _write(path, token.token)
    except NoTokenError as error:
        print(error, file=sys.stderr)
        return NO_TOKEN
    if not given.quiet:
        print(told)
    return 0


def place(out: str, environment: Mapping[str, str], uid: int) -> Path:
    """Where the token goes: as told, else where discovery looks first (zenodo 3937438)."""
    if out or environment.get("BEARER_TOKEN_FILE"):
        return Path(out or environment["BEARER_TOKEN_FILE"])
    return Path(environment.get("XDG_RUNTIME_DIR") or "/tmp") / f"bt_u{uid}"  # noqa: S108 - the specification's place


def kept_by_agent(path: Path, environment: Mapping[str, str]) -> bool:
    """Whether an agent, or HTCondor, already keeps that file good: then it is not ours to write."""
    keepers = [environment.get("AGENT_DIRECTORY", "/run/token"), environment.get("_CONDOR_CREDS", "")]
    return any(keeper and path.parent == Path(keeper) for keeper in keepers)


def _as_kept(path: Path, token: str) -> str:
    try:
        same = path.read_text().strip() == token
    except OSError as error:
        raise NoTokenError(f"{path} cannot be read: {error.strerror}") from None
    if not same:
        raise NoTokenError(f"{path} is kept for you and holds another token than that: name a file by -o")
    return f"{path} is kept good for you: there is nothing to do"


def _write(path: Path, token: str) -> None:
    try:
        files.write_token(path, token)
    except OSError as error:
        raise NoTokenError(f"{path} cannot be written: {error.strerror}") from None
