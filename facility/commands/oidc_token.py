"""`oidc-token` for programs that know oidc-agent, and `facility token`: print a token.

Options and exit statuses are those of oidc-agent 5 (docs/usage/oidc-token), as far as they mean anything here. The
account may be left out, and means nothing where there is only one: a pod belongs to one person in one VO.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from facility.commands.asking import Ask, Given, NoTokenError
from facility.commands.sources import at_facility, source

NO_TOKEN = 1
#: what oidc-agent's commands end with for options that make no sense (sysexits.h)
USAGE = 64
#: options whose value is the name of a shell variable and may be left out, with the name that is then used
_VARIABLES = {"token": "OIDC_AT", "issuer": "OIDC_ISS", "expires-at": "OIDC_EXP"}
_SHORT = {"o": "token", "i": "issuer", "e": "expires-at"}


class _Parser(argparse.ArgumentParser):
    """Ends as oidc-agent's command does when its options make no sense."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def options(made: argparse.ArgumentParser) -> None:
    """oidc-agent's, and some of our own."""
    made.add_argument("-t", "--time", type=_seconds, default=0, metavar="SECONDS", help="least remaining life")
    made.add_argument("-s", "--scope", action="append", default=[], help="may be given again; all allowed if not given")
    made.add_argument("--aud", "--audience", dest="audience", default="", help="the lake's if not given")
    made.add_argument("--for", dest="name", default="", metavar="NAME", help="by its name: lake, compute, rucio")
    made.add_argument("--vo", default="", help="on your own machine: whose session")
    made.add_argument("-f", "--force-new", action="store_true", help="not the one at hand, if there is a newer one")
    made.add_argument("--name", dest="application", default="", help="accepted, and means nothing here")
    made.add_argument("--seccomp", action="store_true", help=argparse.SUPPRESS)
    made.add_argument("account", nargs="?", default="", help="on your own machine: VO or issuer; else nothing")
    shown = made.add_argument_group("what is printed, instead of the token alone")
    shown.add_argument("--json", action="store_true", help="one JSON object, as a token endpoint answers")
    shown.add_argument("-a", "--all", action="store_true", help="token, issuer and end, a line for each")
    shown.add_argument("-c", "--env", action="store_true", help="shell commands that export all three")
    shown.add_argument("--auth-header", "--auth", action="store_true", help="Authorization: Bearer TOKEN")
    shown.add_argument("--bearer", action="store_true", help="Bearer TOKEN")
    for long, default in _VARIABLES.items():
        shown.add_argument(f"--{long}", nargs="?", const="", default=None, metavar=default, help=f"{long} alone, or as")


def spelled(arguments: Sequence[str]) -> list[str]:
    """With oidc-agent's short options -o, -i, -e, together (-oie) or with a name (-oTOKEN), as long ones."""
    found: list[str] = []
    for one in arguments:
        letters = re.fullmatch(r"-([oie]+)", one)
        named = re.fullmatch(r"-([oie])(\w+)", one)
        if letters:
            found += [f"--{_SHORT[letter]}=" for letter in letters[1]]
        elif named:
            found.append(f"--{_SHORT[named[1]]}={named[2]}")
        elif one.removeprefix("--") in _VARIABLES and one.startswith("--"):
            found.append(f"{one}=")  # a name is given with =, as the next word may be the account
        else:
            found.append(one)
    return found


def token(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Prints the token; 1 and a reason on stderr when there is none."""
    ask = Ask(arguments.audience, arguments.name, " ".join(arguments.scope), arguments.time, arguments.force_new)
    try:
        vo = arguments.vo or _vo(environment, arguments.account)
        given = source(environment, vo).get(ask)
        text = printed(arguments, given, time.time())
    except NoTokenError as error:
        print(error, file=sys.stderr)
        return NO_TOKEN
    if given.seconds < arguments.time:
        print(f"this token is good for {given.seconds} s only; no longer one can be had", file=sys.stderr)
    print(text, end="" if arguments.bearer or arguments.auth_header else "\n")
    return 0


class _Facts(NamedTuple):
    token: str
    issuer: str
    end: int

    def of(self, option: str) -> str:
        return {"token": self.token, "issuer": self.issuer, "expires-at": str(self.end)}[option]


def printed(arguments: argparse.Namespace, given: Given, now: float) -> str:
    """What the options want to see. Raises NoTokenError for a shell variable of no possible name."""
    if arguments.json:
        return json.dumps(_answer(given))
    if arguments.bearer or arguments.auth_header:
        return f"Authorization: Bearer {given.token}" if arguments.auth_header else f"Bearer {given.token}"
    wanted = _asked(arguments)
    if not wanted and not arguments.all:
        return given.token
    facts = _Facts(given.token, _issuer(given.token), int(now) + given.seconds)
    if arguments.all:
        return "\n".join(facts.of(option) for option in _VARIABLES)
    if len(wanted) == 1 and not next(iter(wanted.values())):
        return facts.of(next(iter(wanted)))
    return "\n".join(_export(name or _VARIABLES[option], facts.of(option)) for option, name in wanted.items())


def _asked(arguments: argparse.Namespace) -> dict[str, str]:
    """Option to variable ("": none was named) of those options that were given."""
    named = {option: getattr(arguments, option.replace("-", "_")) for option in _VARIABLES}
    if arguments.env:
        return {option: name or "" for option, name in named.items()}
    return {option: name for option, name in named.items() if name is not None}


def _export(name: str, value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", name) or not re.fullmatch(r"[\w.~+/:=-]*", value, re.ASCII):
        raise NoTokenError(f"{name!r} cannot be a shell variable with that value")
    return f"{name}={value}; export {name};"


def _answer(given: Given) -> dict[str, object]:
    return {
        "access_token": given.token,
        "token_type": "Bearer",
        "expires_in": given.seconds,
        "scope": given.scope,
        "audience": given.audience,
        "issuer": _issuer(given.token),
    }


def _issuer(value: str) -> str:
    from facility.tokens import claims  # not for those who only want the token

    try:
        found = claims.unverified(value)[1].get("iss")
    except claims.ClaimsError:
        return ""
    return found if isinstance(found, str) else ""


def _vo(environment: Mapping[str, str], account: str) -> str:
    """The VO that an account means on a person's own machine; "" in a pod or a job, where there is only one."""
    if not account or at_facility(environment):
        return ""
    from facility.commands.machine import meant

    return meant(environment, account)


def _seconds(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError("a number of seconds is wanted")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 with a token, 1 without, 64 for options that make no sense: as oidc-agent's own command."""
    words = sys.argv[1:] if arguments is None else arguments
    made = _Parser(prog="oidc-token", description="Prints an access token of the signed-in person.")
    options(made)
    return token(made.parse_args(spelled(words)), os.environ)


if __name__ == "__main__":
    sys.exit(main())
