"""The two pages of a VO's sign-in, with state, cookie, nonce and issuer bound to that VO.

JupyterHub and oauthenticator bind the state to the browser only. With several issuers on one hub, a code of one must
not be taken to another (mix-up): so each VO has its own redirect URI, its own state and cookie, and the parameter
`iss` of the answer is looked at (RFC 9207; RFC 9700, section 4.4).
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from html import escape
from typing import Any
from uuid import uuid4

from jupyterhub.handlers import BaseHandler
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler
from tornado import web
from tornado.httputil import url_concat

from facility.hub import chooser, pages
from facility.hub.closing import vo_of
from facility.hub.errors import MismatchError, RefusedError, SignInError
from facility.hub.provider import Provider
from facility.tokens.claims import same_issuer

#: seconds that a person has for signing in at the issuer
STATE_LIFE = 900

# JupyterHub 6.1.1 reads this in refresh_auth although only requests with a token set it: a request with a cookie and
# a dead session would end in AttributeError (500) instead of the sign-in page.
if not hasattr(BaseHandler, "_token_authenticated"):
    BaseHandler._token_authenticated = False


def _nonce(verifier: str) -> str:
    """The nonce of a sign-in, from its PKCE verifier: only the browser that began it holds that."""
    return urlsafe_b64encode(sha256(b"nonce " + verifier.encode()).digest()).decode().rstrip("=")


class OfVO:
    """Lets the provider of the VO in the path stand in as the authenticator, from `get` on and not before.

    Until then the request's user, who may be of another VO, has been refreshed by the hub's own authenticator.
    """

    provider: Provider | None = None

    @property
    def authenticator(self) -> Any:
        return self.provider or super().authenticator  # type: ignore[misc]

    @property
    def cookie(self) -> tuple[str, str]:
        """Name and path of this VO's state cookie."""
        assert self.provider is not None
        vo = self.provider.vo.name
        return f"oauthenticator-state-{vo}", f"{self.hub.base_url}oauth/{vo}/"  # type: ignore[attr-defined]

    async def enter(self, vo: str) -> None:
        """Find the VO and make its provider ready, or answer with a page that says why not."""
        self.provider = await self.authenticator.provider(vo)
        if self.provider is None:
            raise web.HTTPError(404, f"There is no virtual organization {vo!r} here.")
        await self.provider.prepare()

    def page(self, error: SignInError) -> web.HTTPError:
        """A sign-in's failure as JupyterHub's error page, with its sentence and the way back."""
        shown = web.HTTPError(error.status, str(error).replace("%", "%%"), reason=error.title)
        again = escape(self.hub.base_url + "login", quote=True)  # type: ignore[attr-defined]
        shown.jupyterhub_html_message = f'{escape(str(error))} <a href="{again}">Back to sign-in</a>'  # type: ignore[attr-defined]
        if error.status == 503:
            shown.headers = {"Retry-After": "30"}  # type: ignore[attr-defined]
        return shown

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """tornado would print the whole request of an unforeseen error, code and state with it."""
        if isinstance(value, web.HTTPError):
            super().log_exception(typ, value, tb)  # type: ignore[misc]
        else:
            self.log.error("Unforeseen: %s", self._request_summary(), exc_info=(typ, value, tb))  # type: ignore[attr-defined]

    def _request_summary(self) -> str:
        """For logs: without the query, which holds code and state."""
        request = self.request  # type: ignore[attr-defined]
        return f"{request.method} {request.path} ({request.remote_ip})"


class LoginHandler(OfVO, OAuthLoginHandler):  # type: ignore[misc]
    """`/hub/oauth/<vo>/login`: off to the VO's issuer."""

    _verifier = ""

    async def get(self, vo: str) -> None:
        try:
            await self.enter(vo)
        except SignInError as error:
            raise self.page(error) from None
        if self.current_user and vo_of(self.current_user.name) != vo and not self.get_argument("over", ""):
            self.finish(self._ask_first())
            return
        super().get()

    def _ask_first(self) -> str:
        """The page for who is signed in with another VO: they are about to become another user."""
        assert self.provider is not None
        onward = {"over": "1", **{key: value for key in ("next",) if (value := self.get_argument(key, ""))}}
        namespace = {**self.template_namespace, "xsrf_token": self.xsrf_token.decode("ascii")}
        values = {"title": self.provider.login_service, "forward": url_concat(self.request.path, onward)}
        return pages.render(self.settings, "over.html", **{**namespace, **values})

    def set_state_cookie(self, state_cookie_value: str) -> None:
        name, path = self.cookie
        life = {"expires_days": None, "max_age": STATE_LIFE}
        self._set_cookie(name, state_cookie_value, path=path, httponly=True, samesite="Lax", **life)

    def authorize_redirect(self, *args: Any, **kwargs: Any) -> None:
        kwargs["extra_params"] = {**kwargs.get("extra_params", {}), "nonce": _nonce(self._verifier)}
        super().authorize_redirect(*args, **kwargs)

    def _generate_state_id(self) -> str:
        assert self.provider is not None
        return f"{self.provider.vo.name}.{uuid4().hex}"

    def _generate_pkce_params(self) -> tuple[str, str]:
        self._verifier, challenge = super()._generate_pkce_params()
        return self._verifier, challenge


class CallbackHandler(OfVO, OAuthCallbackHandler):  # type: ignore[misc]
    """`/hub/oauth/<vo>/callback`: back from it."""

    _state_cookie: str | None = None

    async def get(self, vo: str) -> None:
        try:
            await self.enter(vo)
            await super().get()
        except SignInError as error:
            raise self.page(error) from None

    def set_login_cookie(self, user: Any) -> None:
        """Whoever was signed in here before is signed out, with all that this browser held of their session."""
        before = self.get_current_user_cookie()
        if before is not None and before.name != user.name:
            self.clear_login_cookie()
            self.set_session_cookie()
        super().set_login_cookie(user)
        chooser.remember(self, vo_of(user.name))

    def nonce(self) -> str:
        """What the ID token has to say."""
        return _nonce(self._state().get("code_verifier", ""))

    def get_state_cookie(self) -> str:
        """The state that this browser began with; stays until an answer fits, so that a stray one spoils nothing."""
        if self._state_cookie is None:
            kept = self.get_secure_cookie(self.cookie[0], max_age_days=STATE_LIFE / 86400)
            self._state_cookie = (kept or b"").decode("utf-8", "replace")
        return self._state_cookie

    def check_arguments(self) -> None:
        """State, then issuer, and only then what the answer says. Raises MismatchError or RefusedError."""
        self.check_state()
        self.check_issuer()
        self.check_error()
        self.check_code()

    def check_state(self) -> None:
        """The answer belongs to what this browser began at this VO; the state is good for one answer."""
        begun, answered = self._state().get("state_id"), _opened(self.get_argument("state", "")).get("state_id")
        if not isinstance(begun, str) or not isinstance(answered, str):
            raise MismatchError("This sign-in was begun in another browser, or more than 15 minutes ago. Begin again.")
        assert self.provider is not None
        if not hmac.compare_digest(begun.encode(), answered.encode()) or not begun.startswith(
            f"{self.provider.vo.name}."
        ):
            raise MismatchError("This answer belongs to another sign-in than the one begun last. Begin again.")
        name, path = self.cookie
        self.clear_cookie(name, path=path)

    def check_issuer(self) -> None:
        """The answer comes from the VO's issuer, as far as it says (RFC 9207, section 2.4)."""
        assert self.provider is not None
        said = self.get_argument("iss", None)
        endpoints = self.provider.endpoints
        if said is None and not (endpoints and endpoints.names_itself):
            return
        if said is None or not same_issuer(said, self.provider.vo.spec.issuer):
            raise MismatchError(f"The answer does not come from the issuer of {self.provider.login_service}.")

    def check_error(self) -> None:
        """The issuer refused, or the person did (RFC 6749, section 4.1.2.1)."""
        assert self.provider is not None
        if error := self.get_argument("error", ""):
            text = self.get_argument("error_description", "") or error
            raise RefusedError(f"{self.provider.login_service} did not sign you in: {text}.")

    def check_code(self) -> None:
        if not self.get_argument("code", ""):
            raise MismatchError("The issuer's answer has no code. Begin again.")

    def _state(self) -> dict[str, Any]:
        return _opened(self.get_state_cookie())


def _opened(text: str) -> dict[str, Any]:
    """A state as oauthenticator writes it; empty for anything else, which anybody may send."""
    try:
        found = json.loads(urlsafe_b64decode(text.encode()))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
