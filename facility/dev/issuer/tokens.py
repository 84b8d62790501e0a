"""Issuing: from a grant to a token response, with the records that let refresh, revocation and userinfo work."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from facility.dev.issuer import claims, errors, scopes
from facility.dev.issuer.keys import KeyRing
from facility.dev.issuer.settings import REFRESH, Change, Client, Directory, Person, Settings
from facility.dev.issuer.store import Store


@dataclass(frozen=True)
class Grant:
    """What a person gave to a client once; a refresh token stands for it. `resource` binds all later audiences."""

    client_id: str
    scopes: tuple[str, ...]
    sub: str = ""
    audience: tuple[str, ...] = ()
    resource: bool = False
    nonce: str | None = field(default=None, repr=False)
    act: dict[str, Any] | None = None

    @classmethod
    def read(cls, record: dict[str, Any]) -> Grant:
        """From its record in the store."""
        return cls(**{**record, "scopes": tuple(record["scopes"]), "audience": tuple(record["audience"])})


@dataclass(frozen=True)
class Issuer:
    """Everything an endpoint needs."""

    settings: Settings
    directory: Directory
    store: Store
    keys: KeyRing
    now: Callable[[], float]

    def respond(self, grant: Grant, refresh_token: str | None, **change: Any) -> dict[str, Any]:
        """A token response for a grant, `change` telling how this token differs from it (scopes, audience).

        The access token hangs below its refresh token: with that it is cleared and revoked.
        """
        wish = self._wish(grant, **change)
        token = self.keys.sign(claims.access_token(self.settings, wish))
        life = self.settings.lifetimes.access_token
        record = asdict(grant) | {"scopes": wish.scopes, "audience": wish.audience, "jti": wish.jti}
        self.store.put("access", token, record | {"exp": wish.now + life}, wish.now + life, refresh_token or "")
        answer: dict[str, Any] = {"access_token": token, "token_type": "Bearer"}
        if refresh_token:
            answer["refresh_token"] = refresh_token
        answer |= {"expires_in": life - 1, "scope": " ".join(wish.scopes)}
        return answer | self._id_token(grant, wish)

    def new_refresh_token(self, grant: Grant, client: Client) -> str | None:
        """A refresh token where IAM gives one: `offline_access` was granted and the client may refresh."""
        if "offline_access" not in grant.scopes or REFRESH not in client.grant_types:
            return None
        expires = int(self.now()) + self.settings.lifetimes.refresh_token
        token = unsigned({"exp": expires, "jti": str(uuid.uuid4())})
        self.store.put("refresh", token, asdict(grant) | {"exp": expires})
        return token

    def retire(self, refresh_token: str, grace: int) -> None:
        """Ends a refresh token that another takes the place of, at once or after some seconds."""
        record = self.store.get("refresh", refresh_token)
        self.store.drop("refresh", refresh_token)
        if record and grace:
            expires = min(int(self.now()) + grace, record["exp"])
            self.store.put("refresh", refresh_token, record | {"exp": expires}, expires)

    def clear(self, token: str) -> None:
        """Ends an access token, or those that hang below a refresh token, where any can be ended before their time."""
        if self.settings.access_tokens_on_record:
            self.store.drop("access", token)
            self.store.drop_below("access", token)

    def person(self, grant: Grant) -> Person | None:
        """The person behind a grant; none for a client's own."""
        return self.known(grant.sub or None)

    def known(self, sub: str | None) -> Person | None:
        """The person of that subject as they are now; none for an account that is disabled."""
        person = self._changed(self.directory.person(sub))
        return person if person and person.active else None

    def account(self, login: str) -> Person | None:
        """The person who signs in under that name, disabled or not."""
        return self._changed(self.directory.account(login))

    def change(self, sub: str, change: Change) -> Person | None:
        """Changes a person from now on; the person after that."""
        known = self.store.get("person", sub) or {}
        self.store.put("person", sub, known | change.model_dump(exclude_none=True))
        return self._changed(self.directory.person(sub))

    def _changed(self, person: Person | None) -> Person | None:
        change = self.store.get("person", person.sub) if person else None
        return Person.model_validate(person.model_dump() | change) if person and change else person

    def check_client_scopes(self, asked: tuple[str, ...], client: Client) -> None:
        """Raises errors.RefusedError when the client may not have one of them."""
        try:
            bad = scopes.refused_to_client(asked, client, self.settings)
        except scopes.RelativePathError:
            raise errors.internal() from None
        if bad is not None:
            raise errors.scope_not_allowed(bad, client.client_id)

    def _wish(self, grant: Grant, **change: Any) -> claims.Wish:
        person = self.person(grant)
        wanted = change.get("scopes", grant.scopes)
        return claims.Wish(
            client_id=grant.client_id,
            scopes=scopes.permitted(wanted, person, self.settings) if person else wanted,
            now=int(self.now()),
            jti=str(uuid.uuid4()),
            person=person,
            audience=change.get("audience", grant.audience),
            act=grant.act,
            nonce=grant.nonce,
            kid=self.keys.signing()[0],
        )

    def _id_token(self, grant: Grant, wish: claims.Wish) -> dict[str, str]:
        # IAM looks at what was granted: a token narrowed to storage still comes with an ID token
        if wish.person is None or "openid" not in grant.scopes:
            return {}
        return {"id_token": self.keys.sign(claims.id_token(self.settings, wish, wish.person))}


def unsigned(payload: dict[str, Any]) -> str:
    """An unsigned JWT (RFC 7519, section 6): the form of IAM's refresh tokens, meant for the issuer alone."""
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "none"}, payload)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."
