"""HTCondor's IDTOKENS made in Python: whoever holds the pool's key needs no HTCondor to mint one.

HTCondor's key files are scrambled by a fixed pattern; the key named POOL is used twice over, put through HKDF
(RFC 5869) and signs a JWT with HS256. An identity token is a secret like a password: callers keep it in a Secret.
"""

from __future__ import annotations

import base64
import itertools
import os
from collections.abc import Iterable
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from facility import names

KEY_NAME = "POOL"
#: what an execute pod may do under its owner's name; without WRITE a direct attachment is refused
EXECUTE_SCOPES = ("READ", "WRITE", "ADVERTISE_STARTD", "ADVERTISE_MASTER")
READ_SCOPES = ("READ",)
#: seconds. HTCondor looks at it at each new connection
LIFE = 7 * 24 * 3600
#: of an execute pod's, which takes no more jobs after half of it (facility.condor.retire) and has the rest to end them
EXECUTE_LIFE = 2 * 24 * 3600
_SCRAMBLE = b"\xde\xad\xbe\xef"


def make_key() -> bytes:
    """A new pool key: 64 characters of base64, in which no byte becomes NUL, where HTCondor would end the key."""
    return base64.b64encode(os.urandom(48))


def mint(key: bytes, identity: str, scopes: Iterable[str], now: float, life: int = LIFE) -> str:
    """A token for `identity` (`cms_alice@pool`), good for `life` seconds after `now` and for `scopes` only.

    Args:
        key: content of the pool's key file, as `make_key` gives it.
        scopes: HTCondor's authorization levels, such as READ.
        now: seconds since the epoch.
    """
    claims = {
        "iss": names.TRUST_DOMAIN,
        "sub": identity,
        "iat": int(now),
        "exp": int(now) + life,
        "jti": uuid4().hex,
        "scope": " ".join(f"condor:/{scope}" for scope in scopes),
    }
    return jwt.encode(claims, signing_key(key), algorithm="HS256", headers={"kid": KEY_NAME})


def signing_key(key: bytes) -> bytes:
    """The 32 bytes that sign and verify, from the content of the file of the key named POOL."""
    plain = bytes(byte ^ mask for byte, mask in zip(key, itertools.cycle(_SCRAMBLE), strict=False))
    plain = plain.split(b"\0")[0] * 2
    return HKDF(algorithm=SHA256(), length=32, salt=b"htcondor", info=b"master jwt").derive(plain)
