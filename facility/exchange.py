"""A pod's way to the broker: it proves which pod it is and gets tokens for it (RFC 8693).

Of the agents, and of the monitor of jobs' tokens, which names an owner of its VO. Standard library only, because one
agent runs beside every user's notebook.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from facility.codes import FORFEIT as FORFEIT
from facility.codes import SIGN_IN as SIGN_IN
from facility.codes import UNAVAILABLE as UNAVAILABLE

#: share of a token's life that is left when it is renewed at the earliest: of a short life, what outlasts a restart
EARLIEST = 2 / 3
MARGIN = 150.0  # seconds of life left at which the broker renews a token; EARLIEST of its life if that is less
#: whoever waits for a token while none is to be had tries again within a twelfth of what one lives, in seconds at the
#: soonest: a pause is little beside a token's life
_PART, SHORTEST = 12, 5.0
_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_TIMEOUT = 10.0  # seconds, for each of connecting and reading
_LONGEST_ANSWER = 64 * 1024
_LONGEST_TOKEN = 16 * 1024  # HTCondor reads no longer file
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1
_FILE_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


def margin(life: float) -> float:
    """Seconds of life left at which the broker renews a token of that life, but for the spread."""
    return min(life * EARLIEST, MARGIN)


def longest_pause(life: float, most: float) -> float:
    """Seconds between two tries for tokens of that life while there are none; `most` for those that live long."""
    return min(most, max(SHORTEST, life / _PART))


class BrokerError(Exception):
    """No token: `code` as in RFC 6749 section 5.2, a description for people, and seconds to wait if the broker said."""

    def __init__(self, code: str, description: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.retry_after = retry_after


@dataclass(frozen=True)
class Token:
    """An access token; `expires` is in seconds of the clock by which the Broker counts, since the epoch unless given.

    `warning`: why the broker gave one that it would have liked to renew; a sentence for people, empty usually.
    """

    value: str = field(repr=False)
    expires: float
    scope: str = ""
    warning: str = ""


@dataclass(frozen=True)
class Wanted:
    """A token that this pod should always have as a file of that name."""

    name: str
    audience: str
    scope: str = ""


@dataclass(frozen=True)
class Listing:
    """The files that a pod should have; with a `refusal` it may have none of them now.

    `state` names this content: who says that it has seen it is answered when there is another. `again`: seconds that
    the broker wants to be left alone.
    """

    files: tuple[Wanted, ...]
    state: str = ""
    refusal: BrokerError | None = None
    again: float = 0.0


class TokenSource(Protocol):
    """What the agent needs of a broker. `ahead`: seconds by which the time of day here is before the broker's."""

    ahead: float

    def wanted(self, seen: str = "", wait: float = 0.0) -> Listing:
        """What this pod should have; at the latest after `wait` seconds while that is `seen`. Raises BrokerError."""

    def token(self, audience: str, scope: str = "", subject: str = "", min_valid: int = 0) -> Token:
        """A token for one audience; scope "" means all that policy allows. Raises BrokerError."""

    def batch(self) -> dict[str, Any]:
        """How the jobs of this pod's person fare. Raises BrokerError."""


class Broker:
    """The broker at `url` (https), spoken to with the identity token in the file `identity`.

    The certificate is checked against the bundle that SSL_CERT_FILE names, read anew for each request so that a
    renewed bundle counts at once.
    """

    def __init__(
        self,
        url: str,
        identity: Path,
        trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        now: Callable[[], float] = time.time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`now`: the clock of the tokens' ends; `wall`: the time of day, to be held against the broker's."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"the broker's URL must be https, not {url!r}")
        self._host, self._port, self._base = parts.hostname, parts.port or 443, parts.path.rstrip("/")
        self._identity, self._trust, self._now, self._wall = identity, trust, now, wall
        self.ahead = 0.0
        self._waiting: HTTPSConnection | None = None
        self._hung_up = False

    def wanted(self, seen: str = "", wait: float = 0.0) -> Listing:
        """`GET /wanted`; held back by the broker for `wait` seconds while its answer is the one that was `seen`."""
        path = "/wanted" + (f"?{urlencode({'seen': seen, 'wait': f'{wait:.1f}'})}" if wait else "")
        answer = self._call("GET", path, {"Authorization": f"Bearer {self._who()}"}, wait=wait)
        files, state, again = answer.get("files"), answer.get("state", ""), answer.get("again", 0)
        if not isinstance(files, list) or not isinstance(state, str) or not isinstance(again, int | float):
            raise BrokerError("server_error", "the broker's list of files is no list")
        return Listing(tuple(_wanted(entry) for entry in files), state, _refusal(answer.get("refused")), float(again))

    def batch(self) -> dict[str, Any]:
        """`GET /batch`: how the jobs of this pod's person fare. Raises BrokerError."""
        return self._call("GET", "/batch", {"Authorization": f"Bearer {self._who()}"})

    def hang_up(self) -> None:
        """Ends a request that the broker holds back, and all later ones at once; from a signal handler or a thread."""
        self._hung_up = True
        waiting = self._waiting
        if waiting is not None and waiting.sock is not None:
            with suppress(OSError):  # it has just been answered
                socket.socket.shutdown(waiting.sock, socket.SHUT_RDWR)

    def token(self, audience: str, scope: str = "", subject: str = "", min_valid: int = 0) -> Token:
        """`POST /token`. `subject`: the owner for whom an access point asks; other pods ask for themselves.

        `min_valid`: seconds that the token should live at least; the broker refuses more than EARLIEST of its life.
        """
        form = {"grant_type": _GRANT, "subject_token": self._who(), "subject_token_type": _JWT, "audience": audience}
        optional = {"scope": scope, "requested_subject": subject, "min_valid": str(min_valid) if min_valid > 0 else ""}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked = self._now()
        body = urlencode(form | {name: value for name, value in optional.items() if value})
        return _token(self._call("POST", "/token", headers, body), asked)

    def _who(self) -> str:
        try:
            text = self._identity.read_text().strip()
        except OSError as error:
            raise BrokerError("invalid_client", f"this pod's identity token cannot be read: {error}") from None
        if not _BEARER.fullmatch(text):
            raise BrokerError("invalid_client", f"{self._identity} holds no token")
        return text

    def _call(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None, wait: float = 0.0
    ) -> dict[str, Any]:
        connection: HTTPSConnection | None = None
        try:
            connection = HTTPSConnection(self._host, self._port, timeout=_TIMEOUT, context=self._trust())
            connection.request(method, self._base + path, body, {"Accept": "application/json", **headers})
            if wait:
                connection.sock.settimeout(_TIMEOUT + wait)
                self._waiting = connection
                if self._hung_up:  # before there was anything to end
                    raise ConnectionAbortedError("nobody listens any more")
            response = connection.getresponse()
            self.ahead = _ahead(response.headers.get("Date", ""), self._wall())
            return _read(response, response.read(_LONGEST_ANSWER + 1))
        except (OSError, HTTPException) as error:
            where = f"the broker at {self._host}:{self._port}"
            raise BrokerError(UNAVAILABLE, f"{where} cannot be reached: {error or type(error).__name__}") from None
        finally:
            if wait:
                self._waiting = None
            if connection:
                connection.close()


def _read(response: HTTPResponse, data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data) if len(data) <= _LONGEST_ANSWER else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise BrokerError(UNAVAILABLE, f"the broker answered {response.status} and no JSON object")
    if response.status == 200:
        return answer
    seconds = response.headers.get("Retry-After", "")
    raise _error(answer, response.status, float(seconds) if re.fullmatch("[0-9]{1,6}", seconds) else 0.0)


def _ahead(date: str, wall: float) -> float:
    """How far `wall` is before the `Date` of an answer (RFC 9110, 6.6.1), 0 where it has none."""
    try:
        return wall - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return 0.0


def _refusal(answer: object) -> BrokerError | None:
    return _error(answer, 403) if isinstance(answer, dict) else None


def _error(answer: dict[str, Any], status: int, retry_after: float = 0.0) -> BrokerError:
    code = str(answer.get("error", "server_error"))
    return BrokerError(
        code if re.fullmatch("[a-z_]{1,64}", code) else "server_error",
        _printable(str(answer.get("error_description") or f"the broker answered {status}")),
        retry_after,
    )


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:500])


def _wanted(entry: object) -> Wanted:
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise BrokerError("server_error", "the broker's list of files has a malformed entry")
    name, audience = entry.get("name", ""), entry.get("audience", "")
    if not _FILE_NAME.fullmatch(name) or not audience:
        raise BrokerError("server_error", "the broker's list of files has an entry without a usable name or audience")
    return Wanted(name, audience, entry.get("scope", ""))


def _token(answer: dict[str, Any], asked: float) -> Token:
    value, seconds = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or len(value) > _LONGEST_TOKEN or not _BEARER.fullmatch(value):
        raise BrokerError("server_error", "the broker's answer holds no usable token")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        raise BrokerError("server_error", "the broker's answer does not say how long its token is good")
    return Token(value, asked + seconds, str(answer.get("scope", "")), _printable(str(answer.get("warning") or "")))
