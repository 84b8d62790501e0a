"""What runs beside a VO's cache in its pod, started before it and stopped after it (native sidecars)."""

from __future__ import annotations

from typing import Any

from facility.keycache import settings as keycache
from facility.lakes import Robot
from facility.operator.build.common import TRUST_DIRECTORY, environment, restricted, trust_environment
from facility.site import Site
from facility.vo import VirtualOrganization
from facility.xcache import places
from facility.xcache.text import size

#: where the agent keeps the cache's own token
TOKENS = "/run/token"
_IDENTITY = "/var/run/identity"
_READY = ["python3", "-m", "facility.agent.main", "--ready"]


def sidecars(vo: VirtualOrganization, site: Site) -> list[dict[str, Any]]:
    """Their containers, in the order in which they start."""
    robot = [_robot(vo.robot, site)] if vo.robot else []
    return [_agent(site), _renewal(site), _keys(site), *robot, _accounting(vo, site)]


def _agent(site: Site) -> dict[str, Any]:
    """The native sidecar that keeps the cache's own token good: started first, stopped last."""
    settings = {
        "AGENT_BROKER_URL": site.broker_url,
        "AGENT_IDENTITY": f"{_IDENTITY}/token",
        "AGENT_DIRECTORY": TOKENS,
    }
    return {
        "name": "agent",
        "image": site.images.facility,
        "imagePullPolicy": site.images.pull_policy,
        "restartPolicy": "Always",
        "command": ["keep-running", "python3", "-m", "facility.agent.main"],
        "env": environment(settings | trust_environment()),
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": restricted(),
        "startupProbe": {"exec": {"command": _READY}, "periodSeconds": 1, "failureThreshold": 60},
        "volumeMounts": [
            {"name": "token", "mountPath": TOKENS},
            {"name": "identity", "mountPath": _IDENTITY, "readOnly": True},
            {"name": "trust", "mountPath": TRUST_DIRECTORY, "readOnly": True},
        ],
    }


def _beside(site: Site, name: str, args: list[str], most: str, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    """A native sidecar of the cache's image. `most`: memory that it may take."""
    return {
        "name": name,
        "image": site.images.xcache,
        "imagePullPolicy": site.images.pull_policy,
        "restartPolicy": "Always",
        "args": args,
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}, "limits": {"memory": most}},
        "securityContext": restricted(),
        "volumeMounts": mounts,
    }


def _renewal(site: Site) -> dict[str, Any]:
    """It hands renewed certificates to the cache while it runs."""
    mounts: list[dict[str, Any]] = [
        {"name": "tls", "mountPath": places.TLS, "readOnly": True},
        {"name": "run", "mountPath": places.RUN},
    ]
    return _beside(site, "tls", ["python3", "-m", "facility.xcache.tls"], "64Mi", mounts)


def _keys(site: Site) -> dict[str, Any]:
    """It fetches the issuer's public keys, which the cache reads and never waits for."""
    mounts: list[dict[str, Any]] = [
        {"name": "config", "mountPath": places.CONFIG, "readOnly": True},
        {"name": "trust", "mountPath": TRUST_DIRECTORY, "readOnly": True},
        {"name": "cache", "mountPath": places.KEYS, "subPath": places.KEYS_FOLDER},
    ]
    command = keycache.command(places.KEYS, f"{places.CONFIG}/{keycache.ISSUERS}")
    return _beside(site, "keys", command, "64Mi", mounts) | {"env": environment(keycache.environment())}


def _accounting(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    """It hears from the cache who reads how much, and tells the sums."""
    mounts: list[dict[str, Any]] = [
        {"name": "config", "mountPath": places.CONFIG, "readOnly": True},
        # the folder in which XRootD writes down how much it holds, and no file of anybody's
        {"name": "cache", "mountPath": places.ACCOUNTING, "subPath": places.ACCOUNTING_FOLDER, "readOnly": True},
    ]
    settings = {places.VO: vo.name, places.SIZE: str(size(vo.spec.cache.size))}
    return _beside(site, "accounting", ["python3", "-m", "facility.xcache.accounting.main"], "128Mi", mounts) | {
        "env": environment(settings),
        "ports": [{"name": "metrics", "containerPort": places.METRICS_PORT}],
    }


def _robot(robot: Robot, site: Site) -> dict[str, Any]:
    """It alone has the certificate of the VO's robot; the cache gets a proxy of it."""
    voms = robot.voms
    asked = f"{voms.vo}:{voms.attribute}".rstrip(":") if voms else ""
    mounts: list[dict[str, Any]] = [
        {"name": "config", "mountPath": places.CONFIG, "readOnly": True},
        {"name": "trust", "mountPath": TRUST_DIRECTORY, "readOnly": True},
        {"name": "robot", "mountPath": places.ROBOT_SECRET, "readOnly": True},
        {"name": "run", "mountPath": places.RUN},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of its own
    ]
    tried = {"exec": {"command": ["test", "-e", places.ROBOT_TRIED]}, "periodSeconds": 1, "failureThreshold": 180}
    return _beside(site, "robot", ["python3", "-m", "facility.xcache.robot"], "64Mi", mounts) | {
        "env": environment({places.VOMS: asked}),
        "startupProbe": tried,
    }
