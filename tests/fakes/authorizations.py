"""Questions of who may do what where, for libscitokens and for the scope algebra: random paths, and tokens for them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import strategies as st

from facility.tokens.scopes import Scope, text

ISSUER, AUDIENCE, KID = "https://iam.test/", "https://origin.test:1094", "of-the-issuer"
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)
READ, CREATE, MODIFY, STAGE = (f"storage.{verb}" for verb in ("read", "create", "modify", "stage"))
#: the first line of what libscitokens.py is asked, but for where the library is
SETTING = {"issuer": ISSUER, "audience": AUDIENCE, "kid": KID, "pem": PEM}
#: what libscitokens calls them when it reads a WLCG token in its usual, compatible way
CALLED = {READ: "read", CREATE: "create", MODIFY: "modify", STAGE: "storage.stage"}

#: an enforcer judges by the moment in which it was made: tokens are older than any, however long the questions take
ISSUED = int(time.time()) - 300
LIFE = 24 * 3600

plain = st.one_of(
    st.sampled_from(["john", "johnathan", "a", "aa", "b", "embargoed", "embargoed2", "x-y", "v1.0", "...", "~", "A"]),
    st.text("ab-._~", min_size=1, max_size=3).filter(lambda part: part not in (".", "..")),
)
#: with characters that have to be escaped in a scope
escaped = st.one_of(
    plain, st.sampled_from(["a b", "é", "a:b", "a+b", "日本", "a?b", "a#b", 'a"b', "a&b", "a;b", "a=b", "*", "'"])
)


@dataclass(frozen=True)
class Place:
    """A path at a storage, as a request names it."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "/" + "/".join(self.parts)

    def scope(self, capability: str) -> Scope:
        """The narrowest scope that opens it."""
        return Scope(capability, self.parts, directory=not self.parts)


def parts(part: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(part, max_size=4).map(tuple)


@st.composite
def scopes(draw: st.DrawFn, part: st.SearchStrategy[str], near: tuple[str, ...] | None = None) -> Scope:
    """A storage scope; `near`: for a path around that one."""
    found = draw(parts(part)) if near is None else draw(around(near, part))
    directory = not found or draw(st.booleans())
    return Scope(draw(st.sampled_from([READ, READ, MODIFY, CREATE, STAGE])), found, directory)


@st.composite
def around(draw: st.DrawFn, path: tuple[str, ...], part: st.SearchStrategy[str]) -> tuple[str, ...]:
    """A path that is likely to be mistaken for the other: above, below, beside it, or beginning alike."""
    above = path[: draw(st.integers(0, len(path)))]
    longer = st.just((*path[:-1], path[-1] + draw(part))) if path else parts(part)
    shorter = st.just((*path[:-1], path[-1][:-1])) if path and path[-1][:-1] not in ("", ".", "..") else st.just(path)
    below = parts(part).map(lambda more: (*above, *more))
    return draw(st.one_of(st.just(path), below, longer, shorter, parts(part)))


@st.composite
def questions(draw: st.DrawFn, part: st.SearchStrategy[str]) -> tuple[tuple[Scope, ...], str, Place]:
    """A token's scopes, what somebody wants to do, and where."""
    place = Place(draw(parts(part)))
    held = draw(st.lists(scopes(part, place.parts), min_size=1, max_size=3))
    return tuple(held), draw(st.sampled_from([READ, READ, MODIFY, CREATE, STAGE])), place


def token(held: tuple[Scope, ...]) -> str:
    """A token of these scopes, as an issuer of the WLCG profile signs it."""
    claims = {"iss": ISSUER, "sub": "somebody", "aud": AUDIENCE, "wlcg.ver": "1.0", "jti": "1", "scope": text(held)}
    times = {"iat": ISSUED, "nbf": ISSUED, "exp": ISSUED + LIFE}
    return jwt.encode(claims | times, KEY, "ES256", headers={"kid": KID})


def question(held: tuple[Scope, ...], wanted: str, place: Place) -> str:
    """The line that libscitokens.py takes."""
    return json.dumps({"token": token(held), "authz": CALLED[wanted], "path": str(place)})


def opens(held: tuple[Scope, ...], wanted: str, place: Place) -> bool:
    """The scope algebra's answer, where a scope for `/a/` opens /a itself, as libscitokens sees it.

    The algebra is narrower there: who was granted /a/ may ask for all that is below, not for the thing of that name.
    """
    return any(Scope(one.capability, one.parts, not one.parts).covers(place.scope(wanted)) for one in held)


def opens_by_prefix(held: tuple[Scope, ...], wanted: str, place: Place) -> bool:
    """The answer of older ones: a path that begins as another does is below it, so /john opens /johnathan."""
    return any(one.capability == wanted and str(place).startswith("/" + "/".join(one.parts or ())) for one in held)
