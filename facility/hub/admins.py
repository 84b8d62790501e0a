"""What the admins of a VO may do at the hub: a role of JupyterHub per VO, held by the hub's groups of those admins.

The role is about the VO's own people only (`!group=cms:`), so it needs no restart and no sign-in: who is in a group
at the moment of a request has the group's role, and a VO that comes, changes or goes takes its role along. It gives
neither `access:servers` nor any scope that is not bound to the group, but for the admin page itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyterhub import orm, roles

from facility import names
from facility.hub.groups import everybody
from facility.vo import VirtualOrganization

_PREFIX = "vo-admin-"
#: on the VO's people; `servers` is to see, start and stop, `admin:servers` would show spawners' state as well
_SCOPES = ("list:users", "read:users", "servers", "list:groups", "read:groups")

Wanted = dict[str, tuple[str, frozenset[str]]]


def wanted(vos: Mapping[str, VirtualOrganization]) -> Wanted:
    """Name of the role -> (VO, the hub's groups that hold it), for open VOs that name admins."""
    return {
        f"{_PREFIX}{name}": (name, frozenset(names.group(name, path) for path in vo.spec.login.admin_groups))
        for name, vo in vos.items()
        if vo.spec.login.admin_groups and not vo.closed
    }


def scopes(vo: str) -> list[str]:
    """Scopes of the admins of a VO (JupyterHub's RBAC, filters by group)."""
    return ["admin-ui", *(f"{scope}!group={everybody(vo)}" for scope in _SCOPES)]


def follow(db: Any, roles_wanted: Wanted) -> None:
    """Make the roles in the hub's database be those wanted: no more, no others. Raises SQLAlchemyError."""
    try:
        for role in _ours(db):
            if role.name not in roles_wanted:
                db.delete(role)
        for name, (vo, groups) in roles_wanted.items():
            _grant(db, name, vo, groups)
        db.commit()
    except Exception:
        db.rollback()  # the session is the whole hub's
        raise


def _ours(db: Any) -> list[Any]:
    # marked as an authenticator's, or JupyterHub would remove them at each start
    known = db.query(orm.Role).filter(orm.Role.name.startswith(_PREFIX), orm.Role.managed_by_auth.is_(True))
    return list(known)


def _grant(db: Any, name: str, vo: str, groups: frozenset[str]) -> None:
    text = f"Sees the people of {vo}, and starts and stops their servers"
    model = {"name": name, "description": text, "scopes": scopes(vo), "managed_by_auth": True}
    role = roles.create_role(db, model, commit=False)
    if {group.name for group in role.groups} != groups:
        role.groups = [_group(db, one) for one in sorted(groups)]


def _group(db: Any, name: str) -> Any:
    group = orm.Group.find(db, name)
    if group is None:
        group = orm.Group(name=name)
        db.add(group)
    return group
