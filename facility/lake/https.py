"""https:// for fsspec with the current token on every request to the lake, and on no other.

The stock class sends whatever header it was made with, so a notebook that lives longer than its first token can read
no more. Here an aiohttp middleware adds the header as each request, and each hop of a redirect, is sent. A URL of a
storage that holds the lake is read at the VO's cache, unless that is away and the storage can be reached.
"""

from __future__ import annotations

import os
from typing import Any

import yarl
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession, TCPConnector
from fsspec.implementations.http import HTTPFileSystem

from facility.lake.credentials import is_lake, token
from facility.lake.reach import Reach
from facility.storages import at_cache

#: uproot alone would open a hundred at once, each with its own TLS handshake at the cache, and gain nothing
CONNECTIONS_PER_HOST = 8
_SERVERS = Reach()


async def bearer(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Sends the request with the lake's token if it goes to the lake by https. A header of the user's own stays."""
    host = request.url.host
    if request.url.scheme != "https" or not is_lake(host) or "Authorization" in request.headers:
        return await handler(request)
    if not (value := token(host)):
        return await handler(request)
    request.headers["Authorization"] = f"Bearer {value}"
    try:
        return await handler(request)
    finally:
        del request.headers["Authorization"]  # exceptions of aiohttp, and whoever logs them, show these headers


async def get_client(**arguments: Any) -> ClientSession:
    """fsspec's way to make a session; all arguments are those of aiohttp.ClientSession."""
    if "connector" not in arguments:
        arguments["connector"] = TCPConnector(limit_per_host=CONNECTIONS_PER_HOST)
    middlewares = (*arguments.pop("middlewares", ()), bearer)
    return ClientSession(middlewares=middlewares, **arguments)


class LakeHTTPFileSystem(HTTPFileSystem):  # type: ignore[misc]
    """fsspec's https filesystem, registered in its place by an entry point."""

    protocol = ("https",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("get_client", get_client)
        super().__init__(*arguments, **options)

    def encode_url(self, url: Any) -> yarl.URL:
        """What is asked for: the parent asks it for each request."""
        there = at_cache(str(url), os.environ)
        cache_is_better = there and (_SERVERS.there(there) or not _SERVERS.there(str(url)))
        found: yarl.URL = super().encode_url(there if cache_is_better else url)
        return found
