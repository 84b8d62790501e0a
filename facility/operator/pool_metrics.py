"""What the operator tells of the batch pool: jobs, pods and cores of each VO, never of persons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from facility.operator.execute import Demand


class Pool(Collector):
    """Looked up when somebody asks, from the last decision."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: it is known only when it is collected."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        yield self._jobs()
        yield from self._pods()
        yield self._waiting()
        yield self._seconds()

    def _jobs(self) -> GaugeMetricFamily:
        tally: Counter[tuple[str, str]] = Counter()
        for owner, jobs in self._demand.jobs.items():
            counts = {"idle": jobs.idle, "running": jobs.running, "held": jobs.stopped}
            for state, count in counts.items():
                tally[_vo(owner), state] += count
        return _family("jobs", "Jobs in queues, by VO.", ("vo", "state"), tally)

    def _pods(self) -> Iterable[GaugeMetricFamily]:
        pods: Counter[tuple[str, str]] = Counter()
        cores: Counter[tuple[str, str]] = Counter()
        for pod in self._demand.pods:
            state = "retiring" if pod.retiring else str(pod.phase)
            pods[pod.vo, state] += 1
            cores[pod.vo, state] += pod.shape.cpus
        yield _family("pods", "Execute pods, by VO and how far they are.", ("vo", "state"), pods)
        yield _family("cores", "Cores of execute pods, by VO and how far they are.", ("vo", "state"), cores)

    def _waiting(self) -> GaugeMetricFamily:
        causes = Counter((_vo(owner), str(one.cause)) for owner, one in self._demand.decision.reasons.items())
        return _family("waiting_people", "People with waiting jobs, by VO and why they wait.", ("vo", "cause"), causes)

    def _seconds(self) -> CounterMetricFamily:
        family = CounterMetricFamily(
            "facility_pool_decision_seconds", "Seconds that decisions about shares have taken, all together."
        )
        family.add_metric((), self._demand.deciding)
        return family


def _family(name: str, text: str, labels: tuple[str, str], tally: Counter[tuple[str, str]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"facility_pool_{name}", text, labels=labels)
    for values, count in sorted(tally.items()):
        family.add_metric(values, count)
    return family


def _vo(owner: str) -> str:
    return owner.partition("_")[0]
