"""The cache as XRootD's client sees it: what is in a directory, and requests to bring files (`prepare -s`)."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from facility.staging.plan import File, State, Word

#: XRootD's protocol, kXR_…: NotFound, overQuota
_NOT_FOUND, _OVER_QUOTA = 3011, 3021
_TIMEOUT = 60  # seconds
#: XRootD's client would try five times two minutes to reach a cache that is being restarted
_AWAY = {"XRD_CONNECTIONWINDOW": "10", "XRD_CONNECTIONRETRY": "2"}
_BEFORE = re.compile(r"^\[\w+\] (.*?: \[\d+\] )?")


class StagingError(Exception):
    """The cache cannot or will not; the text is a sentence."""


class TooManyError(StagingError):
    """The person waits for as many files as a cache takes from one."""


class Cache:
    """One VO's cache, `host:port`. `token`: what the person has for a host at this moment, or nothing."""

    def __init__(self, host: str, token: Callable[[str], str | None]) -> None:
        self._host, self._token = host, token
        for name, seconds in _AWAY.items():
            os.environ.setdefault(name, seconds)
        try:
            self._xrootd: Any = importlib.import_module("XRootD.client")
        except ImportError:
            raise StagingError("XRootD's client is not here: pip install facility[lake]") from None

    def files(self, path: str) -> Iterator[File]:
        """The file of that path, or all below that directory. Raises StagingError."""
        flags = self._xrootd.flags
        found = self._asked(self._files().stat(path, timeout=_TIMEOUT), f"look at {path}")
        if not found.flags & flags.StatInfoFlags.IS_DIR:
            yield File(path, int(found.size))
            return
        listed = self._files().dirlist(path, flags.DirListFlags.STAT, timeout=_TIMEOUT)
        for entry in self._asked(listed, f"list {path}"):
            below = f"{path}/{entry.name}"
            if entry.statinfo is None or entry.statinfo.flags & flags.StatInfoFlags.IS_DIR:
                yield from self.files(below)
            else:
                yield File(below, int(entry.statinfo.size))

    def stage(self, files: Sequence[File]) -> str:
        """The request's id. Raises StagingError; TooManyError when it can be asked for later."""
        wanted = [file.path for file in files]
        answer = self._files().prepare(wanted, self._xrootd.flags.PrepareFlags.STAGE, timeout=_TIMEOUT)
        return _text(self._asked(answer, f"bring {wanted[0]} and {len(wanted) - 1} more"))

    def look(self, request: str) -> dict[str, Word] | None:
        """What is said of each path; None when the cache knows of no such request (any more)."""
        status, answer = self._files().query(self._xrootd.flags.QueryCode.PREPARE, request, timeout=_TIMEOUT)
        if not status.ok and int(status.errno) == _NOT_FOUND:
            return None
        told = json.loads(_text(self._asked((status, answer), "say how far it is")))
        return {one["path"]: Word(State(one["state"]), one["error_text"]) for one in told["responses"]}

    def cancel(self, request: str) -> None:
        """What is not there yet does not come. A request that the cache does not know is over already."""
        self._files().prepare([request], self._xrootd.flags.PrepareFlags.CANCEL, timeout=_TIMEOUT)

    def _files(self) -> Any:
        """A client whose connection has logged in with the token of this moment (facility.lake.root says why)."""
        value = self._token(self._host.rpartition(":")[0].strip("[]"))
        who = f"stage{sha256(value.encode()).hexdigest()[:8]}@" if value else ""
        return self._xrootd.FileSystem(f"root://{who}{self._host}")

    def _asked(self, answer: tuple[Any, Any], what: str) -> Any:
        status, found = answer
        if status.ok:
            return found
        kind = TooManyError if int(status.errno) == _OVER_QUOTA else StagingError
        raise kind(f"{self._host} cannot {what}: {_problem(str(status.message))}")


def _problem(message: str) -> str:
    """The server's own words: `[ERROR] Server responded with an error: [3011] Unable to …` without what is before."""
    first = message.strip().partition("\n")[0]
    return _BEFORE.sub("", first)


def _text(answer: bytes | str) -> str:
    return (answer.decode() if isinstance(answer, bytes) else answer).rstrip("\0")
