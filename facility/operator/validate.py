"""Step 2: of what was read, what may be built. Pure, and every refusal is a sentence that says what to mend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import ValidationError

from facility import names
from facility.datasets import CachedDataset
from facility.lakes import covers
from facility.operator import metadata
from facility.operator.facts import Facts
from facility.operator.objects import Manifest
from facility.tokens.claims import same_issuer
from facility.users import SUBJECT, FacilityUser
from facility.vo import VirtualOrganization

READY, ISSUER, CLIENT, NETWORK = "Ready", "IssuerReachable", "ClientReady", "NetworkReady"
ROBOT = "RobotReady"
#: Secrets that nobody must be given as a client's or a robot's
RESERVED = re.compile(r"facility-ca|hub-secrets|broker-key|pool-key|(tls|session|ep|sh\.helm)[-.].*")
_CLIENT_KEYS, _ROBOT_KEYS = ("client_id", "client_secret"), ("tls.crt", "tls.key")


@dataclass(frozen=True)
class Problem:
    """Why a condition is not simply True: a CamelCase reason and a sentence.

    passing: what was good goes on meanwhile; state: of the condition, "True" for a remark, "Unknown" for what was not
    looked at.
    """

    condition: str
    reason: str
    message: str
    passing: bool = False
    state: Literal["True", "False", "Unknown"] = "False"


@dataclass(frozen=True)
class ValidatedVO:
    """A VO that may be built; closed ones too, which are built closed. Its warnings do not keep it from being used.

    addresses: IP addresses of the hosts in its `network.allow`, as far as they have any.
    """

    vo: VirtualOrganization
    users: tuple[FacilityUser, ...] = ()
    warnings: tuple[Problem, ...] = ()
    datasets: tuple[CachedDataset, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
    everybody = people(facts.users)
    elders: list[VirtualOrganization] = []
    verdicts: list[Verdict] = []
    for manifest in sorted(facts.vos, key=age):
        verdict = judge(manifest, facts, elders, everybody.get(manifest["metadata"]["name"], ()))
        verdicts.append(verdict)
        if verdict.vo:
            elders.append(verdict.vo)
    return verdicts


def age(manifest: Manifest) -> tuple[str, str]:
    """What the older of two objects has less of; of the same second, the name decides."""
    return manifest["metadata"].get("creationTimestamp", ""), manifest["metadata"]["name"]


def people(users: Iterable[Manifest]) -> dict[str, list[FacilityUser]]:
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


def judge(
    manifest: Manifest, facts: Facts, elders: Iterable[VirtualOrganization], users: Sequence[FacilityUser]
) -> Verdict:
    """One object's verdict.

    Args:
        manifest: the VirtualOrganization object.
        facts: where its issuer, its client Secret and the hosts of its network are looked up.
        elders: the VOs that are older (`age`) and can be read, whether they may be built or not.
        users: its people.
    """
    name = manifest["metadata"]["name"]
    try:
        vo = VirtualOrganization.parse(manifest)
    except names.BadNameError as error:
        return RefusedVO(name, (Problem(READY, "BadName", str(error)),))
    except ValidationError as error:
        return RefusedVO(name, (Problem(READY, "BadSpec", spec_error(error)),))
    problems = (*_unusable(vo), *_conflicts(vo, elders), *_outside(vo, facts), *_hosts(vo, facts), *_robot(vo, facts))
    if all(problem.passing for problem in problems):
        return ValidatedVO(vo, tuple(users), problems, _datasets(vo, facts), _addresses(vo, facts))
    return RefusedVO(name, problems, vo)


def _datasets(vo: VirtualOrganization, facts: Facts) -> tuple[CachedDataset, ...]:
    """What its caches are to hold; a malformed object is nothing to them."""
    found = []
    for manifest in facts.datasets:
        try:
            found.append(CachedDataset.parse(manifest))
        except ValidationError:
            continue
    return tuple(one for one in found if one.spec.vo == vo.name)


def _outside(vo: VirtualOrganization, facts: Facts) -> Iterable[Problem]:
    """Issuer and client. Nobody needs them while the VO is closed, so nothing about them keeps it from being closed."""
    for problem in (*_issuer(vo, facts), *_client(vo, facts)):
        yield replace(problem, passing=True) if vo.closed else problem


def _served(vo: VirtualOrganization) -> bool:
    """Whether just this spec was found good before, so that an outage of others must not end it."""
    return vo.ready and vo.status.observed_generation == vo.generation


def spec_error(error: ValidationError) -> str:
    """Pydantic's findings as one line: `lakes.0.origin: … must be an https URL …`."""
    found = [f"{'.'.join(map(str, one['loc'])) or 'spec'}: {one['msg']}" for one in error.errors(include_input=False)]
    return "; ".join(found)


def _unusable(vo: VirtualOrganization) -> Iterable[Problem]:
    """What its shape allows, and the files and policies that are made of it do not."""
    if not re.fullmatch(SUBJECT, vo.spec.issuer):  # it must stand in HTCondor's map file, as a subject does
        text = f"spec.issuer {vo.spec.issuer!r}: only printable ASCII without space, quote, comma and backslash"
        yield Problem(READY, "BadSpec", text)
    for place in vo.spec.network.allow:
        if place.cidr and metadata.inside(place.cidr):
            text = f"network.allow: {place.cidr} is the nodes' metadata service, which no pod may reach: remove it"
            yield Problem(READY, "BadSpec", text)


def _conflicts(vo: VirtualOrganization, elders: Iterable[VirtualOrganization]) -> Iterable[Problem]:
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
    wanted = vo.spec.issuer
    found = facts.issuers.get(wanted)
    if found is None and vo.closed:
        yield Problem(ISSUER, "NotLooked", f"the VO {vo.closed}: its issuer is not asked", True, "Unknown")
        return
    # a new operator's first look has asked nobody yet: what was served, and edited meanwhile, is not left out for that
    passing = _served(vo) or (vo.ready if found is None else found.seen)
    if found is None or found.error:
        why = found.error if found else "it has not been asked yet"
        text = f"the issuer {wanted} does not answer as it should: {why}"
        yield Problem(ISSUER, "IssuerUnreachable", text, passing)
    elif not same_issuer(found.issuer, wanted):
        text = f"the discovery document of {wanted} names another issuer, {found.issuer}: correct spec.issuer"
        yield Problem(ISSUER, "IssuerMismatch", text)
    elif not found.keys:
        text = f"the issuer {wanted} publishes no signing key (jwks_uri has no RSA or EC key)"
        yield Problem(ISSUER, "IssuerWithoutKeys", text, passing)
    elif found.issuer != wanted:
        text = f"spec.issuer is {wanted} and the issuer's own document says {found.issuer}: they differ by a slash"
        more = "cache and batch compare with the claim iss of access tokens, letter by letter: write that"
        yield Problem(ISSUER, "IssuerDiffersBySlash", f"{text}; {more}", True, "True")


def _hosts(vo: VirtualOrganization, facts: Facts) -> Iterable[Problem]:
    unknown = [one.host for one in vo.spec.network.allow if one.host and not facts.hosts.get(one.host)]
    if unknown:
        text = f"no address is found for {', '.join(unknown)} of network.allow: nobody reaches it until there is one"
        yield Problem(NETWORK, "HostUnknown", text, passing=True)


def _addresses(vo: VirtualOrganization, facts: Facts) -> dict[str, tuple[str, ...]]:
    hosts = [one.host for one in vo.spec.network.allow if one.host]
    return {host: tuple(found) for host in hosts if (found := facts.hosts.get(host))}


def _client(vo: VirtualOrganization, facts: Facts) -> Iterable[Problem]:
    for name in vo.spec.client_secrets:
        yield from _secret(name, CLIENT, _CLIENT_KEYS, facts)


def _robot(vo: VirtualOrganization, facts: Facts) -> Iterable[Problem]:
    """A cache that runs keeps what it has of its robot; one that is to begin would wait for the Secret for ever."""
    if vo.robot:
        for problem in _secret(vo.robot.name, ROBOT, _ROBOT_KEYS, facts):
            passing = problem.reason != "SecretReserved" and (_served(vo) or bool(vo.closed))
            yield replace(problem, passing=passing)


def _secret(name: str, condition: str, wanted: Sequence[str], facts: Facts) -> Iterable[Problem]:
    if RESERVED.fullmatch(name):
        yield Problem(condition, "SecretReserved", f"Secret {name} is the facility's own: name another")
        return
    keys = facts.secrets.get(name)
    if keys is None:
        text = f"Secret {name} is missing: create it with the keys {' and '.join(wanted)}"
        yield Problem(condition, "SecretMissing", text)
        return
    missing = [key for key in wanted if key not in keys]
    if missing:
        yield Problem(condition, "SecretIncomplete", f"Secret {name} lacks a value for {' and '.join(missing)}")
