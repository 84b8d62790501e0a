"""This facility's registrations at the VOs' issuers: the Secrets that the VO objects name, read through the API.

A changed Secret is noticed within a minute, and at once when the issuer refuses the client.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable

from facility.kubernetes import ApiError, Json, Kubernetes
from facility.tokens.requests import Client, ClientRefusedError
from facility.tokens.wire import UnavailableError

KEEP = 60.0  # seconds


class Clients:
    """Client credentials by the name of their Secret. `now` gives seconds."""

    def __init__(self, kubernetes: Kubernetes, namespace: str, now: Callable[[], float]) -> None:
        self._kubernetes = kubernetes
        self._path = f"/api/v1/namespaces/{namespace}/secrets/"
        self._now = now
        self._known: dict[str, tuple[Client, float]] = {}

    async def get(self, secret: str, fresh: bool = False) -> Client:
        """The client, read anew when `fresh` or old; the last known one while the API server is away.

        Raises:
            ClientRefusedError: there is no such Secret, or it lacks client_id or client_secret, or one is empty.
            UnavailableError: the API server is away.
        """
        known = self._known.get(secret)
        if known is not None and not fresh and self._now() < known[1] + KEEP:
            return known[0]
        try:
            client = _client(secret, await self._kubernetes.get(self._path + secret))
        except ApiError as error:
            if error.status in (403, 404):
                raise ClientRefusedError(f"the Secret {secret} cannot be read: {error.status}") from None
            if known is None:
                raise UnavailableError(f"the Secret {secret} cannot be read now") from None
            return known[0]
        self._known[secret] = (client, self._now())
        return client


def _client(name: str, secret: Json) -> Client:
    data = secret.get("data") or {}
    try:
        identifier, password = (b64decode(data[key]).decode().strip() for key in ("client_id", "client_secret"))
    except (KeyError, Base64Error, UnicodeDecodeError):
        raise ClientRefusedError(f"the Secret {name} lacks client_id or client_secret") from None
    if not identifier or not password:
        raise ClientRefusedError(f"the Secret {name} has an empty client_id or client_secret")
    return Client(identifier, password)
