"""A process that lives as long as a notebook's kernel and reads in all the ways that people do, knowing of no token.

`python long_kernel.py ROOT HTTPS`: for each line of standard input it reads once in the way that the line names, or in
all ways, and prints one line of JSON: way to sum, or to how it failed. A way that is kept open is opened only once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

import dask
import fsspec
import pandas
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import uproot

Way = Callable[[], int]


def tree(url: str) -> int:
    """The branch `x` of a new file object."""
    with uproot.open(f"{url}/f.root") as file:
        return int(file["t"]["x"].array(library="np").sum())


def ways(root: str, https: str, worker: Executor) -> dict[str, Way]:
    """Each is called again and again."""
    opened: dict[str, Any] = {}

    def held(url: str) -> int:
        file = opened.setdefault(url, uproot.open(f"{url}/f.root"))
        return int(file["t"]["y"].array(library="np", entry_stop=10, array_cache=None).sum())

    def by_worker(url: str) -> int:
        with dask.config.set(scheduler="processes", pool=worker):
            return int(dask.delayed(tree)(url).compute())

    return {
        "uproot root": lambda: tree(root),
        "uproot https": lambda: tree(https),
        "uproot held root": lambda: held(root),
        "uproot held https": lambda: held(https),
        "fsspec root": lambda: lines(root),
        "fsspec https": lambda: lines(https),
        "fsspec found root": lambda: found(root),
        "pandas csv root": lambda: int(pandas.read_csv(f"{root}/f.csv")["x"].sum()),
        "pandas parquet root": lambda: int(pandas.read_parquet(f"{root}/f.parquet")["x"].sum()),
        "pandas parquet https": lambda: int(pandas.read_parquet(f"simplecache::{https}/f.parquet")["x"].sum()),
        "pyarrow root": lambda: arrow(root),
        "pyarrow https": lambda: arrow(https),
        "pyarrow dataset root": lambda: dataset(root),
        "dask worker root": lambda: by_worker(root),
        "dask worker https": lambda: by_worker(https),
        "pickled root": lambda: pickled(root),
        "pickled https": lambda: pickled(https),
    }


def lines(url: str) -> int:
    """As text."""
    with fsspec.open(f"{url}/f.csv", "rt") as file:
        return sum(int(line) for line in file.read().split()[1:])


def found(url: str) -> int:
    """By a filesystem object and a path."""
    system, path = fsspec.core.url_to_fs(f"{url}/f.csv")
    assert system.info(path)["size"] > 0
    return sum(int(line) for line in system.cat_file(path).split()[1:])


def arrow(url: str) -> int:
    """By pyarrow's own way to fsspec."""
    system, path = fsspec.core.url_to_fs(f"{url}/f.parquet")
    return int(pyarrow.parquet.read_table(path, filesystem=system)["x"].to_pandas().sum())


def dataset(url: str) -> int:
    """By a dataset of pyarrow's."""
    system, path = fsspec.core.url_to_fs(f"{url}/f.parquet")
    made = pyarrow.dataset.dataset(path, filesystem=pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(system)))
    return int(made.to_table()["x"].to_pandas().sum())


def pickled(url: str) -> int:
    """By a filesystem that went through a pickle, which has no token in it."""
    system, path = fsspec.core.url_to_fs(f"{url}/f.csv")
    data = pickle.dumps(system)
    with open(os.environ["BEARER_TOKEN_FILE"]) as file:
        assert file.read().encode() not in data
    return sum(int(line) for line in pickle.loads(data).cat_file(path).split()[1:])


def once(way: Way) -> int | str:
    """What it read, or all that an exception shows."""
    try:
        return way()
    except Exception as error:
        shown = [*traceback.format_exception(error), repr(error), str(error), repr(vars(error)), repr(error.__cause__)]
        return "failed: " + " ".join(shown)


def main() -> None:
    """As the module's docstring has it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as worker:
        chosen = ways(sys.argv[1], sys.argv[2], worker)
        for line in sys.stdin:
            found = {name: once(way) for name, way in chosen.items() if line.strip() in ("", name)}
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
