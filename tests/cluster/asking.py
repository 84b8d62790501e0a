"""Asks caches for all that they have, each question on a connection and with a token of its own.

This is a program: its text runs where people are. It gets questions in JSON on standard input (`by`, `what`, `host`,
`path`, `token`), and answers with as many in JSON, in their order: whether it was given what it asked for, by which
code (an HTTP status; an error of the root:// protocol, or else what XRootD's client has for it; CLOSED, SILENT), how
much of it, and the words that came with it. No more of a file is read than a part.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import socket
import ssl
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

#: the connection was closed without a word; nothing came that would be an answer, such as in time
CLOSED, SILENT = 0, -1
_PORT, _SECONDS, _PART = 1094, 20, 1 << 16
#: seconds after which nothing more is asked, of a cache that answers nothing
_PATIENCE = 120
_CONTEXT = ssl.create_default_context()
Answer = dict[str, Any]

# ---- root:// by XRootD's own client


def _opened(root: Any, url: str, path: str, then: Callable[[Any], Any]) -> Any:
    with root.File() as file:
        status, _ = file.open(url + path, timeout=_SECONDS)
        return then(file) if status.ok else (status, None)


def _written(root: Any, url: str, path: str, flags: int) -> Any:
    with root.File() as file:
        return file.open(url + path, flags, timeout=_SECONDS)


_ROOT: dict[str, Callable[[Any, str, str], Any]] = {
    "read": lambda root, url, path: _opened(root, url, path, lambda file: file.read(0, _PART, timeout=_SECONDS)),
    "part": lambda root, url, path: _opened(root, url, path, lambda file: file.read(100, 50, timeout=_SECONDS)),
    "parts": lambda root, url, path: _opened(
        root, url, path, lambda file: file.vector_read([(0, 10), (100, 10)], timeout=_SECONDS)
    ),
    "list": lambda root, url, path: root.FileSystem(url).dirlist(path, root.flags.DirListFlags.STAT, timeout=_SECONDS),
    "stat": lambda root, url, path: root.FileSystem(url).stat(path, timeout=_SECONDS),
    "locate": lambda root, url, path: root.FileSystem(url).locate(path, 0, timeout=_SECONDS),
    "sum": lambda root, url, path: root.FileSystem(url).query(
        root.flags.QueryCode.CHECKSUM, f"{path}?cks.type=adler32", timeout=_SECONDS
    ),
    "stage": lambda root, url, path: root.FileSystem(url).prepare(
        [path], root.flags.PrepareFlags.STAGE, timeout=_SECONDS
    ),
    "create": lambda root, url, path: _written(root, url, path, root.flags.OpenFlags.NEW),
    "replace": lambda root, url, path: _written(root, url, path, root.flags.OpenFlags.DELETE),
    "change": lambda root, url, path: _written(root, url, path, root.flags.OpenFlags.UPDATE),
    "cut": lambda root, url, path: root.FileSystem(url).truncate(path, 1, timeout=_SECONDS),
    "remove": lambda root, url, path: root.FileSystem(url).rm(path, timeout=_SECONDS),
    "folder": lambda root, url, path: root.FileSystem(url).mkdir(path, timeout=_SECONDS),
    "move": lambda root, url, path: root.FileSystem(url).mv(path, f"{path}.moved", timeout=_SECONDS),
}


def by_root(number: int, question: dict[str, Any]) -> Answer:
    """XRootD's client logs in anew for each name in a URL, with the token that it finds at that moment."""
    from XRootD import client as root

    os.environ.pop("BEARER_TOKEN_FILE", None)
    with tempfile.NamedTemporaryFile("w") as kept:  # mode 0600, as the client wants it
        if question["token"]:
            kept.write(question["token"])
            kept.flush()
            os.environ["BEARER_TOKEN_FILE"] = kept.name
        url = f"root://asks{number}@{question['host']}:{_PORT}/"
        status, found = _ROOT[question["what"]](root, url, question["path"])
    came = 0 if found is None else getattr(found, "size", 0) or len(str(found))
    return _answer(status.ok, status.errno or status.code, came, status.message)


# ---- https

#: method, headers, and the status of who is given what they ask for
_HTTPS: dict[str, tuple[str, dict[str, str], int]] = {
    "read": ("GET", {}, http.client.OK),
    "part": ("GET", {"Range": "bytes=100-149"}, http.client.PARTIAL_CONTENT),
    "parts": ("GET", {"Range": "bytes=0-9,100-109"}, http.client.PARTIAL_CONTENT),
    "list": ("PROPFIND", {"Depth": "1"}, http.client.MULTI_STATUS),
    "page": ("GET", {}, http.client.OK),
    "look": ("PROPFIND", {"Depth": "0"}, http.client.MULTI_STATUS),
    "stat": ("HEAD", {}, http.client.OK),
    "sum": ("HEAD", {"Want-Digest": "adler32"}, http.client.OK),
    "create": ("PUT", {}, http.client.CREATED),
    "replace": ("PUT", {}, http.client.CREATED),
    "remove": ("DELETE", {}, http.client.OK),
    "folder": ("MKCOL", {}, http.client.CREATED),
    "move": ("MOVE", {}, http.client.CREATED),
}


def by_https(_: int, question: dict[str, Any]) -> Answer:
    """A request, with the token in its header."""
    where = http.client.HTTPSConnection(question["host"], _PORT, timeout=_SECONDS, context=_CONTEXT)
    return _requested(where, question)


def by_http(_: int, question: dict[str, Any]) -> Answer:
    """The same without TLS."""
    where = http.client.HTTPConnection(question["host"], _PORT, timeout=_SECONDS)
    where.connect()  # who is not there does not refuse
    try:
        return _requested(where, question)
    except ConnectionError as error:
        return _answer(False, CLOSED, 0, repr(error))


def _requested(where: http.client.HTTPConnection, question: dict[str, Any]) -> Answer:
    method, headers, wanted = _HTTPS[question["what"]]
    if question["token"]:
        headers = headers | {"Authorization": f"Bearer {question['token']}"}
    if method == "MOVE":
        headers = headers | {"Destination": f"https://{question['host']}:{_PORT}{question['path']}.moved"}
    where.request(method, question["path"], b"x" * 100 if method == "PUT" else None, headers)
    answer = where.getresponse()
    body, told = answer.read(_PART), answer.headers.get("Digest", "")
    where.close()
    given = answer.status == wanted and (question["what"] != "sum" or bool(told))
    if given:
        size = int(answer.headers.get("Content-Length", 0)) if question["what"] == "stat" else len(body or told)
        return _answer(True, answer.status, size, "")
    return _answer(False, answer.status, len(told), body[:400].decode(errors="replace"))


# ---- root:// by somebody who says nothing of a token: XRootD's own client would not go on without one

_HELLO = struct.pack("!5I", 0, 0, 0, 4, 2012)
_PROTOCOL, _LOGIN, _ERROR = 3006, 3007, 4003
_WANTS_TLS = struct.pack("!IBB10x", 0x520, 0x02 | 0x04, 0x03)
_NOBODY = struct.pack("!I8sBBBB", 1, b"nobody", 0, 0, 5, 0)
_RAW: dict[str, tuple[int, bytes]] = {
    "read": (3010, struct.pack("!HH", 0, 0x10)),
    "list": (3004, b""),
    "stat": (3017, b""),
    "locate": (3027, b""),
    "sum": (3001, struct.pack("!H", 3)),
    "stage": (3021, b"\x08"),
}


def by_raw(_: int, question: dict[str, Any]) -> Answer:
    """A login without what would prove it, and then the request all the same."""
    with socket.create_connection((question["host"], _PORT), _SECONDS) as plain:
        _greeted(plain)
        _sent(plain, _PROTOCOL, _WANTS_TLS)
        with _CONTEXT.wrap_socket(plain, server_hostname=question["host"]) as secure:
            _sent(secure, _LOGIN, _NOBODY)
            code, options = _RAW[question["what"]]
            return _told(*_sent(secure, code, options, question["path"].encode()))


def by_plain(_: int, question: dict[str, Any]) -> Answer:
    """A login without TLS."""
    with socket.create_connection((question["host"], _PORT), _SECONDS) as plain:
        _greeted(plain)
        return _told(*_sent(plain, _LOGIN, _NOBODY))


def _greeted(to: socket.socket) -> None:
    to.sendall(_HELLO)
    _received(to, 16)


def _sent(to: socket.socket, code: int, options: bytes, data: bytes = b"") -> tuple[int, bytes]:
    """The status of the answer to a request, and the rest of it."""
    to.sendall(struct.pack("!HH16sI", 1, code, options, len(data)) + data)
    _, status, length = struct.unpack("!HHI", _received(to, 8))
    return status, _received(to, length)


def _received(to: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = to.recv(count - len(found))
        if not piece:
            raise ConnectionError(f"closed after {len(found)} of {count} bytes")
        found += piece
    return found


def _told(status: int, found: bytes) -> Answer:
    if status != _ERROR:
        return _answer(True, status, len(found), "")
    return _answer(False, struct.unpack("!I", found[:4])[0], 0, found[4:].decode(errors="replace"))


# ----


def _answer(ok: bool, code: int, came: int, text: str) -> Answer:
    return {"ok": bool(ok), "code": int(code), "bytes": came, "text": text.strip()[-400:]}


_WAYS = {"root": by_root, "https": by_https, "http": by_http, "raw": by_raw, "plain": by_plain}


def asked(number: int, question: dict[str, Any], until: float) -> Answer:
    """One question's answer. until: by the monotonic clock, when it is too late to ask."""
    if time.monotonic() > until:
        return _answer(False, SILENT, 0, "not asked: the answers before took too long")
    try:
        return _WAYS[question["by"]](number, question)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _answer(False, SILENT, 0, f"{type(error).__name__}: {error}")


def main() -> None:
    """XRootD's client asks one after the other, as it finds its token in the environment. Then the others: nothing is
    asked twice at once, as XRootD may lose the answer to one of two who want a checksum at the same moment."""
    questions, until = list(enumerate(json.load(sys.stdin))), time.monotonic() + _PATIENCE
    for name in [name for name in os.environ if name.startswith("BEARER_TOKEN")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as empty, concurrent.futures.ThreadPoolExecutor(3) as pool:
        os.environ["XDG_RUNTIME_DIR"] = empty  # nor is there a token to be found
        found = {number: asked(number, one, until) for number, one in questions if one["by"] == "root"}
        others = {number: pool.submit(asked, number, one, until) for number, one in questions if number not in found}
        print(json.dumps([found[number] if number in found else others[number].result() for number, _ in questions]))


if __name__ == "__main__":
    main()
