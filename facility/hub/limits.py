"""Whether a VO's and a person's limits let one more server start: counted on the pods that there are. Pure.

What a pod asks for is counted as Kubernetes does for scheduling and quotas: the requests of all its containers, the
agent's among them, so that the hub and a ResourceQuota never disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from facility import names, quantity
from facility.hub.refusals import Refused
from facility.limits import ServerLimits
from facility.vo import VirtualOrganization

Pod = Mapping[str, Any]
_ENDED = ("Succeeded", "Failed")
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Use:
    """Servers, and what they ask for: cores, bytes, pieces."""

    servers: int = 0
    cpu: Decimal = _ZERO
    memory: Decimal = _ZERO
    gpus: Decimal = _ZERO

    def __add__(self, other: Use) -> Use:
        return Use(
            self.servers + other.servers,
            self.cpu + other.cpu,
            self.memory + other.memory,
            self.gpus + other.gpus,
        )


def asked(pod: Pod, gpu: str) -> Use:
    """What one pod asks for; `gpu` is the nodes' name of GPUs. Raises ValueError for what is no amount."""
    return Use(1, *(_resource(pod["spec"], name) for name in ("cpu", "memory", gpu)))


def used(pods: Iterable[Pod], gpu: str) -> Use:
    """What pods that have not ended ask for together."""
    return sum((asked(pod, gpu) for pod in pods if pod.get("status", {}).get("phase") not in _ENDED), Use())


def check(vo: VirtualOrganization, owner: str, pods: Collection[Pod], new: Pod, gpu: str) -> None:
    """`pods`: all servers that run or start, but for the new one. Raises Refused with the limit that is in the way."""
    more = asked(new, gpu)
    mine = used((pod for pod in pods if _label(pod, names.LABEL_OWNER) == owner), gpu)
    all_ = used((pod for pod in pods if _label(pod, names.LABEL_VO) == vo.name), gpu)
    title = vo.spec.display_name or vo.name
    if said := exceeded(vo.spec.limits.user, mine, more):
        cure = "Stop one of yours on the hub's home page first, or choose a smaller one"
        if not mine.servers:
            cure = f"Choose a smaller one, or ask the managers of {title}"
        raise Refused(f"You may have {said}. {cure}.", reason="limit", status_code=429)
    if said := exceeded(vo.spec.limits.total, all_, more):
        cure = f"Try again later, choose a smaller one, or ask the managers of {title}"
        raise Refused(f"All people of {title} together may have {said}. {cure}.", reason="limit", status_code=429)


def exceeded(limits: ServerLimits, now: Use, more: Use) -> str:
    """The first limit that one more server would break, with what is used, as it fits after `may have`; else empty."""
    if limits.servers is not None and now.servers + 1 > limits.servers:
        return f"{_servers(limits.servers)} at a time, and {now.servers} run or start now"
    for limit, have, add, text in (
        (limits.cpu, now.cpu, more.cpu, _cores),
        (limits.memory, now.memory, more.memory, _size),
        (limits.gpus, now.gpus, more.gpus, _gpus),
    ):
        if limit is not None and add and have + add > quantity.parse(limit):
            most = text(quantity.parse(limit))
            return f"{most} in running servers: {text(have)} taken now, {text(add)} more for this one"
    return ""


def _resource(spec: Pod, name: str) -> Decimal:
    """Kubernetes' rule (sidecar containers): what runs together is added up, what runs before takes turns."""
    together = sum((_request(one, name) for one in spec["containers"]), _ZERO)
    beside, before = _ZERO, _ZERO
    for one in spec.get("initContainers") or ():
        if one.get("restartPolicy") == "Always":
            beside += _request(one, name)
            before = max(before, beside)
        else:
            before = max(before, beside + _request(one, name))
    return max(together + beside, before) + _amount((spec.get("overhead") or {}).get(name))


def _request(container: Pod, name: str) -> Decimal:
    """A limit without a request is a request, too."""
    resources = container.get("resources") or {}
    both = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return _amount(both.get(name))


def _amount(text: Any) -> Decimal:
    return _ZERO if text is None else quantity.parse(text)


def _label(pod: Pod, name: str) -> str | None:
    labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
    return labels.get(name)


def _servers(number: int) -> str:
    return f"{number} server{'' if number == 1 else 's'}"


def _cores(amount: Decimal) -> str:
    return f"{quantity.cores(amount)} CPU core{'' if amount == 1 else 's'}"


def _gpus(amount: Decimal) -> str:
    return f"{amount.normalize():f} GPU{'' if amount == 1 else 's'}"


def _size(amount: Decimal) -> str:
    """Exactly, or two servers of 4 GiB would seem to fit into 8 GiB that the agents' 64 MiB overfill."""
    for power, unit in ((3, "GiB"), (2, "MiB")):
        whole = amount / Decimal(1024) ** power
        if whole == whole.to_integral_value():
            return f"{whole.normalize():f} {unit} of memory"
    return f"{quantity.size(amount)} of memory"
