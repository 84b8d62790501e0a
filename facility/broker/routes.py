"""The broker's HTTP interface: RFC 8693 token exchange, the agents' list of files, the hub's sessions."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from facility import names
from facility.broker import errors
from facility.broker.desk import Desk, SignIn
from facility.broker.errors import BrokerError
from facility.broker.exchange import Ask, Exchange
from facility.broker.identity import Caller, Hub, Identity
from facility.broker.noticeboard import Noticeboard
from facility.broker.people import NameTakenError

log = logging.getLogger(__name__)
LARGEST = 65536  # bytes of a request
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
SUBJECT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
ISSUED_TYPE = "urn:ietf:params:oauth:token-type:access_token"
_FORM = ("grant_type", "subject_token", "subject_token_type", "audience", "scope", "requested_subject")
_PRIVATE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Routes:
    """Handlers. `synced` says whether the VOs are known yet, `now` gives seconds since the epoch."""

    def __init__(
        self,
        identity: Identity,
        exchange: Exchange,
        desk: Desk,
        noticeboard: Noticeboard,
        synced: Callable[[], bool],
        now: Callable[[], float],
    ) -> None:
        self._identity = identity
        self._exchange = exchange
        self._desk = desk
        self._noticeboard = noticeboard
        self._synced = synced
        self._now = now

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[errors_as_json], client_max_size=LARGEST)
        app.router.add_get("/healthz", self.health)
        app.router.add_post("/token", self.token)
        app.router.add_get("/wanted", self.wanted)
        app.router.add_put("/sessions/{user}", self.open_session)
        app.router.add_get("/sessions/{user}", self.session_state)
        app.router.add_delete("/sessions/{user}", self.close_session)
        return app

    async def health(self, _: web.Request) -> web.Response:
        """200 while the process serves."""
        return web.json_response({"status": "serving"})

    async def token(self, request: web.Request) -> web.Response:
        """POST /token."""
        form = await _form(request)
        caller = await self._who(form["subject_token"])
        ask = Ask(form["audience"], form["scope"], form["requested_subject"])
        token = await self._exchange.token(caller, ask)
        answer = {
            "access_token": token.value,
            "issued_token_type": ISSUED_TYPE,
            "token_type": "Bearer",
            "expires_in": max(0, int(token.expires - self._now())),
            "scope": token.scope,
        }
        return web.json_response(answer, headers=_PRIVATE)

    async def wanted(self, request: web.Request) -> web.Response:
        """GET /wanted."""
        seen, wait = request.query.get("seen", ""), _seconds(request.query.get("wait", "0"))
        caller = await self._who(_bearer(request))
        return web.json_response(await self._noticeboard.answer(caller, seen, wait), headers=_PRIVATE)

    async def open_session(self, request: web.Request) -> web.Response:
        """PUT /sessions/<hub user>."""
        user = await self._hub(request)
        try:
            first = await self._desk.open(user, _sign_in(await _json(request)))
        except NameTakenError as error:
            raise BrokerError(403, "name_taken", str(error)) from None
        return web.json_response({"user": user}, status=201 if first else 200)

    async def session_state(self, request: web.Request) -> web.Response:
        """GET /sessions/<hub user>."""
        return web.json_response(asdict(await self._desk.state(await self._hub(request))), headers=_PRIVATE)

    async def close_session(self, request: web.Request) -> web.Response:
        """DELETE /sessions/<hub user>."""
        await self._desk.close(await self._hub(request))
        return web.Response(status=204)

    async def _who(self, token: str) -> Caller:
        if not self._synced():
            raise errors.unavailable("the virtual organizations are not known yet", retry_after=1)
        return await self._identity.of(token)

    async def _hub(self, request: web.Request) -> str:
        """The user in the path of a request of the hub. Raises BrokerError for anybody else's request."""
        if not isinstance(await self._who(_bearer(request)), Hub):
            raise errors.access_denied("sessions are the hub's business")
        user = str(request.match_info["user"])
        try:
            names.split_hub_user(user)  # it becomes part of paths at the API server
        except names.BadNameError as error:
            raise BrokerError(404, "invalid_request", str(error)) from None
        return user


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every error as RFC 6749 (5.2) has it. Of unforeseen ones only the place is logged: texts may hold secrets."""
    try:
        return await handler(request)
    except BrokerError as error:
        return _error(error)
    except web.HTTPException as error:
        return _error(BrokerError(error.status, "invalid_request", error.reason))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        log.error("%s in %s, line %s (%s)", type(error).__name__, frame.filename, frame.lineno, frame.name)
        return _error(BrokerError(500, "server_error", "the broker's log says where this failed"))


def _error(error: BrokerError) -> web.Response:
    headers = dict(_PRIVATE)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    body = {"error": error.error, "error_description": error.description}
    return web.json_response(body, status=error.status, headers=headers)


async def _form(request: web.Request) -> dict[str, str]:
    """The request's parameters, "" for each that is missing. Raises BrokerError."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise errors.invalid_request("send application/x-www-form-urlencoded")
    data = await request.post()
    if any(len(data.getall(name)) > 1 for name in data):
        raise errors.invalid_request("a parameter is there twice; ask for one audience at a time")
    form = {name: str(data.get(name, "")) for name in _FORM}
    if form["grant_type"] != GRANT:
        raise BrokerError(400, "unsupported_grant_type", f"grant_type must be {GRANT}")
    if form["subject_token_type"] != SUBJECT_TYPE:
        raise errors.invalid_request(f"subject_token_type must be {SUBJECT_TYPE}")
    if not form["audience"]:
        raise errors.invalid_request("audience is missing")
    return form


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise errors.invalid_client("an identity token of this pod is needed")
    return token.strip()


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text):
        raise errors.invalid_request("wait is a number of seconds")
    return float(text)


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.read())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise errors.invalid_request("send a JSON object")
    return value


def _sign_in(value: dict[str, Any]) -> SignIn:
    text = {name: value.get(name) for name in ("vo", "sub", "claim", "refresh_token")}
    if missing := [name for name, one in text.items() if not isinstance(one, str) or not one]:
        raise errors.invalid_request(f"missing, or no text: {' '.join(missing)}")
    scopes, groups = _texts(value, "scopes"), _texts(value, "groups")
    return SignIn(**{name: str(one) for name, one in text.items()}, scopes=scopes, groups=groups)


def _texts(value: dict[str, Any], name: str) -> tuple[str, ...]:
    found = value.get(name)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise errors.invalid_request(f"{name} must be an array of strings")
    return tuple(found)
