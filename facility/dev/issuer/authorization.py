"""What to do with an authorization request of a person who is signed in: pure decisions, in IAM's order and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from facility.dev.issuer import audience, errors, scopes
from facility.dev.issuer.settings import Client, Directory, Person, Settings
from facility.dev.issuer.tokens import Grant


@dataclass(frozen=True)
class Request:
    """A request that may be put to the person: what the code will stand for, and where the answer goes."""

    grant: Grant
    redirect_uri: str
    state: str | None = None
    challenge: str | None = field(default=None, repr=False)
    method: str = "plain"
    redirect_given: bool = True

    def record(self) -> dict[str, Any]:
        """As kept in the person's login session."""
        return asdict(self)

    @classmethod
    def read(cls, record: dict[str, Any]) -> Request:
        """From a login session."""
        return cls(**{**record, "grant": Grant.read(record["grant"])})

    def code_record(self) -> dict[str, Any]:
        """What a code stands for."""
        uri = self.redirect_uri if self.redirect_given else None
        return {"grant": asdict(self.grant), "redirect_uri": uri, "challenge": self.challenge, "method": self.method}


class PageError(Exception):
    """An error that must not be sent to the redirect URI: it is shown to the person instead."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status, self.error, self.description = status, error, description


class RedirectError(Exception):
    """An error that goes to the client by way of its redirect URI (RFC 6749, section 4.1.2.1)."""

    def __init__(
        self, uri: str, error: str, description: str = "", status: int = 303, state: str | None = None
    ) -> None:
        super().__init__(description)
        self.uri, self.error, self.description = uri, error, description
        self.status, self.state = status, state


def client_and_uri(args: Mapping[str, str], directory: Directory) -> tuple[Client, str]:
    """The client and where to answer. An extra query on a registered URI is let through, as IAM does.

    Raises PageError for a client nobody knows and for a redirect URI that is not registered.
    """
    client_id = args.get("client_id", "")
    client = directory.client(client_id)
    if client is None:
        raise PageError(401, "invalid_client", f"Client with id {client_id} was not found")
    uri = args.get("redirect_uri") or (client.redirect_uris[0] if len(client.redirect_uris) == 1 else "")
    if not any(known in (uri, uri.partition("?")[0]) for known in client.redirect_uris):
        text = "Invalid redirect uri does not match one of the registered values."
        raise PageError(400, "invalid_grant", text)
    return client, uri


def read(args: Mapping[str, str], directory: Directory, settings: Settings, person: Person) -> Request:
    """The request, its scopes cut to what the person's groups allow. Raises PageError or RedirectError."""
    client, uri = client_and_uri(args, directory)
    if args.get("response_type") != "code":
        raise RedirectError(uri, "unsupported_response_type", "Unsupported response types")
    asked = _scopes(args, client, settings, uri)
    words, resource = _audience(args, uri)
    granted = scopes.permitted(asked, person, settings)
    return Request(
        Grant(client.client_id, granted, person.sub, words, resource, args.get("nonce")),
        uri,
        args.get("state"),
        args.get("code_challenge"),
        args.get("code_challenge_method", "plain"),
        "redirect_uri" in args,
    )


def _audience(args: Mapping[str, str], uri: str) -> tuple[tuple[str, ...], bool]:
    try:
        return audience.asked(args)
    except errors.RefusedError as refusal:
        raise RedirectError(uri, str(refusal.error), str(refusal.description)) from None


def _scopes(args: Mapping[str, str], client: Client, settings: Settings, uri: str) -> tuple[str, ...]:
    asked = scopes.split(args.get("scope")) or client.scopes
    try:
        bad = scopes.refused_to_client(asked, client, settings)
    except scopes.RelativePathError:
        raise RedirectError(uri, "server_error", "Internal Server Error") from None
    if bad is not None:
        raise RedirectError(uri, "invalid_scope", f"Scope '{bad}' not allowed for client '{client.client_id}'")
    return asked


def location(uri: str, **parameters: str | None) -> str:
    """The redirect URI with parameters added to its query, empty ones left out."""
    query = urlencode({k: v for k, v in parameters.items() if v}, quote_via=quote)
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{query}"
