"""Where an issuer's endpoints are: OpenID Connect Discovery 1.0, read when needed, kept for an hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facility.hub.errors import UnavailableError
from facility.hub.http import Http, NoAnswerError
from facility.tokens.claims import same_issuer

#: seconds that endpoints are kept
LIFE = 3600
#: seconds that an issuer has to answer discovery: somebody may be looking at an empty page meanwhile
_TIMEOUT = 5


@dataclass(frozen=True)
class Endpoints:
    """What a sign-in needs of the metadata. `issuer` is the issuer as its metadata spells it."""

    issuer: str
    authorization: str
    token: str
    userinfo: str | None
    post_secret: bool
    names_itself: bool


async def discover(http: Http, issuer: str) -> Endpoints:
    """The endpoints of an issuer. Raises UnavailableError with a reason."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = await http.ask("GET", url, seconds=_TIMEOUT)
    except NoAnswerError as error:
        raise UnavailableError(str(error)) from None
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise UnavailableError(f"{url} answered {answer.status} instead of its metadata")
    return parse(answer.body, issuer)


def parse(metadata: dict[str, Any], issuer: str) -> Endpoints:
    """Endpoints from metadata (Discovery 1.0, sections 3 and 4.3; RFC 9207, section 3). Raises UnavailableError."""
    named = metadata.get("issuer")
    if not isinstance(named, str) or not same_issuer(named, issuer):
        raise UnavailableError(f"the metadata of {issuer} belongs to another issuer")
    methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Endpoints(
        issuer=named,
        authorization=_https(metadata, "authorization_endpoint", issuer),
        token=_https(metadata, "token_endpoint", issuer),
        userinfo=_https(metadata, "userinfo_endpoint", issuer) if metadata.get("userinfo_endpoint") else None,
        post_secret="client_secret_post" in methods,
        names_itself=metadata.get("authorization_response_iss_parameter_supported") is True,
    )


def _https(metadata: dict[str, Any], key: str, issuer: str) -> str:
    url = metadata.get(key)
    if not isinstance(url, str) or not url.startswith("https://"):
        raise UnavailableError(f"the metadata of {issuer} has no https {key}")
    return url
