"""What all objects and settings of the facility are made of: a strict base, and texts that can be checked as such."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Frozen, camelCase outside, no unknown keys: a typo in an object is an error and not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{url!r} must be an https URL without user, query and fragment")
    return url


_HOST = re.compile(r"[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+")
#: protocols of storage that a cache reads from, with the ports that they have by themselves
ORIGIN_PORTS = {"https": 443, "root": 1094, "roots": 1094}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ORIGIN_PORTS or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{url!r} must be an https, root or roots URL without user, query and fragment")
    if not _HOST.fullmatch(parts.hostname):
        raise ValueError(f"{url!r}: {parts.hostname!r} is no name or address of a host")
    if parts.path.strip("/"):
        raise ValueError(f"{url!r}: give {parts.scheme}://host:port alone: paths are the same as in the lake")
    return url


def prefix(path: str) -> str:
    """The path itself. Raises ValueError unless it is absolute, without trailing slash, empty parts, '.' and '..'."""
    parts = path.split("/")[1:]
    if not path.startswith("/") or path.endswith("/") or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} must be an absolute path without trailing slash, empty parts, '.' or '..'")
    return path


Https = Annotated[str, AfterValidator(_https), Field(max_length=255)]
Origin = Annotated[str, AfterValidator(_origin), Field(max_length=255)]
Prefix = Annotated[str, AfterValidator(prefix), Field(max_length=255)]
Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$", max_length=512)]  # RFC 6749, section 3.3
#: an amount as Kubernetes writes it, such as 500m, 2, 4Gi; never below 0
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|[MGTPE]|[KMGTPE]i)?$", max_length=32)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
#: weight of somebody against others: only its proportion to theirs counts
Share = Annotated[int, Field(ge=1, le=1_000_000)]
#: a group as issuers assert it in `wlcg.groups` (WLCG profile: a path, such as /cms/analysis)
Group = Annotated[str, Field(min_length=1, max_length=255)]
#: a short name as Kubernetes has them (RFC 1123, label)
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$", max_length=32)]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", max_length=253)]
