"""A server of the XRootD protocol, as small as reading takes, that remembers each login's token as real ones do.

A real one is shown the token inside TLS at the login and judges every open of that session by it. Here there is no TLS:
the server looks itself at the file that the client would have read. Files are those of a directory. It stages as a
cache does: what was asked for is there by the second question, but for what is missing.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_OK, _ERROR = 0, 4003
_NOT_AUTHORIZED, _NOT_FOUND, _UNSUPPORTED, _OVER_QUOTA = 3010, 3011, 3013, 3021
_QUERY, _CLOSE, _PROTOCOL, _LOGIN, _OPEN, _READ, _STAT, _READV = 3001, 3003, 3006, 3007, 3010, 3013, 3017, 3025
_PING, _SET, _ENDSESS, _DIRLIST, _PREPARE = 3011, 3018, 3023, 3004, 3021
_CANCEL, _QUERY_PREPARE = 1, 2  # a prepare's option, a query's kind
_DIRECTORY, _READABLE = 2, 16  # flags of what is described
_RETSTAT = 0x0400
_DATA_SERVER = 1


class RefusedError(Exception):
    """An error answer: number and text."""


@dataclass
class RootServer:
    """`good` are the tokens that are not over. `logins`: user and token of each login; `refused`: paths.

    `requests`: what is to be staged, by id, with how often that was asked about; `forgets` ids the server has lost;
    `full`: how many requests are refused because there are too many; `cancelled`: ids.
    """

    directory: Path
    token_file: Path
    good: set[str] = field(default_factory=set)
    logins: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    requests: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    forgets: set[str] = field(default_factory=set)
    cancelled: list[str] = field(default_factory=list)
    full: int = 0
    port: int = 0

    def url(self, name: str) -> str:
        """root:// URL of a file."""
        return f"root://localhost:{self.port}//{name}"


class _Session:
    def __init__(self, server: RootServer, connection: socket.socket) -> None:
        self._server, self._connection = server, connection
        self._token = ""
        self._files: list[bytes] = []
        self._answers: dict[int, Callable[[bytes, bytes], bytes]] = {
            _QUERY: self._query,
            _DIRLIST: self._dirlist,
            _PREPARE: self._prepare,
            _CLOSE: lambda body, data: b"",
            _PROTOCOL: lambda body, data: struct.pack(">ii", 0x00000511, _DATA_SERVER),
            _LOGIN: self._login,
            _OPEN: self._open,
            _READ: self._read,
            _STAT: self._stat,
            _READV: self._readv,
            **dict.fromkeys((_PING, _SET, _ENDSESS), lambda body, data: b""),
        }

    def serve(self) -> None:
        """Until the client goes away."""
        with suppress(OSError, EOFError), self._connection:
            self._take(20)
            self._connection.sendall(struct.pack(">HHiii", 0, _OK, 8, 0x00000511, _DATA_SERVER))
            while True:
                stream, number, body, length = struct.unpack(">2sH16si", self._take(24))
                data = self._take(length)
                self._connection.sendall(self._answer(stream, number, body, data))

    def _answer(self, stream: bytes, number: int, body: bytes, data: bytes) -> bytes:
        try:
            found, status = self._answers.get(number, self._other)(body, data), _OK
        except RefusedError as error:
            code, text = error.args
            found, status = struct.pack(">i", code) + text.encode() + b"\0", _ERROR
        return struct.pack(">2sHi", stream, status, len(found)) + found

    def _other(self, body: bytes, data: bytes) -> bytes:
        raise RefusedError(_UNSUPPORTED, "not here")

    def _login(self, body: bytes, data: bytes) -> bytes:
        user = body[4:12].rstrip(b"\0").decode()
        self._token = self._server.token_file.read_text()
        self._server.logins.append((user, self._token))
        return bytes(16)

    def _open(self, body: bytes, data: bytes) -> bytes:
        options = struct.unpack(">H", body[2:4])[0]
        content = self._allowed(data)
        self._files.append(content)
        answer = struct.pack(">i", len(self._files) - 1)
        return answer + bytes(8) + _described(content) if options & _RETSTAT else answer

    def _stat(self, body: bytes, data: bytes) -> bytes:
        if data and (self._server.directory / data.decode().strip("/")).is_dir():
            return _described(b"", _DIRECTORY)
        return _described(self._allowed(data) if data else self._files[struct.unpack(">i", body[12:16])[0]])

    def _dirlist(self, body: bytes, data: bytes) -> bytes:
        lines = [".", "0 0 0 0"]
        for one in sorted((self._server.directory / data.decode().partition("?")[0].strip("/")).iterdir()):
            lines += [one.name, f"1 {one.stat().st_size} {_DIRECTORY if one.is_dir() else _READABLE} 0"]
        return "\n".join(lines).encode() + b"\0"

    def _prepare(self, body: bytes, data: bytes) -> bytes:
        if body[0] & _CANCEL:
            self._server.cancelled.append(data.decode().strip("\n\0"))
            return b""
        if self._server.full:
            self._server.full -= 1
            raise RefusedError(_OVER_QUOTA, "you wait for too many files already")
        request = f"request{len(self._server.requests)}"
        self._server.requests[request] = (data.decode().strip("\n\0").split("\n"), [])
        return request.encode() + b"\0"

    def _query(self, body: bytes, data: bytes) -> bytes:
        if struct.unpack(">H", body[:2])[0] != _QUERY_PREPARE:
            return b"1024\n2097136\n\0"
        request = data.decode().strip("\n\0")
        paths, asked = self._server.requests[request]
        asked.append(request)
        if request in self._server.forgets:
            raise RefusedError(_NOT_FOUND, "you have no such request")
        return json.dumps({"responses": [self._staged(path, len(asked) > 1) for path in paths]}).encode() + b"\0"

    def _staged(self, path: str, over: bool) -> dict[str, str]:
        there = (self._server.directory / path.lstrip("/")).is_file()
        ended = ("COMPLETED", "") if there else ("FAILED", "No such file or directory")
        state, problem = ended if over else ("STARTED", "")
        return {"path": path, "state": state, "error_text": problem}

    def _read(self, body: bytes, data: bytes) -> bytes:
        number, offset, length = struct.unpack(">iqi", body)
        return self._files[number][offset : offset + length]

    def _readv(self, body: bytes, data: bytes) -> bytes:
        pieces = [struct.unpack(">iiq", data[at : at + 16]) for at in range(0, len(data), 16)]
        return b"".join(
            struct.pack(">iiq", number, length, offset) + self._files[number][offset : offset + length]
            for number, length, offset in pieces
        )

    def _allowed(self, data: bytes) -> bytes:
        path = data.decode().partition("?")[0]
        if self._token not in self._server.good:
            self._server.refused.append(path)
            raise RefusedError(_NOT_AUTHORIZED, f"Unable to open {path}; permission denied")
        file = self._server.directory / path.lstrip("/")
        if not file.is_file():
            raise RefusedError(_NOT_FOUND, f"Unable to open {path}; no such file or directory")
        return file.read_bytes()

    def _take(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            piece = self._connection.recv(length - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found


def _described(content: bytes, flags: int = _READABLE) -> bytes:
    return f"1 {len(content)} {flags} 0\0".encode()


@contextmanager
def serving(directory: Path, token_file: Path) -> Iterator[RootServer]:
    """Serves on loopback while the context lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RootServer(directory, token_file, port=listener.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=_Session(server, connection).serve, daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
