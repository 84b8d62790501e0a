"""A VO's part in the pool: its access point and execute pods, and how its people share them."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field, field_validator

from facility.limits import PodLimits
from facility.model import Count, Group, Model, Scope, Share


class GroupShare(Model):
    """What a group gives its people when they compete with others of the VO for cores."""

    group: Group = Field(description="Group as tokens and userinfo assert it in `wlcg.groups`, such as /cms/analysis.")
    share: Share = Field(description="Of a person of this group; the largest counts for who is in several.")


class Batch(Model):
    """The VO's access point and execute pods."""

    enabled: bool = Field(default=True, description="Whether the VO has an access point at all.")
    scopes: tuple[Scope, ...] = Field(
        default=("compute.read", "compute.create", "compute.modify", "compute.cancel"),
        max_length=64,
        description="What a person's token for the access point may hold.",
    )
    image: str = Field(
        default="", max_length=512, description="Container image of execute pods; the site's notebook image if empty."
    )
    max_execute_pods: Count = Field(default=20, description="Most execute pods of the VO at a time.")
    limits: PodLimits = Field(default=PodLimits(), description="Most that all execute pods of the VO ask for together.")
    share: Share = Field(
        default=100, description="Of this VO when VOs compete for cores: one with twice the share gets twice as many."
    )
    shares: tuple[GroupShare, ...] = Field(
        default=(), max_length=64, description="Shares of people within the VO by their groups; 100 for all others."
    )
    max_cpus: Count = Field(default=0, description="Most cores of the VO's execute pods together; 0: no such limit.")
    max_cpus_per_person: Count = Field(
        default=0, description="Most cores of one person's execute pods together; 0: no such limit."
    )
    max_running_jobs_per_person: Count = Field(
        default=0, description="Most jobs of one person that run at a time; 0: no such limit."
    )

    @field_validator("shares")
    @classmethod
    def _groups_once(cls, value: tuple[GroupShare, ...]) -> tuple[GroupShare, ...]:
        called = [one.group for one in value]
        if doubled := sorted({group for group in called if called.count(group) > 1}):
            raise ValueError(f"group {doubled[0]} has two shares")
        return value

    def share_of(self, groups: Collection[str]) -> int:
        """The share of a person who is in these groups."""
        return max((one.share for one in self.shares if one.group in groups), default=100)
