"""What was read of a facility, for judging: objects as the API server gives them, and what could not be read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from facility import names
from facility.operator.facts import Issuer
from facility.site import Namespaces

Json = dict[str, Any]


@dataclass(frozen=True)
class Certificate:
    """Of a TLS Secret. `ends`: seconds since the epoch, 0 when unreadable; `ours`: the operator renews it."""

    namespace: str
    secret: str
    vo: str
    ends: float
    ours: bool


@dataclass(frozen=True)
class Facts:
    """`now`: seconds since the epoch. `objects`: by plural and namespace; a list that could not be read is not there.

    installed: whether the facility's settings are there; known: whether the API server knows the facility's kinds;
    unread: what could not be read, with the reason; issuers: as they answer here, by URL; deadline: seconds that a
    deleted VO has.
    """

    now: float
    spaces: Namespaces = field(default_factory=Namespaces)
    installed: bool = True
    known: bool = True
    deadline: int = 60
    objects: Mapping[tuple[str, str], tuple[Json, ...]] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    def of(self, plural: str, namespace: str) -> tuple[Json, ...] | None:
        """The objects; None when they could not be read, which is not the same as none."""
        return self.objects.get((plural, namespace))

    def some(self, plural: str, namespace: str) -> tuple[Json, ...]:
        """The objects that could be read."""
        return self.objects.get((plural, namespace), ())

    @property
    def vos(self) -> tuple[Json, ...]:
        """The VirtualOrganization objects, by name."""
        found = self.some("virtualorganizations", self.spaces.facility)
        return tuple(sorted(found, key=lambda one: str(one["metadata"]["name"])))

    def age(self, manifest: Json) -> float:
        """Seconds since an object was made."""
        return self.now - seconds(manifest["metadata"].get("creationTimestamp"))


def seconds(moment: Any) -> float:
    """A time as Kubernetes writes it (RFC 3339), in seconds since the epoch; 0 for none."""
    try:
        found = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def name(manifest: Json) -> str:
    """Its name."""
    return str(manifest["metadata"]["name"])


def labels(manifest: Json) -> Mapping[str, str]:
    """Its labels, none if it has none."""
    return manifest["metadata"].get("labels") or {}


def vo_of(manifest: Json) -> str:
    """The VO that an object belongs to, by its label; empty for the facility's own."""
    return labels(manifest).get(names.LABEL_VO, "")


def condition(manifest: Json, kind: str) -> Json:
    """A condition of an object's status; {} when it is not there."""
    conditions: Iterable[Json] = (manifest.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), {})
