"""`facility why`: each thing that can keep a person from a file has its sentence, and what to do about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facility.tokens import claims, scopes
from facility.tokens.claims import Claims
from facility.why.facts import Address, AddressError, Answer, Evidence, Lake, Outcome, Place, Token, address, lake_of
from facility.why.judge import judge, scope_for

NOW = 1_800_000_000.0
CACHE = "xcache-cms.facility.svc"
LAKE = Lake("/cms", "/cms", "https://lake.test")
PLACE = Place("cms", (CACHE,), (LAKE, Lake("/cms-open", "/", "https://lake.test")), "https://iam.test/")
CLAIMS = Claims(
    "https://iam.test", "alice", ("https://lake.test",), scopes.parse_all("storage.read:/embargoed"), NOW + 600
)
FOUND = Evidence(
    Address("root://cache//cms/embargoed/x", "root", CACHE, 1094, "/cms/embargoed/x", True),
    PLACE,
    Token("BEARER_TOKEN_FILE, /run/token/lake", "", CLAIMS),
    Answer("read"),
    NOW,
)


def said(found: Evidence) -> str:
    return " ".join(judge(found).sentences)


def test_a_read_that_works_is_told_from_address_to_cache() -> None:
    verdict = judge(FOUND)
    assert verdict.readable
    assert verdict.sentences == (
        f"The cache of cms is {CACHE}.",
        f"/cms/embargoed/x is in the lake /cms of cms, read through {CACHE}.",
        "Your token is from BEARER_TOKEN_FILE, /run/token/lake.",
        "It is good for 10 min 0 s.",
        "It has storage.read:/embargoed, which covers storage.read:/embargoed/x.",
        f"{CACHE} lets you read it.",
    )
    assert verdict.todo == ()


def test_a_url_of_a_storage_is_judged_by_what_the_cache_says() -> None:
    place = replace(FOUND.place, storages=(("/cms", "se.example.org"),))
    named = address("https://se.example.org:8443/cms/embargoed/x", place, 1094)
    assert (named.scheme, named.host, named.port, named.path) == ("https", CACHE, 1094, "/cms/embargoed/x")
    verdict = judge(replace(FOUND, address=named, place=place))
    assert verdict.readable
    assert verdict.sentences[:2] == (
        f"se.example.org holds it; programs here read it at the cache of cms, {CACHE}.",
        f"/cms/embargoed/x is in the lake /cms of cms, read through {CACHE}.",
    )
    elsewhere = address("https://se.example.org:8443/other/x", place, 1094)
    assert (elsewhere.host, elsewhere.storage) == ("se.example.org", "")


def at(host: str, path: str, scheme: str = "root") -> Address:
    return Address("url", scheme, host, 1094, path)


def having(**change: object) -> Token:
    return replace(FOUND.token, claims=replace(CLAIMS, **change))  # type: ignore[arg-type]


REFUSED = Answer("refused", "[3010] permission denied")
BROKEN: dict[str, tuple[Evidence, str, str]] = {
    "another host": (
        replace(FOUND, address=at("elsewhere.org", "/cms/x"), answer=Answer("nobody")),
        f"elsewhere.org is no cache of cms ({CACHE}), so your token stays here.",
        "Use the address that facility status shows.",
    ),
    "no lake": (
        replace(FOUND, address=at(CACHE, "/atlas/x"), answer=REFUSED),
        "No lake of cms holds /atlas/x: its lakes are /cms /cms-open.",
        "Take a path that begins with one of /cms /cms-open.",
    ),
    "a lake whose name begins alike": (
        replace(FOUND, address=at(CACHE, "/cms2/x"), answer=REFUSED),
        "No lake of cms holds /cms2/x",
        "Take a path that begins with one of",
    ),
    "no token": (
        replace(FOUND, token=Token(problem="BEARER_TOKEN_FILE names /run/token/lake, which does not exist")),
        "There is no token to read with: BEARER_TOKEN_FILE names /run/token/lake, which does not exist.",
        "See facility status for why there is no good token.",
    ),
    "a session that has ended": (
        replace(FOUND, token=Token(problem="none"), troubles=("lake: sign in again: The session has ended.",)),
        "The agent says: lake: sign in again: The session has ended..",
        "Sign in again at the hub.",
    ),
    "a token in a variable": (
        replace(FOUND, token=replace(FOUND.token, fixed=True)),
        "A token in the variable BEARER_TOKEN comes before all files, and nobody renews it.",
        "unset BEARER_TOKEN",
    ),
    "a file that others may read": (
        replace(FOUND, token=replace(FOUND.token, open=True), answer=Answer("refused login")),
        "Others may read the file of your token: XRootD's client refuses such a file.",
        "chmod 600 the file.",
    ),
    "another VO's token": (
        replace(FOUND, token=having(issuer="https://other.test/"), answer=REFUSED),
        "It is a token of https://other.test/, but cms has the issuer https://iam.test/.",
        "Take the token of this VO.",
    ),
    "an expired token": (
        replace(FOUND, token=having(expires=NOW - 90), answer=REFUSED),
        "It expired 1 min 30 s ago.",
        "See facility status for why there is no good token.",
    ),
    "a token of the future": (
        replace(FOUND, token=having(not_before=NOW + 120), answer=REFUSED),
        "It is not good yet, for another 2 min 0 s.",
        "",
    ),
    "another audience": (
        replace(FOUND, token=having(audiences=("condor://cm",)), answer=REFUSED),
        "It is meant for condor://cm, but this lake wants the audience https://lake.test.",
        "Let BEARER_TOKEN_FILE name the token of the lake.",
    ),
    "another scope that the VO does not give": (
        replace(
            FOUND,
            token=having(scopes=scopes.parse_all("storage.read:/open")),
            policy="invalid_scope; allowed: storage.read:/open",
            answer=REFUSED,
        ),
        "It has storage.read:/open, but this file takes storage.read:/embargoed/x (paths of scopes count from /cms). "
        "cms does not give it to you: invalid_scope; allowed: storage.read:/open",
        "Ask cms for the right to read /cms/embargoed/x.",
    ),
    "another scope that the VO would give": (
        replace(FOUND, token=having(scopes=()), policy="", answer=REFUSED),
        "It has no scope, but this file takes storage.read:/embargoed/x (paths of scopes count from /cms). "
        "cms would give you that scope if you asked for it.",
        "facility get-token -o FILE --scopes storage.read:/embargoed/x, and let BEARER_TOKEN_FILE name that file.",
    ),
    "another scope, and nobody to ask": (
        replace(FOUND, token=having(scopes=scopes.parse_all("compute.read")), answer=REFUSED),
        "What else cms would give you is not known here.",
        "Ask cms for the right to read /cms/embargoed/x.",
    ),
    "a sibling whose name begins alike": (
        replace(FOUND, address=at(CACHE, "/cms/embargoed2/x"), answer=REFUSED),
        "It has storage.read:/embargoed, but this file takes storage.read:/embargoed2/x",
        "Ask cms",
    ),
    "a clock that is behind": (
        replace(FOUND, ahead=-300.0, answer=REFUSED),
        "It is good for 5 min 0 s. This machine's clock is 5 min 0 s behind the facility's.",
        "Tell the facility's administrators about the clock.",
    ),
    "refused without a reason from here": (
        replace(FOUND, answer=REFUSED),
        f"{CACHE} refuses it ([3010] permission denied), although your token covers it: "
        "the lake's origin may refuse the cache.",
        "Tell the facility's administrators that /cms/embargoed/x is refused.",
    ),
    "a token that is not accepted": (
        replace(FOUND, answer=Answer("refused login", "Auth failed")),
        f"{CACHE} does not accept your token (Auth failed), although nothing is wrong with it from here.",
        "Wait a minute and try again; then tell the facility's administrators.",
    ),
    "a missing file": (
        replace(FOUND, answer=Answer("missing", "404 Not Found")),
        f"{CACHE} accepts you, but the origin has no /cms/embargoed/x (404 Not Found).",
        "Check the path.",
    ),
    "a path that is not served": (
        replace(FOUND, answer=Answer("not exported")),
        f"{CACHE} serves nothing at /cms/embargoed/x.",
        "Take a path of cms's lakes.",
    ),
    "an origin that fails": (
        replace(FOUND, answer=Answer("trouble", "502 Bad Gateway")),
        f"{CACHE} accepts you, but it or the lake's origin fails (502 Bad Gateway).",
        "Try again in a minute; then tell the facility's administrators that the origin does not answer the cache.",
    ),
    "a cache that cannot be reached": (
        replace(FOUND, answer=Answer("unreachable", "Connection refused")),
        f"{CACHE}:1094 cannot be reached (Connection refused).",
        "Check the address; caches are reached from the facility's own network.",
    ),
    "a certificate that is not trusted, root": (
        replace(FOUND, answer=Answer("tls", "unable to get local issuer certificate")),
        f"The certificate of {CACHE} is not trusted here (unable to get local issuer certificate).",
        "Let X509_CERT_FILE or X509_CERT_DIR name the facility's CA bundle.",
    ),
    "a certificate that is not trusted, https": (
        replace(FOUND, address=at(CACHE, "/cms/embargoed/x", "https"), answer=Answer("tls")),
        f"The certificate of {CACHE} is not trusted here.",
        "Let SSL_CERT_FILE name the facility's CA bundle.",
    ),
    "a cache that is too slow": (
        replace(FOUND, answer=Answer("late")),
        f"{CACHE} has not answered in time.",
        "Try again in a minute.",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_said_with_what_to_do(case: str) -> None:
    found, sentence, todo = BROKEN[case]
    assert sentence in said(found)
    assert any(one.startswith(todo) for one in judge(found).todo) if todo else True
    assert judge(found).readable is (found.answer.outcome == "read")


def test_every_outcome_of_a_try_has_its_sentence() -> None:
    outcomes: tuple[Outcome, ...] = Outcome.__args__  # type: ignore[attr-defined]
    told = {outcome: judge(replace(FOUND, answer=Answer(outcome))).sentences[-1] for outcome in outcomes}
    assert len(set(told.values())) == len(outcomes)


def test_a_refusal_that_was_explained_is_not_explained_once_more() -> None:
    found = BROKEN["an expired token"][0]
    assert said(found).endswith(f"{CACHE} refuses it ([3010] permission denied), for the reasons above.")


def test_a_token_for_everybody_has_the_right_audience() -> None:
    assert "is meant for" not in said(replace(FOUND, token=having(audiences=(claims.ANY_AUDIENCE,))))


@pytest.mark.parametrize(
    ("path", "lake", "scope"),
    [
        ("/cms/embargoed/x", LAKE, "storage.read:/embargoed/x"),
        ("/cms", LAKE, "storage.read:/"),
        ("/cms-open/x", Lake("/cms-open", "/"), "storage.read:/cms-open/x"),
        ("/cms/a b/ü", LAKE, "storage.read:/a%20b/%C3%BC"),
    ],
)
def test_the_scope_of_a_path_counts_from_the_lakes_base(path: str, lake: Lake, scope: str) -> None:
    assert scope_for(path, lake) == scope


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        (f"root://{CACHE}:1094//cms/x", "root", CACHE, 1094, "/cms/x"),
        (f"roots://{CACHE}//cms/x", "root", CACHE, 1094, "/cms/x"),
        (f"https://{CACHE}:2000/cms/a%20b", "https", CACHE, 2000, "/cms/a b"),
        ("root://cache//cms/x", "root", CACHE, 1094, "/cms/x"),
        ("/cms/x", "root", CACHE, 1094, "/cms/x"),
        ("root://other.org//cms/x", "root", "other.org", 1094, "/cms/x"),
    ],
)
def test_a_file_is_named_by_url_or_path(text: str, scheme: str, host: str, port: int, path: str) -> None:
    found = address(text, PLACE, 1094)
    assert (found.scheme, found.host, found.port, found.path) == (scheme, host, port, path)


@pytest.mark.parametrize("text", ["http://cache/cms/x", "root://", "root://cache", "ftp://a/b", "root://c:x//y", ""])
def test_what_is_no_file_of_a_lake_is_said_so(text: str) -> None:
    with pytest.raises(AddressError):
        address(text, PLACE, 1094)


def test_where_lakes_are_not_known_the_paths_first_part_is_taken_for_one() -> None:
    assert lake_of("/cms/embargoed/x", Place("cms", (CACHE,))) == Lake("/cms", "/cms")
