"""Kinds of notebook servers that people choose from, and the volumes they see."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from facility.model import Count, Group, Model, ObjectName, Prefix, Quantity, Slug

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
#: set by the facility itself: a profile that changed them would break its own promises
RESERVED = (
    "JUPYTERHUB_",
    "BEARER_TOKEN",
    "FACILITY_",
    "AGENT_",
    "LAKE_",
    "_CONDOR_",
    "CONDOR_CONFIG",
    "SSL_CERT_FILE",
)
#: where volumes may be seen: anywhere else they would hide what images and the facility have there
MOUNT_ROOTS = ("cvmfs", "data", "mnt", "media", "srv", "software", "shared")


def not_ours(environment: dict[str, str]) -> dict[str, str]:
    """The environment, if it changes nothing that the facility sets. Raises ValueError."""
    if taken := sorted(name for name in environment if name.startswith(RESERVED)):
        raise ValueError(f"{taken[0]} is set by the facility itself")
    return environment


class Profile(Model):
    """One kind of notebook server: an image, resources, environment."""

    name: Slug = Field(description="Short name, once in a VO; it stands in URLs of direct starts.")
    display_name: str = Field(default="", max_length=80, description="Name on the start page; `name` if empty.")
    description: str = Field(default="", max_length=500, description="A sentence for the start page.")
    groups: tuple[Group, ...] = Field(
        default=(), max_length=64, description="wlcg.groups of which a person needs one to see it; empty: everybody."
    )
    default: bool = Field(default=False, description="Whether it is chosen unless another is; else the first one is.")
    image: str = Field(
        default="",
        max_length=512,
        description="Container image with a fixed tag that has jupyterhub-singleuser, such as one made by repo2docker; "
        "the site's notebook image if empty.",
    )
    cpu: Quantity | None = Field(
        default=None, description="Cores that the server is sure to have; the site's unless given."
    )
    cpu_limit: Quantity | None = Field(default=None, description="Cores that it never uses more of.")
    memory: Quantity | None = Field(default=None, description="Memory that the server is sure to have.")
    memory_limit: Quantity | None = Field(default=None, description="Memory beyond which it is ended.")
    gpus: Count = Field(default=0, description="GPUs.")
    environment: Annotated[dict[EnvironmentName, Annotated[str, Field(max_length=4096)]], AfterValidator(not_ours)] = (
        Field(default={}, max_length=64, description="Environment of the server. Everybody can read it: no secrets.")
    )
    node_selector: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        default={}, max_length=16, description="Labels that the node must have."
    )


class SharedVolume(Model):
    """A volume that many servers see, to read only."""

    name: Slug = Field(description="Short name, once in a VO.")
    claim: ObjectName = Field(description="PersistentVolumeClaim in the namespace of people's pods.")
    mount_path: Prefix = Field(description="Where servers see it, such as /data/calibration.")

    @field_validator("mount_path")
    @classmethod
    def _not_over_ours(cls, value: str) -> str:
        if value.split("/")[1] not in MOUNT_ROOTS:
            raise ValueError(f"{value!r}: mount at or below one of /{' /'.join(MOUNT_ROOTS)}")
        return value
