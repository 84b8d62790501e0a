"""Step 2: of what was read, what may be built. Pure, and every refusal is a sentence that says what to mend."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from facility import names
from facility.operator.facts import Facts
from facility.operator.objects import Manifest
from facility.tokens.claims import same_issuer
from facility.users import SUBJECT, FacilityUser
from facility.vo import VirtualOrganization, covers

READY, ISSUER, CLIENT = "Ready", "IssuerReachable", "ClientReady"
#: Secrets that the hub must never be given as somebody's client
RESERVED = re.compile(r"facility-ca|hub-secrets|broker-key|pool-key|(tls|session|ep|sh\.helm)[-.].*")
_CLIENT_KEYS = ("client_id", "client_secret")


@dataclass(frozen=True)
class Problem:
    """Why a condition is not True: a CamelCase reason and a sentence. `passing`: what was good goes on meanwhile."""

    condition: str
    reason: str
    message: str
    passing: bool = False


@dataclass(frozen=True)
class ValidatedVO:
    """A VO that may be built. Its warnings do not keep it from being used."""

    vo: VirtualOrganization
    users: tuple[FacilityUser, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """The VO's name."""
        return self.vo.name


@dataclass(frozen=True)
class RefusedVO:
    """A VO that is not built now; what runs of it already is left alone."""

    name: str
    problems: tuple[Problem, ...]
    vo: VirtualOrganization | None = None


Verdict = ValidatedVO | RefusedVO


def validate(facts: Facts) -> list[Verdict]:
    """One verdict for each object, the oldest first."""
    people = _people(facts.users)
    elders: list[VirtualOrganization] = []
    verdicts: list[Verdict] = []
    for manifest in sorted(facts.vos, key=_age):
        verdict = _judge(manifest, facts, elders, people)
        verdicts.append(verdict)
        if verdict.vo:
            elders.append(verdict.vo)
    return verdicts


def _age(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"].get("creationTimestamp", ""), manifest["metadata"]["name"]


def _people(users: Iterable[Manifest]) -> dict[str, list[FacilityUser]]:
    """People by VO, in the order of their names; a malformed object is nobody and stops nobody."""
    result: dict[str, list[FacilityUser]] = {}
    for manifest in sorted(users, key=lambda one: str(one["metadata"]["name"])):
        try:
            user = FacilityUser.parse(manifest)
        except ValidationError:
            continue
        if user.hub_user == manifest["metadata"]["name"]:
            result.setdefault(user.spec.vo, []).append(user)
    return result


def _judge(
    manifest: Manifest, facts: Facts, elders: list[VirtualOrganization], people: dict[str, list[FacilityUser]]
) -> Verdict:
    name = manifest["metadata"]["name"]
    try:
        vo = VirtualOrganization.parse(manifest)
    except names.BadNameError as error:
        return RefusedVO(name, (Problem(READY, "BadName", str(error)),))
    except ValidationError as error:
        return RefusedVO(name, (Problem(READY, "BadSpec", spec_error(error)),))
    problems = (*_conflicts(vo, elders), *_issuer(vo, facts), *_client(vo, facts))
    if all(problem.passing for problem in problems):
        return ValidatedVO(vo, tuple(people.get(name, ())), problems)
    return RefusedVO(name, problems, vo)


def _served(vo: VirtualOrganization) -> bool:
    """Whether just this spec was found good before, so that an outage of others must not end it."""
    return vo.ready and vo.status.observed_generation == vo.generation


def spec_error(error: ValidationError) -> str:
    """Pydantic's findings as one line: `lakes.0.origin: … must be an https URL …`."""
    found = [f"{'.'.join(map(str, one['loc'])) or 'spec'}: {one['msg']}" for one in error.errors(include_input=False)]
    return "; ".join(found)


def _conflicts(vo: VirtualOrganization, elders: list[VirtualOrganization]) -> Iterable[Problem]:
    for elder in elders:
        if same_issuer(elder.spec.issuer, vo.spec.issuer):
            text = f"issuer {vo.spec.issuer} belongs to the older VO {elder.name}; a VO needs an issuer of its own"
            yield Problem(READY, "IssuerTaken", text)
        for mine in vo.spec.lakes:
            for theirs in elder.spec.lakes:
                if covers(mine.prefix, theirs.prefix) or covers(theirs.prefix, mine.prefix):
                    text = f"lake prefix {mine.prefix} meets {theirs.prefix} of the older VO {elder.name}"
                    yield Problem(READY, "PrefixTaken", f"{text}; choose another")


def _issuer(vo: VirtualOrganization, facts: Facts) -> Iterable[Problem]:
    if not re.fullmatch(SUBJECT, vo.spec.issuer):  # it must stand in HTCondor's map file, as a subject does
        text = f"spec.issuer {vo.spec.issuer!r}: only printable ASCII without space, quote, comma and backslash"
        yield Problem(READY, "BadSpec", text)
        return
    found = facts.issuers.get(vo.spec.issuer)
    passing = _served(vo) or (found is not None and found.seen)
    if found is None or found.error:
        why = found.error if found else "it has not been asked yet"
        text = f"the issuer {vo.spec.issuer} does not answer as it should: {why}"
        yield Problem(ISSUER, "IssuerUnreachable", text, passing)
    elif not same_issuer(found.issuer, vo.spec.issuer):
        text = f"the discovery document of {vo.spec.issuer} names another issuer, {found.issuer}: correct spec.issuer"
        yield Problem(ISSUER, "IssuerMismatch", text)
    elif not found.keys:
        text = f"the issuer {vo.spec.issuer} publishes no signing key (jwks_uri has no RSA or EC key)"
        yield Problem(ISSUER, "IssuerWithoutKeys", text, passing)


def _client(vo: VirtualOrganization, facts: Facts) -> Iterable[Problem]:
    name = vo.spec.client_secret.name
    if RESERVED.fullmatch(name):
        yield Problem(CLIENT, "SecretReserved", f"Secret {name} is the facility's own; keep the client in another")
        return
    keys = facts.clients.get(name)
    if keys is None:
        text = f"Secret {name} is missing: create it with the keys client_id and client_secret"
        yield Problem(CLIENT, "SecretMissing", text)
        return
    missing = [key for key in _CLIENT_KEYS if key not in keys]
    if missing:
        yield Problem(CLIENT, "SecretIncomplete", f"Secret {name} lacks a value for {' and '.join(missing)}")
