"""Who is asking: the API server reviews the caller's projected token, and the pod it is bound to names the person.

Only the hub may create pods in the users' namespace, so the annotation that the hub's spawner sets on a pod is as good
as the hub's word. The annotation counts only when the pod's uid is the one in the token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from facility import names
from facility.broker import errors
from facility.kubernetes import ApiError, Json, Kubernetes
from facility.site import Namespaces
from facility.tokens.claims import ClaimsError, unverified

_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCOUNT = "system:serviceaccount:"
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
LARGEST = 16384  # characters of an identity token
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # RFC 7515, section 3.1, with a signature
_SIGNED = frozenset(f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512))
#: members of the header of an identity token; `cty` would say that another token is in it, `crit` that more is needed
_PLAIN = frozenset({"alg", "kid", "typ"})


@dataclass(frozen=True)
class Notebook:
    """A person's pod."""

    user: str


@dataclass(frozen=True)
class AccessPoint:
    """The credential monitor of a VO's access point."""

    vo: str


@dataclass(frozen=True)
class Cache:
    """A VO's XCache."""

    vo: str


@dataclass(frozen=True)
class Hub:
    """The hub, which hands sessions over and asks for their state."""


Caller = Notebook | AccessPoint | Cache | Hub


def look(token: str) -> None:
    """Raises BrokerError 401 for what is visibly no identity token, so that nobody is asked about it.

    The API server signs with keys of its own (RS256, ES256 ...) and names them, for an audience: a token without
    signature, signed with a shared secret, or with another one inside, is none of its.
    """
    if not _COMPACT.fullmatch(token) or len(token) > LARGEST:
        raise errors.invalid_client("an identity token of this pod is needed")
    try:
        header, claims = unverified(token)
    except ClaimsError:
        raise errors.invalid_client("what was sent as identity token is not a JWT") from None
    alg, kind = header.get("alg"), header.get("typ", "JWT")
    if not isinstance(alg, str) or alg not in _SIGNED or kind != "JWT" or not header.get("kid") or {*header} - _PLAIN:
        raise errors.invalid_client("what was sent as identity token is not signed as those of pods are")
    audience = claims.get("aud")
    if names.BROKER_AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        raise errors.invalid_client(f"the identity token is not one for the audience {names.BROKER_AUDIENCE}")


class Identity:
    """Turns identity tokens into callers, by asking the API server."""

    def __init__(self, kubernetes: Kubernetes, namespaces: Namespaces) -> None:
        self._kubernetes = kubernetes
        self._namespaces = namespaces

    async def of(self, token: str) -> Caller:
        """Who presents this token. Raises BrokerError: 401 not accepted, 403 nobody we serve, 503 cannot say."""
        user = await self._review(token)
        name = user.get("username", "")
        namespace, colon, account = name.removeprefix(_ACCOUNT).partition(":")
        if not name.startswith(_ACCOUNT) or not colon:
            raise errors.access_denied("only pods of this facility are served")
        if namespace == self._namespaces.users:
            return await self._notebook(user.get("extra") or {})
        if (namespace, account) == (self._namespaces.facility, "hub"):
            return Hub()
        if namespace == self._namespaces.batch and (vo := _vo_of(account, names.access_point)):
            return AccessPoint(vo)
        if namespace == self._namespaces.facility and (vo := _vo_of(account, names.xcache)):
            return Cache(vo)
        raise errors.access_denied(f"pods of {namespace} with the ServiceAccount {account} get no tokens")

    async def _review(self, token: str) -> Json:
        spec = {"token": token, "audiences": [names.BROKER_AUDIENCE]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        try:
            status = (await self._kubernetes.post(_REVIEWS, body)).get("status") or {}
        except ApiError:
            raise errors.unavailable("the API server cannot review identity tokens now") from None
        if status.get("authenticated") is not True or names.BROKER_AUDIENCE not in (status.get("audiences") or []):
            raise errors.invalid_client(f"the identity token is not valid for the audience {names.BROKER_AUDIENCE}")
        return dict(status.get("user") or {})

    async def _notebook(self, extra: dict[str, Any]) -> Notebook:
        name, uid = _only(extra, _POD_NAME), _only(extra, _POD_UID)
        if name is None or uid is None:
            raise errors.access_denied("the identity token is not bound to a pod")
        meta = await self._pod(name)
        if meta.get("uid") != uid:
            raise errors.access_denied(f"the identity token is not that of the pod {name}")
        user = str((meta.get("annotations") or {}).get(names.ANNOTATION_HUB_USER, ""))
        try:
            names.split_hub_user(user)
        except names.BadNameError:
            raise errors.access_denied(f"the pod {name} is not that of a person of this facility") from None
        return Notebook(user)

    async def _pod(self, name: str) -> Json:
        try:
            pod = await self._kubernetes.get(f"/api/v1/namespaces/{self._namespaces.users}/pods/{name}")
        except ApiError as error:
            if error.status == 404:
                raise errors.access_denied(f"there is no pod {name}") from None
            raise errors.unavailable("the API server cannot say whose pod this is now") from None
        return dict(pod.get("metadata") or {})


def _vo_of(account: str, name: Any) -> str | None:
    """The VO whose ServiceAccount (made by `name`) this is."""
    vo = account.rpartition("-")[2]
    return vo if names.VO_NAME.fullmatch(vo) and name(vo) == account else None


def _only(extra: dict[str, Any], key: str) -> str | None:
    values = extra.get(key)
    return values[0] if isinstance(values, list) and len(values) == 1 and isinstance(values[0], str) else None
