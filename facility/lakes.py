"""A VO's parts of the data lake, and the cache through which its people read them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from facility import model
from facility.model import Model, ObjectName, Origin, Prefix, Quantity, Scope

#: a certificate's subject as the grid writes it
Subject = Annotated[str, Field(pattern=r"^/[ !#-\[\]-~]+$", max_length=255)]
VomsName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
VomsAttribute = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._=-]+)*$", max_length=255)]


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
    credential: Literal["Token", "Robot"] = Field(
        default="Token",
        description="What the cache shows the origin. Token: the cache's own. Robot: the VO's robot certificate "
        "(cache.robot), for a storage that still wants X.509 or VOMS; it gets no token.",
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


class VomsServer(Model):
    """A server that says who belongs to a VO, as a line of the file `vomses` does."""

    host: ObjectName = Field(description="Host name.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Port.")
    subject: Subject = Field(
        description="Subject of its certificate, such as /DC=ch/DC=cern/OU=computers/CN=voms.example.org."
    )


class Voms(Model):
    """What the robot asks of VOMS."""

    vo: VomsName = Field(description="The VO's name there.")
    attribute: VomsAttribute = Field(
        default="", description="The one to come first, such as /cms/Role=production; the VO's own choice if empty."
    )
    servers: tuple[VomsServer, ...] = Field(
        min_length=1, max_length=8, description="Its servers, one of which has to answer."
    )


class Robot(Model):
    """A certificate by which the cache is known to storages that take no tokens; nobody else gets it."""

    name: ObjectName = Field(
        description="Secret in the facility's namespace: tls.crt is the robot's certificate, tls.key its key without a "
        "pass phrase; or tls.crt is a proxy with its chain that somebody else renews."
    )
    voms: Voms | None = Field(default=None, description="For storages that ask for VOMS attributes.")


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
    pinned_percent: Annotated[int, Field(ge=0, le=80)] = Field(
        default=50, description="Most of the caches' size that pinned datasets (CachedDataset) may be together."
    )
    robot: Robot | None = Field(default=None, description="For lakes whose credential is Robot.")


def covers(prefix: str, path: str) -> bool:
    """Whether `path` is `prefix` or lies below it, by whole path components (/cms does not cover /cms2)."""
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")
