"""`facility`: what a person asks in a notebook, in a job or at home, and what an administrator asks of the operator.

A person's commands speak of that person only, and use the standard library only. `render`, `check`, `keys` and `rekey`
are the administrator's: they are there where operator and broker are.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from facility.commands import get_token, login, oidc_token, status, surroundings
from facility.why import main as why

USAGE = 2
NOT_HERE = 2


class Command(NamedTuple):
    """One of a person's: what it is for, which options it has, and what it does."""

    purpose: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Mapping[str, str]], int]


COMMANDS = {
    "token": Command("print an access token", oidc_token.options, oidc_token.token),
    "get-token": Command("write an access token where programs look for it", get_token.options, get_token.run),
    "status": Command("who you are, your lakes, and which tokens are good how long", status.options, status.run),
    "why": Command("why you can, or cannot, read a file of the lake", why.options, why.run),
    "env": Command("shell commands for a machine of your own", surroundings.options, surroundings.run),
    "login": Command("sign in on your own machine", login.options, login.login),
    "logout": Command("end that session, at its issuer too", login.out_options, login.logout),
}
#: by name: what imports this module must not need the operator and all that it needs, and commands that run for a
#: moment do not wait for those that watch queues
ELSEWHERE = {
    "batch": ("facility.batch.main", "your jobs: why they wait, their output, DAGs of them"),
    "stage": ("facility.staging.main", "bring files of the lake into your VO's cache ahead of need"),
    "render": ("facility.operator.render", "print what the operator would write for VOs (-f vo.yaml)"),
    "check": ("facility.inspection.main", "say what is wrong with this facility, VO by VO"),
    "keys": ("facility.operator.keys", "change the key that the broker seals sessions with"),
    "rekey": ("facility.broker.rekey", "seal anew, with the key in use, what the broker has stored"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is well; 1 with a reason on stderr or in the answer; 2 for what makes no sense or is not here."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words and words[0] in ELSEWHERE:
        return elsewhere(ELSEWHERE[words[0]][0], words[1:])
    if words and words[0] == "token":
        words = ["token", *oidc_token.spelled(words[1:])]
    given = _parser().parse_args(words)
    return COMMANDS[given.command].run(given, os.environ)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="facility", description="Your identity and your tokens on this facility.")
    commands = made.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        command.options(commands.add_parser(name, help=command.purpose, description=command.purpose))
    for name, (_, purpose) in ELSEWHERE.items():
        commands.add_parser(name, add_help=False, help=purpose)
    return made


def elsewhere(module: str, arguments: Sequence[str]) -> int:
    """Runs a command that is imported when it is wanted; 2 where this image has no operator in it."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        print(f"{error.name} is not here: use the operator's image, or install facility[operator]", file=sys.stderr)
        return NOT_HERE
    return found.main(arguments) or 0


if __name__ == "__main__":
    sys.exit(main())
