"""Events on VOs (events.k8s.io/v1), as `kubectl describe` and `kubectl events` show them: rare, and never repeated.

Events are news for people. That one cannot be written is told in the log, and holds up nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from facility import names
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import EVENT, Manifest

_LOG = logging.getLogger(__name__)
CONTROLLER = f"{names.API_GROUP}/operator"
_WINDOW, _MOST = 60.0, 5  # seconds, and events of one object in them
_SAME = 600.0  # seconds after which the same is told again
_WAITING = 1000  # events that wait to be written; further ones push out the oldest
Kind = Literal["Normal", "Warning"]
#: reasons that are as somebody wanted them, though the VO is not ready
_WANTED = ("Suspended", "Removing")


class News(NamedTuple):
    """What an event says: of which type, a CamelCase reason, a sentence."""

    kind: Kind
    reason: str
    note: str


class Recorder:
    """Collects events, and writes them when it is asked to."""

    def __init__(self, cluster: Cluster, now: Callable[[], float], instance: str = "operator") -> None:
        """`instance`: the name of this operator's pod."""
        self._cluster, self._now, self._instance = cluster, now, instance
        self._waiting: deque[Manifest] = deque(maxlen=_WAITING)
        self._told: dict[tuple[str, News], float] = {}
        self._times: dict[str, deque[float]] = {}

    def tell(self, about: Manifest, news: News) -> None:
        """Something about that object, unless it has been told already, or too much has been told of late."""
        uid, now = str(about["metadata"].get("uid", "")), self._now()
        if now - self._told.get((uid, news), float("-inf")) < _SAME or self._too_much(uid, now):
            return
        self._told[uid, news] = now
        self._waiting.append(_event(about, news, now, self._instance))

    async def flush(self) -> None:
        """Write what there is to be told."""
        self._forget()
        while self._waiting:
            event = self._waiting.popleft()
            try:
                await self._cluster.create(event)
            except ClusterError as error:
                _LOG.info("the event %s of %s: %s", event["reason"], event["regarding"]["name"], error)

    def _too_much(self, uid: str, now: float) -> bool:
        times = self._times.setdefault(uid, deque(maxlen=_MOST))
        if len(times) == _MOST and now - times[0] < _WINDOW:
            return True
        times.append(now)
        return False

    def _forget(self) -> None:
        """What is too old to matter any more."""
        now = self._now()
        self._told = {key: when for key, when in self._told.items() if now - when < _SAME}
        self._times = {uid: times for uid, times in self._times.items() if now - times[-1] < _WINDOW}


def changes(before: Manifest, after: Manifest) -> Iterator[News]:
    """What two statuses of a VO differ in, condition by condition; that all is well at first is told once, by Ready."""
    old = {one["type"]: one for one in before.get("conditions") or []}
    for new in after["conditions"]:
        was = old.get(new["type"], {})
        first_and_well = not was and new["status"] == "True" and new["type"] != "Ready"
        if (was.get("status"), was.get("reason")) != (new["status"], new["reason"]) and not first_and_well:
            yield _news(new)


def _news(condition: dict[str, Any]) -> News:
    well = condition["status"] != "False" or condition["reason"] in _WANTED
    return News("Normal" if well else "Warning", condition["reason"], condition["message"])


def _event(about: Manifest, news: News, now: float, instance: str) -> Manifest:
    meta = about["metadata"]
    regarding = {"apiVersion": about["apiVersion"], "kind": about["kind"]}
    regarding |= {key: meta[key] for key in ("namespace", "name", "uid") if key in meta}
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": f"{meta['name']}.{uuid4().hex[:16]}", "namespace": meta["namespace"]},
        "eventTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": news.kind,
        "reason": news.reason,
        "note": news.note[:1024],
        "action": "Reconcile",
        "regarding": regarding,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
    }
