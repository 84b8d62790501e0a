"""What the operator tells of itself, in Prometheus' text format."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from facility.operator.reconcile import Reconciler

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counted as it happens, or looked up when somebody asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._seconds = Histogram(
            "facility_operator_reconcile_seconds",
            "Seconds of one turn: of a VO, of what the facility shares (site), of people's numbers (uids).",
            ("what", "outcome"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._requests = Counter(
            "facility_operator_api_requests",
            "Answers of the API server, by verb and HTTP status; 0: there was none.",
            ("verb", "code"),
            registry=self.registry,
        )
        self._restarts = Counter(
            "facility_operator_watch_restarts",
            "Watches that ended otherwise than in order.",
            ("kind",),
            registry=self.registry,
        )

    def reconciled(self, item: str, well: bool, seconds: float) -> None:
        """One turn is over."""
        what = item[1:] if item.startswith("*") else "vo"
        self._seconds.labels(what, "done" if well else "failed").observe(seconds)

    def requested(self, verb: str, status: int) -> None:
        """The API server has answered."""
        self._requests.labels(verb, str(status)).inc()

    def watch_broke(self, kind: str) -> None:
        """A watch of that kind has to be begun again."""
        self._restarts.labels(kind).inc()

    def show(self, reconciler: Reconciler, leads: Callable[[], bool]) -> None:
        """Tell of that one, too."""
        self.registry.register(_Look(reconciler, leads))

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self.registry)


class _Look(Collector):
    """What is looked up when somebody asks."""

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
