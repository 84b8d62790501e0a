"""What somebody sees of a lake through a cache, by root:// and https.

This is a program: its text runs in a person's pod, where it gets a token on the first line of standard input and a wish
in JSON on the second (`host`, `what`: a function's name, `of`: its arguments), and answers in JSON.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import posixpath
import re
import ssl
import sys
import tempfile
import time
import zlib
from typing import Any

_SIZE = re.compile("<lp1:getcontentlength>(.*?)</lp1:getcontentlength>")
_HREF = re.compile("<D:href>(.*?)</D:href>")


class Reader:
    """Somebody with a token at a cache. What fails raises AssertionError with the server's words."""

    def __init__(self, token: str, host: str) -> None:
        from XRootD import client  # type: ignore[import-untyped]  # reads BEARER_TOKEN_FILE

        self._token, self._host, self._client = token, host, client
        self._root = f"root://{host}:1094/"
        self._files = client.FileSystem(self._root)

    def listing(self, path: str) -> dict[str, dict[str, int]]:
        """Names and sizes in a folder."""
        from XRootD.client.flags import DirListFlags  # type: ignore[import-untyped]

        found = self._good(self._files.dirlist(path, DirListFlags.STAT))
        text = self._ask("PROPFIND", path, Depth="1").read().decode()
        by_https = {}
        for part in text.split("<D:response ")[1:]:
            href, size = _HREF.search(part), _SIZE.search(part)
            if href and size and href[1].rstrip("/") != path:
                by_https[posixpath.basename(href[1])] = int(size[1])
        return {"root": {one.name: one.statinfo.size for one in found}, "https": by_https}

    def stat(self, path: str) -> dict[str, int]:
        """A file's size."""
        found = self._good(self._files.stat(path))
        return {"root": found.size, "https": int(self._ask("HEAD", path).headers["Content-Length"])}

    def checksums(self, path: str) -> dict[str, dict[str, list[str]]]:
        """By kind: kind and value that either protocol says."""
        from XRootD.client.flags import QueryCode

        answers = {}
        for kind in ("adler32", "crc32c"):
            told = self._good(self._files.query(QueryCode.CHECKSUM, f"{path}?cks.type={kind}"))
            digest = self._ask("HEAD", path, **{"Want-Digest": kind}).headers["Digest"]
            answers[kind] = {"root": told.decode().replace("\0", "").split(), "https": digest.split("=", 1)}
        return answers

    def vector(self, path: str, chunks: list[list[int]]) -> dict[str, Any]:
        """Whether the chunks (offset, length) that come in one request are those that come one by one."""
        with self._client.File() as file:
            self._good(file.open(self._root + path))
            alone = [bytes(self._good(file.read(*one))) for one in chunks]
            parts = [bytes(one.buffer) for one in self._good(file.vector_read([tuple(one) for one in chunks])).chunks]
        ranges = ",".join(f"{start}-{start + size - 1}" for start, size in chunks)
        body = self._ask("GET", path, Range=f"bytes={ranges}").read()
        return {"root": parts == alone, "https": all(one in body for one in alone), "bytes": sum(map(len, parts))}

    def whole(self, path: str) -> tuple[int, int, str]:
        """All of a file by https: status, bytes, adler32."""
        answer, length, digest = self._ask("GET", path), 0, 1
        while block := answer.read(1 << 20):
            length, digest = length + len(block), zlib.adler32(block, digest)
        return answer.status, length, f"{digest:08x}"

    def many(self, paths: list[str], at_once: int) -> list[tuple[int, int, str]]:
        """Whole files, so many at once."""
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(self.whole, paths))

    def wanted(self, paths: list[str]) -> str:
        """The id of a request to bring files into the cache (`xrdfs prepare -s`)."""
        from XRootD.client.flags import PrepareFlags

        return str(self._good(self._files.prepare(paths, PrepareFlags.STAGE)).decode().rstrip("\0"))

    def come(self, request: str) -> dict[str, str]:
        """How far a request is, by path (`xrdfs query prepare`)."""
        from XRootD.client.flags import QueryCode

        told = json.loads(self._good(self._files.query(QueryCode.PREPARE, request)).decode().rstrip("\0"))
        return {one["path"]: one["state"] for one in told["responses"]}

    def cancelled(self, request: str) -> bool:
        """Whether a request of that id could be ended (`xrdfs prepare -a`)."""
        from XRootD.client.flags import PrepareFlags

        return bool(self._files.prepare([request], PrepareFlags.CANCEL)[0].ok)

    def opened_until(self, path: str, seconds: float) -> dict[str, float]:
        """When a file was last opened with this token, and on the connection that it logged in (since the epoch)."""
        last, end = {"https": 0.0, "root": 0.0}, time.time() + seconds
        while time.time() < end:
            began = time.time()
            if self._ask("GET", path, Range="bytes=0-9").status == http.client.PARTIAL_CONTENT:
                last["https"] = began
            began = time.time()
            with self._client.File() as file:
                if file.open(self._root + path)[0].ok:
                    last["root"] = began
            time.sleep(0.25)
        return last

    def _ask(self, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
        one = http.client.HTTPSConnection(self._host, 1094, timeout=300, context=ssl.create_default_context())
        one.request(method, path, headers={"Authorization": f"Bearer {self._token}", **headers})
        return one.getresponse()

    @staticmethod
    def _good(answer: tuple[Any, Any]) -> Any:
        assert answer[0].ok, str(answer[0])
        return answer[1]


def main() -> None:
    """Do what standard input says."""
    token, wish = sys.stdin.readline().strip(), json.loads(sys.stdin.readline())
    with tempfile.NamedTemporaryFile("w") as kept:  # mode 0600, as XRootD's client wants it
        kept.write(token)
        kept.flush()
        os.environ["BEARER_TOKEN_FILE"] = kept.name
        print(json.dumps(getattr(Reader(token, wish["host"]), wish["what"])(*wish["of"])))


if __name__ == "__main__":
    main()
