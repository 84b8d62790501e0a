"""What a cache refuses: whose token, at which cache, of which path, and in which words."""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage
from tests.cluster import forge, lakes, wlcg_tokens
from tests.cluster.asking import CLOSED
from tests.cluster.doors import GIVEN, Case, Question
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


# ---- what is refused at every door of a VO's cache, and beside it what is given there

#: XRootD's client was not let in; errors of the root:// protocol; https
_LOGIN, _DENIED, _READ_ONLY, _FORBIDDEN = 204, 3010, 3025, 403
#: of the root:// protocol, too: who has not logged in asks for nothing, and nobody logs in without TLS
_NOT_LOGGED_IN, _NO_TLS = frozenset({3006}), frozenset({3028})
#: neither is there such a path, nor would it be for this token: invalid, too long, or denied
_NO_SUCH_PATH = frozenset({3000, 3002, _DENIED, 400, _FORBIDDEN})
#: whose token is no good, and what XRootD's client is told
BAD: dict[str, tuple[Callable[[world.DemoVO], str | None], int]] = {
    "no token": (lambda vo: None, _LOGIN),
    "not a token": (lambda vo: "not-a-token", _LOGIN),
    "expired": (lambda vo: forge.token(vo, life=-60), _LOGIN),
    "forged signature": (lambda vo: forge.token(vo, forged=True), _LOGIN),
    "another VO's token": (lambda vo: forge.token(world.ATLAS), _LOGIN),
    "wrong audience": (lambda vo: forge.token(vo, audience="https://elsewhere.example"), _DENIED),
    "scope of another path": (lambda vo: forge.token(vo, scope="storage.read:/open"), _DENIED),
    "no storage scope": (lambda vo: forge.token(vo, scope="compute.read"), _DENIED),
}
#: all that can be asked of a file, and of its folder
OF_A_FILE = {
    "root": ("read", "part", "parts", "stat", "locate", "sum", "stage"),
    "https": ("read", "part", "parts", "look", "stat", "sum"),
    "raw": ("read", "stat", "locate", "sum", "stage"),
}
OF_A_FOLDER = {"root": ("list",), "https": ("list", "page"), "raw": ("list",)}
WAYS = ("root", "https")
_UP = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%252E.", "%25252e%25252e", "x/%2e%2e/%2e%2e", ".%00.", "\\..\\.."]


@dataclass(frozen=True)
class Files:
    """Of a VO's lake: one that has been read; one that nobody has asked for, in a folder of which nothing is cached;
    and one that is open to more people than those."""

    hit: str
    miss: str
    open: str


@contextmanager
def files(stage: Stage, vo: world.DemoVO) -> Iterator[Files]:
    """They are there."""
    folders = [f"/{vo.name}/{part}/refused-{secrets.token_hex(4)}" for part in ("embargoed", "open")]
    for one in folders:
        lakes.put(stage, f"{one}/file", 100_000)
    yield Files(vo.file, *(f"{one}/file" for one in folders))
    for one in folders:
        lakes.remove(stage, one)


def everywhere(vo: world.DemoVO, there: Files) -> dict[str, list[Case]]:
    """What is asked at every door, by what it is about."""
    bad = {name: (make(vo), told) for name, (make, told) in BAD.items()}
    return {
        "cached": [*all_is_told(vo, there.hit), *nothing_is_told(bad, there.hit)],
        "not cached": [*nothing_is_told(bad, there.miss)],
        "others' paths": [*others(vo)],
        "paths": [*climbing(vo, there.open), *odd(vo)],
        "tokens": [*tokens(vo)],
        "in the URL": [*in_the_url(vo, there.open)],
        "writing": [*writing(vo, there.open)],
        "in the clear": [*in_the_clear(vo)],
    }


def questions(path: str, token: str | None, *ways: str) -> Iterator[Question]:
    """All that can be asked of a file and of its folder."""
    for by in ways:
        yield from (Question(by, what, path, token) for what in OF_A_FILE[by])
        yield from (Question(by, what, posixpath.dirname(path), token) for what in OF_A_FOLDER[by])


def refused(name: str, question: Question, *told: int) -> Case:
    """XRootD's client is told one of these, https always the same."""
    return Case(name, question, frozenset(told if question.by == "root" else {_FORBIDDEN}))


def nothing_is_told(bad: dict[str, tuple[str | None, int]], path: str) -> Iterator[Case]:
    """To whoever has one of these tokens, nor to who logs in without any."""
    for name, (token, told) in bad.items():
        for one in questions(path, token, *WAYS):
            yield refused(f"{name}, {one.what} of {one.path}", one, told)
    for one in questions(path, None, "raw"):
        yield Case(f"no login, {one.what} of {one.path}", one, _NOT_LOGGED_IN)


def all_is_told(vo: world.DemoVO, path: str) -> Iterator[Case]:
    """The same questions of somebody who may read it."""
    for one in questions(path, forge.token(vo), *WAYS):
        yield Case(f"{one.what} of {one.path}", one)


def others(vo: world.DemoVO) -> Iterator[Case]:
    """What is another's, or only called alike."""
    ours, theirs, alike = forge.token(vo), forge.token(world.ATLAS), vo.file.replace("/embargoed/", "/embargoed2/")
    for by in WAYS:
        yield refused("a folder that begins alike", Question(by, "read", alike, ours), _DENIED)
        for what in ("read", "stat"):
            path = world.ATLAS.file
            yield refused("another VO's path", Question(by, what, path, ours), _DENIED)
            yield refused("another VO's path, its own token", Question(by, what, path, theirs), _LOGIN)


def climbing(vo: world.DemoVO, beside: str) -> Iterator[Case]:
    """Decoded nowhere, at the cache, or by the cache's own client on the way to the origin: refused each time."""
    token, folder = forge.token(vo, scope="storage.read:/open"), posixpath.dirname(beside)
    file = f"embargoed/{posixpath.basename(vo.file)}"
    for by in WAYS:
        yield Case("what it is for", Question(by, "read", beside, token))
        for up in _UP:
            for path in (f"/{vo.name}/open/{up}/{file}", f"{folder}/{up}/{up}/{file}"):
                for what in ("read", "stat"):
                    yield Case(f"{what} of {path}", Question(by, what, path, token), _NO_SUCH_PATH)


def odd(vo: world.DemoVO) -> Iterator[Case]:
    """Paths that some would take for another."""
    token, name = forge.token(vo, scope="storage.read:/open"), posixpath.basename(vo.file)
    paths = {
        "slashes": f"/{vo.name}//embargoed/{name}",
        "more slashes": f"//{vo.name}/embargoed//{name}",
        "a dot": f"/{vo.name}/./embargoed/{name}",
        "escaped slashes": f"/{vo.name}%2fembargoed%2f{name}",
        "long": f"/{vo.name}/embargoed/{'long/' * 2000}x",
    }
    for by in WAYS:
        for case, path in paths.items():
            yield Case(case, Question(by, "read", path, token), _NO_SUCH_PATH)


def tokens(vo: world.DemoVO) -> Iterator[Case]:
    """Of every kind: those that are good open the VO's file."""
    for name, make in (wlcg_tokens.GIVEN | wlcg_tokens.REFUSED).items():
        token = make(vo)
        for one in (Question(by, "read", vo.file, token) for by in WAYS):
            yield Case(name, one) if name in wlcg_tokens.GIVEN else refused(name, one, _LOGIN, _DENIED)


def in_the_url(vo: world.DemoVO, beside: str) -> Iterator[Case]:
    """As some tools send it: it counts there as in a header."""
    token = forge.token(vo)
    told = {
        "what it is for": (vo.file, GIVEN),
        "no file": (f"{vo.file}.none", {404}),
        "no scope": (beside, {_FORBIDDEN}),
    }
    for name, (path, codes) in told.items():
        yield Case(name, Question("https", "read", f"{path}?authz=Bearer%20{token}"), frozenset(codes))


def writing(vo: world.DemoVO, path: str) -> Iterator[Case]:
    """Whatever may be written by the token."""
    strong = forge.token(vo, scope="storage.read:/ storage.create:/ storage.modify:/")
    asked = {"create": f"{path}.new", "folder": f"{path}.new", "replace": path, "remove": path, "move": path}
    for what, where in asked.items():
        yield refused(what, Question("https", what, where, strong))
    for what, where in (asked | {"change": path, "cut": path}).items():
        yield refused(what, Question("root", what, where, strong), _READ_ONLY)
    for by in WAYS:
        yield Case("what is still there", Question(by, "read", path, strong))


def in_the_clear(vo: world.DemoVO) -> Iterator[Case]:
    """Without TLS, whatever the token."""
    for token in (None, forge.token(vo)):  # not even with what would open it
        yield Case("http", Question("http", "read", vo.file, token), frozenset({CLOSED}))
    yield Case("root://", Question("plain", "login", vo.file), _NO_TLS)
