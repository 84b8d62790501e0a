"""What the sign-in page shows: which virtual organization are you of?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tornado.httputil import url_concat

from facility import names
from facility.hub.pages import logo_url

#: the VO that this browser signed in with last
COOKIE = "facility-vo"
_A_YEAR = 365  # days


@dataclass(frozen=True)
class Choice:
    """One VO on the page. `problem` is why its issuer is not reachable now, `closed` why nobody can sign in."""

    name: str
    title: str
    url: str
    logo: str = ""
    problem: str = ""
    closed: str = ""

    @property
    def search(self) -> str:
        """What a search looks in."""
        return f"{self.title} {self.name}"


def choices(providers: Iterable[Any], base_url: str, next_url: str = "") -> list[Choice]:
    """The page's VOs, in the order of `providers`. Their links lead on to `next_url` if there is one."""
    onward = {"next": next_url} if next_url else {}
    return [
        Choice(
            name=one.vo.name,
            title=one.login_service,
            url=url_concat(one.login_url(base_url), onward),
            logo=logo_url(one.vo.name, one.vo.spec.logo, base_url),
            problem=one.problem,
            closed=one.vo.closed,
        )
        for one in providers
    ]


def first(found: Iterable[Choice], *preferred: str) -> Choice | None:
    """The choice that goes on top: the first of the preferred VOs that is there and open."""
    by_name = {one.name: one for one in found if not one.closed}
    return next((by_name[name] for name in preferred if name in by_name), None)


def remember(handler: Any, vo: str) -> None:
    """Let the browser know its VO next time. The cookie holds nothing but that name, and no page's script sees it."""
    options = {"path": handler.hub.base_url, "samesite": "Lax", "expires_days": _A_YEAR}
    handler._set_cookie(COOKIE, vo, encrypted=False, **options)


def remembered(handler: Any) -> str:
    """The VO of the last sign-in in this browser, empty if there is none."""
    name = handler.get_cookie(COOKIE, "")
    return name if names.VO_NAME.fullmatch(name) else ""
