"""The token endpoint's grants for services: client credentials, and token exchange (RFC 8693 as IAM does it)."""

from __future__ import annotations

from typing import Any

from facility.dev.issuer import audience, errors, scopes
from facility.dev.issuer.grants import IssuerGrant
from facility.dev.issuer.settings import CLIENT, EXCHANGE, Client
from facility.dev.issuer.tokens import Grant


class ClientGrant(IssuerGrant):
    """grant_type=client_credentials: the client for itself; neither refresh nor ID token, no groups."""

    GRANT_TYPE = CLIENT

    def answer(self, client: Client) -> dict[str, Any]:
        """Without `scope`: all that the client is registered for."""
        asked = scopes.split(self.form.get("scope")) or client.scopes
        self.issuer.check_client_scopes(asked, client)
        words, _ = audience.asked(self.form)
        return self.issuer.respond(Grant(client.client_id, asked, audience=words), None)


class ExchangeGrant(IssuerGrant):
    """grant_type=...:token-exchange. Scopes are held against the acting client, and, only where the settings say so,
    against the subject token."""

    GRANT_TYPE = EXCHANGE

    def answer(self, client: Client) -> dict[str, Any]:
        """`scope` is required; the token's client is the actor, its subject the person of the subject token."""
        asked = scopes.split(self.form.get("scope"))
        if not asked:
            raise errors.RefusedError(
                400, "invalid_request", "The scope parameter is required for a token exchange request!"
            )
        if self.form.get("actor_token"):
            raise errors.RefusedError(400, "invalid_request", "Delegation not supported")
        subject = self._subject()
        self.issuer.check_client_scopes(asked, client)
        self._check_width(asked, subject)
        words, _ = audience.asked(self.form)
        act: dict[str, Any] = {"sub": client.client_id} | ({"act": subject.act} if subject.act else {})
        grant = Grant(client.client_id, asked, subject.sub, words, act=act)
        answer = self.issuer.respond(grant, self.issuer.new_refresh_token(grant, client))
        return answer | {"issued_token_type": "urn:ietf:params:oauth:token-type:jwt"}

    def _subject(self) -> Grant:
        token = self.form.get("subject_token")
        if not token:
            raise errors.internal()
        record = self.issuer.store.get("access", token)
        if record is None:
            raise errors.RefusedError(401, "invalid_token", f"Access token for value {token} was not found")
        grant = Grant.read({k: v for k, v in record.items() if k not in ("exp", "jti")})
        person = self.issuer.person(grant)
        if person is None and grant.sub:
            raise errors.bad_access_token(token)
        if person and person.aup_due:
            raise errors.aup_due(person.username)
        return grant

    def _check_width(self, asked: tuple[str, ...], subject: Grant) -> None:
        settings = self.issuer.settings
        if not settings.exchange_widens and scopes.refused(asked, subject.scopes, settings.system_scopes) is not None:
            raise errors.RefusedError(400, "invalid_scope", "The subject token does not have the requested scopes")
