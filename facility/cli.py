"""`facility`: what a person asks in a notebook's terminal, and what an administrator asks of the operator's image.

`status` and `token` speak of this pod's own person only, and use the standard library only. `render` is the
operator's: it is there where the operator is.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facility.agent import files, oidc_token

NOT_WELL = 1
NOT_HERE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is well; 1 with a reason on stderr or in the status; 2 for what makes no sense or is not here."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["render"]:
        return render(words[1:])
    given = _parser().parse_args(words)
    place = Path(os.environ.get("AGENT_DIRECTORY", "/run/token"))
    if given.command == "token":
        return oidc_token.token(given, place)
    return status(place, datetime.now(UTC))


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="facility", description="Your identity and your tokens on this facility.")
    commands = made.add_subparsers(dest="command", required=True)
    option = oidc_token.parser("facility token")
    commands.add_parser("token", parents=[option], add_help=False, help=option.description)
    commands.add_parser("status", help="who you are, and which tokens are good until when")
    commands.add_parser("render", add_help=False, help="print what the operator would write for VOs (-f vo.yaml)")
    return made


def render(arguments: Sequence[str]) -> int:
    """Prints manifests, by the operator's own code; 2 where this image has no operator in it."""
    try:
        # by name: what imports this module must not need the operator and all that it needs
        operator = importlib.import_module("facility.operator.render")
    except ModuleNotFoundError as error:
        print(f"{error.name} is not here: use the operator's image, or install facility[operator]", file=sys.stderr)
        return NOT_HERE
    operator.main(arguments)
    return 0


def status(directory: Path, now: datetime) -> int:
    """Prints who the person is and the state of each token file; 1 when any of them is not good."""
    found = files.read_status(directory)
    print(f"user  {os.environ.get('FACILITY_USER', 'unknown')}")
    print(f"VO    {os.environ.get('FACILITY_VO', 'unknown')}")
    if not found:
        print(f"no agent has written {directory / files.STATUS} yet", file=sys.stderr)
        return NOT_WELL
    trouble = [oidc_token.reason(found["broker"])] if found.get("broker") else []
    for name, entry in sorted(found.get("files", {}).items()):
        print(line(name, entry, now))
        trouble += [f"{name}: {oidc_token.reason(entry)}"] if entry.get("error") else []
    print("\n".join(trouble) if trouble else "all is well")
    return NOT_WELL if trouble else 0


def line(name: str, entry: dict[str, Any], now: datetime) -> str:
    """One file in one line: its name, how long it is good, its audience and scopes."""
    good = f"good for {_span(entry['expires'], now)}" if entry.get("expires") else "no token"
    return f"file  {name:<10} {good:<20} {entry['path']}  {entry['audience']}  {entry['scope']}"


def _span(until: str, now: datetime) -> str:
    seconds = max(int((datetime.fromisoformat(until) - now).total_seconds()), 0)
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


if __name__ == "__main__":
    sys.exit(main())
