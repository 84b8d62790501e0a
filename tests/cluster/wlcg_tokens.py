"""Tokens of every kind, good ones and bad ones, after the WLCG Common JWT Profiles 1.3 and RFC 7519.

Each is like a good one but for what its name says, and signed by the issuer's own key unless it is about that.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from joserfc.jwk import RSAKey

from facility.dev.demo import place, world
from facility.dev.issuer import mint
from tests.cluster import forge

ANY = "https://wlcg.cern.ch/jwt/v1/any"
Maker = Callable[[world.DemoVO], str]


def token(vo: world.DemoVO, kid: str = forge.KID, issuer: str = "", **claims: Any) -> str:
    """A good token but for these claims; one that is None is left out."""
    usual = {"sub": vo.person.subject, "audience": world.ORIGIN, "scope": "storage.read:/embargoed", "life": 300}
    key = place.material().signing[vo.name]
    return mint.token(key, kid, issuer or vo.issuer, **{**usual, **claims})


def of(**claims: Any) -> Maker:
    """The same, of whichever VO."""
    return lambda vo: token(vo, **claims)


def scoped(scope: str) -> Maker:
    """Good for something else."""
    return of(scope=scope)


def versioned(version: str | float | None, scope: str = "storage.read:/embargoed") -> Maker:
    """Of another version of the profile."""
    return of(scope=scope, **{"wlcg.ver": version})


def issued(change: Callable[[str], str]) -> Maker:
    """By somebody whose name is made of the issuer's, who has its key."""
    return lambda vo: token(vo, issuer=change(vo.issuer))


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned(vo: world.DemoVO) -> str:
    """RFC 7519, section 6: `none`."""
    return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': forge.KID})}.{token(vo).split('.')[1]}."


def by_the_public_key(vo: world.DemoVO) -> str:
    """RFC 8725, section 2.1: the key that everybody knows, taken for a secret."""
    key = RSAKey.import_key(place.material().signing[vo.name]).as_pem(private=False)
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': forge.KID})}.{token(vo).split('.')[1]}"
    mac = base64.urlsafe_b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).rstrip(b"=")
    return f"{signed}.{mac.decode()}"


def changed(vo: world.DemoVO) -> str:
    """Other claims under a good signature."""
    head, body, signature = token(vo, scope="storage.read:/open").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{_part(claims | {'scope': 'storage.read:/'})}.{signature}"


def its_file(vo: world.DemoVO) -> str:
    """The path of the VO's file, as scopes have it."""
    return vo.file.removeprefix(f"/{vo.name}")


OPENS: dict[str, Maker] = {
    "as the issuer makes them": token,
    "one of several audiences": of(audience=["https://elsewhere.example", world.ORIGIN]),
    "the whole storage": scoped("storage.read:/"),
    "the file itself": lambda vo: token(vo, scope=f"storage.read:{its_file(vo)}"),
    "a folder with a slash at its end": scoped("storage.read:/embargoed/"),
    "among other scopes": scoped("openid compute.read storage.read:/open storage.read:/embargoed"),
    "a claim that nobody knows": of(unknown={"a": [1]}),
    "groups beside": of(**{"wlcg.groups": ["/cms"]}),
    "for any audience": of(audience=ANY),
    # section 2.2.1: a path that is not normalized may be refused, or be normalized, as here
    "an escape that need not be": scoped("storage.read:/%65mbargoed"),
    "two slashes": scoped("storage.read://embargoed"),
    "a dot": scoped("storage.read:/./embargoed"),
}
#: no right to anything by the profile; XRootD takes them for more (docs/explanation/what-a-cache-does.md)
LENIENT: dict[str, Maker] = {
    "a scope without its path": scoped("storage.read"),
    "a scope with a path that is none": scoped("storage.read:embargoed"),
    "an escape of an escape": scoped("storage.read:/%2565mbargoed"),
    "a scope by its name in SciTokens": scoped("read:/embargoed"),
    "SciTokens 1": versioned(None, "read:/embargoed"),
    "SciTokens 2": of(scope="read:/embargoed", ver="scitokens:2.0", **{"wlcg.ver": None}),
    "SciTokens 2, for any audience": of(
        scope="read:/embargoed", audience="ANY", ver="scitokens:2.0", **{"wlcg.ver": None}
    ),
}
REFUSED: dict[str, Maker] = {
    "no exp": of(exp=None),
    "no iat": of(iat=None),
    "expired": of(life=-60),
    "not yet good": lambda vo: token(vo, nbf=int(time.time()) + 600),
    "no audience": of(audience=None),
    "another audience": of(audience="https://elsewhere.example"),
    "an audience that begins alike": of(audience=f"{world.ORIGIN}0"),
    "no scope": scoped(""),
    "groups alone": of(scope="", **{"wlcg.groups": ["/cms", "/cms/analysis"]}),
    "a folder that begins alike": scoped("storage.read:/embarg"),
    "a folder below": lambda vo: token(vo, scope=f"storage.read:{its_file(vo)}/x"),
    "another folder": scoped("storage.read:/open"),
    "a folder that climbs": scoped("storage.read:/open/../embargoed"),
    "a folder that climbs by escapes": scoped("storage.read:/open/%2e%2e/embargoed"),
    "a folder that climbs by one escape": scoped("storage.read:/open/.%2E/embargoed"),
    "a folder that climbs to the whole": scoped("storage.read:/open/.."),
    "a slash that is escaped": scoped("storage.read:/%2fembargoed"),
    "an end that is escaped": scoped("storage.read:/embargoed%00x"),
    "a space that is escaped": scoped("storage.read:/open%20storage.read:/embargoed"),
    "the scope in capitals": scoped("STORAGE.READ:/embargoed"),
    "leave to write": scoped("storage.create:/ storage.modify:/"),
    "leave to compute": scoped("compute.read compute.modify compute.create compute.cancel"),
    "scopes in a list": of(scope=["storage.read:/embargoed"]),
    "no version of the profile": versioned(None),
    "a version that nobody knows": versioned("9.9"),
    "a version that is a number": versioned(1.0),
    "no version's name": versioned(""),
    "another issuer's name": of(issuer=world.ATLAS.issuer),
    "the issuer without its slash": issued(lambda ours: ours.rstrip("/")),
    "an issuer below ours": issued(lambda ours: f"{ours}cms2"),
    "an issuer whose name goes on after ours": issued(lambda ours: f"{ours.rstrip('/')}2/"),
    "an issuer with whose name ours goes on": issued(lambda ours: ours.rstrip("/")[:-1]),
    "an issuer at the host of ours": issued(lambda ours: ours.rpartition(":")[0]),
    "the issuer without TLS": issued(lambda ours: ours.replace("https:", "http:")),
    "a key that is not published": lambda vo: forge.token(vo, forged=True),
    "a key id that is not published": of(kid="unheard-of"),
    "no signature": unsigned,
    "signed with the public key": by_the_public_key,
    "claims changed afterwards": changed,
    "cut off": lambda vo: token(vo)[:-20],
}
GIVEN = OPENS | LENIENT
