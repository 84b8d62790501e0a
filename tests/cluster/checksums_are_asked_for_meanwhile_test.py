"""Checksums of a file that a storage by root:// reckons only now, of which several people ask at that time.

A real cache and a real origin on this machine's loopback.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.cache_rig import UID, VO, Rig, Server, rig

pytestmark = pytest.mark.cluster

SIZE = 2 << 30  # a second or more to reckon, most of it a hole
#: the wait of whoever asks, who would else wait for half an hour
PATIENCE = 60
KINDS = ("adler32", "crc32c")
#: asks all questions at once, each [port, scheme, kind], and prints their answers as JSON
ASK = """
import json, os, ssl, sys, threading, urllib.request
os.environ |= {"BEARER_TOKEN_FILE": "/bench/token", "X509_CERT_FILE": "/bench/ca.crt"}
from XRootD import client
path, patience, questions = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
trust, token = ssl.create_default_context(cafile="/bench/ca.crt"), open("/bench/token").read()
answers, ready = [None] * len(questions), threading.Barrier(len(questions))
def root(number, port, kind):
    files = client.FileSystem(f"root://asks{number}@localhost:{port}/")
    files.stat(path)
    ready.wait()
    status, told = files.query(client.flags.QueryCode.CHECKSUM, f"{path}?cks.type={kind}", timeout=patience)
    return told.decode().strip("\\0").split() if status.ok else status.message
def https(number, port, kind):
    headers = {"Authorization": f"Bearer {token}", "Want-Digest": kind}
    wanted = urllib.request.Request(f"https://localhost:{port}{path}", headers=headers, method="HEAD")
    ready.wait()
    with urllib.request.urlopen(wanted, context=trust, timeout=patience) as answer:
        return answer.headers["Digest"].split("=")
def ask(number, port, scheme, kind):
    try:
        answers[number] = (root if scheme == "root" else https)(number, port, kind)
    except OSError as error:
        answers[number] = repr(error)
asking = [threading.Thread(target=ask, args=(number, *question)) for number, question in enumerate(questions)]
for one in asking: one.start()
for one in asking: one.join()
print(json.dumps(answers))
"""

Question = tuple[int, str, str]


@dataclass(frozen=True)
class Stand:
    """A cache of a lake at one origin, which speaks root://."""

    rig: Rig
    origin: Server
    cache: Server

    def put(self, name: str) -> str:
        """A file whose checksums nobody has asked for; its path."""
        file = self.rig.lake / VO / name
        with file.open("wb") as to:
            to.write(os.urandom(1000))
            to.truncate(SIZE)
        os.chown(file, UID, UID)
        return f"/{VO}/{name}"

    def told(self, path: str, questions: list[Question]) -> list[list[str]]:
        """The answers to what is asked at once: kind and value."""
        asked = ["/opt/venv/bin/python", "-c", ASK, path, str(PATIENCE), json.dumps(questions)]
        return json.loads(_within(self.rig.client, *asked))  # type: ignore[no-any-return]

    def expected(self, path: str, questions: list[Question]) -> list[list[str]]:
        """By XRootD's own tools."""
        return [
            [kind, _within(self.origin.container, f"xrd{kind}", f"/data{path}").split()[0]] for _, _, kind in questions
        ]


def _within(container: str, *command: str) -> str:
    done = subprocess.run(["docker", "exec", container, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder: Path = tmp_path_factory.mktemp("sums")
    with rig(folder) as made:
        (made.lake / VO).mkdir()
        os.chown(made.lake / VO, UID, UID)
        yield Stand(made, made.origin(), made.cache("sums", scheme="roots"))


def test_all_who_ask_a_cache_meanwhile_are_answered(stand: Stand) -> None:
    path = stand.put("asked")
    questions = [(stand.cache.port, scheme, kind) for kind in KINDS for scheme in ("root", "https")]
    assert stand.told(path, questions) == stand.expected(path, questions)


def test_nobody_is_given_the_checksum_of_another_kind_that_the_origin_reckons_for_others(stand: Stand) -> None:
    path = stand.put("other")
    questions = [(stand.origin.port, "root", KINDS[0]), (stand.cache.port, "root", KINDS[1])]
    assert stand.told(path, questions)[1:] == stand.expected(path, questions)[1:]
