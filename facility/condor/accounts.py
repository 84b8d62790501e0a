"""Unix accounts of HTCondor's pods, as libnss-extrausers reads them: files that may change while daemons run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from facility.condor.layout import SLOT_UIDS
from facility.users import FacilityUser

#: no person's uid is lower: below are Debian's accounts, HTCondor's and those of the slots
LOWEST_UID = 20000


class AccountsError(ValueError):
    """Accounts that cannot stand beside each other; the text names them."""


def files(users: Iterable[FacilityUser]) -> dict[str, str]:
    """`passwd`, `group` and `shadow` of the people who have a uid, each with a group of their own and no password.

    Raises:
        AccountsError: a uid below LOWEST_UID, or one that two people have.
    """
    accounts: dict[int, str] = {}
    for user in sorted(users, key=lambda user: user.owner):
        uid = user.spec.uid
        if uid is None:
            continue
        if uid < LOWEST_UID:
            raise AccountsError(f"{user.hub_user} has uid {uid}, which is below {LOWEST_UID}")
        if uid in accounts:
            raise AccountsError(f"{user.hub_user} and {accounts[uid]} have the same uid {uid}")
        accounts[uid] = user.owner
    return _render(accounts)


def slots(count: int) -> dict[str, str]:
    """The accounts `slot1` to `slot<count>` that jobs run under, one for each job of an execute pod."""
    # condor_ssh_to_job begins their shell beside the job
    return _render({uid: f"slot{n}" for n, uid in enumerate(SLOT_UIDS[:count], 1)}, "/tmp:/bin/bash")  # noqa: S108 - a place


def _render(accounts: dict[int, str], place: str = "/nonexistent:/usr/sbin/nologin") -> dict[str, str]:
    return {
        "passwd": _text(f"{name}:x:{uid}:{uid}::{place}" for uid, name in accounts.items()),
        "group": _text(f"{name}:x:{uid}:" for uid, name in accounts.items()),
        # no password, but not locked either: sshd, which condor_ssh_to_job starts, lets nobody in who is
        "shadow": _text(f"{name}:*:::::::" for name in accounts.values()),
    }


def _text(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
