"""An issuer's own description and its keys (OpenID Connect Discovery 1.0; WLCG profile, issuer metadata)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from facility.tokens.claims import same_issuer
from facility.tokens.wire import Request, Response, UnavailableError, read_object


@dataclass(frozen=True)
class Metadata:
    """What the facility uses of it. `basic`, `post`: whether it takes client_secret_basic and client_secret_post."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    revocation_endpoint: str | None = None
    basic: bool = True
    post: bool = False
    userinfo_endpoint: str | None = None
    device_authorization_endpoint: str | None = None


def fetch(issuer: str) -> Generator[Request, Response, Metadata]:
    """The metadata of an issuer. Raises UnavailableError when it cannot be had or is another issuer's."""
    response = yield Request("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    document = read_object(response, "issuer's metadata")
    name = document.get("issuer")
    if not isinstance(name, str) or not same_issuer(name, issuer):
        raise UnavailableError(f"the metadata of {issuer} is that of another issuer")
    token, keys = _url(document, "token_endpoint"), _url(document, "jwks_uri")
    if token is None or keys is None:
        raise UnavailableError(f"the metadata of {issuer} lacks token_endpoint or jwks_uri")
    methods = document.get("token_endpoint_auth_methods_supported")
    listed = methods if isinstance(methods, list) else ["client_secret_basic"]  # the default (Discovery, section 3)
    basic, post = (method in listed for method in ("client_secret_basic", "client_secret_post"))
    revocation, userinfo = _url(document, "revocation_endpoint"), _url(document, "userinfo_endpoint")
    device = _url(document, "device_authorization_endpoint")
    return Metadata(name, token, keys, revocation, basic or not post, post, userinfo, device)


def fetch_keys(metadata: Metadata) -> Generator[Request, Response, list[dict[str, Any]]]:
    """The issuer's JSON Web Key Set, each key as it came. Raises UnavailableError."""
    response = yield Request("GET", metadata.jwks_uri)
    keys = read_object(response, "issuer's key set").get("keys")
    if not isinstance(keys, list):
        raise UnavailableError("the issuer's key set has no keys")
    return [key for key in keys if isinstance(key, dict)]


def _url(document: dict[str, Any], name: str) -> str | None:
    """An https URL, or None when there is none. Raises UnavailableError for any other: secrets would go there."""
    url = document.get(name)
    if url is None:
        return None
    if not isinstance(url, str) or urlsplit(url).scheme != "https":
        raise UnavailableError(f"the issuer's metadata has a {name} that is no https URL")
    return url
