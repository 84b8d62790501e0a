"""A server in a thread of its own, for fakes that are asked from the thread of the test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from threading import Thread
from typing import Any

from tests.fakes.authority import Authority


class Quiet:
    """Of a handler, that it logs nothing: the test's output is for the test."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or does not trust the certificate, is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def server(handler: type[BaseHTTPRequestHandler], authority: Authority | None, *hosts: str) -> ThreadingHTTPServer:
    """On a free port of 127.0.0.1; with an authority https, for these names, that address unless given."""
    made = _Server(("127.0.0.1", 0), handler)
    if authority:
        context = authority.server(*(hosts or ("127.0.0.1",)))
        # the handshake is its handler's, or one client who takes its time would keep all others waiting
        made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    return made


@contextmanager
def running(server: BaseServer) -> Iterator[None]:
    """Serves while entered."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
