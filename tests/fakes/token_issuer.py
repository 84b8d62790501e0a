"""An issuer's back side in small, answering as a recorded INDIGO IAM does: metadata, keys, token, revocation.

No sign-in: `grant` gives a refresh token as if a person had just signed in. It can be told to misbehave.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

LIFE = 3600
ANY = "https://wlcg.cern.ch/jwt/v1/any"


@dataclass
class Grant:
    """What a refresh token stands for."""

    sub: str
    scopes: frozenset[str]


class Key:
    """A signing key, ES256 or RS256."""

    def __init__(self, kid: str, algorithm: str = "ES256") -> None:
        self.kid, self.algorithm = kid, algorithm
        self.private: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )

    def public(self) -> dict[str, Any]:
        """The JWK, without `alg` and `use` as IAM has it."""
        kind = jwt.algorithms.ECAlgorithm if self.algorithm == "ES256" else jwt.algorithms.RSAAlgorithm
        found = json.loads(kind.to_jwk(self.private.public_key()))
        return {key: value for key, value in found.items() if key not in ("alg", "use", "key_ops")} | {"kid": self.kid}


class TokenIssuer:
    """Its state, and knobs for its moods.

    `claims` changes the claims of the next tokens; `answers` are given in turn instead of real ones; `gate`, while
    set, holds back every answer of the token endpoint; `rotate` gives a new refresh token each time. `groups` by
    subject are shown at userinfo, whose answer `userinfo` makes, and in access tokens while `groups_in_tokens`;
    `id_token` has the further claims of one beside each token.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.url = ""
        self.key = Key("es1")
        self.published: list[Key] | None = None
        self.clients = {"facility": "client-secret+/ of cms"}
        self.grants: dict[str, Grant] = {}
        self.claims: dict[str, Any] = {}
        self.groups: dict[str, list[str]] = {}
        self.groups_in_tokens = True
        self.userinfo: Callable[[dict[str, Any]], web.Response] = web.json_response
        self.id_token: dict[str, Any] | None = None
        self.revoked: list[str] = []
        self.answers: list[web.Response] = []
        self.gate: asyncio.Event | None = None
        self.down = False
        self.rotate = False
        #: whether a refresh token is good until the one that took its place has been used
        self.grace = False
        self._before: dict[str, str] = {}
        self.life = LIFE
        self.forms: list[dict[str, str]] = []
        self.gets: Counter[str] = Counter()
        self.issued: list[str] = []
        self.overlapped = False
        self._living: dict[str, str] = {}
        self._busy: Counter[str] = Counter()
        self._numbers = itertools.count(1)

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._metadata)
        app.router.add_get("/jwk", self._keys)
        app.router.add_post("/token", self._token)
        app.router.add_post("/revoke", self._revoke)
        app.router.add_get("/userinfo", self._userinfo)
        app.router.add_post("/grant", self._grant)
        return app

    def grant(self, sub: str, *scopes: str) -> str:
        """A refresh token for a person."""
        token = f"refresh-{sub}-{next(self._numbers)}.secret-bytes"
        self.grants[token] = Grant(sub, frozenset(scopes))
        return token

    def sign(self, claims: dict[str, Any], key: Key | None = None, **header: Any) -> str:
        """A token with these claims."""
        key = key or self.key
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid, **header})

    async def _grant(self, request: web.Request) -> web.Response:
        """`grant` for those who are in another process."""
        wish = await request.json()
        return web.json_response({"refresh_token": self.grant(wish["sub"], *wish["scopes"])})

    async def _metadata(self, request: web.Request) -> web.Response:
        self.gets[request.path] += 1
        if self.down:
            _hang_up(request)
        base = self.url.rstrip("/")
        return web.json_response(
            {
                "issuer": f"{base}/",
                "token_endpoint": f"{base}/token",
                "jwks_uri": f"{base}/jwk",
                "revocation_endpoint": f"{base}/revoke",
                "userinfo_endpoint": f"{base}/userinfo",
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        self.gets[request.path] += 1
        shown = [self.key] if self.published is None else self.published
        return web.json_response({"keys": [key.public() for key in shown]})

    async def _token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.forms.append(form)
        used = form.get("refresh_token", "")
        self._busy[used] += 1
        self.overlapped |= bool(used) and self._busy[used] > 1
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.down:
                _hang_up(request)
            return self.answers.pop(0) if self.answers else self._answer(request, form)
        finally:
            self._busy[used] -= 1

    def _answer(self, request: web.Request, form: dict[str, str]) -> web.Response:
        client = self._client(request, form)
        if client is None:
            return problem(401, "unauthorized", "Bad credentials")
        if form["grant_type"] == "client_credentials":
            return self._issue(form, client, None)
        grant = self.grants.get(form["refresh_token"])
        if grant is None:
            return problem(401, "invalid_token", f"Refresh token for value {form['refresh_token']} was not found")
        if not set(form["scope"].split()) <= grant.scopes:
            return problem(400, "invalid_scope", "Up-scoping is not allowed.")
        return self._issue(form, grant.sub, form["refresh_token"])

    def _issue(self, form: dict[str, str], sub: str, used: str | None) -> web.Response:
        now = int(self.now())
        claims = {
            "wlcg.ver": "1.0",
            "sub": sub,
            "aud": form.get("audience", ANY),
            "nbf": now,
            "scope": form["scope"],
            "iss": self.url,
            "exp": now + self.life,
            "iat": now,
            "jti": f"jti-{next(self._numbers)}",
        }
        if self.groups_in_tokens and "wlcg.groups" in form["scope"].split() and self.groups.get(sub):
            claims["wlcg.groups"] = self.groups[sub]
        token = self.sign({key: value for key, value in (claims | self.claims).items() if value is not None})
        self.issued.append(token)
        self._living = {token: sub}  # IAM clears the older ones of a refresh token
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.life - 1, "scope": form["scope"]}
        if used is not None:
            answer["refresh_token"] = self._rotated(used)
        if self.id_token is not None:
            answer["id_token"] = self.sign({"iss": self.url, "sub": sub} | self.id_token)
        return web.json_response(answer)

    def _rotated(self, used: str) -> str:
        if not self.rotate:
            return used
        grant = self.grants[used]
        self.grants.pop(self._before.pop(used, ""), None)
        new = self.grant(grant.sub, *grant.scopes)
        if self.grace:
            self._before[new] = used
        else:
            del self.grants[used]
        return new

    async def _userinfo(self, request: web.Request) -> web.Response:
        """As IAM has it: groups only beside a profile, no claim for somebody without groups."""
        self.gets[request.path] += 1
        sub = self._living.get(request.headers["Authorization"].removeprefix("Bearer "))
        if sub is None:
            return problem(401, "invalid_token", "Invalid access token")
        scopes = self.forms[-1]["scope"].split()
        mine = self.groups.get(sub, []) if {"profile", "wlcg.groups"} <= set(scopes) else []
        return self.userinfo({"sub": sub} | ({"wlcg.groups": mine} if mine else {}))

    async def _revoke(self, request: web.Request) -> web.Response:
        if self.down:
            _hang_up(request)
        form = {key: str(value) for key, value in (await request.post()).items()}
        if self._client(request, form) is None:
            return problem(401, "unauthorized", "Bad credentials")
        self.grants.pop(form["token"], None)
        self.revoked.append(form["token"])
        return web.Response(content_type="text/html")  # frameworks call an empty body so

    def _client(self, request: web.Request, form: dict[str, str]) -> str | None:
        """The client that proves itself, by form or by Basic authentication that is not unescaped."""
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            name, _, secret = b64decode(pair).decode().partition(":")
        return name if secret and self.clients.get(name) == secret else None


def problem(status: int, error: str, description: str) -> web.Response:
    """An error answer (RFC 6749, section 5.2)."""
    return web.json_response({"error": error, "error_description": description}, status=status)


def _hang_up(request: web.Request) -> None:
    """Cuts the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
