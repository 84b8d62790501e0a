"""The dress rehearsal of a data release: files come into the lake, are read, and then one grows and another comes.

A person sees through the cache what the origin has, by both protocols: names, sizes, every byte, adler32 and crc32c; of
what has changed, as soon as the site says (`site.cache.fresh`).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage
from tests.cluster import lakes, reader
from tests.cluster.through_caches import PODS

pytestmark = pytest.mark.cluster

COUNT, SIZE, MORE = 3, 3_000_000, 500_000
#: both ways in which a file's content is told in one word, by the origin's own tools
TOLD = 'cd "/data$1" && for name in *; do echo "$name" $(xrdadler32 "$name") $(xrdcrc32c "$name"); done'
#: what a person sees of a folder, with the token that is in the notebook and what the notebook has to read with
SEEN = """
import json, os, posixpath, pathlib, sys, types, zlib
told = json.load(sys.stdin)
reader = types.ModuleType("reader")
exec(told["reader"], reader.__dict__)
token = pathlib.Path(os.environ["BEARER_TOKEN_FILE"]).read_text().strip()
person, folder = reader.Reader(token, told["host"]), told["folder"]

def bytes_by_root(path):
    from XRootD import client
    with client.File() as file:
        person._good(file.open(person._root + path))
        data = person._good(file.read())
    return [len(data), f"{zlib.adler32(data):08x}"]

found = {"listing": person.listing(folder)}
for name in found["listing"]["root"]:
    path = posixpath.join(folder, name)
    status, *by_https = person.whole(path)
    assert status == 200, f"{path}: {status}"
    found[name] = {
        "sizes": person.stat(path),
        "content": {"root": bytes_by_root(path), "https": by_https},
        "checksums": person.checksums(path),
    }
print(json.dumps(found))
"""


def at_origin(stage: Stage, folder: str) -> dict[str, Any]:
    """What `seen` is to be, by the origin's own file system and tools."""
    where = (world.NAMESPACE, "deploy/origin", "origin")
    lines = stage.cluster.execute(*where, ["sh", "-c", TOLD, "sh", folder]).splitlines()
    sizes = lakes.listing(stage, folder)
    found: dict[str, Any] = {"listing": by_both(sizes)}
    for name, adler32, _, crc32c, _ in (line.split() for line in lines):
        kinds = {"adler32": adler32, "crc32c": crc32c}
        found[name] = {
            "sizes": by_both(sizes[name]),
            "content": by_both([sizes[name], adler32]),
            "checksums": {kind: by_both([kind, value]) for kind, value in kinds.items()},
        }
    return found


def by_both(value: Any) -> dict[str, Any]:
    return {"root": value, "https": value}


def seen(stage: Stage, vo: world.DemoVO, folder: str) -> Any:
    """What the VO's person sees."""
    wish = {"reader": Path(reader.__file__).read_text(), "host": f"xcache-{vo.name}.facility.svc", "folder": folder}
    where = ("facility-users", PODS[vo.name], "notebook", ["python3", "-c", SEEN])
    return json.loads(stage.cluster.execute(*where, stdin=json.dumps(wish)))


def fresh(stage: Stage) -> float:
    """Seconds for which the site lets its caches serve a file before they compare it with its origin again."""
    text = stage.cluster.get("configmap", "facility-site", "-n", "facility")["data"]["site.yaml"]
    return float(yaml.safe_load(text)["cache"]["fresh"])


@pytest.fixture
def folder(stage: Stage, vo: world.DemoVO) -> Iterator[str]:
    """What is released: files that no cache has seen."""
    made = f"/{vo.name}/open/release-{secrets.token_hex(4)}"
    lakes.fill(stage, made, count=COUNT, size=SIZE)
    yield made
    lakes.remove(stage, made)


def until_seen(stage: Stage, vo: world.DemoVO, folder: str, wanted: dict[str, Any], seconds: float) -> None:
    """Look until what is wanted is seen: who begins to look so many seconds from now has to see all of it."""
    end = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        try:
            found = seen(stage, vo, folder)
        except ClusterError as error:  # who reads a file at the moment at which it is found to be another gets an error
            found = {"error": str(error)}
        if found == wanted:
            return
        assert began < end, {name: (found.get(name), told) for name, told in wanted.items() if found.get(name) != told}


def test_a_release_is_read_and_what_it_grows_by_follows(stage: Stage, vo: world.DemoVO, folder: str) -> None:
    released = at_origin(stage, folder)
    assert released["listing"] == by_both({str(number): SIZE for number in range(COUNT)})
    assert seen(stage, vo, folder) == released
    lakes.append(stage, f"{folder}/1", MORE)
    lakes.fill(stage, folder, count=1, size=SIZE, first=COUNT)
    grown = at_origin(stage, folder)
    assert grown["listing"] == by_both({"0": SIZE, "1": SIZE + MORE, "2": SIZE, "3": SIZE})
    assert grown["1"]["checksums"] != released["1"]["checksums"]
    until_seen(stage, vo, folder, grown, fresh(stage))
