"""Stopping servers that nobody uses: jupyterhub-idle-culler beside the hub, with the rights it needs and no more.

The hub starts it and gives it a token of its own by its environment, which is JupyterHub's way with managed services.
"""

from __future__ import annotations

import sys
from typing import Any

from facility.hub.merging import found
from facility.hub.values import Cull

NAME = "jupyterhub-idle-culler"
_SCOPES = ("list:users", "read:users:activity", "read:servers", "delete:servers")


def configure(c: Any, cull: Cull, api_url: str) -> None:
    """Add the service and its role. `api_url`: of the hub's API, by which this machine reaches it."""
    if not cull.enabled:
        return
    c.JupyterHub.services = [*found(c.JupyterHub, "services"), {"name": NAME, "command": command(cull, api_url)}]
    c.JupyterHub.load_roles = [*found(c.JupyterHub, "load_roles"), role(cull)]


def command(cull: Cull, api_url: str) -> list[str]:
    """The program's arguments; no secret is among them."""
    options = {
        "url": api_url,
        "timeout": cull.timeout,
        "cull-every": cull.every,
        "concurrency": cull.concurrency,
        "max-age": cull.max_age,
        "cull-users": cull.users,
        "cull-admin-users": cull.admin_users,
        "remove-named-servers": cull.remove_named_servers,
    }
    return [sys.executable, "-m", "jupyterhub_idle_culler", *(f"--{key}={value}" for key, value in options.items())]


def role(cull: Cull) -> dict[str, Any]:
    """Seeing who is active and ending servers; only `cull.users` adds the right to remove people."""
    scopes = [*_SCOPES, *(["admin:users"] if cull.users else [])]
    return {"name": NAME, "scopes": scopes, "services": [NAME]}
