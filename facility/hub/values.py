"""The chart's values that the hub itself reads, with the names and meanings of zero-to-jupyterhub, and no others.

The chart writes them as one file. What is not in here is not in our chart: docs/reference/zero-to-jupyterhub-values.md
says why. A value left out (null) leaves the site's own setting as it is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, ConfigDict, Field, field_validator

from facility.hub.database import postgres_url
from facility.model import Model, Quantity
from facility.profiles import EnvironmentName, not_ours

PATH = Path("/etc/facility/hub/values.yaml")
#: Kubernetes' own objects, passed on as they are; the API server checks them
Object = dict[str, Any]
Objects = list[Object] | dict[str, Object]
_BYTES = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)")
Seconds = Annotated[int, Field(ge=0)]


def _size(amount: str | int | None) -> str | None:
    """Bytes as Kubernetes writes them. z2jh's 1G is 1024³ bytes, which Kubernetes calls 1Gi."""
    if amount is None or str(amount).endswith("i"):
        return None if amount is None else str(amount)
    matched = _BYTES.fullmatch(str(amount))
    if not matched:
        raise ValueError(f"{amount!r} is no size: write 512M, 4G or 4Gi")
    return f"{matched[1]}{matched[2]}i" if matched[2] else matched[1]


Size = Annotated[str | int | None, AfterValidator(_size)]


class Database(Model):
    """Where the hub keeps who has which server. The password, if any, is in a file and never here."""

    type: Literal["sqlite-pvc", "postgres"] = "sqlite-pvc"
    url: str = ""

    @field_validator("url")
    @classmethod
    def _usable(cls, value: str) -> str:
        return postgres_url(value) if value else value


class Hub(Model):
    """`hub.*`."""

    config: dict[str, dict[str, Any]] = Field(default={})
    extra_config: dict[str, str] = Field(default={})
    db: Database = Database()
    allow_named_servers: bool = True
    named_server_limit_per_user: Seconds = 3
    concurrent_spawn_limit: Seconds = 64
    active_server_limit: Seconds | None = None
    consecutive_failure_limit: Seconds = 0
    redirect_to_server: bool | None = None
    shutdown_on_logout: bool | None = None
    authenticate_prometheus: bool | None = None
    template_vars: dict[str, Any] = Field(default={})
    load_roles: dict[str, Object] = Field(default={})


class Amount(Model):
    """`singleuser.cpu`: cores."""

    guarantee: float | None = None
    limit: float | None = None


class Memory(Model):
    """`singleuser.memory`: bytes, or with K, M, G, T for powers of 1024."""

    guarantee: Size = None
    limit: Size = None


class Extra(Model):
    """`singleuser.extraResource`."""

    guarantees: dict[str, Any] = Field(default={})
    limits: dict[str, Any] = Field(default={})


class Affinity(Model):
    """`singleuser.extraNodeAffinity` and its like."""

    required: list[Object] = Field(default=[])
    preferred: list[Object] = Field(default=[])


class Dynamic(Model):
    """`singleuser.storage.dynamic`: homes made from now on."""

    storage_class: str | None = None
    storage_access_modes: list[Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]] = Field(
        default=["ReadWriteOnce"]
    )


class Storage(Model):
    """`singleuser.storage`."""

    capacity: Quantity | None = None
    dynamic: Dynamic = Dynamic()
    extra_labels: dict[str, str] = Field(default={})
    extra_volumes: Objects = Field(default={})
    extra_volume_mounts: Objects = Field(default={})


class Image(Model):
    """`singleuser.image`, but for the image itself."""

    pull_secrets: list[str] = Field(default=[])


class Singleuser(Model):
    """`singleuser.*`."""

    image: Image = Image()
    default_url: str | None = None
    cmd: str | list[str] | None = None
    start_timeout: Annotated[int, Field(ge=1)] = 300
    cpu: Amount = Amount()
    memory: Memory = Memory()
    extra_resource: Extra = Extra()
    extra_env: Annotated[dict[EnvironmentName, str], AfterValidator(not_ours)] = Field(default={})
    extra_labels: dict[str, str] = Field(default={})
    extra_annotations: dict[str, str] = Field(default={})
    node_selector: dict[str, str] = Field(default={})
    extra_tolerations: list[Object] = Field(default=[])
    extra_node_affinity: Affinity = Affinity()
    extra_pod_affinity: Affinity = Affinity()
    extra_pod_anti_affinity: Affinity = Affinity()
    storage: Storage = Storage()
    lifecycle_hooks: Object = Field(default={})
    init_containers: Objects = Field(default={})
    extra_containers: Objects = Field(default={})
    extra_pod_config: Object = Field(default={})
    events: bool = True


class Cull(Model):
    """`cull.*`: servers that nobody uses are stopped. Times in seconds; 0 for maxAge is no limit."""

    enabled: bool = True
    users: bool = False
    admin_users: bool = True
    remove_named_servers: bool = False
    timeout: Annotated[int, Field(ge=1)] = 3600
    every: Annotated[int, Field(ge=1)] = 600
    concurrency: Annotated[int, Field(ge=1)] = 10
    max_age: Seconds = 0


class NodeAffinity(Model):
    """`scheduling.userPods.nodeAffinity`."""

    match_node_purpose: Literal["ignore", "prefer", "require"] = "prefer"


class UserPods(Model):
    """`scheduling.userPods`."""

    node_affinity: NodeAffinity = NodeAffinity()
    tolerations: list[Object] = Field(default=[])


class Scheduling(Model):
    """`scheduling.*`."""

    user_pods: UserPods = UserPods()


class Values(Model):
    """The file."""

    # or an error would print a password that somebody has written where none belongs
    model_config = ConfigDict(hide_input_in_errors=True)

    hub: Hub = Hub()
    singleuser: Singleuser = Singleuser()
    cull: Cull = Cull()
    scheduling: Scheduling = Scheduling()


def load(path: Path = PATH) -> Values:
    """The values in a file; those of zero changes when there is none. Raises yaml.YAMLError or ValidationError."""
    return Values.model_validate(yaml.safe_load(path.read_text()) or {}) if path.exists() else Values()
