"""The site's settings, once per facility: written by the charts as one file, read by operator, broker and hub."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field

from facility import names
from facility.model import Https, Model, ObjectName, Prefix, Quantity
from facility.profiles import SharedVolume

_PATH = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,7}$"
DEFAULT_PATH = Path("/etc/facility/site.yaml")
_DOMAIN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$"
Block = Annotated[str, AfterValidator(lambda text: str(ip_network(text))), Field(max_length=64)]


class Namespaces(Model):
    """Where things live: the facility's own parts and caches, user pods, HTCondor's pods."""

    facility: str = "facility"
    users: str = "facility-users"
    batch: str = "facility-batch"


class Images(Model):
    """Full image references; never a floating tag."""

    facility: str
    hub: str
    notebook: str
    condor: str
    xcache: str
    pull_policy: str = "IfNotPresent"


class Resources(Model):
    """Requests and limits of a container."""

    requests: dict[str, Quantity]
    limits: dict[str, Quantity] = Field(default={})

    def manifest(self) -> dict[str, Any]:
        """As in a container's `resources`."""
        return {k: v for k, v in (("requests", dict(self.requests)), ("limits", dict(self.limits))) if v}


class Toleration(Model):
    """As in a pod's `tolerations`."""

    key: Annotated[str, Field(max_length=316)] | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: Annotated[str, Field(max_length=63)] | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    def manifest(self) -> dict[str, Any]:
        """As Kubernetes wants it."""
        return self.model_dump(exclude_none=True)


class CacheDefaults(Model):
    """XCache pods. fresh: seconds that a cached file is served before it is compared with its origin again. staging:
    files that a cache brings at once of those that people want ahead of need. metrics_from: namespaces that may read
    what caches have served. node_selector, tolerations: of the nodes that caches run on. ingress_bandwidth,
    egress_bandwidth: most bits a second of each cache, where the nodes' network plugin keeps to them."""

    resources: Resources = Resources(requests={"cpu": "500m", "memory": "2Gi"}, limits={"memory": "4Gi"})
    ram: Annotated[str, Field(pattern=r"^[1-9][0-9]*g$")] = "1g"
    fresh: int = Field(default=60, ge=5, le=86400)
    staging: int = Field(default=2, ge=1, le=64)
    metrics_from: tuple[ObjectName, ...] = ()
    node_selector: dict[str, Annotated[str, Field(max_length=63)]] = Field(default={})
    tolerations: tuple[Toleration, ...] = ()
    ingress_bandwidth: Quantity | None = None
    egress_bandwidth: Quantity | None = None


class BatchDefaults(Model):
    """Access points and execute pods. Times are in seconds.

    execute_cpus, execute_resources, execute_disk: the usual execute pod; execute_max_…: the largest one, for jobs that
    ask for more. gpu_resource: the nodes' resource that counts GPUs for jobs; empty: jobs get none. max_cpus: of all
    execute pods together; 0: as many as the cluster schedules. usage_half_life: after which past use counts half.
    kueue_queue: LocalQueue of Kueue in the batch namespace that admits execute pods; empty: none. priority_class:
    PriorityClass of execute pods, one of the cluster's; empty: the VO's, by which quotas tell VOs apart. drain_waits:
    whether the eviction of an execute pod waits for its jobs. containers: whether jobs may bring container images,
    which needs nodes that let them (seccomp_profile: of the nodes' own, under which execute pods then run).
    apparmor_profile: of execute pods, `Localhost/<name>` or `Unconfined`; empty: what the container runtime gives by
    itself. execute_grace: an access point that is gone blocks HTCondor for 30 s, which must not be all that jobs have.
    finished_kept: for which a finished job waits for its owner to fetch the results. transfer_max: most that a job
    brings along, and most that it brings back, through the access point. accounting_from: namespaces that may read
    what jobs have used.
    """

    access_point_resources: Resources = Resources(requests={"cpu": "200m", "memory": "256Mi"})
    access_point_size: Quantity = "10Gi"
    storage_class: str | None = None
    execute_resources: Resources = Resources(requests={"cpu": "2", "memory": "4Gi"}, limits={"memory": "4Gi"})
    execute_cpus: Annotated[int, Field(ge=1)] = 2
    execute_disk: Quantity = "10Gi"
    execute_max_cpus: Annotated[int, Field(ge=1)] = 8
    execute_max_memory: Quantity = "32Gi"
    execute_max_disk: Quantity = "100Gi"
    execute_max_gpus: Annotated[int, Field(ge=0)] = 8
    gpu_resource: Annotated[str, Field(max_length=253)] = ""
    max_cpus: Annotated[int, Field(ge=0)] = 0
    usage_half_life: Annotated[int, Field(ge=3600)] = 7 * 86400
    kueue_queue: Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?)?$")] = ""
    priority_class: Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$")] = ""
    drain_waits: bool = True
    containers: bool = False
    seccomp_profile: Annotated[str, Field(max_length=253)] = ""
    apparmor_profile: Annotated[str, Field(pattern=r"^(Unconfined|Localhost/\S{1,253})?$")] = ""
    execute_idle: Annotated[int, Field(ge=10)] = 300
    execute_grace: Annotated[int, Field(ge=60)] = 120
    credential_refresh: Annotated[int, Field(ge=5)] = 60
    finished_kept: Annotated[int, Field(ge=60)] = 7 * 86400
    transfer_max: Quantity = "2Gi"
    accounting_from: tuple[ObjectName, ...] = ()


class Cvmfs(Model):
    """CVMFS, where the site has its CSI driver (cvmfs-csi): one claim of its automounting class serves all pods."""

    claim: ObjectName = Field(
        description="PersistentVolumeClaim, of that name in the namespaces of people and of batch."
    )
    mount_path: Prefix = "/cvmfs"


class Vault(Model):
    """A HashiCorp Vault that keeps sessions: KV version 2, where the broker signs in by Kubernetes authentication."""

    url: Https = Field(description="Address of Vault, without trailing slash.")
    namespace: str = Field(default="", max_length=255, description="Vault's own namespace, where it has any.")
    mount: Annotated[str, Field(pattern=_PATH)] = Field(default="secret", description="Where the KV engine is.")
    prefix: Annotated[str, Field(pattern=_PATH)] = Field(
        default="analysis-facility", description="Folder of this facility in it."
    )
    auth_mount: Annotated[str, Field(pattern=_PATH)] = Field(
        default="kubernetes", description="Where Kubernetes authentication is."
    )
    role: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")] = Field(
        default="broker", description="The role that the broker signs in with."
    )


class Storage(Model):
    """Where the broker keeps sessions and tokens: Secrets, sealed, unless there is a Vault."""

    vault: Vault | None = None


class Outside(Model):
    """How people's own machines reach caches and access points: by a Service for each, under names of one domain."""

    domain: Annotated[str, Field(pattern=_DOMAIN, max_length=190)] = Field(
        description="Their names are xcache-<vo> and ap-<vo> in this domain."
    )
    annotations: dict[str, str] = Field(default={}, description="Of the Services, such as a load balancer's settings.")
    networks: tuple[Block, ...] = Field(
        default=(), max_length=64, description="Networks that may come; all public addresses, and no others, if empty."
    )


class Site(Model):
    """Everything about this site that more than one part needs."""

    namespaces: Namespaces = Namespaces()
    images: Images
    public_url: Https = Field(description="URL under which browsers reach the hub, without trailing slash.")
    extra_trust: str = Field(default="", description="PEM certificates of further CAs (issuers, origins).")
    home_size: Quantity = "10Gi"
    notebook_resources: Resources = Resources(requests={"cpu": "250m", "memory": "512Mi"}, limits={"memory": "4Gi"})
    cache: CacheDefaults = CacheDefaults()
    batch: BatchDefaults = BatchDefaults()
    volumes: tuple[SharedVolume, ...] = Field(default=(), description="Volumes that all servers see, to read only.")
    cvmfs: Cvmfs | None = None
    gpu_resource: str = Field(default="nvidia.com/gpu", description="Name of the nodes' resource that counts GPUs.")
    priority_classes: bool = Field(
        default=True,
        description="Whether the operator makes a PriorityClass per VO, by which ResourceQuotas tell VOs apart.",
    )
    removal_deadline: Annotated[int, Field(ge=5, le=3600)] = Field(
        default=60, description="Seconds after which a deleted VO goes, whatever could not be ended in order."
    )
    groups_refresh: Annotated[int, Field(ge=10, le=86400)] = Field(
        default=900, description="Seconds after which a signed-in person's groups are asked of the issuer again."
    )

    storage: Storage = Storage()
    outside: Outside | None = Field(
        default=None, description="Ways in for people's own machines; without it caches and access points have none."
    )

    @property
    def broker_url(self) -> str:
        """https URL of the broker, inside the cluster."""
        return f"https://{names.host('broker', self.namespaces.facility)}:{names.BROKER_PORT}"

    @property
    def central_manager(self) -> str:
        """Host name of HTCondor's central manager."""
        return names.host("cm", self.namespaces.batch)

    @property
    def compute_audience(self) -> str:
        """Audience of tokens for submitting: one for the facility, as the collector and all access points take it."""
        return f"condor://{self.central_manager}"

    def access_point(self, vo: str) -> str:
        """Host name of a VO's access point."""
        return names.host(names.access_point(vo), self.namespaces.batch)

    def schedd(self, vo: str) -> str:
        """HTCondor's name of a VO's schedd."""
        return f"ap@{self.access_point(vo)}"

    def xcache(self, vo: str) -> str:
        """Host name of a VO's cache."""
        return names.host(names.xcache(vo), self.namespaces.facility)

    def xcaches(self, vo: str, replicas: int) -> list[str]:
        """Host names of a VO's caches, of each by itself."""
        several = [names.host(one, self.namespaces.facility) for one in names.xcache_replicas(vo, replicas)]
        return several if replicas > 1 else [self.xcache(vo)]

    def outside_hosts(self, service: str) -> tuple[str, ...]:
        """The name by which people's own machines reach a cache or access point; none where they do not."""
        return (f"{service}.{self.outside.domain}",) if self.outside else ()


def load(path: Path = DEFAULT_PATH) -> Site:
    """The site's settings from its file. Raises OSError, yaml.YAMLError or pydantic.ValidationError."""
    return _parsed(path.read_text())


def _parsed(text: str) -> Site:
    return Site.model_validate(yaml.safe_load(text))


@dataclass(frozen=True)
class Settings:
    """The site's settings as a process was started with them, which ends to start anew when they change."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> Settings:
        """As they are now. Raises OSError."""
        return cls(path, path.read_text())

    @property
    def site(self) -> Site:
        """What they say. Raises yaml.YAMLError or pydantic.ValidationError."""
        return _parsed(self.text)

    def changed(self) -> bool:
        """Whether the file has others now. Raises OSError, and ValueError for settings that nothing can start with."""
        text = self.path.read_text()
        try:
            return text != self.text and _parsed(text) != self.site
        except yaml.YAMLError as error:
            raise ValueError(f"{self.path} is not YAML: {error}") from None
