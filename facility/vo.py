"""The VirtualOrganization object: the only place that knows its shape. The CRD is generated from it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from facility import names
from facility.access import Login, SecretReference, Service, Tokens
from facility.lakes import Cache, Lake, Robot, covers
from facility.limits import Limits
from facility.model import Https, Model
from facility.profiles import Profile, SharedVolume
from facility.sharing import Batch


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
    def _robot_for_its_lakes(self) -> Self:
        wants = [lake.prefix for lake in self.lakes if lake.credential == "Robot"]
        if wants and self.cache.robot is None:
            raise ValueError(f"lake {wants[0]}: its credential is Robot, and cache.robot names none")
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
    def robot(self) -> Robot | None:
        """Its robot; None where no lake wants one."""
        wanted = any(lake.credential == "Robot" for lake in self.spec.lakes)
        return self.spec.cache.robot if wanted else None

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
