"""A process that outlives its token reads on in all the ways that people read, and none of them knows of a token.

Beside servers that judge as the real ones do: over root:// by the token of the login, over https by that of each
request. The classes come in as they do in the image: by a distribution's entry points, first on the path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import pytest
import uproot

from tests.fakes import https_lake, long_kernel, root_server
from tests.fakes.authority import Authority
from tests.fakes.https_lake import HttpsLake
from tests.fakes.patience import PATIENCE
from tests.fakes.root_server import RootServer

HERE = Path(__file__).parents[2]
SUM = 499_500
HELD = 45


@dataclass
class Place:
    """Two servers of the same files, and the token file."""

    root: RootServer
    https: HttpsLake
    token: Path
    environment: dict[str, str]

    def renew(self, token: str) -> None:
        """A new token is in the file, and the old one is over."""
        self.token.write_text(token)
        self.root.good = self.https.good = {token}

    def refused(self) -> list[str]:
        """What was asked for with a token that is over."""
        return self.root.refused + self.https.refused


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    data, token = tmp_path / "data", tmp_path / "token"
    data.mkdir()
    with uproot.recreate(data / "f.root") as file:
        file["t"] = {"x": np.arange(1000), "y": np.arange(1000)}
    frame = pandas.DataFrame({"x": np.arange(1000)})
    frame.to_csv(data / "f.csv", index=False)
    frame.to_parquet(data / "f.parquet")
    shutil.copytree(HERE / "images/notebook/lake", tmp_path / "python/facility_lake-1.dist-info")
    with ExitStack() as stack:
        authority = Authority(tmp_path)
        root = stack.enter_context(root_server.serving(data, token))
        https = stack.enter_context(https_lake.serving(data, authority))
        given = {"BEARER_TOKEN_FILE": str(token), "LAKE_HOSTS": "localhost", "SSL_CERT_FILE": str(authority.bundle)}
        path = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "python"), str(HERE)])}
        kept = {key: value for key, value in os.environ.items() if key != "BEARER_TOKEN"}
        yield Place(root, https, token, kept | given | path)


class Kernel:
    """The process, which reads when it is told to."""

    def __init__(self, place: Place, stock: bool = False) -> None:
        urls = (place.root.url("").rstrip("/"), place.https.url("").rstrip("/"))
        change = {"PYTHONPATH": str(HERE)} if stock else {}
        self._process = subprocess.Popen(
            [sys.executable, long_kernel.__file__, *urls],
            env=place.environment | change,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self, way: str = "") -> dict[str, int | str]:
        """Once in that way, or in all."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{way}\n")
        self._process.stdin.flush()
        found: dict[str, int | str] = json.loads(self._process.stdout.readline())
        return found

    def end(self) -> None:
        """Nothing more is to be read; its worker goes with it."""
        self._process.communicate(timeout=PATIENCE)


@pytest.fixture
def kernel(place: Place) -> Iterator[Kernel]:
    made = Kernel(place)
    yield made
    made.end()


def test_every_way_of_reading_goes_on_over_three_tokens_and_then_says_no_token(place: Place, kernel: Kernel) -> None:
    for number in range(3):
        place.renew(f"secret-token-{number}")
        found = kernel.read()
        assert found == {name: HELD if "held" in name else SUM for name in found}
        assert len(found) == 17
    assert place.refused() == []
    assert {token for _, token in place.root.logins} == {f"secret-token-{number}" for number in range(3)}
    place.token.write_text("secret-token-that-is-over")
    failed = kernel.read()
    assert all(str(one).startswith("failed: ") for name, one in failed.items() if "held" not in name)
    assert "secret-token" not in json.dumps(failed)


def test_without_the_classes_a_renewed_token_changes_nothing_for_a_process(place: Place) -> None:
    """So the servers here do tell old logins from new ones."""
    place.renew("secret-token-0")
    kernel = Kernel(place, stock=True)
    try:
        assert kernel.read("uproot root") == {"uproot root": SUM}
        place.renew("secret-token-1")
        assert str(kernel.read("fsspec root")["fsspec root"]).startswith("failed: ")
        assert place.root.refused == ["f.csv"]
    finally:
        kernel.end()
