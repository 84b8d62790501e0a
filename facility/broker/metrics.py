"""What the broker tells of itself, in Prometheus' text format. No label has a person in it, or anything of a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from facility.broker.errors import BrokerError
from facility.broker.forwarding import MARK

if TYPE_CHECKING:
    from facility.broker.parts import Broker

PORT = 9090
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Metrics:
    """Counted as it happens, or looked up when somebody asks."""

    def __init__(self, broker: Broker) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._answers = Counter(
            "facility_broker_answers",
            "Answers by path, HTTP status, OAuth's error; forwarded: for another replica, which counts it, too.",
            ("path", "status", "error", "forwarded"),
            registry=self.registry,
        )
        self._answer = lru_cache(256)(self._answers.labels)  # the library looks a counter up as slowly as it is told
        self.registry.register(_Look(broker))

    @web.middleware
    async def counting(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A middleware that counts each answer. A token that was handed out is a 200 of /token."""
        status, error = 500, ""
        try:
            answer = await handler(request)
            status = answer.status
            return answer
        except BrokerError as refusal:
            status, error = refusal.status, refusal.error
            raise
        except web.HTTPException as refusal:
            status = refusal.status
            raise
        finally:
            resource = request.match_info.route.resource
            path = resource.canonical if resource else "other"  # the pattern: no person's name
            self._answer(path, status, error, "true" if MARK in request.headers else "false").inc()

    def application(self) -> web.Application:
        """Answers /metrics."""

        async def measured(_: web.Request) -> web.Response:
            return web.Response(body=generate_latest(self.registry), headers={"Content-Type": _TYPE})

        app = web.Application()
        app.router.add_get("/metrics", measured)
        return app


class _Look(Collector):
    """What is looked up when somebody asks."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def describe(self) -> Iterable[Metric]:
        """Nothing: it is known only when it is collected."""
        return ()

    def collect(self) -> Iterable[Metric]:
        broker = self._broker
        yield _gauge("shards", "Shards held by this replica, of 16.", len(broker.holding.shards))
        yield _gauge("waiting", "Agents that wait for news.", broker.changes.count)
        yield _gauge("cached_tokens", "Access tokens in memory that are good.", len(broker.cache.entries()))
        yield self._sessions()
        used = CounterMetricFamily(
            "facility_broker_refreshes", "Times that a refresh token was sent to a VO's issuer.", labels=("vo",)
        )
        for vo, count in broker.sessions.uses.items():
            used.add_metric((vo,), count)
        yield used

    def _sessions(self) -> Metric:
        family = GaugeMetricFamily(
            "facility_broker_sessions",
            "Sessions of this replica's shards that it has in memory, by state and reason.",
            labels=("vo", "state", "reason"),
        )
        for labels, count in self._broker.sessions.tally().items():
            family.add_metric(labels, count)
        return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"facility_broker_{name}", text, value=value)
