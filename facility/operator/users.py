"""Unix uids of people: each given once, from a ledger, and never to anybody else."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from facility.operator.cluster import Cluster, ClusterError, ConflictError
from facility.operator.objects import CONFIG_MAP, FACILITY_USER, Manifest, Reference

_LOG = logging.getLogger(__name__)
LEDGER, NEXT = "uid-ledger", "next"
FIRST = 20000


async def allocate(
    cluster: Cluster, namespace: str, users: Iterable[Manifest], highest: int = FIRST - 1
) -> list[Manifest]:
    """The users, those without a uid having got one, oldest first. `highest`: the highest uid that anybody has.

    The ledger moves on before a uid is given, and by its resourceVersion only if nobody else has moved it: a crash
    between the two wastes numbers and never gives one twice. Raises ConflictError when another operator was faster,
    ClusterError when the API server refuses.
    """
    everybody = sorted(users, key=lambda one: (one["metadata"].get("creationTimestamp", ""), one["metadata"]["name"]))
    waiting = [user for user in everybody if _uid(user) is None]
    if not waiting:
        return everybody
    highest = max([highest, *(uid for user in everybody if (uid := _uid(user)) is not None)])
    first = await _reserve(cluster, namespace, len(waiting), highest + 1)
    numbers = {user["metadata"]["name"]: first + n for n, user in enumerate(waiting)}
    given, troubles = [], []
    for user in everybody:
        try:
            given.append(await _given(cluster, namespace, user, numbers.get(user["metadata"]["name"])))
        except ClusterError as error:  # one whom the API server refuses a number keeps nobody else waiting
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return given


async def _reserve(cluster: Cluster, namespace: str, count: int, least: int) -> int:
    """The first of `count` numbers that nobody has or will have."""
    ref = Reference(CONFIG_MAP, namespace, LEDGER)
    ledger = await cluster.read(ref) or await cluster.create(_empty(namespace))
    first = max(int(ledger["data"][NEXT]), least, FIRST)
    version = {"resourceVersion": ledger["metadata"]["resourceVersion"]}
    await cluster.merge(ref, {"metadata": version, "data": {NEXT: str(first + count)}})
    return first


async def _given(cluster: Cluster, namespace: str, user: Manifest, uid: int | None) -> Manifest:
    if uid is None:
        return user
    ref = Reference(FACILITY_USER, namespace, user["metadata"]["name"])
    version = {"resourceVersion": user["metadata"]["resourceVersion"]}
    try:
        answer = await cluster.merge(ref, {"metadata": version, "spec": {"uid": uid}})
    except ConflictError:
        return user  # the broker has just written to it: the next round gives a number
    _LOG.info("%s has uid %d", ref, uid)
    return answer


def _uid(user: Manifest) -> int | None:
    uid = (user.get("spec") or {}).get("uid")
    return uid if isinstance(uid, int) else None


def _empty(namespace: str) -> Manifest:
    """A new ledger, without the label by which the operator removes what it has not built."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": LEDGER, "namespace": namespace},
        "data": {NEXT: str(FIRST)},
    }
