"""`facility`: what a person asks in a notebook's terminal, and what an administrator asks of the operator's image.

`status` and `token` speak of this pod's own person only, and use the standard library only. `render` and `check` are
the administrator's: they are there where the operator is.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from facility.agent import files, oidc_token
from facility.agent.report import Report, Token, report, span

NOT_WELL = 1
NOT_HERE = 2
#: by name: what imports this module must not need the operator and all that it needs
_ELSEWHERE = {"render": "facility.operator.render", "check": "facility.inspection.main"}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is well; 1 with a reason on stderr or in the answer; 2 for what makes no sense or is not here."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words and words[0] in _ELSEWHERE:
        return elsewhere(_ELSEWHERE[words[0]], words[1:])
    given = _parser().parse_args(words)
    place = Path(os.environ.get("AGENT_DIRECTORY", "/run/token"))
    if given.command == "token":
        return oidc_token.token(given, place)
    return status(place, datetime.now(UTC), given.json)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="facility", description="Your identity and your tokens on this facility.")
    commands = made.add_subparsers(dest="command", required=True)
    option = oidc_token.parser("facility token")
    commands.add_parser("token", parents=[option], add_help=False, help=option.description)
    asked = commands.add_parser("status", help="who you are, your lakes, and which tokens are good how long")
    asked.add_argument("--json", action="store_true", help="the same as one JSON object")
    commands.add_parser("render", add_help=False, help="print what the operator would write for VOs (-f vo.yaml)")
    commands.add_parser("check", add_help=False, help="say what is wrong with this facility, VO by VO")
    return made


def elsewhere(module: str, arguments: Sequence[str]) -> int:
    """Runs an administrator's command; 2 where this image has no operator in it."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        print(f"{error.name} is not here: use the operator's image, or install facility[operator]", file=sys.stderr)
        return NOT_HERE
    return found.main(arguments) or 0


def status(directory: Path, now: datetime, as_json: bool = False) -> int:
    """Prints who the person is, their lakes and the state of each token; 1 when something is wrong."""
    found = report(os.environ, files.read_status(directory), now)
    if as_json:
        print(json.dumps(found.document(), indent=1))
    else:
        print("\n".join(_lines(found)))
    return NOT_WELL if found.trouble else 0


def _lines(found: Report) -> Iterator[str]:
    yield f"user   {found.user}"
    yield f"VO     {found.vo}"
    yield from (f"lake   {lake.prefix or '(any path)':<10} {lake.root}  {lake.https}" for lake in found.lakes)
    yield from (f"token  {_line(token)}" for token in found.tokens)
    yield from found.trouble or ["all is well"]
    if found.again and found.sign_in:
        yield f"sign in again: {found.sign_in}"


def _line(token: Token) -> str:
    good = f"good for {span(token.seconds)}" if token.seconds else "no token"
    return f"{token.name:<10} {good:<20} {token.path}  {token.audience}  {token.scope}"


if __name__ == "__main__":
    sys.exit(main())
