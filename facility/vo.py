"""The VirtualOrganization object: the only place that knows its shape. The CRD is generated from it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from facility import model, names
from facility.access import Login, SecretReference, Service, Tokens
from facility.limits import Limits
from facility.model import Https, Model, ObjectName, Origin, Prefix, Quantity, Scope
from facility.profiles import Profile, SharedVolume
from facility.sharing import Batch


class Lake(Model):
    """A part of the data lake: a path prefix, its origin, and the audience and scopes that open it."""

    prefix: Prefix = Field(description="Path prefix in the lake, such as /cms; no two VOs may hold the same.")
    origin: Origin = Field(
        description="Storage that holds the data: https://host:port (https, WebDAV) or root://host:port (XRootD); "
        "paths there are the same as in the lake."
    )
    aliases: tuple[Origin, ...] = Field(
        default=(),
        max_length=16,
        description="Further URLs under which the same storage is known, by https or root://, such as those of Rucio's "
        "replicas; people's programs read what they name at the cache.",
    )
    audience: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="Audience of tokens for this lake; the origin accepts the same (WLCG profile: scheme://host:port)."
    )
    scopes: tuple[Scope, ...] = Field(
        min_length=1,
        max_length=64,
        description="What a person's token for this lake may hold, such as storage.read:/embargoed; of other scopes "
        "than storage.read, storage.stage and storage.poll notebooks and jobs get none.",
    )
    cache_scopes: tuple[Scope, ...] = Field(
        default=("storage.read:/",),
        min_length=1,
        max_length=64,
        description="Scopes of the cache's own token, for misses.",
    )
    scope_base: Annotated[str, Field(max_length=255)] | None = Field(
        default=None, description="Lake path that the path / of a scope means; the prefix unless given."
    )

    @field_validator("scope_base")
    @classmethod
    def _base(cls, value: str | None) -> str | None:
        return value if value in (None, "/") else model.prefix(str(value))

    @property
    def known_at(self) -> tuple[Origin, ...]:
        """All URLs under which the storage is known."""
        return (self.origin, *self.aliases)

    @property
    def base(self) -> str:
        """Lake path that scope path `/` means (XRootD's `base_path`)."""
        return self.scope_base or self.prefix


class CacheQuota(Model):
    """Most that is kept of a directory; beyond that, what was read longest ago goes."""

    path: Prefix = Field(description="Directory of one of the VO's lakes, such as /cms/simulation.")
    size: Quantity = Field(description="Most that the cache keeps of it.")


class Cache(Model):
    """The VO's XCache."""

    replicas: Annotated[int, Field(ge=1, le=16)] = Field(
        default=1,
        description="Caches that share the VO's lakes, each of which keeps its part of the files; sizes and quotas are "
        "of each.",
    )
    size: Quantity = Field(default="20Gi", description="Size of the cache's volume.")
    storage_class: ObjectName | None = Field(
        default=None, description="Class of the cache's volume; the cluster's default unless given."
    )
    prefetch: Literal["Ahead", "AsRead"] = Field(
        default="Ahead",
        description="Ahead: files come ahead of who reads them, best for whole files. AsRead: only the parts that are "
        "read, best for analyses that need few columns of many files.",
    )
    drop_unused_days: Annotated[int, Field(ge=0, le=360)] = Field(
        default=0, description="Days after which a file goes that nobody has read; 0: when the room is needed."
    )
    quotas: tuple[CacheQuota, ...] = Field(default=(), max_length=32, description="Directories that are kept small.")


class Destination(Model):
    """A place outside of the facility, by host name or by network."""

    host: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", max_length=253)] | None = Field(
        default=None, description="Host name; the operator looks its addresses up and follows their changes."
    )
    cidr: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Network, such as 192.0.2.0/24 or 2001:db8::/32."
    )
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(
        default=(), max_length=16, description="TCP ports; all of them if empty."
    )

    @field_validator("cidr")
    @classmethod
    def _network(cls, value: str | None) -> str | None:
        return value if value is None else str(ip_network(value))

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.host is None) == (self.cidr is None):
            raise ValueError("a destination is either a host or a cidr")
        return self


class Network(Model):
    """What the VO's pods may reach outside of the facility, besides DNS."""

    outside: Literal["Public", "Listed"] = Field(
        default="Public",
        description="Public: notebooks reach all public addresses, and what `allow` lists. Listed: only that.",
    )
    allow: tuple[Destination, ...] = Field(
        default=(),
        max_length=32,
        description="Reached by notebooks and by jobs, private networks included; never the cloud's metadata service.",
    )


class Removal(Model):
    """What becomes of running things when the VO is suspended or deleted."""

    servers: Literal["Stop", "Keep"] = Field(
        default="Stop", description="Notebook servers of a suspended or deleted VO; kept ones get no tokens."
    )
    cache: Literal["Purge", "Keep"] = Field(
        default="Purge", description="The cache's volume when the VO is deleted; suspending always keeps it."
    )


class VirtualOrganizationSpec(Model):
    """A virtual organization: one issuer, its client, its part of the data lake, its batch system."""

    display_name: str = Field(default="", max_length=80, description="Name on the hub's sign-in page.")
    logo: Annotated[str, Field(max_length=65536)] = Field(
        default="",
        description="Picture on the hub's sign-in page: an https URL, or data:image/png;base64,… of at most 64 KiB.",
    )
    suspended: bool = Field(
        default=False,
        description="True: nobody signs in, no token is given, jobs are held, the cache is closed; all is kept.",
    )
    issuer: Https = Field(description="Issuer of the VO's tokens, exactly as the claim `iss` of access tokens has it.")
    client_secret: SecretReference = Field(description="Secret with this facility's client_id and client_secret.")
    login: Login = Field(default=Login(), description="Who may sign in, and what their session may ask for.")
    lakes: tuple[Lake, ...] = Field(default=(), max_length=16, description="The VO's parts of the data lake.")
    services: tuple[Service, ...] = Field(
        default=(), max_length=16, description="Further services that people's tokens are for, such as Rucio or FTS."
    )
    tokens: Tokens = Field(default=Tokens(), description="How tokens are asked of the issuer.")
    cache: Cache = Field(default=Cache(), description="The VO's XCache.")
    batch: Batch = Field(default=Batch(), description="The VO's access point and execute pods.")
    limits: Limits = Field(default=Limits(), description="Most that the VO's notebook servers may use.")
    profiles: tuple[Profile, ...] = Field(
        default=(), max_length=32, description="Kinds of notebook servers to choose from; none: the site's only one."
    )
    volumes: tuple[SharedVolume, ...] = Field(
        default=(), max_length=16, description="Volumes that all servers of the VO see, to read only."
    )
    network: Network = Field(default=Network(), description="What the VO's pods reach outside of the facility.")
    removal: Removal = Field(default=Removal(), description="What becomes of running things when the VO goes.")

    @field_validator("logo")
    @classmethod
    def _picture(cls, value: str) -> str:
        if value and not value.startswith(("https://", "data:image/")):
            raise ValueError("the logo is an https URL or a data:image/… URL")
        return value

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for what, found in (("profile", self.profiles), ("volume", self.volumes), ("service", self.services)):
            called = [one.name for one in found]
            if doubled := sorted({name for name in called if called.count(name) > 1}):
                raise ValueError(f"{what} {doubled[0]} is there twice")
        if sum(profile.default for profile in self.profiles) > 1:
            raise ValueError("more than one profile is the default")
        return self

    @model_validator(mode="after")
    def _one_lake_per_prefix(self) -> Self:
        prefixes = [lake.prefix for lake in self.lakes]
        for one in prefixes:
            if any(one != other and covers(one, other) for other in prefixes) or prefixes.count(one) > 1:
                raise ValueError(f"lake prefix {one} overlaps with another of this VO")
        return self

    @model_validator(mode="after")
    def _quotas_of_its_own_lakes(self) -> Self:
        for quota in self.cache.quotas:
            if not any(covers(lake.prefix, quota.path) for lake in self.lakes):
                raise ValueError(f"cache quota {quota.path}: it lies in none of the VO's lakes")
        return self

    @model_validator(mode="after")
    def _one_service_per_audience(self) -> Self:
        taken = {lake.audience for lake in self.lakes}
        for audience in (*taken, *(service.audience for service in self.services)):
            if names.COMPUTE_AUDIENCE.fullmatch(audience):
                raise ValueError(f"audience {audience} is that of the batch system: `batch` says who gets it")
        for service in self.services:
            if service.audience in taken:
                raise ValueError(f"service {service.name}: the audience is that of a lake or of another service")
            taken.add(service.audience)
        return self

    @property
    def client_secrets(self) -> tuple[str, ...]:
        """Names of the Secrets with this facility's clients at the issuer, its own first."""
        others = (self.tokens.exchange_client,) if self.tokens.exchange_client else ()
        return tuple(dict.fromkeys(one.name for one in (self.client_secret, *others)))

    @property
    def session_scopes(self) -> tuple[str, ...]:
        """All scopes to ask for at sign-in, each once, in a stable order."""
        batch = self.batch.scopes if self.batch.enabled else ()
        parts = (self.login.scopes, *(one.scopes for one in self.lakes), *(one.scopes for one in self.services), batch)
        return tuple(dict.fromkeys(scope for part in parts for scope in part))


def covers(prefix: str, path: str) -> bool:
    """Whether `path` is `prefix` or lies below it, by whole path components (/cms does not cover /cms2)."""
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


class Condition(Model):
    """A Kubernetes condition (API conventions, `metav1.Condition`)."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)
    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int | None = None


class VirtualOrganizationStatus(Model):
    """Written by the operator."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)
    observed_generation: int | None = None
    users: int | None = None
    conditions: tuple[Condition, ...] = ()


class VirtualOrganization(Model):
    """The object as the API server gives it, reduced to what the facility reads."""

    name: str
    created: str
    generation: int
    uid: str
    deleting: bool = False
    spec: VirtualOrganizationSpec
    status: VirtualOrganizationStatus = VirtualOrganizationStatus()

    @model_validator(mode="after")
    def _service_of_another_name(self) -> Self:
        if any(service.name == self.name for service in self.spec.services):
            raise ValueError(f"a service may not have the VO's own name, {self.name}: so is jobs' token for the lake")
        return self

    @classmethod
    def parse(cls, obj: dict[str, Any]) -> VirtualOrganization:
        """From a Kubernetes object. Raises pydantic.ValidationError or names.BadNameError, with what to mend."""
        meta = obj["metadata"]
        return cls(
            name=names.check_vo(meta["name"]),
            created=meta.get("creationTimestamp", ""),
            generation=meta.get("generation", 0),
            uid=meta.get("uid", ""),
            deleting=bool(meta.get("deletionTimestamp")),
            spec=VirtualOrganizationSpec.model_validate(obj.get("spec") or {}),
            status=VirtualOrganizationStatus.model_validate(obj.get("status") or {}),
        )

    @property
    def ready(self) -> bool:
        """Whether the operator holds this VO for usable (condition Ready)."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)

    @property
    def closed(self) -> str:
        """Why nobody may use this VO now, as it fits after its name: `is suspended`; empty while it is open."""
        if self.deleting:
            return "is being removed"
        return "is suspended" if self.spec.suspended else ""
