"""What JupyterHub is told of a person whose session was asked for: go on, go on with other groups, or sign in again.

Of a dead session JupyterHub refuses requests with a cookie only; a token of the person goes on. So whoever has lost
their session also loses the groups that roles hang on, and whoever has no business here any more (not in the group,
VO closed) the role `user`, without which a token opens nothing. Both come back with the session.
"""

from __future__ import annotations

from typing import Any

from jupyterhub import roles
from sqlalchemy.exc import SQLAlchemyError

from facility.hub import groups
from facility.hub.standing import Standing

_ROLE = "user"


def answer(user: Any, vo: str, standing: Standing) -> bool | dict[str, Any]:
    """For `refresh_user`: False only for a session known dead; a dict when something has changed for the person.

    Raises SQLAlchemyError, with the database's session, which is the whole hub's, in order again.
    """
    try:
        return _answer(user, vo, standing)
    except SQLAlchemyError:
        user.db.rollback()
        raise


def _answer(user: Any, vo: str, standing: Standing) -> bool | dict[str, Any]:
    if standing.dead:
        _demote(user, vo, standing)
        return False
    held = {group.name for group in user.orm_user.groups}
    due = held | {groups.everybody(vo)} if standing.groups is None else set(groups.of_person(vo, standing.groups))
    if held == due and any(role.name == _ROLE for role in user.orm_user.roles):
        return True
    return {"groups": sorted(due)}


def _demote(user: Any, vo: str, standing: Standing) -> None:
    """Take from a person what they have by their session; the VO's admins still see them and can stop their servers."""
    user.sync_groups([groups.everybody(vo)])
    if standing.out:
        roles.strip_role(user.db, user.orm_user, rolename=_ROLE)
