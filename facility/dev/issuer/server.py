"""Authlib's authorization server with INDIGO IAM's client authentication in front of the token endpoint."""

from __future__ import annotations

import hmac
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from flask import Response

from facility.dev.issuer import errors
from facility.dev.issuer.grants import CodeGrant, DeviceGrant, RefreshGrant
from facility.dev.issuer.service_grants import ClientGrant, ExchangeGrant
from facility.dev.issuer.settings import Client
from facility.dev.issuer.tokens import Issuer

_GRANTS = (CodeGrant, RefreshGrant, DeviceGrant, ClientGrant, ExchangeGrant)


class Server(AuthorizationServer):  # type: ignore[misc]
    """The token endpoint. The other endpoints authenticate their clients here too."""

    def __init__(self, issuer: Issuer) -> None:
        super().__init__()
        self.issuer = issuer
        for grant in _GRANTS:
            self.register_grant(grant)

    def query_client(self, client_id: str) -> Client | None:
        """Called by Authlib."""
        return self.issuer.directory.client(client_id)

    def authenticate(self, request: Any, *, bare: bool = False) -> Client:
        """The client by Basic, by a secret in the form, or, if public (or `bare` will do), by its id alone.

        Raises errors.RefusedError with IAM's 401 `unauthorized`.
        """
        user, secret = extract_basic_authorization(request.headers)
        if not user:
            user, secret = request.form.get("client_id"), request.form.get("client_secret")
        if not user:
            raise errors.no_credentials()
        client = self.query_client(user)
        if client is None:
            raise errors.bad_credentials()
        if client.client_secret is None or (bare and not secret):
            return client
        if not secret or not hmac.compare_digest(secret.encode(), client.client_secret.encode()):
            raise errors.bad_credentials()
        return client

    def token(self) -> Response:
        """Answer a POST to the token endpoint."""
        request = self.create_oauth2_request(None)
        try:
            self.authenticate(request)
            self._check_grant_type(request.form.get("grant_type"))
        except errors.RefusedError as refusal:
            return self.refuse(refusal)
        response: Response = self.create_token_response()
        return response

    def refuse(self, refusal: errors.RefusedError) -> Response:
        """A refusal as the answer."""
        response: Response = self.handle_error_response(None, refusal)
        return response

    def _check_grant_type(self, grant_type: str | None) -> None:
        if not grant_type:
            raise errors.internal()
        if grant_type not in [grant.GRANT_TYPE for grant in _GRANTS]:
            raise errors.RefusedError(400, "unsupported_grant_type", "Unsupported grant type")
