"""`facility keys`: changes the key that the broker seals sessions with, a step at a time, without a moment's pause.

    facility keys add       a new key, which all brokers can open with before any of them seals with it
    facility keys use       the new key seals from now on, the one before still opens
    facility keys forget    keys that nothing is sealed with any more are thrown away
    facility keys           which keys there are, and how much is sealed with each

Between `use` and `forget`, `facility rekey` in a broker's pod seals what is stored anew. Keys are made here, in the
operator's pod, and are shown to nobody; what is printed are their names.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from secrets import token_bytes

from facility import names, site
from facility.kubernetes import ApiError, Json, Kubernetes
from facility.operator import wake
from facility.operator.secrets import BROKER

CURRENT, NEXT, OLDER = "current", "next", "older-"
#: annotation: when the next key was added, in seconds since the epoch
_ADDED = f"{names.API_GROUP}/key-added"
SPREAD = 180.0  # seconds until all pods have what was added: volumes follow Secrets within two minutes
PAGE = 500


class RefusedError(Exception):
    """Not now; the text says why."""


class Keys:
    """The keys in the Secret `broker-key`. `now` gives seconds since the epoch."""

    def __init__(self, kubernetes: Kubernetes, namespace: str, now: float) -> None:
        self._kubernetes, self._now = kubernetes, now
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"

    async def add(self) -> str:
        """Adds a key that only opens. Raises RefusedError, ApiError."""
        secret = await self._read()
        if NEXT in secret["data"]:
            raise RefusedError("there is a new key already: `facility keys use` takes it into use")
        key = urlsafe_b64encode(token_bytes(32))
        await self._write(secret, {NEXT: b64encode(key).decode()}, {_ADDED: str(int(self._now))})
        return f"added the key {names.key_name(key)}; in {SPREAD:.0f} s all brokers have it: then `facility keys use`"

    async def use(self) -> str:
        """Has the added key seal. Raises RefusedError, ApiError."""
        secret = await self._read()
        if NEXT not in secret["data"]:
            raise RefusedError("there is no new key: `facility keys add` makes one")
        added = float((secret["metadata"].get("annotations") or {}).get(_ADDED, self._now))
        if (left := added + SPREAD - self._now) > 0:
            raise RefusedError(f"some brokers may not have the new key yet: wait {left:.0f} s more")
        before, after = (secret["data"][name] for name in (CURRENT, NEXT))
        older = f"{OLDER}{names.key_name(b64decode(before))}"
        await self._write(secret, {older: before, CURRENT: after, NEXT: None}, {_ADDED: None})
        return f"the key {names.key_name(b64decode(after))} seals from now on; in {SPREAD:.0f} s: `facility rekey`"

    async def forget(self) -> str:
        """Throws older keys away. Raises RefusedError, ApiError."""
        secret = await self._read()
        current = names.key_name(b64decode(secret["data"][CURRENT]))
        sealed = await self._sealed()
        if left := {name: count for name, count in sealed.items() if name != current}:
            raise RefusedError(f"{sum(left.values())} documents are sealed with other keys: first `facility rekey`")
        older = [name for name in secret["data"] if name.startswith(OLDER)]
        await self._write(secret, dict.fromkeys(older, None), {})
        return f"{len(older)} older keys are gone; {sealed[current]} documents are sealed with {current}"

    async def show(self) -> str:
        """One line for each key. Raises ApiError."""
        secret, sealed = await self._read(), await self._sealed()
        known = {names.key_name(b64decode(value)): name for name, value in secret["data"].items()}
        lines = [f"{name}  {sealed[name]:6} documents  {known[name].partition('-')[0]}" for name in known]
        lost = [f"{name or 'unnamed':16}  {sealed[name]:6} documents  not here" for name in sealed if name not in known]
        return "\n".join(lines + lost)

    async def hurry(self) -> None:
        """Has nodes look at the brokers' pods: untouched, their volume follows the Secret in a minute or two. Raises
        ApiError."""
        pods = await self._kubernetes.get(self._pods, [("labelSelector", f"{names.LABEL_COMPONENT}=broker")])
        touched = {"metadata": {"annotations": {wake.ANNOTATION: f"{self._now:.3f}"}}}
        for pod in pods.get("items") or []:
            await self._kubernetes.patch(f"{self._pods}/{pod['metadata']['name']}", touched)

    async def _read(self) -> Json:
        return await self._kubernetes.get(f"{self._secrets}/{BROKER}")

    async def _write(self, secret: Json, data: dict[str, str | None], notes: dict[str, str | None]) -> None:
        meta = {"resourceVersion": secret["metadata"]["resourceVersion"], "annotations": notes}
        await self._kubernetes.patch(f"{self._secrets}/{BROKER}", {"metadata": meta, "data": data})

    async def _sealed(self) -> Counter[str]:
        """How many documents are sealed with each key."""
        found: Counter[str] = Counter()
        for kind in ("session", "tokens"):
            page: str | None = ""
            while page is not None:
                query = [("labelSelector", f"{names.LABEL_STORED}={kind}"), ("limit", str(PAGE))]
                answer = await self._kubernetes.get(self._secrets, query + ([("continue", page)] if page else []))
                found.update(_key(item) for item in answer.get("items") or [])
                page = (answer.get("metadata") or {}).get("continue") or None
        return found


def _key(secret: Json) -> str:
    return str((secret["metadata"].get("annotations") or {}).get(names.ANNOTATION_KEY, ""))


async def _run(step: str) -> str:
    kubernetes = Kubernetes.in_cluster()
    try:
        namespace = site.load().namespaces.facility
        told = str(await getattr(Keys(kubernetes, namespace, time.time()), step)())
        if step != "show":
            await _seen(kubernetes, namespace)
        return told
    finally:
        await kubernetes.close()


async def _seen(kubernetes: Kubernetes, namespace: str) -> None:
    """Brokers see the change soon, by two touches (facility.operator.wake); where that fails, a little later."""
    with suppress(ApiError):
        await Keys(kubernetes, namespace, time.time()).hurry()
        await asyncio.sleep(wake.LATER)
        await Keys(kubernetes, namespace, time.time()).hurry()


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it is done, 1 when it may not be done now, or could not be."""
    parser = argparse.ArgumentParser(prog="facility keys", description="Change the key that sessions are sealed with.")
    parser.add_argument("step", nargs="?", choices=("show", "add", "use", "forget"), default="show")
    try:
        print(asyncio.run(_run(parser.parse_args(arguments).step)))
    except (RefusedError, ApiError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
