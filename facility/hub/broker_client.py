"""What the hub says to the broker: here is a person's refresh token, and: is that session still good?

The hub hands each refresh token over once, at the end of a sign-in, and keeps none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from facility.hub.errors import RefusedError, SignInError, UnavailableError
from facility.hub.http import Answer, Http, NoAnswerError
from facility.hub.standing import UNKNOWN, Standing

#: seconds that a page of the hub waits for the broker's word on a session before going on without it
STATE_TIMEOUT = 2
#: seconds for a sign-in: the broker waits for 21 until what a lost replica held is another's
SIGN_IN_TIMEOUT = 30
_AWAY = "The facility's token broker does not answer, so nobody can sign in now. Try again in a minute."


@dataclass(frozen=True)
class Session:
    """A person's session as it came from the issuer. `claim` is the name as the issuer wrote it, `groups` are theirs
    in `wlcg.groups`."""

    user: str
    vo: str
    sub: str
    claim: str
    scopes: tuple[str, ...]
    groups: tuple[str, ...]
    refresh_token: str = field(repr=False)


class BrokerClient:
    """The broker at `url`, to which the hub proves itself by the projected token in the file `identity`."""

    def __init__(self, url: str, identity: Path, http: Http) -> None:
        self._url = url.rstrip("/")
        self._identity = identity
        self._http = http

    async def store(self, session: Session) -> None:
        """Hand a session over. Raises RefusedError with the broker's reason, or UnavailableError."""
        body = {
            "vo": session.vo,
            "sub": session.sub,
            "claim": session.claim,
            "refresh_token": session.refresh_token,
            "scopes": list(session.scopes),
            "groups": list(session.groups),
        }
        try:
            answer = await self._ask("PUT", session.user, json.dumps(body), SIGN_IN_TIMEOUT)
        except NoAnswerError:
            raise UnavailableError(_AWAY) from None
        if answer.status not in (200, 201):
            raise _refusal(answer)
        if answer.get("user") != session.user:
            raise UnavailableError("The hub and the broker name you differently. Tell the facility's administrators.")

    async def standing(self, user: str) -> Standing:
        """The state of a user's session; unknown whenever the broker does not say it in time. Never raises for that."""
        try:
            answer = await self._ask("GET", user, seconds=STATE_TIMEOUT)
        except NoAnswerError:
            return UNKNOWN
        return Standing.parse(answer.body) if answer.status == 200 else UNKNOWN

    async def forget(self, user: str) -> None:
        """Revoke and drop a user's session. Raises UnavailableError when the broker did not confirm it."""
        try:
            answer = await self._ask("DELETE", user)
        except NoAnswerError:
            raise UnavailableError(_AWAY) from None
        if answer.status not in (200, 204, 404):
            raise _refusal(answer)

    async def _ask(self, method: str, user: str, body: str | None = None, seconds: float = 15) -> Answer:
        try:
            token = self._identity.read_text().strip()
        except OSError as error:
            raise NoAnswerError(f"the hub has no identity token ({type(error).__name__})") from None
        headers = {"Authorization": f"Bearer {token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return await self._http.ask(method, f"{self._url}/sessions/{quote(user, safe='')}", headers, body, seconds)


def _refusal(answer: Answer) -> SignInError:
    """Two errors are about the person, and say why; the others are about the hub or the broker."""
    reason = answer.get("error_description")
    if answer.get("error") in ("name_taken", "invalid_request") and isinstance(reason, str):
        return RefusedError(reason)
    return UnavailableError(_AWAY)
