"""Two have written one session: what becomes of it.

It happens when a replica's last write comes late, after another has taken its shard, or when a record is sealed anew
meanwhile (`rekey`). The one who holds the shard decides; a rule here, because nobody would find it by trying.
"""

from __future__ import annotations

from dataclasses import replace

from facility.broker.store import Record


def merged(base: Record | None, mine: Record, theirs: Record) -> Record:
    """The record to be stored: `base` was stored when this replica began, `mine` is its own, `theirs` is stored now.

    A refresh token that this replica has just been given is the newest there is: it came in answer to what was stored.
    Where it was given none, the one that is stored now is newer than the one that it knew, and whatever it found out
    about that one, such as that it is dead, says nothing about the newer.
    """
    if base is None or theirs.refresh_token == base.refresh_token:
        return mine
    rotated = bool(mine.refresh_token) and mine.refresh_token != base.refresh_token
    if rotated:
        return mine
    if mine.state == "dead" or mine.groups == base.groups:
        return theirs
    return replace(theirs, groups=mine.groups, groups_at=mine.groups_at)
