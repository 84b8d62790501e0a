"""Waiting for what the cluster comes to, each with a sentence for whoever reads that it did not."""

from __future__ import annotations

import asyncio

import aiohttp

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage

USERS = "facility-users"


def until_ready(stage: Stage, pod: str, seconds: float = 90) -> None:
    """A user's pod is there, all its containers ready."""
    stage.cluster.wait_for(f"pod {pod} ready", lambda: pod_ready(stage, pod), seconds)


def pod_ready(stage: Stage, name: str) -> bool:
    """Whether a user's pod is there and ready."""
    found = [pod for pod in stage.cluster.items("pods", "-n", USERS) if pod["metadata"]["name"] == name]
    conditions = [one for pod in found for one in pod["status"].get("conditions", [])]
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def until_gone(stage: Stage, kind: str, namespace: str, labels: str, seconds: float = 60) -> None:
    """No object with these labels is left."""
    chosen = (kind, "-n", namespace, "-l", labels)
    stage.cluster.wait_for(f"{kind} of {labels} gone", lambda: not stage.cluster.items(*chosen), seconds)


def until_reason(stage: Stage, user: str, reason: str, seconds: float) -> None:
    """A person's TokenReady has that reason."""

    def told() -> bool:
        return bool(stage.cluster.condition("facilityuser", "facility", user, "TokenReady").get("reason") == reason)

    stage.cluster.wait_for(f"{user} {reason}", told, seconds)


def until_token(stage: Stage, pod: str, *, there: bool, seconds: float = 40) -> None:
    """The token for the lake is in a user's pod, or is not."""
    so = lambda: has_token(stage, pod) == there  # noqa: E731
    stage.cluster.wait_for(f"token of {pod} {'there' if there else 'gone'}", so, seconds)


def has_token(stage: Stage, pod: str) -> bool:
    """Whether the token for the lake is in a user's pod."""
    return "lake" in stage.cluster.execute(USERS, pod, "notebook", ["ls", "/run/token"]).split()


def until_usable(stage: Stage, vo: world.DemoVO, seconds: float = 120) -> None:
    """The VO is served, and its cache runs."""
    stage.cluster.wait_for(f"VO {vo.name} usable", lambda: usable(stage, vo), seconds)


def usable(stage: Stage, vo: world.DemoVO) -> bool:
    """Whether the VO is served, and its cache runs."""
    if ready(stage, vo)[0] != "True":
        return False
    cache = stage.cluster.get("statefulset", f"xcache-{vo.name}", "-n", "facility")
    return bool(cache["status"].get("readyReplicas"))


def ready(stage: Stage, vo: world.DemoVO) -> tuple[str, str]:
    """Status and reason of the VO's condition Ready."""
    found = stage.cluster.condition("vo", "facility", vo.name, "Ready")
    return found.get("status", ""), found.get("reason", "")


def until_issuer_answers(stage: Stage, vo: world.DemoVO, seconds: float = 60) -> None:
    """The VO's issuer is reached from here: a new pod is ready before the node's port leads to it."""
    stage.cluster.wait_for(f"issuer of {vo.name} reached", lambda: asyncio.run(_issuer_answers(stage, vo)), seconds)


async def _issuer_answers(stage: Stage, vo: world.DemoVO) -> bool:
    url = f"{vo.issuer.rstrip('/')}/.well-known/openid-configuration"
    async with stage.at_hub(vo, vo.person.name) as person:
        try:
            async with person.http.get(url) as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False
