"""The VirtualOrganization object: the only place that knows its shape. The CRD is generated from it."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from facility import names


class Model(BaseModel):
    """Frozen, camelCase outside, no unknown keys: a typo in an object is an error and not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{url!r} must be an https URL without user, query and fragment")
    return url


def _prefix(path: str) -> str:
    parts = path.split("/")[1:]
    if not path.startswith("/") or path.endswith("/") or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} must be an absolute path without trailing slash, empty parts, '.' or '..'")
    return path


Https = Annotated[str, AfterValidator(_https), Field(max_length=255)]
Prefix = Annotated[str, AfterValidator(_prefix), Field(max_length=255)]
Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$", max_length=512)]  # RFC 6749, section 3.3
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|[kMGTP]i?)?$")]


class SecretReference(Model):
    """A Secret in the facility's namespace with the keys `client_id` and `client_secret`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class Login(Model):
    """Who may sign in, and what their session may ask for."""

    scopes: tuple[Scope, ...] = Field(
        default=("openid", "profile", "offline_access", "wlcg.groups"),
        description="Asked for at sign-in, besides the scopes of the lakes and of batch.",
    )
    allowed_groups: tuple[str, ...] = Field(
        default=(), description="wlcg.groups of which a person needs at least one; empty: everybody of the issuer."
    )
    name_claim: str = Field(default="preferred_username", description="The claim that people are named by.")


class Lake(Model):
    """A part of the data lake: a path prefix, its origin, and the audience and scopes that open it."""

    prefix: Prefix = Field(description="Path prefix in the lake, such as /cms; no two VOs may hold the same.")
    origin: Https = Field(description="https URL of the storage that holds the data, with its port.")
    audience: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="Audience of tokens for this lake; the origin accepts the same (WLCG profile: scheme://host:port)."
    )
    scopes: tuple[Scope, ...] = Field(
        min_length=1, description="What a person's token for this lake may hold, such as storage.read:/embargoed."
    )
    cache_scopes: tuple[Scope, ...] = Field(
        default=("storage.read:/",), min_length=1, description="Scopes of the cache's own token, for misses."
    )
    scope_base: str | None = Field(
        default=None, description="Lake path that the path / of a scope means; the prefix unless given."
    )

    @field_validator("scope_base")
    @classmethod
    def _base(cls, value: str | None) -> str | None:
        return value if value in (None, "/") else _prefix(str(value))

    @property
    def base(self) -> str:
        """Lake path that scope path `/` means (XRootD's `base_path`)."""
        return self.scope_base or self.prefix


class Cache(Model):
    """The VO's XCache."""

    size: Quantity = Field(default="20Gi", description="Size of the cache's volume.")
    storage_class: str | None = None


class Batch(Model):
    """The VO's access point and execute pods."""

    enabled: bool = True
    scopes: tuple[Scope, ...] = ("compute.read", "compute.create", "compute.modify", "compute.cancel")
    max_execute_pods: Annotated[int, Field(ge=0)] = 20


class VirtualOrganizationSpec(Model):
    """A virtual organization: one issuer, its client, its part of the data lake, its batch system."""

    display_name: str = Field(default="", max_length=80, description="Name on the hub's sign-in page.")
    issuer: Https = Field(description="Issuer of the VO's tokens, exactly as the claim `iss` of access tokens has it.")
    client_secret: SecretReference = Field(description="Secret with this facility's client_id and client_secret.")
    login: Login = Login()
    lakes: tuple[Lake, ...] = ()
    cache: Cache = Cache()
    batch: Batch = Batch()

    @model_validator(mode="after")
    def _one_lake_per_prefix(self) -> VirtualOrganizationSpec:
        prefixes = [lake.prefix for lake in self.lakes]
        for one in prefixes:
            if any(one != other and covers(one, other) for other in prefixes) or prefixes.count(one) > 1:
                raise ValueError(f"lake prefix {one} overlaps with another of this VO")
        if len({lake.origin for lake in self.lakes}) > 1:
            raise ValueError("the lakes of one VO have one origin: its cache reads from one place")
        return self

    @property
    def session_scopes(self) -> tuple[str, ...]:
        """All scopes to ask for at sign-in, each once, in a stable order."""
        batch = self.batch.scopes if self.batch.enabled else ()
        return tuple(dict.fromkeys([*self.login.scopes, *(s for lake in self.lakes for s in lake.scopes), *batch]))


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
    spec: VirtualOrganizationSpec
    status: VirtualOrganizationStatus = VirtualOrganizationStatus()

    @classmethod
    def parse(cls, obj: dict[str, Any]) -> VirtualOrganization:
        """From a Kubernetes object. Raises pydantic.ValidationError or names.BadNameError, with what to mend."""
        meta = obj["metadata"]
        return cls(
            name=names.check_vo(meta["name"]),
            created=meta.get("creationTimestamp", ""),
            generation=meta.get("generation", 0),
            uid=meta.get("uid", ""),
            spec=VirtualOrganizationSpec.model_validate(obj.get("spec") or {}),
            status=VirtualOrganizationStatus.model_validate(obj.get("status") or {}),
        )

    @property
    def ready(self) -> bool:
        """Whether the operator holds this VO for usable (condition Ready)."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)
