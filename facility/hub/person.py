"""Who came back from the issuer, and whether the VO lets them in. Pure.

The hub gets the ID token straight from the token endpoint over verified TLS, so its signature need not be looked at
(OpenID Connect Core 1.0, section 3.1.3.7, point 6); everything else there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facility.hub.errors import RefusedError, UnavailableError
from facility.tokens.claims import SKEW, ClaimsError, same_issuer, unverified
from facility.tokens.groups import admitted
from facility.vo import VirtualOrganization

GROUPS = "wlcg.groups"


@dataclass(frozen=True)
class Person:
    """A person of a VO: their `sub`, the name claim as it came, and the groups that the issuer asserts."""

    sub: str
    claim: str
    groups: frozenset[str]


def id_claims(token: object, issuer: str, client: str, nonce: str, now: float) -> dict[str, Any]:
    """Claims of an ID token meant for this sign-in of this client. Raises UnavailableError, without the token."""
    try:
        _, claims = unverified(token if isinstance(token, str) else "")
    except ClaimsError:
        raise UnavailableError("The issuer sent no ID token. Its client needs the scope openid.") from None
    audience = claims.get("aud")
    problems = (
        ("iss", not same_issuer(str(claims.get("iss")), issuer)),
        ("aud", client not in (audience if isinstance(audience, list) else [audience])),
        ("azp", claims.get("azp", client) != client),
        ("exp", not _number(claims.get("exp")) or claims["exp"] + SKEW < now),
        ("nonce", claims.get("nonce") != nonce),
        ("sub", not isinstance(claims.get("sub"), str) or not claims["sub"]),
    )
    wrong = [name for name, bad in problems if bad]
    if wrong:
        raise UnavailableError(f"The issuer's ID token is not for this sign-in (claim {', '.join(wrong)}).")
    return claims


def recognise(claims: dict[str, Any], userinfo: dict[str, Any], name_claim: str) -> Person:
    """The person of an ID token and the userinfo that belongs to it. Raises RefusedError or UnavailableError.

    Issuers put groups and names into one, the other or both (INDIGO IAM: into userinfo only with scope profile).
    What the ID token says of the name wins; groups are those of either, because both are the issuer's word.
    """
    if userinfo and userinfo.get("sub") != claims["sub"]:
        raise UnavailableError("The issuer's userinfo names somebody else than its ID token.")
    claim = claims.get(name_claim) or userinfo.get(name_claim)
    if not isinstance(claim, str) or not claim:
        raise RefusedError(f"Your issuer did not say what you are called: the claim {name_claim} is missing.")
    return Person(claims["sub"], claim, _groups(claims) | _groups(userinfo))


def check_admitted(person: Person, vo: VirtualOrganization) -> None:
    """Raises RefusedError, naming the groups that would do, unless the VO's allowedGroups let the person in."""
    allowed = vo.spec.login.allowed_groups
    if admitted(person.groups, allowed):
        return
    title = vo.spec.display_name or vo.name
    held = ", ".join(sorted(person.groups)) or "none"
    raise RefusedError(
        f"{title} has confirmed that you are {person.claim}, but only members of {' or '.join(allowed)} "
        f"may work here. Your groups: {held}. Ask the managers of {title} for membership, then sign in again."
    )


def _groups(claims: dict[str, Any]) -> frozenset[str]:
    value = claims.get(GROUPS)
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
