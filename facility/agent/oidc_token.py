"""`oidc-token` for programs that know oidc-agent: prints a token of this pod's agent.

Options as in oidc-agent's command of that name; the account is accepted and means nothing, because a pod belongs to
one person in one VO.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from facility.agent import files, socket
from facility.agent.report import reason

NO_TOKEN = 1


def parser(name: str) -> argparse.ArgumentParser:
    """The options, under the name the command was called by."""
    made = argparse.ArgumentParser(prog=name, description="Prints an access token of the signed-in person.")
    made.add_argument("-t", "--time", type=int, default=1, metavar="SECONDS", help="least remaining life")
    made.add_argument("-s", "--scope", action="append", default=[], help="may be given again; all allowed if not given")
    made.add_argument("--aud", "--audience", dest="audience", default="", help="the lake's if not given")
    made.add_argument("account", nargs="?", help="accepted for oidc-agent's sake; means nothing here")
    return made


def token(arguments: argparse.Namespace, directory: Path) -> int:
    """Prints the token; 1 and a reason on stderr when there is none."""
    request = {"audience": arguments.audience, "scope": " ".join(arguments.scope), "time": arguments.time}
    try:
        answer = socket.ask(directory / files.SOCKET, request)
    except (OSError, ValueError) as error:
        return _refuse(f"no agent answers at {directory / files.SOCKET}: {error}")
    if "access_token" not in answer:
        return _refuse(reason(answer))
    if answer["expires_in"] < arguments.time:
        print(f"this token is good for {answer['expires_in']} s only; no longer one can be had", file=sys.stderr)
    print(answer["access_token"])
    return 0


def _refuse(text: str) -> int:
    print(text, file=sys.stderr)
    return NO_TOKEN


def main(arguments: Sequence[str] | None = None) -> int:
    """0 with a token, 1 without, 2 for options that make no sense (as argparse has it)."""
    place = Path(os.environ.get("AGENT_DIRECTORY", "/run/token"))
    return token(parser("oidc-token").parse_args(arguments), place)


if __name__ == "__main__":
    sys.exit(main())
