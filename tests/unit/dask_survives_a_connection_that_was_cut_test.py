"""What one TLS connection has left behind is not taken for another's error."""

from __future__ import annotations

import _ssl
import asyncio
import ctypes
from collections.abc import Callable
from pathlib import Path

import distributed
import pytest
import yaml
from dask import config
from tornado.iostream import SSLIOStream
from tornado.tcpclient import TCPClient
from tornado.tcpserver import TCPServer

from facility.lab import tls_errors
from tests.fakes.authority import Authority
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port

SHIPPED = Path(__file__).parents[2] / "images" / "notebook" / "dask" / "tls.yaml"
EPIPE, SYSTEM = 32, 2


def leave_an_error_behind() -> None:
    """As a read or write of a connection that was cut does (OpenSSL 3: ERR_new, ERR_set_error)."""
    library = ctypes.CDLL(getattr(_ssl, "__file__", None))
    library.ERR_new()
    library.ERR_set_error(SYSTEM, EPIPE, None)


class Slow(TCPServer):
    """Answers a line late, so that a reader has to wait for it."""

    async def handle_stream(self, stream: SSLIOStream, address: object) -> None:  # type: ignore[override]
        await stream.read_until(b"\n")
        await asyncio.sleep(0.05)
        await stream.write(b"answer\n")


async def asked(authority: Authority, meanwhile: Callable[[], None]) -> bytes:
    """What a connection reads when `meanwhile` has happened in its thread."""
    server = Slow(ssl_options=authority.server("127.0.0.1"))
    port = free_port()
    server.listen(port, "127.0.0.1")
    stream = await TCPClient().connect("127.0.0.1", port, ssl_options=authority.client())
    try:
        await stream.write(b"question\n")
        meanwhile()
        return await asyncio.wait_for(stream.read_until(b"\n"), PATIENCE)
    finally:
        stream.close()
        server.stop()


async def test_a_healthy_connection_is_read_although_another_was_cut(tmp_path: Path) -> None:
    assert await asked(Authority(tmp_path), leave_an_error_behind) == b"answer\n"


async def test_without_it_python_takes_the_error_for_the_healthy_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When this fails, Python empties the list itself, and facility.lab.tls_errors can go."""
    for name in ("read_from_fd", "write_to_fd", "_do_ssl_handshake"):
        monkeypatch.setattr(SSLIOStream, name, getattr(SSLIOStream, name).__wrapped__)
    with pytest.raises(Exception, match=r"(?i)closed|broken pipe|unknown error|system lib"):
        await asked(Authority(tmp_path), leave_an_error_behind)


def test_it_is_put_in_once() -> None:
    before = SSLIOStream.read_from_fd
    tls_errors.install()
    assert SSLIOStream.read_from_fd is before


def test_all_parts_of_dask_load_it_by_names_that_dask_knows() -> None:
    shipped = yaml.safe_load(SHIPPED.read_text())["distributed"]
    assert set(shipped) == {"client", "nanny", "scheduler", "worker"}
    for part, said in shipped.items():
        assert said == {"preload": [tls_errors.__name__]}
        assert config.get(f"distributed.{part}.preload") == [], distributed.__version__
