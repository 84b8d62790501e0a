"""The sign-in at one VO's issuer: authorization code with PKCE, made of oauthenticator's parts.

What differs from the stock class: endpoints come from discovery, client and secret from the Secret that the VO
names, the ID token is looked at (issuer, audience, nonce), people are named by facility.names, and no token ever
gets into auth_state: the refresh token goes to the broker, the others are dropped.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from oauthenticator.generic import GenericOAuthenticator
from traitlets import Callable, Instance, Unicode, default

from facility import names
from facility.hub import groups, issuer, person
from facility.hub.broker_client import BrokerClient, Session
from facility.hub.cluster import Cluster, MissingSecretError
from facility.hub.errors import RefusedError, UnavailableError
from facility.hub.http import Answer, Http, NoAnswerError
from facility.hub.person import Person
from facility.vo import VirtualOrganization

AuthModel = dict[str, Any]
_SESSION = "session"  # key in the auth model until the hand-over; what is not in auth_state is never stored


class Provider(GenericOAuthenticator):  # type: ignore[misc]
    """One VO's authenticator. VOAuthenticator makes it and lets it stand in at the VO's routes."""

    vo = Instance(VirtualOrganization)
    http = Instance(Http)
    cluster = Instance(Cluster)
    broker = Instance(BrokerClient)
    public_url = Unicode()
    clock = Callable(default_value=time.time)
    endpoints: issuer.Endpoints | None = None
    #: why nobody can sign in at this VO now, empty if they can
    problem = ""
    _looked_at = float("-inf")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scope = list(self.vo.spec.session_scopes)
        self.login_service = self.vo.spec.display_name or self.vo.name

    @default("manage_groups")
    def _with_groups(self) -> bool:
        return True

    def login_url(self, base_url: str) -> str:
        """Path of this VO's sign-in."""
        return f"{base_url}oauth/{self.vo.name}/login"

    def get_callback_url(self, handler: Any = None) -> str:
        """The redirect URI, from the public URL and never from the request's own headers."""
        base = handler.hub.base_url if handler else "/hub/"
        return f"{self.public_url.rstrip('/')}{base}oauth/{self.vo.name}/callback"

    async def prepare(self) -> None:
        """Make ready for one sign-in: client and secret as they are now, endpoints.

        Raises RefusedError while the VO is closed, UnavailableError when something does not answer or is not set up.
        """
        if self.vo.closed:
            raise RefusedError(f"{self.login_service} {self.vo.closed}: nobody can sign in with it here now.")
        try:
            client = await self.cluster.client_credentials(self.vo.spec.client_secret.name)
        except MissingSecretError as error:
            self.log.error("VO %s: %s", self.vo.name, error)
            raise UnavailableError(
                f"The sign-in of {self.login_service} is not set up: its client Secret is missing or incomplete. "
                "Tell the facility's administrators."
            ) from None
        self.client_id, self.client_secret = client.client_id, client.client_secret
        if self.endpoints is None or self.clock() - self._looked_at > issuer.LIFE:
            await self.discover()

    async def discover(self) -> None:
        """Look the endpoints up, and note in `problem` if that failed. Raises UnavailableError."""
        self._looked_at = self.clock()
        try:
            found = await issuer.discover(self.http, self.vo.spec.issuer)
        except UnavailableError as error:
            self.endpoints, self.problem = None, str(error)
            self.log.warning("VO %s: %s", self.vo.name, error)
            raise UnavailableError(
                f"The issuer of {self.login_service} is not reachable now ({error}). Try again in a few minutes."
            ) from None
        self.endpoints, self.problem = found, ""
        self.authorize_url, self.token_url = found.authorization, found.token
        self.basic_auth = not found.post_secret

    async def look(self, after_good: float, after_bad: float) -> None:
        """Look the endpoints up again if the last look is that many seconds ago; the result is in `problem`."""
        if self.clock() - self._looked_at < (after_bad if self.problem else after_good):
            return
        try:
            await self.discover()
        except UnavailableError:
            return  # noted in `problem`

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> AuthModel:
        """From the code in the request to a person. Raises SignInError."""
        answer = await self._redeem(self.build_access_tokens_request_params(handler, data))
        claims = person.id_claims(
            answer.get("id_token"), self.vo.spec.issuer, self.client_id, handler.nonce(), self.clock()
        )
        someone = person.recognise(claims, await self._userinfo(answer), self.vo.spec.login.name_claim)
        person.check_admitted(someone, self.vo)
        session = self._session(someone, answer)
        kept = {"vo": session.vo, "issuer": self.vo.spec.issuer, "sub": session.sub, "scope": list(session.scopes)}
        mine = groups.of_person(self.vo.name, someone.groups)
        return {"name": session.user, "auth_state": kept, "groups": mine, _SESSION: session}

    async def check_allowed(self, username: str, auth_model: AuthModel | None) -> bool:
        """True: `authenticate` has looked at the groups, where no `allow_all` of a configuration passes them by."""
        return True

    async def run_post_auth_hook(self, handler: Any, auth_model: AuthModel) -> AuthModel:
        """After all checks: the session goes to the broker. Raises SignInError; then nothing is stored anywhere."""
        await self.broker.store(auth_model.pop(_SESSION))
        model: AuthModel = await super().run_post_auth_hook(handler, auth_model)
        return model

    def _session(self, someone: Person, answer: Answer) -> Session:
        try:
            user = names.hub_user(self.vo.name, names.person(someone.claim))
        except names.BadNameError as error:
            raise RefusedError(f"Your name cannot be used here: {error}.") from None
        token, granted = answer.get("refresh_token"), answer.get("scope")
        if not isinstance(token, str) or not token:
            raise UnavailableError(
                f"{self.login_service} gave no refresh token: this facility's client there needs the grant "
                "refresh_token and the scope offline_access. Tell the facility's administrators."
            )
        # RFC 6749, section 5.1: an answer without scope grants what was asked for
        scopes = tuple(granted.split()) if isinstance(granted, str) else tuple(self.scope)
        return Session(user, self.vo.name, someone.sub, someone.claim, scopes, tuple(sorted(someone.groups)), token)

    async def _redeem(self, params: dict[str, Any]) -> Answer:
        """The token response for a code (RFC 6749, section 4.1.3). The body may quote the code: it is not shown."""
        form = urlencode({key: value for key, value in params.items() if value is not None})
        answer = await self._ask("POST", self.token_url, self.build_token_info_request_headers(), form)
        if answer.status != 200 or not isinstance(answer.get("access_token"), str):
            error = answer.get("error")
            self.log.warning("VO %s: token endpoint answered %d %s", self.vo.name, answer.status, error)
            self._looked_at = float("-inf")  # perhaps the endpoints have moved
            raise UnavailableError(
                f"The issuer of {self.login_service} did not accept the sign-in "
                f"({answer.status}{f' {error}' if isinstance(error, str) else ''}). Start again."
            )
        return answer

    async def _userinfo(self, tokens: Answer) -> dict[str, Any]:
        if self.endpoints is None or self.endpoints.userinfo is None:
            return {}
        headers = {"Authorization": f"Bearer {tokens.get('access_token')}"}
        answer = await self._ask("GET", self.endpoints.userinfo, headers)
        if answer.status != 200 or not isinstance(answer.body, dict):
            self.log.warning("VO %s: userinfo answered %d", self.vo.name, answer.status)
            raise UnavailableError(f"The issuer of {self.login_service} did not say who you are. Start again.")
        return answer.body

    async def _ask(self, method: str, url: str, headers: dict[str, str], body: str | None = None) -> Answer:
        try:
            return await self.http.ask(method, url, headers, body)
        except NoAnswerError as error:
            self._looked_at = float("-inf")
            raise UnavailableError(f"The issuer of {self.login_service} is not reachable now ({error}).") from None
