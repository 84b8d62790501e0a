"""Which VOs may stand in each other's way, found without comparing each with all. Who is right is for validate.py."""

from __future__ import annotations

from collections import defaultdict

from facility.lakes import covers


class Rivals:
    """VOs by what they claim: an issuer, and prefixes of the lake."""

    def __init__(self) -> None:
        self._claims: dict[str, tuple[str, frozenset[str]]] = {}
        self._by_issuer: defaultdict[str, set[str]] = defaultdict(set)
        self._by_root: defaultdict[str, set[str]] = defaultdict(set)

    def note(self, name: str, issuer: str = "", prefixes: frozenset[str] = frozenset()) -> set[str]:
        """What a VO claims from now on; nothing when it is gone. Returns whom that concerns: rivals old and new."""
        claims = (issuer.rstrip("/"), prefixes)
        if self._claims.get(name, ("", frozenset())) == claims:
            return set()
        before = self.of(name)
        self._drop(name)
        self._claims[name] = claims
        if claims[0]:
            self._by_issuer[claims[0]].add(name)
        for prefix in prefixes:
            self._by_root[_root(prefix)].add(name)
        return before | self.of(name)

    def of(self, name: str) -> set[str]:
        """All that claim the same issuer (a slash aside) or a prefix that meets one of this VO's."""
        issuer, prefixes = self._claims.get(name, ("", frozenset()))
        found = set(self._by_issuer.get(issuer, ())) if issuer else set()
        for prefix in prefixes:
            found |= {one for one in self._by_root.get(_root(prefix), ()) if self._meets(one, prefix)}
        return found - {name}

    def _meets(self, name: str, prefix: str) -> bool:
        return any(covers(one, prefix) or covers(prefix, one) for one in self._claims[name][1])

    def _drop(self, name: str) -> None:
        issuer, prefixes = self._claims.pop(name, ("", frozenset()))
        places = [(self._by_issuer, issuer), *((self._by_root, _root(prefix)) for prefix in prefixes)]
        for index, key in places:
            index[key].discard(name)
            if not index[key]:
                del index[key]


def _root(prefix: str) -> str:
    return prefix.lstrip("/").partition("/")[0]
