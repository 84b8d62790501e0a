"""Ends the brokers before an uninstall takes their rights away: `python3 -m facility.broker.ending`, a hook of Helm's.

Helm deletes the Deployment and the right to write sessions in the same moment, and pods end some seconds later. What an
issuer rotates meanwhile could be stored nowhere, and that person's session would be over.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

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


async def _main() -> int:
    kubernetes = Kubernetes.in_cluster()
    try:
        ended = await end(kubernetes, (SERVICE_ACCOUNT / "namespace").read_text())
    except ApiError as error:
        print(f"the brokers are not known to have ended ({error}): some people may have to sign in again")
        return 0  # an uninstall goes on
    finally:
        await kubernetes.close()
    print("the brokers have ended" if ended else "a broker has not ended yet: some people may have to sign in again")
    return 0


def main(_: Sequence[str] | None = None) -> int:
    """0, always: whoever uninstalls wants that."""
    return asyncio.run(_main())


if __name__ == "__main__":
    sys.exit(main())
