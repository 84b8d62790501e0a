"""The few https requests of a person's own machine: verified, without redirects, never more than a small answer."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Generator
from email.message import Message
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener
from urllib.request import Request as Outgoing

from facility.tokens.wire import Request, Response, UnavailableError

T = TypeVar("T")
_TIMEOUT = 20.0  # seconds for each of connecting and reading
_LONGEST = 1 << 20  # bytes of an answer


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A form with a refresh token goes where it was sent, and nowhere else."""


class Web:
    """Sends requests. Proxies are those of the environment (https_proxy); CAs those of the system or SSL_CERT_FILE."""

    def __init__(self, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        self._trust = trust

    def send(self, request: Request) -> Response:
        """The answer, whatever its status. Raises UnavailableError when there is none; the text says why."""
        host = urlsplit(request.url).netloc
        if urlsplit(request.url).scheme != "https":
            raise UnavailableError(f"{request.url} is no https URL")
        opener = build_opener(HTTPSHandler(context=self._context()), _NoRedirects())
        try:
            with opener.open(_outgoing(request), timeout=_TIMEOUT) as answer:
                return _response(answer.status, answer.read(_LONGEST + 1), answer.headers)
        except HTTPError as error:
            with error:
                return _response(error.code, error.read(_LONGEST + 1), error.headers)
        except (OSError, HTTPException) as error:
            raise UnavailableError(f"{host} cannot be reached: {_reason(error)}") from None

    def _context(self) -> ssl.SSLContext:
        try:
            return self._trust()
        except OSError as error:
            raise UnavailableError(f"the CAs to trust cannot be read, see SSL_CERT_FILE: {error}") from None

    def run(self, flow: Generator[Request, Response, T]) -> T:
        """Drives a flow of facility.tokens to its end. Raises what the flow raises, and UnavailableError."""
        try:
            request = next(flow)
            while True:
                request = flow.send(self.send(request))
        except StopIteration as end:
            found: T = end.value
            return found


def _outgoing(request: Request) -> Outgoing:
    headers = {"Accept": "application/json", "User-Agent": "facility"}
    if request.authorization:
        headers["Authorization"] = request.authorization
    data = None if request.form is None else urlencode(request.form).encode()
    return Outgoing(request.url, data, headers, method=request.method)  # noqa: S310 - its scheme was looked at


def _response(status: int, body: bytes, headers: Message) -> Response:
    if len(body) > _LONGEST:
        raise UnavailableError("the answer is too long")
    seconds = headers.get("Retry-After", "")
    pause = float(seconds) if re.fullmatch("[0-9]{1,6}", seconds) else 0.0
    return Response(status, body, headers.get_content_type(), pause)


def _reason(error: Exception) -> str:
    """In a few words; a certificate's trouble is told apart, since that is mended here and not there."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted here ({cause.verify_message}); SSL_CERT_FILE names the CAs to trust"
    return str(cause) or type(cause).__name__
