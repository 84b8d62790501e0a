"""What the operator tells of how things stand, looked up when somebody asks for its metrics."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from facility.operator.reconcile import Reconciler


class Gauges(Collector):
    """Of one reconciler; `leads`: whether this replica works."""

    def __init__(self, reconciler: Reconciler, leads: Callable[[], bool]) -> None:
        self._reconciler, self._leads = reconciler, leads

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: it is known only when it is collected."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        mirrors, agenda = self._reconciler.mirrors, self._reconciler.agenda
        yield _gauge("leader", "1 for the replica that works, 0 for one that stands by.", float(self._leads()))
        yield _gauge("queue_depth", "Things that are due and not begun.", len(agenda))
        yield _gauge("users", "FacilityUsers.", len(mirrors.users))
        yield self._readiness()
        yield self._issuers()

    def _readiness(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "facility_operator_vos", "VirtualOrganizations by condition Ready.", labels=("ready", "reason")
        )
        tally = Tally(_ready(vo) for vo in self._reconciler.mirrors.vos.values())
        for labels, count in tally.items():
            family.add_metric(labels, count)
        return family

    def _issuers(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "facility_operator_issuer_up", "Whether a VO's issuer answered as it should.", labels=("vo",)
        )
        for name in self._reconciler.mirrors.vos:
            for issuer in self._reconciler.issuers.answers(name).values():
                family.add_metric((name,), float(not issuer.error and issuer.keys > 0))
        return family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"facility_operator_{name}", text, value=value)


def _ready(vo: dict[str, object]) -> tuple[str, str]:
    status = vo.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for one in conditions or ():
        if one.get("type") == "Ready":
            return one.get("status", "Unknown"), one.get("reason", "")
    return "Unknown", ""
