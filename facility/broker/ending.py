"""Ends the brokers before an uninstall takes their rights away: `python3 -m facility.broker.ending`, a hook of Helm's.

Helm deletes the Deployment and the right to write sessions in the same moment, and pods end some seconds later. What an
issuer rotates meanwhile could be stored nowhere, and that person's session would be over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from facility.kubernetes import SERVICE_ACCOUNT, ApiError, Kubernetes

PATIENCE = 75  # seconds; a pod is killed after 60
EVERY = 0.5  # seconds between two looks
_PODS = [("labelSelector", "app.kubernetes.io/component=broker")]


async def end(
    kubernetes: Kubernetes, namespace: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> bool:
    """Whether there is no broker any more; False when the last one takes longer than `PATIENCE`. Raises ApiError."""
    try:
        await kubernetes.patch(f"/apis/apps/v1/namespaces/{namespace}/deployments/broker", {"spec": {"replicas": 0}})
    except ApiError as error:
        if error.status != 404:
            raise
    for _ in range(int(PATIENCE / EVERY)):
        if not (await kubernetes.get(f"/api/v1/namespaces/{namespace}/pods", _PODS)).get("items"):
            return True
        await sleep(EVERY)
    return False


async def told(
    kubernetes: Kubernetes, namespace: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> str:
    """Ends them, and says for the administrator what came of it. Never raises: an uninstall goes on."""
    try:
        ended = await end(kubernetes, namespace, sleep)
    except ApiError as error:
        return f"the brokers are not known to have ended ({error}): some people may have to sign in again"
    return "the brokers have ended" if ended else "a broker has not ended yet: some people may have to sign in again"


async def _main() -> None:
    kubernetes = Kubernetes.in_cluster()
    try:
        print(await told(kubernetes, (SERVICE_ACCOUNT / "namespace").read_text()))
    finally:
        await kubernetes.close()


def main() -> None:
    """The process's entry."""
    asyncio.run(_main())


if __name__ == "__main__":
    main()
