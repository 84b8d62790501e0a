"""Reads that a cache refuses: whose token, at which cache, of which path, and in which words."""

from __future__ import annotations

from collections.abc import Callable

from facility.dev.demo import world
from tests.cluster import forge
from tests.cluster.reading import Answer

CMS, ATLAS = "xcache-cms.facility.svc", "xcache-atlas.facility.svc"
HIT = world.CMS.file
#: never read by anyone who may: what is asked for first here is not in the cache
MISS = "/cms/embargoed/nano_dy.root"
NO_LOGIN = (52, "Auth failed", 403)
NO_PERMISSION = (54, "permission denied", 403)

REFUSED: dict[str, tuple[Callable[[], str | None], str, str, tuple[int, str, int]]] = {
    "no token": (lambda: None, CMS, HIT, NO_LOGIN),
    "expired": (lambda: forge.token(life=-60), CMS, HIT, NO_LOGIN),
    "forged signature": (lambda: forge.token(forged=True), CMS, HIT, NO_LOGIN),
    "unknown issuer": (lambda: forge.token(issuer=world.ESCAPE.issuer), CMS, HIT, NO_LOGIN),
    "not a token": (lambda: "not-a-token", CMS, HIT, NO_LOGIN),
    "wrong audience, hit": (lambda: forge.token(audience="https://elsewhere.example"), CMS, HIT, NO_PERMISSION),
    "wrong audience, miss": (lambda: forge.token(audience="https://elsewhere.example"), CMS, MISS, NO_PERMISSION),
    "no storage scope": (lambda: forge.token(scope="compute.read"), CMS, HIT, NO_PERMISSION),
    "scope of another path, hit": (lambda: forge.token(scope="storage.read:/open"), CMS, HIT, NO_PERMISSION),
    "scope of another path, miss": (lambda: forge.token(scope="storage.read:/open"), CMS, MISS, NO_PERMISSION),
    "a sibling whose name begins alike": (forge.token, CMS, "/cms/embargoed2/nano_dy.root", NO_PERMISSION),
    "other VO's token at this cache": (lambda: forge.token(world.ATLAS), CMS, HIT, NO_LOGIN),
    "other VO's path at this cache": (forge.token, CMS, world.ATLAS.file, NO_PERMISSION),
    "other VO's path at this cache, its own token": (lambda: forge.token(world.ATLAS), CMS, world.ATLAS.file, NO_LOGIN),
    "this VO's token at the other cache, hit": (forge.token, ATLAS, world.ATLAS.file, NO_LOGIN),
    "this VO's token at the other cache, miss": (forge.token, ATLAS, "/atlas/embargoed/none.root", NO_LOGIN),
}


def as_told(answer: Answer, case: str, protocol: str) -> None:
    """That it was refused, and in words that tell a person why. Raises AssertionError."""
    code, words, status = REFUSED[case][3]
    assert not answer.ok
    assert answer.bytes == 0
    assert answer.code == (code if protocol == "root" else status), answer
    if protocol == "root":
        assert words in answer.text
