"""`/hub/login`: the chooser, and for whoever's session has ended why that is and how to go on."""

from __future__ import annotations

from typing import Any

from jupyterhub.handlers.login import LoginHandler
from tornado.httputil import url_concat

from facility.hub import chooser, pages
from facility.hub.closing import vo_of
from facility.hub.errors import SignInError
from facility.hub.standing import Standing


class EntryHandler(LoginHandler):  # type: ignore[misc]
    """JupyterHub's sign-in page with the chooser in it. `?vo=cms` leads on to that VO's sign-in at once."""

    #: set while the request's user is looked up, if there is one
    facility_standing: Standing | None = None
    _notice = ""
    _ended = ""

    async def get(self) -> None:
        asked = self.get_argument("vo", "")
        if asked and (url := await self._direct(asked)):
            self.redirect(url)
            return
        self._look_at_session()
        await super().get()

    async def _direct(self, vo: str) -> str:
        """The sign-in of that VO; empty for who is signed in with it, and when there is none, which is noted."""
        if self.current_user and vo_of(self.current_user.name) == vo:
            return ""
        try:
            provider = await self.authenticator.provider(vo)
        except SignInError as error:
            self._notice = str(error)
            return ""
        if provider is None:
            self._notice = f"There is no virtual organization {vo!r} here."
            return ""
        return str(url_concat(provider.login_url(self.hub.base_url), self._onward()))

    def _look_at_session(self) -> None:
        """Somebody whose cookie is good and whose session is not learns why they are here."""
        standing = self.facility_standing
        if self.current_user or standing is None or not standing.dead:
            return
        user = self._user_for_cookie(self.hub.cookie_name)
        if user is not None:
            self._ended = vo_of(user.name)
            self._notice = self._notice or self.authenticator.sentence(user.name, standing)

    def _onward(self) -> dict[str, str]:
        onward = self.get_argument("next", "")
        return {"next": onward} if onward else {}

    def _render(self, login_error: str | None = None, username: str | None = None, **kwargs: Any) -> Any:
        base = self.hub.base_url
        found = chooser.choices(self.authenticator.choices, base, self.get_argument("next", ""))
        first = chooser.first(found, self._ended, chooser.remembered(self))
        values = {
            "choices": found,
            "first": first,
            "again": bool(first and first.name == self._ended),
            "notice": self._notice or login_error,
        }
        inner = pages.render(self.settings, "chooser.html", base, **values)
        return self.render_template("login.html", authenticator=self.authenticator, custom_html=inner, **kwargs)
