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
from facility.operator import wake
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import SECRET, Manifest, Reference
from facility.operator.secrets import BROKER

CURRENT, NEXT, OLDER = "current", "next", "older-"
#: annotation: when the next key was added, in seconds since the epoch
_ADDED = f"{names.API_GROUP}/key-added"
SPREAD = 180.0  # seconds until all pods have what was added: volumes follow Secrets within two minutes


class RefusedError(Exception):
    """Not now; the text says why."""


class Keys:
    """The keys in the Secret `broker-key`. `now` gives seconds since the epoch."""

    def __init__(self, cluster: Cluster, namespace: str, now: float) -> None:
        self._cluster, self._namespace, self._now = cluster, namespace, now
        self._secret = Reference(SECRET, namespace, BROKER)

    async def add(self) -> str:
        """Adds a key that only opens. Raises RefusedError, ClusterError."""
        secret = await self._read()
        if NEXT in secret["data"]:
            raise RefusedError("there is a new key already: `facility keys use` takes it into use")
        key = urlsafe_b64encode(token_bytes(32))
        await self._write(secret, {NEXT: b64encode(key).decode()}, {_ADDED: str(int(self._now))})
        return f"added the key {names.key_name(key)}; in {SPREAD:.0f} s all brokers have it: then `facility keys use`"

    async def use(self) -> str:
        """Has the added key seal. Raises RefusedError, ClusterError."""
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
        """Throws older keys away. Raises RefusedError, ClusterError."""
        secret = await self._read()
        current = names.key_name(b64decode(secret["data"][CURRENT]))
        sealed = await self._sealed()
        if left := {name: count for name, count in sealed.items() if name != current}:
            raise RefusedError(f"{sum(left.values())} documents are sealed with other keys: first `facility rekey`")
        older = [name for name in secret["data"] if name.startswith(OLDER)]
        await self._write(secret, dict.fromkeys(older, None), {})
        return f"{len(older)} older keys are gone; {sealed[current]} documents are sealed with {current}"

    async def show(self) -> str:
        """One line for each key. Raises RefusedError, ClusterError."""
        secret, sealed = await self._read(), await self._sealed()
        known = {names.key_name(b64decode(value)): name for name, value in secret["data"].items()}
        lines = [f"{name}  {sealed[name]:6} documents  {known[name].partition('-')[0]}" for name in known]
        lost = [f"{name or 'unnamed':16}  {sealed[name]:6} documents  not here" for name in sealed if name not in known]
        return "\n".join(lines + lost)

    async def _read(self) -> Manifest:
        secret = await self._cluster.read(self._secret)
        if secret is None:
            raise RefusedError(f"there is no {self._secret}")
        return secret

    async def _write(self, secret: Manifest, data: dict[str, str | None], notes: dict[str, str | None]) -> None:
        meta = {"resourceVersion": secret["metadata"]["resourceVersion"], "annotations": notes}
        await self._cluster.merge(self._secret, {"metadata": meta, "data": data})

    async def _sealed(self) -> Counter[str]:
        """How many documents are sealed with each key."""
        found: Counter[str] = Counter()
        for kind in ("session", "tokens"):
            selector = f"{names.LABEL_STORED}={kind}"
            async for page, _ in self._cluster.pages(SECRET, self._namespace, selector, metadata_only=True):
                found.update(map(_key, page))
        return found


def _key(secret: Manifest) -> str:
    return str((secret["metadata"].get("annotations") or {}).get(names.ANNOTATION_KEY, ""))


async def hurry(cluster: Cluster, namespace: str) -> None:
    """Brokers see the change soon, by two touches (facility.operator.wake); where that fails, a little later."""
    with suppress(ClusterError):
        for pause in (0, wake.LATER):
            await asyncio.sleep(pause)
            await wake.touch(cluster, namespace, f"{names.LABEL_COMPONENT}=broker", time.time())


async def _run(step: str) -> str:
    cluster = await Cluster.connect()
    try:
        namespace = site.load().namespaces.facility
        told = str(await getattr(Keys(cluster, namespace, time.time()), step)())
        if step != "show":
            await hurry(cluster, namespace)
        return told
    finally:
        await cluster.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it is done, 1 when it may not be done now, or could not be."""
    parser = argparse.ArgumentParser(prog="facility keys", description="Change the key that sessions are sealed with.")
    parser.add_argument("step", nargs="?", choices=("show", "add", "use", "forget"), default="show")
    try:
        print(asyncio.run(_run(parser.parse_args(arguments).step)))
    except (RefusedError, ClusterError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
