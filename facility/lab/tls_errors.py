"""Keeps a TLS connection that was cut from breaking others: dask's scheduler, workers and clients load this first.

After each read and write Python asks OpenSSL what went wrong, and OpenSSL answers from a list that is the thread's.
Python does not empty it before (CPython issue 148594), so what a connection that was cut has left there is taken for an
error of whichever is read next: a worker goes, and the scheduler loses its client. tornado, by which all of them speak,
has its connections in one thread; here it empties the list first, as OpenSSL's documentation of SSL_get_error wants.
"""

from __future__ import annotations

import _ssl
import ctypes
import functools
from collections.abc import Callable
from typing import Any

from tornado.iostream import SSLIOStream

#: what tornado does by way of OpenSSL; these names are older than its first release with asyncio
_METHODS = ("read_from_fd", "write_to_fd", "_do_ssl_handshake")
# the library that Python itself has loaded, found through its own module
_clear = ctypes.CDLL(getattr(_ssl, "__file__", None)).ERR_clear_error
_clear.argtypes, _clear.restype = (), None


def install() -> None:
    """Have tornado do so from now on. Harmless when it does already."""
    for name in _METHODS:
        method = getattr(SSLIOStream, name)
        if not hasattr(method, "__wrapped__"):
            setattr(SSLIOStream, name, _first(method))


def _first(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def cleared(*arguments: Any) -> Any:
        _clear()
        return method(*arguments)

    return cleared


install()
