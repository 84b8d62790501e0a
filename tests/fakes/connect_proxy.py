"""A proxy of CONNECT requests (RFC 9110, 9.3.6) that takes every name for one address: where a cluster's ports are."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def serving(address: str) -> Iterator[str]:
    """The proxy's URL while the context lasts; ports stay as they are asked for."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=_serve, args=(connection, address), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _serve(connection: socket.socket, address: str) -> None:
    with suppress(OSError, ValueError), connection:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        _, target, _ = head.split(b" ", 2)
        with socket.create_connection((address, int(target.rpartition(b":")[2]))) as other:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pump, args=(other, connection), daemon=True)
            back.start()
            _pump(connection, other)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
