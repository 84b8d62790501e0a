"""What a cache has served to whom, and what it had to fetch from where: sums since this process began.

People are counted by the subject of the token that their session showed first; a session over https is one request, one
over root:// lasts as long as its connection. Numbers of sessions and files are good for one life of the server.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from facility.xcache.accounting.packets import Cached, Closed, Event, Left, Login, Opened, Token

#: sessions and open files that are remembered at once: what tells of their end may be lost
MOST = 20_000
UNKNOWN = "unknown"
_Value = TypeVar("_Value")


@dataclass
class Served:
    """To one person: files opened, bytes read."""

    files: int = 0
    bytes: int = 0


@dataclass
class Kept:
    """Of one origin: bytes by where a read found them, and what came to be kept."""

    hit: int = 0
    missed: int = 0
    bypassed: int = 0
    fetched: int = 0


@dataclass
class _Session:
    protocol: str
    subject: str = UNKNOWN


@dataclass
class _File:
    session: tuple[int, int]
    protocol: str
    subject: str


@dataclass
class Book:
    """Takes events in their order. `origin`: which origin a path is of, empty if none."""

    origin: Callable[[str], str]
    served: dict[tuple[str, str], Served] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    _sessions: OrderedDict[tuple[int, int], _Session] = field(default_factory=OrderedDict)
    _files: OrderedDict[tuple[int, int], _File] = field(default_factory=OrderedDict)

    def note(self, events: Iterable[Event]) -> None:
        """Count them."""
        for event in events:
            match event:
                case Login():
                    _put(self._sessions, (event.server, event.session), _Session(event.protocol or UNKNOWN))
                case Token():
                    self._known(event)
                case Opened():
                    self._opened(event)
                case Closed():
                    self._closed(event)
                case Left():
                    self._sessions.pop((event.server, event.session), None)
                case Cached():
                    self._cached(event)

    def _known(self, event: Token) -> None:
        session = self._sessions.get((event.server, event.session))
        if session and session.subject == UNKNOWN:
            session.subject = event.subject or UNKNOWN

    def _opened(self, event: Opened) -> None:
        key = (event.server, event.session)
        session = self._sessions.get(key, _Session(UNKNOWN))
        _put(self._files, (event.server, event.file), _File(key, session.protocol, session.subject))

    def _closed(self, event: Closed) -> None:
        file = self._files.pop((event.server, event.file), None) or _File((0, 0), UNKNOWN, UNKNOWN)
        # over https the token is told of after the file has been opened
        session = self._sessions.get(file.session)
        subject = session.subject if session and file.subject == UNKNOWN else file.subject
        served = self.served.setdefault((subject, file.protocol), Served())
        served.files += 1
        served.bytes += event.read

    def _cached(self, event: Cached) -> None:
        kept = self.kept.setdefault(self.origin(event.path) or UNKNOWN, Kept())
        kept.hit += event.hit
        kept.missed += event.missed
        kept.bypassed += event.bypassed
        kept.fetched += event.fetched


def _put(known: OrderedDict[tuple[int, int], _Value], key: tuple[int, int], value: _Value) -> None:
    """The newest of so many; the oldest goes."""
    known[key] = value
    if len(known) > MOST:
        known.popitem(last=False)
