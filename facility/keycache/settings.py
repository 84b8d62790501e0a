"""What a pod needs in which XRootD or HTCondor judge tokens, so that an issuer that is away denies nobody. Pure.

libscitokens (1.4) keeps issuers' public keys in a file for four days, and after ten minutes asks for them anew in the
middle of judging a token. Is the issuer away then, it refuses the token, although it has the keys; and if it never had
any, it refuses all of that issuer's tokens for as long again. So it is told to ask when the keys end, and a container
beside it (facility.keycache.main) has them fetched long before.
"""

from __future__ import annotations

from collections.abc import Iterable

#: file of the pod's ConfigMap: the issuers whose keys are kept, a line each
ISSUERS = "issuers"
_LIFE = 4 * 86400  # seconds; as long as libscitokens keeps keys by itself


def environment() -> dict[str, str]:
    """Environment of every container that uses libscitokens, be it to judge tokens or to fetch keys."""
    return {"SCITOKEN_CONFIG_KEYCACHE_UPDATE_INTERVAL_S": str(_LIFE)}


def command(home: str, issuers: str) -> list[str]:
    """What the container beside it runs. home: directory of libscitokens' cache; issuers: the path of that file."""
    return ["python3", "-m", "facility.keycache.main", home, issuers]


def lines(issuers: Iterable[str]) -> str:
    """The file's content."""
    return "".join(f"{issuer}\n" for issuer in sorted(set(issuers)))
