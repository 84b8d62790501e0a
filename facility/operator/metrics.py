"""What the operator tells of itself, in Prometheus' text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counted as it happens; `facility.operator.gauges` adds what is looked up when somebody asks."""

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

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self.registry)
