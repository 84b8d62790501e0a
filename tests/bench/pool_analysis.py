"""Runs in a notebook's kernel: the demo's analysis of many files, by this one process, and by dask on the pool.

Shipped as it is, beside `analysis.py`. What dask needs to know of the pool is in the image's configuration.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import analysis

Task = tuple[str, int, int]
#: from a number of workers to a client of them
Cluster = Callable[[int], AbstractContextManager[Any]]


def tasks(urls: list[str], events: int, parts: int) -> list[Task]:
    """Every file in so many parts: URL, first event, the one after the last."""
    return [(url, *analysis.part(events, number, parts)) for url in urls for number in range(parts)]


def one(task: Task) -> dict[str, Any]:
    """The histogram of a part."""
    url, start, stop = task
    found: dict[str, Any] = analysis.histogram(url, "cms", start, stop)
    return found


def alone(todo: list[Task]) -> tuple[float, dict[str, Any]]:
    """Seconds of this process for all of it, and the whole histogram."""
    begun = time.monotonic()
    whole = analysis.merge([one(task) for task in todo])
    return time.monotonic() - begun, whole


def together(client: Any, todo: list[Task]) -> tuple[float, dict[str, Any]]:
    """Seconds of the workers for all of it, and the whole histogram."""
    begun = time.monotonic()
    whole = analysis.merge(client.gather(client.map(one, todo, pure=False)))
    return time.monotonic() - begun, whole


def compare(
    paths: list[str], events: int, parts: int, workers: int, rounds: int, cluster: Cluster | None = None
) -> dict[str, Any]:
    """Both in turns, from files that the cache has by then: seconds of each, and of dask's start and end.

    Raises AssertionError when what comes out is not the same.
    """
    todo = tasks([f"{os.environ['LAKE_ROOT'].rstrip('/')}/{path}" for path in paths], events, parts)
    cold, whole = alone(todo)
    begun = time.monotonic()
    with (cluster or _cluster)(workers) as client:
        started = time.monotonic() - begun
        together(client, todo[:workers])  # the workers' own imports
        pairs = []
        for _ in range(rounds):
            (mine, one_way), (theirs, other) = alone(todo), together(client, todo)
            assert one_way == other == whole, "dask's histogram is another one"
            pairs.append((mine, theirs))
    return {"cold_s": cold, "started_s": started, "alone_s": [a for a, _ in pairs], "together_s": [b for _, b in pairs]}


@contextmanager
def _cluster(workers: int) -> Iterator[Any]:
    """A client of so many workers on the pool, which have this code, until the end."""
    from dask_jobqueue import HTCondorCluster
    from distributed import Client

    with HTCondorCluster() as pool, Client(pool) as client:
        pool.scale(workers)
        client.wait_for_workers(workers, timeout=300)
        for module in (analysis.__file__, __file__):
            client.upload_file(module)
        yield client


def tell(**how: Any) -> None:
    """Compare, and print what came of it."""
    print("RESULT", json.dumps(compare(**how)))
