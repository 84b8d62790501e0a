"""ESCAPE's lake in parts that change while people read, each with an origin of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage
from tests.cluster.waiting import until_usable

ESCAPE = world.ESCAPE
#: seconds for changed lakes to reach a running cache: kubelets bring changed files within a minute and a half, and
#: XRootD looks whose tokens open what once a minute
ARRIVED = 240

#: what tests say of its cache
CHANGED = ("robot", "prefetch", "quotas", "dropUnusedDays")


def part(name: str, origin: str, audience: str = world.ORIGIN, **more: Any) -> dict[str, Any]:
    """A lake that is a part of the VO's only one."""
    scopes = [f"storage.read:/{name}"]
    made = {"prefix": f"/escape/{name}", "origin": origin, "audience": audience, "scopes": scopes}
    return {**made, "cacheScopes": scopes, "scopeBase": "/escape", **more}


def give(stage: Stage, *some: dict[str, Any], **cache: Any) -> None:
    """The VO has these lakes from now on, and of its cache what is named."""
    change = json.dumps({"spec": {"lakes": list(some), "cache": cache}})
    stage.cluster.do("patch", "vo", ESCAPE.name, "-n", "facility", "--type=merge", "-p", change)


@contextmanager
def usual(stage: Stage, back: Callable[[], bool]) -> Iterator[None]:
    """The VO with its usual lake, before and after; `back`: whether people read it again."""
    stage.cluster.apply(world.manifest(ESCAPE))
    until_usable(stage, ESCAPE)
    yield
    give(stage, *world.manifest(ESCAPE)["spec"]["lakes"], **dict.fromkeys(CHANGED))
    stage.cluster.wait_for("the usual lake", back, ARRIVED)
