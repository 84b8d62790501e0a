"""Sentences about a read, from what was found. Pure: the same evidence is always told in the same words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from facility.agent.words import span
from facility.tokens import scopes as algebra
from facility.tokens.claims import ANY_AUDIENCE, Claims, same_issuer
from facility.why.facts import Evidence, Lake, lake_of, relative

#: seconds by which clocks may differ (WLCG profile)
SKEW = 60


@dataclass(frozen=True)
class Verdict:
    """Whether it can be read, what was found on the way, and what to do."""

    readable: bool
    sentences: tuple[str, ...]
    todo: tuple[str, ...]


@dataclass(frozen=True)
class _Said:
    """One step: a sentence, and when it is bad news what to do ("": nothing that a person could)."""

    text: str
    bad: bool = False
    todo: str = ""


def judge(found: Evidence) -> Verdict:
    """Walks from the address over token, claims and policy to what the cache said."""
    lake = lake_of(found.address.path, found.place)
    before = [*_where(found, lake), *_token(found), *_claims(found, lake)]
    explained = any(one.bad for one in before)
    said = [*before, *_answer(found, explained)]
    todo = dict.fromkeys(one.todo for one in said if one.bad and one.todo)
    return Verdict(found.answer.outcome == "read", tuple(one.text for one in said), tuple(todo))


def scope_for(path: str, lake: Lake) -> str:
    """The scope that reading a path takes."""
    return f"storage.read:{quote(relative(path, lake))}"


def lacks(claims: Claims, scope: str) -> bool:
    """Whether a token does not open what `scope` opens."""
    try:
        return not algebra.covered(algebra.parse(scope), claims.scopes)
    except algebra.ScopeError:
        return True


def _where(found: Evidence, lake: Lake | None) -> Iterator[_Said]:
    address, place = found.address, found.place
    if address.storage:
        yield _Said(f"{address.storage} holds it; programs here read it at the cache of {place.vo}, {address.host}.")
    if address.alias:
        yield _Said(f"The cache of {place.vo} is {address.host}.")
    if address.host not in place.caches:
        known = " ".join(place.caches) or "none is known here"
        text = f"{address.host} is no cache of {place.vo or 'any VO known here'} ({known}), so your token stays here."
        yield _Said(text, True, "Use the address that facility status shows.")
    elif lake is None:
        listed = " ".join(one.prefix for one in place.lakes)
        text = f"No lake of {place.vo} holds {address.path}: its lakes are {listed}."
        yield _Said(text, True, f"Take a path that begins with one of {listed}.")
    else:
        yield _Said(f"{address.path} is in the lake {lake.prefix} of {place.vo}, read through {address.host}.")


def _token(found: Evidence) -> Iterator[_Said]:
    token = found.token
    yield from (_Said(f"The agent says: {one}.", True) for one in found.troubles)
    if token.problem:
        yield _Said(f"There is no token to read with: {token.problem}.", True, _sign_in(found))
        return
    yield _Said(f"Your token is from {token.where}.")
    if token.fixed:
        todo = "unset BEARER_TOKEN"
        yield _Said("A token in the variable BEARER_TOKEN comes before all files, and nobody renews it.", True, todo)
    if token.open and found.address.scheme == "root":
        text = "Others may read the file of your token: XRootD's client refuses such a file."
        yield _Said(text, True, "chmod 600 the file.")


def _claims(found: Evidence, lake: Lake | None) -> Iterator[_Said]:
    claims = found.token.claims
    if claims is None:
        return
    if found.place.issuer and not same_issuer(claims.issuer, found.place.issuer):
        text = f"It is a token of {claims.issuer}, but {found.place.vo} has the issuer {found.place.issuer}."
        yield _Said(text, True, "Take the token of this VO.")
    yield from _times(found, claims)
    if lake and lake.audience and not {lake.audience, ANY_AUDIENCE} & set(claims.audiences):
        text = f"It is meant for {' '.join(claims.audiences)}, but this lake wants the audience {lake.audience}."
        yield _Said(text, True, "Let BEARER_TOKEN_FILE name the token of the lake.")
    if lake:
        yield from _scopes(found, claims, lake)


def _times(found: Evidence, claims: Claims) -> Iterator[_Said]:
    now = found.now - (found.ahead if abs(found.ahead) > SKEW else 0)
    left = int(claims.expires - now)
    if left <= 0:
        yield _Said(f"It expired {span(-left)} ago.", True, _sign_in(found) if not found.token.fixed else "")
    elif claims.not_before > now + SKEW:
        yield _Said(f"It is not good yet, for another {span(int(claims.not_before - now))}.", True)
    else:
        yield _Said(f"It is good for {span(left)}.")
    if abs(found.ahead) > SKEW:
        side = "ahead of" if found.ahead > 0 else "behind"
        text = f"This machine's clock is {span(int(abs(found.ahead)))} {side} the facility's."
        yield _Said(text, True, "Tell the facility's administrators about the clock.")


def _scopes(found: Evidence, claims: Claims, lake: Lake) -> Iterator[_Said]:
    wanted, has = scope_for(found.address.path, lake), algebra.text(claims.scopes) or "no scope"
    if not lacks(claims, wanted):
        yield _Said(f"It has {has}, which covers {wanted}.")
        return
    yield _Said(f"It has {has}, but this file takes {wanted} (paths of scopes count from {lake.base}).", True)
    if found.policy is None:
        yield _Said(f"What else {found.place.vo} would give you is not known here.", True, _ask(found))
    elif found.policy:
        yield _Said(f"{found.place.vo} does not give it to you: {found.policy}", True, _ask(found))
    else:
        todo = f"facility get-token -o FILE --scopes {wanted}, and let BEARER_TOKEN_FILE name that file."
        yield _Said(f"{found.place.vo} would give you that scope if you asked for it.", True, todo)


def _answer(found: Evidence, explained: bool) -> Iterator[_Said]:
    host, answer = found.address.host, found.answer
    words = f" ({answer.text})" if answer.text else ""
    if answer.outcome == "nobody":
        yield _Said("Nothing was asked: there is nobody to show a token to, or no token to show.")
    elif answer.outcome == "read":
        yield _Said(f"{host} lets you read it.")
    elif answer.outcome in ("refused login", "refused"):
        yield _refused(found, host, words, explained)
    else:
        yield _other(found, host, words)


def _refused(found: Evidence, host: str, words: str, explained: bool) -> _Said:
    if explained:
        return _Said(f"{host} refuses it{words}, for the reasons above.", True)
    if found.answer.outcome == "refused login":
        text = f"{host} does not accept your token{words}, although nothing is wrong with it from here."
        return _Said(text, True, "Wait a minute and try again; then tell the facility's administrators.")
    text = f"{host} refuses it{words}, although your token covers it: the lake's origin may refuse the cache."
    return _Said(text, True, f"Tell the facility's administrators that {found.address.path} is refused.")


def _other(found: Evidence, host: str, words: str) -> _Said:
    path, vo = found.address.path, found.place.vo
    trust = "SSL_CERT_FILE" if found.address.scheme == "https" else "X509_CERT_FILE or X509_CERT_DIR"
    said: dict[str, tuple[str, str]] = {
        "missing": (f"{host} accepts you, but the origin has no {path}{words}.", "Check the path."),
        "not exported": (f"{host} serves nothing at {path}{words}.", f"Take a path of {vo}'s lakes."),
        "trouble": (
            f"{host} accepts you, but it or the lake's origin fails{words}.",
            "Try again in a minute; then tell the facility's administrators that the origin does not answer the cache.",
        ),
        "unreachable": (
            f"{host}:{found.address.port} cannot be reached{words}.",
            "Check the address; caches are reached from the facility's own network.",
        ),
        "tls": (
            f"The certificate of {host} is not trusted here{words}.",
            f"Let {trust} name the facility's CA bundle.",
        ),
        "late": (f"{host} has not answered in time{words}.", "Try again in a minute."),
    }
    return _Said(said[found.answer.outcome][0], True, said[found.answer.outcome][1])


def _sign_in(found: Evidence) -> str:
    if any("sign in again" in one for one in found.troubles):
        return "Sign in again at the hub."
    return "See facility status for why there is no good token."


def _ask(found: Evidence) -> str:
    return f"Ask {found.place.vo} for the right to read {found.address.path}."
