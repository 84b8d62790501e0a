"""HTCondor's map files: which token of which issuer is which identity.

With CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS a quoted name is compared as it is, and one between slashes is a regular
expression. The name of a SCITOKENS peer is `<iss>,<sub>` as its token has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from facility import names
from facility.condor.config import PEOPLE_DOMAIN
from facility.users import SUBJECT, FacilityUser
from facility.vo import VirtualOrganization

_OWN = r"IDTOKENS /^(.*)$/ \1"
_CHARACTERS = r"[\x21\x23-\x2B\x2D-\x5B\x5D-\x7E]+"


def access_point(vo: VirtualOrganization, users: Iterable[FacilityUser]) -> str:
    """One line for each person of this VO who has a Unix account; anybody else is refused by the access point.

    Raises:
        ValueError: a `sub` that could end its line early or be taken for another's.
    """
    mine = sorted(
        (user for user in users if user.spec.vo == vo.name and user.spec.uid is not None), key=lambda user: user.owner
    )
    return "\n".join([*(_line(vo.spec.issuer, user) for user in mine), _OWN, ""])


def _line(issuer: str, user: FacilityUser) -> str:
    if not re.fullmatch(SUBJECT, user.spec.sub):
        raise ValueError(f"the sub of {user.hub_user} has characters that a map file cannot hold")
    return f'SCITOKENS "{_literal(issuer)},{user.spec.sub}" {user.owner}@{names.TRUST_DOMAIN}'


def _literal(issuer: str) -> str:
    if not re.fullmatch(_CHARACTERS, issuer):
        raise ValueError(f"the issuer {issuer!r} has characters that a map file cannot hold")
    return issuer


def central_manager(vos: Iterable[VirtualOrganization]) -> str:
    """One line for each issuer: whoever has its token may look, under one identity for the whole VO."""
    lines = [_issuer_line(vo) for vo in sorted(vos, key=lambda vo: vo.name)]
    return "\n".join([*lines, _OWN, ""])


def _issuer_line(vo: VirtualOrganization) -> str:
    issuer = re.sub(r"[^A-Za-z0-9_-]", lambda match: "\\" + match[0], _literal(vo.spec.issuer))
    return rf"SCITOKENS /^{issuer},[^,]+$/ {vo.name}@{PEOPLE_DOMAIN}"
