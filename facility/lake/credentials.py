"""Which hosts are the lake, and the token that is good now: asked for at every use, because tokens are renewed."""

from __future__ import annotations

import os

from facility.storages import origins
from facility.tokens.discovery import InvalidTokenError, discover


def is_lake(host: str | None) -> bool:
    """Whether LAKE_HOSTS (names, separated by spaces) has this host, or LAKE_ORIGINS, whose audience the token has.

    Only these may see the token over https.
    """
    known = {*os.environ.get("LAKE_HOSTS", "").lower().split(), *(origin for _, origin in origins(os.environ))}
    return bool(host) and str(host).lower() in known


def token(host: str | None) -> str | None:
    """The token for a host by WLCG Bearer Token Discovery, or None when there is none.

    Raises:
        InvalidTokenError: the host is of the lake and the token's file is missing or is none: better said here than
            by the server's "permission denied".
    """
    try:
        return discover(os.environ, os.geteuid())
    except InvalidTokenError:
        if is_lake(host):
            raise
        return None
