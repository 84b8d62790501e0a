"""Seals all that is stored anew, with the key in use: the step of a change of keys after which old ones may go.

    python3 -m facility.broker.rekey

In a broker's pod, where the keys are; brokers work on meanwhile. Each document is replaced only if nobody has written
it since it was read, else it is looked at again; what is sealed with the key in use already is left alone, so that this
can be run again at any time, after an interruption too. With a Vault there is nothing to do: it has keys of its own.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum

from facility import site
from facility.broker.app import DIRECTORY, KEYS
from facility.broker.sealing import Seal
from facility.broker.secrets import SecretStore
from facility.broker.store import ConflictError, Kind, StoreError, UnreadableError
from facility.kubernetes import Json, Kubernetes
from facility.secrecy import keep_secrets

log = logging.getLogger(__name__)
PASSES = 5  # further looks at all documents, while some are being written
PARALLEL = 16


class Found(Enum):
    """What became of a document."""

    ANEW = "sealed anew"
    BEFORE = "sealed with the key in use before"
    AGAIN = "being written by a broker all the time: run this again"
    LOST = "opened by no key that is here: their people sign in again"


async def rekey(store: SecretStore) -> Counter[Found]:
    """Seals anew what is sealed with another key. Raises StoreError."""
    total = await _once(store)
    for _ in range(PASSES):
        if not total[Found.AGAIN]:
            break
        found = await _once(store)
        total[Found.ANEW] += found[Found.ANEW]
        total[Found.AGAIN], total[Found.LOST] = found[Found.AGAIN], found[Found.LOST]
    return total


async def _once(store: SecretStore) -> Counter[Found]:
    """Looks at each document once, at some of them at the same time."""
    total: Counter[Found] = Counter()
    some: list[Json] = []
    for kind in Kind:
        async for secret in store.all(kind):
            some.append(secret)
            if len(some) == PARALLEL:
                total.update(await asyncio.gather(*(_seal(store, one) for one in some)))
                some.clear()
    total.update(await asyncio.gather(*(_seal(store, one) for one in some)))
    return total


async def _seal(store: SecretStore, secret: Json) -> Found:
    try:
        return Found.ANEW if await store.reseal(secret) else Found.BEFORE
    except ConflictError:
        return Found.AGAIN
    except UnreadableError as error:
        log.warning("%s: %s", secret["metadata"]["name"], error)
        return Found.LOST


def told(total: Counter[Found]) -> Iterable[str]:
    """For the administrator."""
    return [f"{count:6} {kind.value}" for kind, count in total.items() if count]


async def _main() -> int:
    settings = site.load(DIRECTORY / "site.yaml")
    if settings.storage.vault is not None:
        print("sessions are in Vault, which has keys of its own: nothing to do")
        return 0
    kubernetes = Kubernetes.in_cluster()
    try:
        total = await rekey(SecretStore(kubernetes, settings.namespaces.facility, Seal(KEYS)))
    except StoreError as error:
        print(f"not all has been sealed anew: {error}; run this again", file=sys.stderr)
        return 1
    finally:
        await kubernetes.close()
    print("\n".join(told(total)) or "nothing is stored")
    return 1 if total[Found.AGAIN] or total[Found.LOST] else 0


def main(_: Sequence[str] | None = None) -> int:
    """0 when all is sealed with the key in use, 1 when something is not."""
    keep_secrets()
    return asyncio.run(_main())


if __name__ == "__main__":
    sys.exit(main())
