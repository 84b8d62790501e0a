"""The endpoints that programs call: discovery, keys, token, userinfo, introspection, revocation, device codes."""

from __future__ import annotations

import json
import secrets
import string
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from facility.dev.issuer import claims, discovery, errors, scopes
from facility.dev.issuer.server import Server
from facility.dev.issuer.settings import DEVICE, Client
from facility.dev.issuer.tokens import Grant, Issuer

_NO_CACHE = {"Cache-Control": "no-cache, no-store, max-age=0, must-revalidate"}
_KEYS_CACHE = {"Cache-Control": "max-age=21600, must-revalidate, no-transform"}


def blueprint(server: Server) -> Blueprint:
    """The endpoints of one issuer."""
    routes = Blueprint("api", __name__)
    api = _Api(server)
    routes.get("/.well-known/openid-configuration")(api.configuration)
    routes.get("/jwk")(api.keys)
    routes.route("/token", methods=["GET", "POST"])(api.token)
    routes.get("/userinfo")(api.userinfo)
    routes.post("/introspect")(api.introspect)
    routes.post("/revoke")(api.revoke)
    routes.post("/devicecode")(api.devicecode)
    routes.register_error_handler(errors.RefusedError, server.refuse)
    return routes


class _Api:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._issuer: Issuer = server.issuer

    def configuration(self) -> Response:
        return _json(discovery.document(self._issuer.settings), _NO_CACHE)

    def keys(self) -> Response:
        return _json(self._issuer.keys.public(), _KEYS_CACHE)

    def token(self) -> Response:
        if request.method != "POST":
            raise errors.RefusedError(405, "method_not_allowed", f"Request method '{request.method}' not supported")
        return self._server.token()

    def userinfo(self) -> Response:
        """OpenID Connect Core 1.0, section 5.3."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        token = value.strip() if scheme.lower() == "bearer" else request.args.get("access_token", "")
        if not token:
            raise errors.no_credentials()
        record = self._issuer.store.get("access", token)
        if record is None:
            raise errors.bad_access_token(token)
        person = self._issuer.known(record["sub"] or None)
        if person is None or "openid" not in record["scopes"]:
            return Response("<html><body><h1>Forbidden</h1></body></html>", 403)
        return _json(claims.userinfo(person, record["scopes"], int(self._issuer.now())))

    def introspect(self) -> Response:
        """RFC 7662; the scope is cut to what the asking client has itself, and any client may ask about any token."""
        client = self._server.authenticate(request)
        if not client.allow_introspection:
            return Response("", 403)
        token = request.form.get("token")
        if token is None:
            return Response("", 400)
        return _json(self._described(token, client))

    def revoke(self) -> Response:
        """RFC 7009: also 200 for what is unknown; with a refresh token go its access tokens."""
        client = self._server.authenticate(request)
        token, store = request.form.get("token") or "", self._issuer.store
        record = store.get("access", token) or store.get("refresh", token)
        if record and record["client_id"] != client.client_id:
            return Response("", 403)
        with store.transaction():
            store.drop("refresh", token)
            self._issuer.clear(token)
        return Response("", 200)

    def devicecode(self) -> Response:
        """RFC 8628, section 3.2: without `interval`, and for a client that says no more than its id."""
        client = self._server.authenticate(request, bare=True)
        if DEVICE not in client.grant_types:
            raise errors.wrong_grant()
        asked = scopes.split(request.form.get("scope")) or client.scopes
        if scopes.refused_to_client(asked, client, self._issuer.settings) is not None:
            text = f"One or more requested scope is not allowed for client '{client.client_id}'"
            raise errors.RefusedError(400, "invalid_scope", text)
        return _json(self._new_device(client, asked))

    def _new_device(self, client: Client, asked: tuple[str, ...]) -> dict[str, Any]:
        code, life = str(uuid.uuid4()), self._issuer.settings.lifetimes.device_code
        user_code = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(6))
        expires = self._issuer.now() + life
        record = {"client_id": client.client_id, "scopes": asked, "sub": "", "expires": expires}
        self._issuer.store.put("device", code, record, expires)
        self._issuer.store.put("user_code", user_code, {"device_code": code}, expires)
        page = claims.with_slash(self._issuer.settings.issuer) + "device"
        return {
            "user_code": user_code,
            "device_code": code,
            "verification_uri_complete": f"{page}?user_code={user_code}",
            "verification_uri": page,
            "expires_in": life,
        }

    def _described(self, token: str, client: Client) -> dict[str, Any]:
        access = self._issuer.store.get("access", token)
        record = access or self._issuer.store.get("refresh", token)
        if record is None or record["exp"] <= self._issuer.now():
            return {"active": False}
        grant = Grant.read({k: v for k, v in record.items() if k not in ("exp", "jti")})
        person = self._issuer.person(grant)
        system = self._issuer.settings.system_scopes
        shown = [s for s in grant.scopes if scopes.refused([s], client.scopes, system) is None]
        answer = {
            "active": True,
            "scope": " ".join(shown),
            "expires_at": datetime.fromtimestamp(record["exp"], UTC).strftime("%Y-%m-%dT%H:%M:%S%z"),
            "sub": person.sub if person else grant.client_id,
            "user_id": person.login if person else grant.client_id,
            "client_id": grant.client_id,
        }
        return answer | (self._access_part(grant, record["exp"]) if access else {})

    def _access_part(self, grant: Grant, expires: int) -> dict[str, Any]:
        audience = grant.audience or (claims.ANY,)
        part = {"exp": expires, "token_type": "Bearer", "iss": self._issuer.settings.issuer, "aud": " ".join(audience)}
        person = self._issuer.person(grant)
        mine = claims.groups(person, grant.scopes) if person else None
        return part | ({"wlcg.groups": mine} if mine is not None else {})


def _json(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), 200, headers, content_type=errors.JSON)
