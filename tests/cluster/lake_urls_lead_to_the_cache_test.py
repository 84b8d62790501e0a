"""A URL of the storage, as Rucio gives them, is read at the cache in notebooks; and programs outlive their tokens."""

from __future__ import annotations

import json
import posixpath
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import lakes
from tests.cluster.through_caches import PODS

pytestmark = pytest.mark.cluster

NOTEBOOK = ("facility-users", PODS["cms"], "notebook")
STORAGE = f"{world.ROOT_ORIGIN}/"
#: one process that opens files by XRootD's own bindings, as uproot's and ROOT's do, before and after its token's end
LONG = r"""
import json, sys, time, zlib
import fsspec
from XRootD import client
storage, path, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
files = client.FileSystem(storage)
def opened():
    with client.File() as file:
        status, _ = file.open(storage + path)
        data = file.read()[1] if status.ok else b""
        return {"ok": status.ok, "message": status.message, "adler32": f"{zlib.adler32(data):08x}",
                "server": file.get_property("DataServer"), "stat": files.stat(path)[0].ok}
told = [opened()]
time.sleep(seconds)
told.append(opened())
over_https = fsspec.open(storage.replace("root://", "https://").rstrip("/") + path).open().read()
print(json.dumps({"root": told, "https": f"{zlib.adler32(over_https):08x}"}))
"""


@pytest.fixture(scope="module")
def told(stage: Stage, outcome: Outcome) -> dict[str, Any]:
    """What came of a process that lived longer than two tokens."""
    seconds = 1.5 * world.TOKEN_LIFE
    command = ["python3", "-c", LONG, STORAGE, world.CMS.file, str(seconds)]
    found: dict[str, Any] = json.loads(stage.cluster.execute(*NOTEBOOK, command, timeout=300))
    return found


def test_what_is_named_at_the_storage_is_read_at_the_cache(stage: Stage, told: dict[str, Any]) -> None:
    first = told["root"][0]
    assert (first["ok"], first["stat"]) == (True, True), first
    assert first["adler32"] == told["https"] == lakes.checksum(stage, world.CMS.file, "adler32")
    assert first["server"].endswith("@xcache-cms.facility.svc:1094")


def test_a_process_opens_files_after_its_first_token_has_expired(told: dict[str, Any]) -> None:
    before, after = told["root"]
    assert (after["ok"], after["stat"]) == (True, True), after
    assert after["adler32"] == before["adler32"]
    assert after["server"] != before["server"], "it has logged in anew, with the token of the moment"


def test_xrdcp_and_xrdfs_are_led_there_too(stage: Stage, told: dict[str, Any]) -> None:
    summed = "import sys, zlib; print(f'{zlib.adler32(sys.stdin.buffer.read()):08x}')"
    copied = f'xrdcp -s {STORAGE}{world.CMS.file} - | python3 -c "{summed}"'
    said = stage.cluster.execute(*NOTEBOOK, ["sh", "-c", copied])
    assert said.strip() == lakes.checksum(stage, world.CMS.file, "adler32")
    located = stage.cluster.execute(*NOTEBOOK, ["xrdfs", STORAGE, "query", "checksum", world.CMS.file])
    assert located.split()[1] == lakes.checksum(stage, world.CMS.file, "adler32")


#: curl takes the token out of its file itself; by plain http it sends nothing
CURL = f"""
curl -sf -K /etc/facility/curl/bearer "$LAKE_HTTPS{world.CMS.file}" | wc -c
curl -s -K /etc/facility/curl/bearer "$(echo "$LAKE_HTTPS" | sed s/^https/http/){world.CMS.file}" > /dev/null; echo $?
"""
_UNSUPPORTED = 1  # curl's exit status for a protocol that it may not use


def test_curl_reads_with_the_token_of_the_moment_and_never_in_clear(stage: Stage, outcome: Outcome) -> None:
    length, status = stage.cluster.execute(*NOTEBOOK, ["sh", "-c", CURL]).split()
    assert int(length) == lakes.listing(stage, posixpath.dirname(world.CMS.file))[posixpath.basename(world.CMS.file)]
    assert int(status) == _UNSUPPORTED
