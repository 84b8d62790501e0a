"""The FacilityUser object: one person in one VO. No secret is ever in it. The CRD is generated from this model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from facility import names
from facility.model import Group, Model
from facility.vo import Condition

#: `sub` as it may stand in HTCondor's mapfile: printable ASCII without space, quote, backslash and comma
SUBJECT = r"^[\x21\x23-\x2B\x2D-\x5B\x5D-\x7E]{1,255}$"


class FacilityUserSpec(Model):
    """Who it is. Made by the broker at the first sign-in; the name belongs to the first `sub` that came with it."""

    vo: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,14}$")]
    sub: Annotated[str, Field(pattern=SUBJECT)] = Field(description="Subject at the VO's issuer.")
    name: Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9])*$", max_length=16)]
    uid: Annotated[int, Field(ge=20000, le=2000000000)] | None = Field(
        default=None, description="Unix uid and gid of the owner's jobs; given once by the operator, never again."
    )
    jobs_suspended: Annotated[str, Field(pattern=r"^[\x20\x21\x23-\x5B\x5D-\x7E]*$", max_length=200)] | None = Field(
        default=None,
        description="Why this person's jobs are stopped, as a sentence that they are shown: jobs wait, new ones are "
        "refused. Set by administrators; empty: jobs are not stopped.",
    )


class BatchStatus(Model):
    """How a person's jobs fare. Written by the operator."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)
    idle: int = 0
    running: int = 0
    held: int = 0
    pods: int = Field(default=0, description="Execute pods that work for this person, or will.")
    cpus: int = Field(default=0, description="Cores of those pods.")
    allowed_cpus: int = Field(default=0, description="Cores of the pods that their share gives them at the moment.")
    waiting: str = Field(default="", description="Why jobs wait, as a sentence; empty when none waits.")


class FacilityUserStatus(Model):
    """`TokenReady` is written by the broker (reasons: SignedIn, SignInAgain, NotInGroup, VOClosed,
    IssuerUnavailable, ClientRefused, AnswerRefused)."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)
    groups: tuple[Group, ...] = Field(
        default=(),
        max_length=256,
        description="Groups as the issuer asserted them last; written by the broker.",
    )
    batch: BatchStatus = BatchStatus()
    last_sign_in: str | None = None
    conditions: tuple[Condition, ...] = ()


class FacilityUser(Model):
    """The object as the API server gives it, reduced to what the facility reads."""

    spec: FacilityUserSpec
    status: FacilityUserStatus = FacilityUserStatus()

    @classmethod
    def parse(cls, obj: dict[str, Any]) -> FacilityUser:
        """From a Kubernetes object. Raises pydantic.ValidationError when its shape is wrong."""
        return cls(
            spec=FacilityUserSpec.model_validate(obj.get("spec") or {}),
            status=FacilityUserStatus.model_validate(obj.get("status") or {}),
        )

    @property
    def hub_user(self) -> str:
        """`cms-alice`, also the object's name."""
        return names.hub_user(self.spec.vo, self.spec.name)

    @property
    def owner(self) -> str:
        """`cms_alice`."""
        return names.owner(self.spec.vo, self.spec.name)
