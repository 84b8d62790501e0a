"""Which issuer's keys are fetched when, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from facility.keycache.library import KeysError

#: seconds after which keys are fetched again: for as long may a key be good that its issuer has taken back
PERIOD = 300.0
#: seconds until an issuer that did not answer is asked again; those that are new are asked as soon
AGAIN = 15.0


class Keeper:
    """Asks `fetch` for the keys of each issuer when they are due. `fetch` raises KeysError; `now` is in seconds."""

    def __init__(
        self, fetch: Callable[[str], None], now: Callable[[], float], say: Callable[[str], None] = print
    ) -> None:
        self._fetch, self._now, self._say = fetch, now, say
        self._due = dict[str, float]()
        self._problems = dict[str, str]()

    def look(self, issuers: Iterable[str]) -> None:
        """Fetch what is due of these issuers. Others are forgotten: their keys end by themselves."""
        wanted = set(issuers)
        self._due = {issuer: when for issuer, when in self._due.items() if issuer in wanted}
        self._problems = {issuer: text for issuer, text in self._problems.items() if issuer in wanted}
        for issuer in sorted(wanted):
            if self._now() >= self._due.get(issuer, float("-inf")):
                self._renew(issuer)

    def _renew(self, issuer: str) -> None:
        before = self._problems.pop(issuer, "")
        try:
            self._fetch(issuer)
        except KeysError as error:
            self._due[issuer] = self._now() + AGAIN
            self._problems[issuer] = text = str(error)
            if text != before:
                self._say(f"keys of {issuer} not fetched, those at hand are used: {text}")
            return
        if before or issuer not in self._due:
            self._say(f"keys of {issuer} fetched")
        self._due[issuer] = self._now() + PERIOD
