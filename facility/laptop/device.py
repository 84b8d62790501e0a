"""The device authorization grant (RFC 8628): this machine shows a code, the person approves it in any browser.

As INDIGO IAM does it: no `interval` is said, nothing is ever said of a denial (the code goes on being pending until it
expires), a code that is used up is `invalid_grant`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from facility.laptop.errors import LaptopError
from facility.tokens.metadata import Metadata
from facility.tokens.requests import Flow
from facility.tokens.wire import Request, Response, UnavailableError, read_object

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL = 5.0  # seconds, where the issuer says none (section 3.2)
_SLOWER = 5.0  # more after slow_down (section 3.5)
_SLOWEST = 60.0
_REFUSALS = {
    "access_denied": "the sign-in was refused in the browser",
    "expired_token": "the code has expired before anybody approved it",
    "invalid_grant": "the issuer does not know the code any more: it was used, or has expired",
    "invalid_client": "the issuer does not know this client, or gives it no device flow: tell the VO's admins",
    "unauthorized_client": "the issuer gives this client no device flow: tell the VO's admins",
}


@dataclass(frozen=True)
class Begun:
    """A sign-in that waits for approval. `page` is where to type `user_code`, `direct` has it in it or is empty."""

    device_code: str = field(repr=False)
    user_code: str
    page: str
    direct: str
    seconds: float
    interval: float


@dataclass(frozen=True)
class Approved:
    """What the issuer gave for an approved code. `scope` is empty when it says the same as the access token."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    scope: str = ""


@dataclass(frozen=True)
class Pending:
    """Nobody has approved yet; `slower`: it was asked too often."""

    slower: bool = False


def begin(metadata: Metadata, client: str, scopes: Iterable[str]) -> Flow[Begun]:
    """Raises LaptopError when the issuer refuses, UnavailableError when it does not work."""
    if metadata.device_authorization_endpoint is None:
        raise LaptopError(f"the issuer {metadata.issuer} offers no sign-in for devices")
    form = {"client_id": client, "scope": " ".join(scopes)}
    response = yield Request("POST", metadata.device_authorization_endpoint, form=form)
    if response.status in (400, 401, 403):
        raise LaptopError(_refusal(response))
    return _begun(read_object(response, "issuer's device authorization endpoint"))


def poll(metadata: Metadata, client: str, begun: Begun) -> Flow[Approved | Pending]:
    """One question. Raises LaptopError when there will be no token, UnavailableError when there was no answer."""
    form = {"grant_type": GRANT, "device_code": begun.device_code, "client_id": client}
    response = yield Request("POST", metadata.token_endpoint, form=form)
    error = _code(response)
    if error in ("authorization_pending", "slow_down"):
        return Pending(error == "slow_down")
    if response.status in (400, 401, 403):
        raise LaptopError(_refusal(response))
    answer = read_object(response, "token endpoint")
    token, refresh = answer.get("access_token"), answer.get("refresh_token")
    if not isinstance(token, str) or not isinstance(refresh, str | None):
        raise UnavailableError("the token endpoint's answer holds no usable token")
    return Approved(token, refresh, str(answer.get("scope") or ""))


def wait(
    begun: Begun,
    ask: Callable[[], Approved | Pending],
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Approved:
    """Asks until somebody has approved. Raises LaptopError when that does not happen while the code is good."""
    end, pause = now() + begun.seconds, begun.interval
    while now() + pause < end:
        sleep(pause)
        try:
            found = ask()
        except UnavailableError as error:
            pause = min(max(pause * 2, error.retry_after), _SLOWEST)  # section 3.5: exponential, after no answer
            continue
        if isinstance(found, Approved):
            return found
        pause += _SLOWER if found.slower else 0
    raise LaptopError(f"nobody approved the sign-in within {begun.seconds / 60:.0f} minutes, or it was refused")


def _begun(answer: dict[str, Any]) -> Begun:
    texts = [answer.get(key) for key in ("device_code", "user_code", "verification_uri")]
    seconds, interval = answer.get("expires_in"), answer.get("interval", _INTERVAL)
    if not all(isinstance(one, str) and one for one in texts) or not isinstance(seconds, int | float):
        raise UnavailableError("the issuer's answer for a device makes no sense")
    code, shown, page = (str(one) for one in texts)
    direct = answer.get("verification_uri_complete")
    if any(urlsplit(str(one)).scheme != "https" for one in (page, direct or page)):
        raise LaptopError("the issuer sends people to a page that is not https")
    pause = float(interval) if isinstance(interval, int | float) and interval > 0 else _INTERVAL
    return Begun(code, _plain(shown), _plain(page), _plain(direct or ""), float(seconds), pause)


def _plain(text: str) -> str:
    """For a terminal: nothing that moves its cursor."""
    return "".join(letter for letter in text if letter.isprintable())


def _refusal(response: Response) -> str:
    error = _code(response)
    if error == "invalid_scope":
        return "the issuer does not allow this client all scopes of the VO: tell the VO's admins (invalid_scope)"
    return _REFUSALS.get(error, f"the issuer refuses: {response.status} {error}".rstrip())


def _code(response: Response) -> str:
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        return ""
    error = answer.get("error") if isinstance(answer, dict) else None
    return _plain(error)[:64] if isinstance(error, str) and response.status != 200 else ""
