"""Step 1: what one VO's object points at, from what is known already, and decide nothing."""

from __future__ import annotations

from pydantic import ValidationError

from facility.names import BadNameError
from facility.operator.facts import Facts, Issuer, hosts_of, issuer_of, secrets_of
from facility.operator.lookout import Lookout
from facility.operator.mirrors import Mirrors
from facility.operator.objects import Manifest
from facility.operator.validate import age
from facility.vo import VirtualOrganization


class Dereference:
    """Where facts about VOs come from: the mirrors, and the answers of issuers and of the resolver."""

    def __init__(self, mirrors: Mirrors, issuers: Lookout[Issuer], hosts: Lookout[tuple[str, ...]]) -> None:
        self._mirrors, self._issuers, self._hosts = mirrors, issuers, hosts

    def look_after(self, name: str) -> None:
        """Have asked what this VO needs from now on, nothing when it is gone. Nobody needs a closed VO's issuer."""
        manifest = self._mirrors.vos.get(name) or {"metadata": {}}
        issuer = "" if _closed(manifest) else issuer_of(manifest)
        self._issuers.want(name, frozenset({issuer} - {""}))
        self._hosts.want(name, hosts_of(manifest))

    def complete(self, name: str) -> bool:
        """Whether everything has been asked once; the answer, when it comes, calls for this VO again."""
        return self._issuers.complete(name) and self._hosts.complete(name)

    def facts(self, name: str) -> Facts:
        """All that is known about this VO and its people. Raises KeyError when there is none."""
        manifest = self._mirrors.vos[name]
        secrets = {name: self._mirrors.secret_keys(name) for name in secrets_of(manifest)}
        return Facts(
            vos=(manifest,),
            users=tuple(self._mirrors.people(name)),
            issuers=self._issuers.answers(name),
            secrets={name: keys for name, keys in secrets.items() if keys is not None},
            hosts=self._hosts.answers(name),
            datasets=tuple(self._mirrors.datasets_of(name)),
        )

    def elders(self, name: str) -> list[VirtualOrganization]:
        """The older VOs that this one may be in the way of, oldest first; one that cannot be read claims nothing."""
        vos = self._mirrors.vos
        own = age(vos[name])
        older = sorted((vos[one] for one in self._mirrors.rivals.of(name) if age(vos[one]) < own), key=age)
        return [parsed for manifest in older if (parsed := _parsed(manifest))]


def _closed(manifest: Manifest) -> bool:
    spec = manifest.get("spec")
    suspended = spec.get("suspended") is True if isinstance(spec, dict) else False
    return suspended or bool(manifest["metadata"].get("deletionTimestamp"))


def _parsed(manifest: Manifest) -> VirtualOrganization | None:
    try:
        return VirtualOrganization.parse(manifest)
    except (BadNameError, ValidationError):
        return None
