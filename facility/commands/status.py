"""`facility status`: who you are, your lakes, and which tokens are good how long."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from facility.agent import client
from facility.agent.clock import steady
from facility.agent.report import Lake, Report, Token, report
from facility.agent.state import Moment
from facility.agent.words import span
from facility.commands.sources import at_facility
from facility.tokens import claims
from facility.tokens import scopes as algebra

NOT_WELL = 1
_UNKNOWN = "unknown"


def options(made: argparse.ArgumentParser) -> None:
    """Of the command."""
    made.add_argument("--json", action="store_true", help="the same as one JSON object")
    made.add_argument("--vo", default="", help="on your own machine: whose session")


def run(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Prints it; 1 when something is wrong."""
    found = _found(environment, given.vo)
    print(json.dumps(asdict(found), indent=1) if given.json else "\n".join(lines(found)))
    return NOT_WELL if found.trouble else 0


def lines(found: Report) -> Iterator[str]:
    """For people."""
    yield f"user   {found.user}"
    yield f"VO     {found.vo}"
    yield from (f"lake   {lake.prefix or '(any path)':<10} {lake.root}  {lake.https}" for lake in found.lakes)
    yield from (f"token  {_line(token)}" for token in found.tokens)
    yield from found.trouble or ["all is well"]
    if found.again and found.sign_in:
        yield f"sign in again: {found.sign_in}"


def _found(environment: Mapping[str, str], vo: str) -> Report:
    if creds := environment.get("_CONDOR_CREDS"):
        return of_job(Path(creds), environment, time.time())
    if at_facility(environment) or "FACILITY_USER" in environment:
        place = Path(environment.get("AGENT_DIRECTORY", "/run/token"))
        return report(environment, client.status(place), Moment(steady(), time.time()))
    return _of_machine(environment, vo)


def of_job(creds: Path, environment: Mapping[str, str], now: float) -> Report:
    """What a job's files say; HTCondor renews them, so one that is over is what there is to tell."""
    entries = {path.stem: _entry(path, now) for path in sorted(creds.glob("*.use"))}
    seen = {"updated": "", "broker": {}, "files": entries}
    found = report(environment, {**seen, "clock": {"steady": 0.0}}, Moment(0.0, now))
    if entries:
        return found
    return replace(found, trouble=("this job has no tokens: it was submitted without any",))


def _entry(path: Path, now: float) -> dict[str, Any]:
    try:
        found = claims.read(claims.unverified(path.read_text().strip())[1])
    except (OSError, ValueError) as error:
        return {"path": str(path), "error": "invalid_token", "error_description": str(error)}
    scope = algebra.text(found.scopes)
    return {"path": str(path), "audience": found.audiences[0], "scope": scope, "seconds": found.expires - now}


def _of_machine(environment: Mapping[str, str], vo: str) -> Report:
    from facility.laptop import private
    from facility.laptop.errors import LaptopError
    from facility.laptop.sessions import Sessions

    sessions = Sessions(private.home(environment))
    there = (vo,) if vo else sessions.vos()
    try:
        record = sessions.record(there[0]) if len(there) == 1 else None
        if record is None:
            raise LaptopError(_which(there))
        lost = (
            ""
            if sessions.secret(record)
            else f"the session has lost its refresh token: facility login --vo {record.vo}"
        )
    except LaptopError as error:
        return Report(_UNKNOWN, vo or _UNKNOWN, "", False, (), (), (str(error),))
    held = sessions.access(record.vo)
    tokens = tuple(_token(one.name, one.audience, one.scope, held) for one in record.offer.tokens)
    lakes = tuple(Lake(one["prefix"], one["root"], one["https"]) for one in record.offer.lakes)
    return Report(record.subject, record.vo, "", False, lakes, tokens, (lost,) if lost else ())


def _which(there: tuple[str, ...]) -> str:
    if len(there) > 1:
        return f"this machine has sessions with {', '.join(there)}: choose one by --vo"
    return f"this machine has no session: facility login --vo {there[0] if there else 'VO --hub URL'}"


def _token(name: str, audience: str, scope: str, held: Mapping[str, Any]) -> Token:
    """On this machine a token is got when it is asked for: none at hand is no trouble."""
    now = time.time()
    ends = [one["expires"] for key, one in held.items() if key.split(" ", 1)[0] == audience and one["expires"] > now]
    return Token(name, "", audience, scope, int(max(ends, default=now) - now), "")


def _line(token: Token) -> str:
    good = f"good for {span(token.seconds)}" if token.seconds else "no token"
    return f"{token.name:<10} {good:<20} {token.path}  {token.audience}  {token.scope}"
