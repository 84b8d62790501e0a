"""Where a program finds the token it should use: WLCG Bearer Token Discovery (zenodo 3937438).

In order: $BEARER_TOKEN, the file $BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u<uid>, /tmp/bt_u<uid>. White space is
stripped, an empty place is passed over, and a place that holds something else than a token ends the search with an
error rather than letting an older token further down be used by accident.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_SPACE = " \t\n\v\f\r"  # C99 isspace
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750, section 2.1
LARGEST = 1 << 20  # bytes; a token file that is larger is none


class InvalidTokenError(ValueError):
    """A place of the search holds something that is no token. The text names the place, never its content."""


def discover(
    environ: Mapping[str, str],
    uid: int,
    read: Callable[[Path], str | None] | None = None,
) -> str | None:
    """The token for user `uid` (the effective one), or None when no place holds any. As `located`."""
    found = located(environ, uid, read)
    return found[1] if found else None


def located(
    environ: Mapping[str, str],
    uid: int,
    read: Callable[[Path], str | None] | None = None,
) -> tuple[str, str] | None:
    """The place (`BEARER_TOKEN`, or a file's path) and the token in it, or None when no place holds any.

    `read` gives a file's text, or None when there is no such file.

    Raises:
        InvalidTokenError: a place holds no token, cannot be read, or $BEARER_TOKEN_FILE names a missing file.
    """
    for place, content in _places(environ, uid, read or read_file):
        token = content.strip(_SPACE)
        if token and not _TOKEN.fullmatch(token):
            raise InvalidTokenError(f"{place} holds no bearer token (RFC 6750, section 2.1)")
        if token:
            return place, token
    return None


def read_file(path: Path) -> str | None:
    """The file's text, None when it does not exist. Raises InvalidTokenError when it cannot be read as text."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST).decode("ascii")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise InvalidTokenError(f"{path} holds no bearer token (RFC 6750, section 2.1)") from None
    except OSError as error:
        raise InvalidTokenError(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from error


def _places(environ: Mapping[str, str], uid: int, read: Callable[[Path], str | None]) -> Iterator[tuple[str, str]]:
    yield "BEARER_TOKEN", environ.get("BEARER_TOKEN", "")
    if named := environ.get("BEARER_TOKEN_FILE"):
        content = read(Path(named))
        if content is None:
            raise InvalidTokenError(f"BEARER_TOKEN_FILE names {named}, which does not exist")
        yield named, content
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        path = Path(runtime) / f"bt_u{uid}"
        yield str(path), read(path) or ""
    path = Path("/tmp") / f"bt_u{uid}"  # noqa: S108 - the specification's place
    yield str(path), read(path) or ""
