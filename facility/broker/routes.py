"""The broker's HTTP interface: RFC 8693 token exchange, the agents' list of files, the hub's sessions."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any, Protocol

from aiohttp import web
from pydantic_core import to_json

from facility import names
from facility.broker import errors, interface, openapi, reading
from facility.broker.batch import Batch
from facility.broker.callers import Callers
from facility.broker.desk import Desk, SignIn
from facility.broker.errors import BrokerError
from facility.broker.exchange import Ask, Exchange, Given
from facility.broker.forwarding import SIGN_IN_PATIENCE
from facility.broker.identity import Caller, Hub
from facility.broker.interface import Operation
from facility.broker.messages import SignInBody, TokenForm, Waiting, read
from facility.broker.noticeboard import Noticeboard
from facility.broker.people import MESSAGES, NameTakenError

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ISSUED = "urn:ietf:params:oauth:token-type:access_token"
_PRIVATE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_PRIVATE_JSON = _PRIVATE | {"Content-Type": "application/json"}


class Forwarding(Protocol):
    """Where there are several replicas: a request is answered by the one that may."""

    async def answered(
        self, request: web.Request, subject: str, here: Callable[[], Awaitable[web.StreamResponse]], patience: float = 0
    ) -> web.StreamResponse:
        """The answer to a request about `subject`: what `here` gives, or another replica within so many seconds."""


class Alone:
    """The only replica."""

    async def answered(
        self, _: web.Request, _subject: str, here: Callable[[], Awaitable[web.StreamResponse]], patience: float = 0
    ) -> web.StreamResponse:
        """What `here` gives."""
        return await here()


class Routes:
    """Handlers. `synced` says whether the VOs are known yet, `now` gives seconds since the epoch."""

    def __init__(
        self,
        callers: Callers,
        exchange: Exchange,
        desk: Desk,
        noticeboard: Noticeboard,
        batch: Batch,
        synced: Callable[[], bool],
        now: Callable[[], float],
        forwarding: Forwarding | None = None,
    ) -> None:
        self._callers = callers
        self._exchange = exchange
        self._desk = desk
        self._noticeboard = noticeboard
        self._batch = batch
        self._synced = synced
        self._now = now
        self._forwarding = forwarding or Alone()
        self._handlers: dict[Operation, Handler] = {
            interface.HEALTH: self.health,
            interface.DESCRIPTION: self.description,
            interface.TOKEN: self.token,
            interface.WANTED: self.wanted,
            interface.BATCH: self.batch,
            interface.OPEN: self.open_session,
            interface.STATE: self.session_state,
            interface.CLOSE: self.close_session,
        }

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[errors_as_json], client_max_size=reading.LARGEST)
        for operation, handler in self._handlers.items():
            app.router.add_route(operation.method, operation.path, handler)
        return app

    async def health(self, _: web.Request) -> web.Response:
        """200 while the process serves."""
        return web.json_response({"status": "serving"})

    async def description(self, _: web.Request) -> web.Response:
        """GET /openapi.json."""
        return web.Response(text=self._described, content_type="application/json")

    @cached_property
    def _described(self) -> str:
        """Made when somebody wants to know, and once: it takes as long as some hundred tokens."""
        return json.dumps(openapi.document(self._handlers))

    async def token(self, request: web.Request) -> web.StreamResponse:
        """POST /token."""
        form = await reading.form(request, TokenForm)
        caller = await self._who(request, form.subject_token)
        ask = Ask(form.audience, form.scope, form.requested_subject, form.min_valid)
        whose = self._exchange.whose(caller, ask)

        async def here() -> web.Response:
            return _token(await self._exchange.token(caller, ask, whose), self._now())

        return await self._forwarding.answered(request, whose.owner, here)

    async def wanted(self, request: web.Request) -> web.Response:
        """GET /wanted."""
        waiting = read(Waiting, dict(request.query))
        caller = await self._who(request, _bearer(request))
        return web.json_response(await self._noticeboard.answer(caller, waiting.seen, waiting.wait), headers=_PRIVATE)

    async def batch(self, request: web.Request) -> web.Response:
        """GET /batch."""
        caller = await self._who(request, _bearer(request))
        return web.json_response(self._batch.answer(caller), headers=_PRIVATE)

    async def open_session(self, request: web.Request) -> web.StreamResponse:
        """PUT /sessions/<hub user>."""
        user = await self._hub(request)
        body = await reading.document(request, SignInBody)
        sign_in = SignIn(body.vo, body.sub, body.claim, tuple(body.scopes), tuple(body.groups), body.refresh_token)

        async def here() -> web.Response:
            try:
                first = await self._desk.open(user, sign_in)
            except NameTakenError as error:
                raise errors.name_taken(str(error)) from None
            return web.json_response({"user": user}, status=201 if first else 200)

        return await self._forwarding.answered(request, user, here, SIGN_IN_PATIENCE)

    async def session_state(self, request: web.Request) -> web.StreamResponse:
        """GET /sessions/<hub user>."""
        user = await self._hub(request)

        async def here() -> web.Response:
            return web.json_response(asdict(await self._desk.state(user)), headers=_PRIVATE)

        return await self._forwarding.answered(request, user, here)

    async def close_session(self, request: web.Request) -> web.StreamResponse:
        """DELETE /sessions/<hub user>."""
        user = await self._hub(request)

        async def here() -> web.Response:
            await self._desk.close(user)
            return web.Response(status=204)

        return await self._forwarding.answered(request, user, here)

    async def _who(self, request: web.Request, token: str) -> Caller:
        if not self._synced():
            raise errors.unavailable("the virtual organizations are not known yet", retry_after=1)
        return await self._callers.of(token, request.remote or "")

    async def _hub(self, request: web.Request) -> str:
        """The user in the path of a request of the hub. Raises BrokerError for anybody else's request."""
        if not isinstance(await self._who(request, _bearer(request)), Hub):
            raise errors.access_denied("sessions are the hub's business")
        user = str(request.match_info["user"])
        try:
            names.split_hub_user(user)  # it becomes part of paths at the API server
        except names.BadNameError:
            raise errors.not_found("no such user: <vo>-<name> is expected") from None
        return user


def _token(given: Given, now: float) -> web.Response:
    """A TokenAnswer. It is written as it is, not made and read over: this is what the broker does most."""
    token = given.token
    answer = {
        "access_token": token.value,
        "issued_token_type": _ISSUED,
        "token_type": "Bearer",
        "expires_in": max(0, int(token.expires - now)),
        "scope": token.scope,
    }
    if given.trouble:
        answer["warning"] = MESSAGES[given.trouble]
    return web.Response(body=to_json(answer), headers=_PRIVATE_JSON)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as RFC 6749 (5.2) has it. Of unforeseen ones only the place is logged: texts may hold secrets."""
    try:
        return await handler(request)
    except BrokerError as error:
        return _error(error)
    except web.HTTPRequestEntityTooLarge:
        return _error(errors.too_large(reading.LARGEST))
    except web.HTTPMethodNotAllowed as error:
        return _error(errors.not_allowed(), Allow=error.headers["Allow"])
    except web.HTTPException as error:
        return _error(BrokerError(error.status, "invalid_request", error.reason))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        log.error("%s in %s, line %s (%s)", type(error).__name__, frame.filename, frame.lineno, frame.name)
        return _error(errors.unforeseen())


def _error(error: BrokerError, **more: str) -> web.Response:
    headers = _PRIVATE | more
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    body: dict[str, Any] = {"error": error.error, "error_description": error.description}
    if error.allowed is not None:
        body["allowed"] = dict(error.allowed)
    return web.json_response(body, status=error.status, headers=headers)


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise errors.invalid_client("an identity token of this pod is needed")
    return token.strip()
