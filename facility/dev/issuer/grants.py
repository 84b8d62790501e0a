"""The grants of the token endpoint that stand for a person: code (RFC 6749 and 7636), refresh, device (RFC 8628)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from facility.dev.issuer import audience, errors, scopes
from facility.dev.issuer.settings import CODE, DEVICE, REFRESH, Client
from facility.dev.issuer.tokens import Grant, Issuer

HEADERS = [("Content-Type", errors.JSON), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]
Answer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class IssuerGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """What all grants share: the client is authenticated first, then held against its grant types."""

    @property
    def issuer(self) -> Issuer:
        """The issuer behind the server."""
        issuer: Issuer = self.server.issuer
        return issuer

    @property
    def form(self) -> Any:
        """The form, of which a repeated parameter's first value counts."""
        return self.request.form

    def validate_token_request(self) -> None:
        """Called by Authlib before `create_token_response`."""
        client: Client = self.server.authenticate(self.request)
        if self.GRANT_TYPE not in client.grant_types:
            raise errors.wrong_grant()
        self.request.client = client

    def create_token_response(self) -> Answer:
        """Called by Authlib; one request at a time, so that a code or token is never spent twice."""
        with self.issuer.store.transaction():
            try:
                return 200, self.answer(self.request.client), HEADERS
            except errors.RefusedError as refusal:
                kept = refusal  # a refusal may have spent a code: what it wrote stays
        raise kept

    def answer(self, client: Client) -> dict[str, Any]:
        """The token response of this grant. Raises errors.RefusedError."""
        raise errors.RefusedError(400, "unsupported_grant_type", "Unsupported grant type")


class CodeGrant(IssuerGrant):
    """grant_type=authorization_code; `scope` is ignored here, `audience` is not."""

    GRANT_TYPE = CODE

    def answer(self, client: Client) -> dict[str, Any]:
        """Spends the code, even when the request is refused for its redirect URI."""
        code = self.form.get("code") or ""
        record = self.issuer.store.get("code", code)
        if record is None:
            raise errors.invalid_code(code)
        if record["grant"]["client_id"] != client.client_id:
            raise errors.RefusedError(401, "invalid_client", "Client ID mismatch")
        self.issuer.store.drop("code", code)
        if self.form.get("redirect_uri") != record["redirect_uri"]:
            raise errors.RefusedError(400, "invalid_grant", "Redirect URI mismatch.")
        self._check_verifier(record)
        grant = Grant.read(record["grant"])
        token = self.issuer.new_refresh_token(grant, client)
        words, _ = audience.asked(self.form)
        return self.issuer.respond(grant, token, audience=words or grant.audience)

    def _check_verifier(self, record: dict[str, Any]) -> None:
        challenge, verifier = record["challenge"], self.form.get("code_verifier")
        if not challenge:
            return
        if not verifier:
            raise errors.internal()
        computed = create_s256_code_challenge(verifier) if record["method"] == "S256" else verifier
        if computed != challenge:
            raise errors.RefusedError(400, "invalid_request", "Code challenge and verifier do not match")


class RefreshGrant(IssuerGrant):
    """grant_type=refresh_token, with `scope` to narrow and `audience` to aim the new access token."""

    GRANT_TYPE = REFRESH

    def answer(self, client: Client) -> dict[str, Any]:
        """Narrowing is by path where a granted scope is a system scope; what was asked before does not matter."""
        token = self.form.get("refresh_token")
        if token is None:
            raise errors.internal()
        grant = self._grant(token, client)
        asked = self._scopes(grant, client)
        words = audience.at_refresh(self.form, grant.audience, grant.resource)
        if client.clear_access_tokens_on_refresh:
            self.issuer.clear(token)
        return self.issuer.respond(grant, self._rotated(token, grant, client), scopes=asked, audience=words)

    def _grant(self, token: str, client: Client) -> Grant:
        record = self.issuer.store.get("refresh", token)
        if record is None:
            raise errors.unknown_refresh_token(token)
        if record.pop("exp") <= self.issuer.now():
            raise errors.expired_refresh_token(token)
        grant = Grant.read(record)
        if grant.client_id != client.client_id:
            raise errors.RefusedError(401, "invalid_client", "Client does not own the presented refresh token")
        person = self.issuer.person(grant)
        if person is None:
            raise errors.expired_refresh_token(token)
        if person.aup_due:
            raise errors.aup_due(person.username)
        return grant

    def _scopes(self, grant: Grant, client: Client) -> tuple[str, ...]:
        asked = scopes.split(self.form.get("scope"))
        if not asked:
            return grant.scopes
        self.issuer.check_client_scopes(asked, client)
        if scopes.refused(asked, grant.scopes, self.issuer.settings.system_scopes) is not None:
            raise errors.up_scoping()
        return asked

    def _rotated(self, token: str, grant: Grant, client: Client) -> str:
        if client.reuse_refresh_token:
            return token
        self.issuer.retire(token, client.refresh_token_grace)
        return self.issuer.new_refresh_token(grant, client) or token


class DeviceGrant(IssuerGrant):
    """grant_type=...:device_code. A denial is never said: IAM goes on answering authorization_pending."""

    GRANT_TYPE = DEVICE

    def answer(self, client: Client) -> dict[str, Any]:
        """An audience asked for at /devicecode is lost, as with IAM."""
        code = self.form.get("device_code") or ""
        record = self.issuer.store.get("device", code)
        if record is None:
            raise errors.RefusedError(400, "invalid_grant", f"Invalid device code: {code}")
        if record["client_id"] != client.client_id:
            raise errors.RefusedError(401, "invalid_client", "Client ID mismatch")
        if not record["sub"]:
            raise errors.RefusedError(400, "authorization_pending", f"Authorization pending for code: {code}")
        self.issuer.store.drop("device", code)
        grant = Grant(client.client_id, tuple(record["scopes"]), record["sub"])
        return self.issuer.respond(grant, self.issuer.new_refresh_token(grant, client))
