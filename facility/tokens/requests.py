"""Token requests, built and their answers read without I/O.

A flow is a generator: it yields a `Request`, is sent the `Response`, and returns what was wanted. Whoever drives it
does the talking (in the facility that is the broker's `issuer` alone); the rules can be tried without a socket.

Specifications: RFC 6749 (sections 2.3.1, 4.4, 5, 6), RFC 7009, RFC 8693; `audience` as in the WLCG profile. The
meaning of errors follows recordings of INDIGO IAM, which answers a dead refresh token with 401 invalid_token and a
bad client secret with 401 unauthorized.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote_plus

from facility.tokens import scopes as algebra
from facility.tokens.metadata import Metadata
from facility.tokens.scopes import Scope
from facility.tokens.wire import Request, Response, UnavailableError, read_object

T = TypeVar("T")
Flow = Generator[Request, Response, T]


class SessionDeadError(Exception):
    """The refresh token is of no use any more: the person has to sign in again."""


class SubjectTokenError(Exception):
    """The issuer does not take this access token for an exchange (any more): a new one may do."""


class ClientRefusedError(Exception):
    """The issuer does not accept this facility's client: configuration to be mended, not a person's session."""


class RequestRefusedError(Exception):
    """The issuer refuses this audience or these scopes. `error` is its code (RFC 6749, 5.2; RFC 8707)."""

    def __init__(self, error: str) -> None:
        super().__init__(f"the issuer refuses this request: {error}")
        self.error = error


@dataclass(frozen=True)
class Client:
    """A registration at an issuer: the facility's, or a public one without a secret."""

    identifier: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Grant:
    """A successful answer. `refresh_token` and `id_token` are set only when the issuer sent one."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False, default=None)
    id_token: str | None = field(repr=False, default=None)


def refresh(
    metadata: Metadata, client: Client, refresh_token: str, audience: str, scopes: Iterable[Scope]
) -> Flow[Grant]:
    """A new access token for one audience and these scopes; neither is ever left to the issuer's memory.

    Raises:
        SessionDeadError, ClientRefusedError, RequestRefusedError, UnavailableError
    """
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "audience": audience,
        "scope": algebra.text(scopes),
    }
    response = yield _post(metadata.token_endpoint, metadata, client, form)
    return _read_grant(response, dead=SessionDeadError)


def exchange(
    metadata: Metadata, client: Client, subject_token: str, audience: str, scopes: Iterable[Scope]
) -> Flow[Grant]:
    """Another access token of the same person, for one audience and these scopes (RFC 8693; INDIGO IAM wants `scope`).

    Raises:
        SubjectTokenError, ClientRefusedError, RequestRefusedError, UnavailableError
    """
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": subject_token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": audience,
        "scope": algebra.text(scopes),
    }
    response = yield _post(metadata.token_endpoint, metadata, client, form)
    if (response.status, _error_code(response)) == (400, "invalid_request"):  # a bad subject token by RFC 8693, 2.2.2
        raise SubjectTokenError("the issuer answers invalid_request")
    return _read_grant(response, dead=SubjectTokenError)


def client_credentials(metadata: Metadata, client: Client, audience: str, scopes: Iterable[Scope]) -> Flow[Grant]:
    """A token of the client itself. Raises as `refresh`, but never SessionDeadError."""
    form = {"grant_type": "client_credentials", "audience": audience, "scope": algebra.text(scopes)}
    response = yield _post(metadata.token_endpoint, metadata, client, form)
    return _read_grant(response, dead=ClientRefusedError)


def revoke(metadata: Metadata, client: Client, refresh_token: str) -> Flow[bool]:
    """Revokes a refresh token (RFC 7009). False when the issuer has no revocation endpoint or did not do it."""
    if metadata.revocation_endpoint is None:
        return False
    form = {"token": refresh_token, "token_type_hint": "refresh_token"}
    response = yield _post(metadata.revocation_endpoint, metadata, client, form)
    return response.status == 200


def userinfo(metadata: Metadata, access_token: str) -> Flow[bytes]:
    """Body of the userinfo answer (OpenID Connect Core, 5.3): JSON, or a JWT; {} when the issuer has no userinfo.

    Raises:
        UnavailableError: it is not given; the access token is good, so that is the issuer's trouble.
    """
    if metadata.userinfo_endpoint is None:
        return b"{}"
    response = yield Request("GET", metadata.userinfo_endpoint, authorization=f"Bearer {access_token}")
    if response.status != 200:
        raise UnavailableError(f"the userinfo endpoint answers {response.status}")
    return response.body


def _post(url: str, metadata: Metadata, client: Client, form: Mapping[str, str]) -> Request:
    """A request with the client's secret in it.

    Servers differ on whether name and secret are escaped before they become Basic authentication (RFC 6749, 2.3.1,
    says so; not every issuer undoes it). Where that makes a difference the form is used, if the issuer takes it.
    A public client has no secret and says its name alone (RFC 6749, 3.2.1).
    """
    if not client.secret:
        return Request("POST", url, form={**form, "client_id": client.identifier})
    name, secret = quote_plus(client.identifier), quote_plus(client.secret)
    plain = (name, secret) == (client.identifier, client.secret)
    if metadata.post and not (metadata.basic and plain):
        return Request("POST", url, form={**form, "client_id": client.identifier, "client_secret": client.secret})
    return Request("POST", url, form=form, authorization=f"Basic {b64encode(f'{name}:{secret}'.encode()).decode()}")


def _read_grant(response: Response, dead: type[Exception]) -> Grant:
    if response.status != 200:
        raise _problem(response, dead)
    answer = read_object(response, "token endpoint")
    token, kind, rotated = answer.get("access_token"), answer.get("token_type"), answer.get("refresh_token")
    if not isinstance(rotated, str | None):
        raise UnavailableError("the token endpoint's answer has a refresh_token that is not a string")
    bearer = isinstance(kind, str) and kind.lower() == "bearer" and response.kind == "application/json"
    if not isinstance(token, str) or not bearer:
        # A rotated refresh token would be lost with the exception, so it goes along in an empty grant.
        token = ""
    identity = answer.get("id_token")
    return Grant(token, rotated or None, identity if isinstance(identity, str) and identity else None)


def _problem(response: Response, dead: type[Exception]) -> Exception:
    error = _error_code(response)
    if (response.status, error) in {(400, "invalid_grant"), (401, "invalid_token")}:
        return dead(f"the issuer answers {error}")
    if error in _CLIENT or (response.status == 401 and not error):
        return ClientRefusedError(f"the issuer answers {response.status} {error or 'without a reason'}")
    if response.status in {400, 403} and error in {"invalid_scope", "invalid_target", "access_denied"}:
        return RequestRefusedError(error)
    return UnavailableError(f"the token endpoint answers {response.status} {error}".rstrip())


def _error_code(response: Response) -> str:
    """The `error` of an error answer, "" when it has none. Only known codes: descriptions may quote tokens."""
    try:
        answer: Any = json.loads(response.body)
    except (ValueError, RecursionError):
        return ""
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, str) and error in _CODES else ""


_CLIENT = frozenset({"invalid_client", "unauthorized_client", "unauthorized", "unsupported_grant_type"})
_CODES = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "invalid_token",
        "server_error",
        "slow_down",
        "temporarily_unavailable",
        "unauthorized",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
