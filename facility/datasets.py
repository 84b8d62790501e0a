"""The CachedDataset object: a part of the lake that a VO's caches are to hold. The CRD is generated from this model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from facility.lakes import covers
from facility.model import Model, Prefix, Quantity
from facility.vo import Condition, VirtualOrganization

#: of the condition Ready
COMPLETE = "Complete"


class CachedDatasetSpec(Model):
    """What is to be held."""

    vo: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,14}$")] = Field(description="Whose caches; never changes.")
    paths: tuple[Prefix, ...] = Field(
        min_length=1, max_length=32, description="Files of the VO's lakes, and directories with all that is below them."
    )
    limit: Quantity | None = Field(
        default=None, description="Most bytes that are brought, in the order of their paths, such as 2Ti."
    )
    pinned: bool = Field(
        default=False,
        description="True: held as long as this object is there: what went, changed or is new is brought again. "
        "False: brought once, and goes when it was not read for long.",
    )


class CachedDatasetStatus(Model):
    """Written by the operator."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)
    observed_generation: int | None = None
    files: int = Field(default=0, description="Files that are to be held.")
    bytes: int = Field(default=0, description="Their size.")
    present_files: int = Field(default=0, description="Those that are there.")
    present_bytes: int = Field(default=0, description="Their size.")
    progress: str = Field(default="", description="The same as a few words.")
    conditions: tuple[Condition, ...] = ()


class CachedDataset(Model):
    """The object as the API server gives it, reduced to what the facility reads."""

    name: str
    created: str
    generation: int
    spec: CachedDatasetSpec
    status: CachedDatasetStatus = CachedDatasetStatus()

    @classmethod
    def parse(cls, obj: dict[str, Any]) -> CachedDataset:
        """From a Kubernetes object. Raises pydantic.ValidationError when its shape is wrong."""
        meta = obj["metadata"]
        return cls(
            name=meta["name"],
            created=meta.get("creationTimestamp", ""),
            generation=meta.get("generation", 0),
            spec=CachedDatasetSpec.model_validate(obj.get("spec") or {}),
            status=CachedDatasetStatus.model_validate(obj.get("status") or {}),
        )

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: it was brought as it is wanted, and is not pinned."""
        good = any(one.type == "Ready" and one.reason == COMPLETE for one in self.status.conditions)
        return good and not self.spec.pinned and self.status.observed_generation == self.generation

    def problem(self, vo: VirtualOrganization) -> str:
        """Why that VO's caches cannot hold it, as a sentence; empty when they can."""
        outside = [path for path in self.spec.paths if not any(covers(lake.prefix, path) for lake in vo.spec.lakes)]
        return f"{outside[0]} lies in no lake of VO {vo.name}: write paths as they are in the lake" if outside else ""
