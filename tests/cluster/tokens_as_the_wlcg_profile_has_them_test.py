"""Which tokens open a file at a cache: a table after the WLCG Common JWT Profiles 1.3 and RFC 7519, by root and https.

Each token is like a good one but for what its case says, and signed by the issuer's own key unless the case is that.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.issuer import mint
from tests.cluster import forge
from tests.cluster.reading import Answer, Attempt, attempt

pytestmark = pytest.mark.cluster

CACHE = "xcache-cms.facility.svc"
ANY = "https://wlcg.cern.ch/jwt/v1/any"


def token(kid: str = forge.KID, issuer: str = world.CMS.issuer, **claims: Any) -> str:
    """A good token but for these claims; one that is None is left out."""
    usual = {"sub": world.CMS.person.subject, "audience": world.ORIGIN, "scope": "storage.read:/embargoed", "life": 300}
    key = place.material().signing[world.CMS.name]
    return mint.token(key, kid, issuer, **{**usual, **claims})  # type: ignore[arg-type]


def scoped(scope: str) -> str:
    return token(scope=scope)


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned() -> str:
    """RFC 7519, section 6: `none`."""
    return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': forge.KID})}.{token().split('.')[1]}."


def by_the_public_key() -> str:
    """RFC 8725, section 2.1: the key that everybody knows, taken for a secret."""
    key = RSAKey.import_key(place.material().signing[world.CMS.name]).as_pem(private=False)
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': forge.KID})}.{token().split('.')[1]}"
    mac = base64.urlsafe_b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).rstrip(b"=")
    return f"{signed}.{mac.decode()}"


def changed() -> str:
    """Other claims under a good signature."""
    head, body, signature = scoped("storage.read:/open").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{_part(claims | {'scope': 'storage.read:/'})}.{signature}"


OPENS: dict[str, Callable[[], str]] = {
    "as the issuer makes them": token,
    "one of several audiences": lambda: token(audience=["https://elsewhere.example", world.ORIGIN]),
    "the whole storage": lambda: scoped("storage.read:/"),
    "the file itself": lambda: scoped("storage.read:/embargoed/nano_dimuon.root"),
    "a folder with a slash at its end": lambda: scoped("storage.read:/embargoed/"),
    "among other scopes": lambda: scoped("openid compute.read storage.read:/open storage.read:/embargoed"),
    "a claim that nobody knows": lambda: token(unknown={"a": [1]}),
    "groups beside": lambda: token(**{"wlcg.groups": ["/cms"]}),
    "for any audience": lambda: token(audience=ANY),
}
#: no right to anything by the profile; XRootD takes them for more (docs/explanation/what-a-cache-does.md)
LENIENT: dict[str, Callable[[], str]] = {
    "a scope without its path": lambda: scoped("storage.read"),
    "a scope with a path that is none": lambda: scoped("storage.read:embargoed"),
}
REFUSED: dict[str, Callable[[], str]] = {
    "no exp": lambda: token(exp=None),
    "no iat": lambda: token(iat=None),
    "expired": lambda: token(life=-60),
    "not yet good": lambda: token(nbf=int(time.time()) + 600),
    "no audience": lambda: token(audience=None),
    "another audience": lambda: token(audience="https://elsewhere.example"),
    "an audience that begins alike": lambda: token(audience=f"{world.ORIGIN}0"),
    "no scope": lambda: token(scope=""),
    "groups alone": lambda: token(scope="", **{"wlcg.groups": ["/cms", "/cms/analysis"]}),
    "a folder that begins alike": lambda: scoped("storage.read:/embarg"),
    "a folder below": lambda: scoped("storage.read:/embargoed/nano_dimuon.root/x"),
    "another folder": lambda: scoped("storage.read:/open"),
    "a folder that climbs": lambda: scoped("storage.read:/open/../embargoed"),
    "the scope in capitals": lambda: scoped("STORAGE.READ:/embargoed"),
    "leave to write": lambda: scoped("storage.create:/ storage.modify:/"),
    "leave to compute": lambda: scoped("compute.read compute.modify compute.create compute.cancel"),
    "scopes in a list": lambda: token(scope=["storage.read:/embargoed"]),
    "another issuer's name": lambda: token(issuer=world.ATLAS.issuer),
    "the issuer without its slash": lambda: token(issuer=world.CMS.issuer.rstrip("/")),
    "a key that is not published": lambda: forge.token(forged=True),
    "a key id that is not published": lambda: token(kid="unheard-of"),
    "no signature": unsigned,
    "signed with the public key": by_the_public_key,
    "claims changed afterwards": changed,
    "cut off": lambda: token()[:-20],
}
CASES = {**OPENS, **LENIENT, **REFUSED}


@pytest.fixture(scope="module")
def answers(stage: Stage, outcome: Outcome) -> dict[tuple[str, str], Answer]:
    """Of one read with each token over each protocol."""
    asked = {
        (case, protocol): Attempt(protocol, CACHE, world.CMS.file, make())
        for case, make in CASES.items()
        for protocol in ("root", "https")
    }
    return dict(zip(asked, attempt(stage.cluster, "jupyter-cms-alice", list(asked.values())), strict=True))


@pytest.mark.parametrize("protocol", ["root", "https"])
@pytest.mark.parametrize("case", [*OPENS, *LENIENT])
def test_it_opens_the_file(answers: dict[tuple[str, str], Answer], case: str, protocol: str) -> None:
    answer = answers[case, protocol]
    assert answer.ok, answer
    assert answer.bytes > 10_000


@pytest.mark.parametrize("protocol", ["root", "https"])
@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused(answers: dict[tuple[str, str], Answer], case: str, protocol: str) -> None:
    answer = answers[case, protocol]
    assert not answer.ok, answer
    assert answer.bytes == 0
    assert answer.code in ((52, 54) if protocol == "root" else (401, 403)), answer
