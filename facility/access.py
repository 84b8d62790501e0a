"""How people come in, and what is asked of a VO's issuer beside tokens for lakes and batch system."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from facility.model import Group, Model, ObjectName, Scope, Slug

#: characters of an audience and of a client's name: such as stand in a list with spaces between (RFC 6749, VSCHAR)
Audience = Annotated[str, Field(pattern=r"^[\x21-\x7E]+$", max_length=255)]
ClientName = Annotated[str, Field(pattern=r"^[\x21-\x7E]*$", max_length=255)]
Consumer = Literal["notebook", "job"]
#: names of token files that the facility itself makes: `lake`, `lake2` and so on, `compute`
RESERVED_SERVICES = r"lake.*|compute"


class SecretReference(Model):
    """A Secret in the facility's namespace with the keys `client_id` and `client_secret`."""

    name: ObjectName = Field(description="Name of the Secret.")


class Login(Model):
    """Who may sign in, and what their session may ask for."""

    scopes: tuple[Scope, ...] = Field(
        default=("openid", "profile", "offline_access", "wlcg.groups"),
        max_length=64,
        description="Asked for at sign-in, besides the scopes of the lakes, of batch and of the services.",
    )
    allowed_groups: tuple[Group, ...] = Field(
        default=(),
        max_length=64,
        description="wlcg.groups of which a person needs at least one; empty: everybody of the issuer.",
    )
    admin_groups: tuple[Group, ...] = Field(
        default=(),
        max_length=64,
        description="wlcg.groups whose members may see this VO's people at the hub, and start and stop their servers; "
        "never enter them, never those of another VO.",
    )
    name_claim: str = Field(
        default="preferred_username", max_length=64, description="The claim that people are named by."
    )
    device_client: ClientName = Field(
        default="",
        description="client_id of a public client with the device grant, for `facility login` on people's own "
        "machines; empty: not offered.",
    )


class Service(Model):
    """A service outside of the facility that people's notebooks and jobs get tokens for."""

    name: Slug = Field(description="Short name, once in a VO, such as rucio: its token file's too.")
    audience: Audience = Field(description="Audience of tokens for this service; no lake's, no other service's.")
    scopes: tuple[Scope, ...] = Field(
        min_length=1, max_length=64, description="What a person's token for this service may hold."
    )
    consumers: tuple[Consumer, ...] = Field(
        default=("notebook", "job"),
        min_length=1,
        max_length=2,
        description="Who gets it: notebooks, as a file; jobs, when they name it (use_oauth_services).",
    )

    @field_validator("name")
    @classmethod
    def _not_ours(cls, value: str) -> str:
        if re.fullmatch(RESERVED_SERVICES, value):
            raise ValueError(f"{value!r} is a token of the facility itself: lake… and compute are taken")
        return value

    @field_validator("consumers")
    @classmethod
    def _each_once(cls, value: tuple[Consumer, ...]) -> tuple[Consumer, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a consumer is there twice")
        return value


class Tokens(Model):
    """How tokens are asked of the issuer."""

    grant: Literal["Refresh", "Exchange"] = Field(
        default="Refresh",
        description="Refresh: by the person's refresh token alone. Exchange: what that gives is exchanged at the "
        "issuer (RFC 8693) for each audience.",
    )
    exchange_client: SecretReference | None = Field(
        default=None, description="Secret of another client for the exchange; the VO's own unless given."
    )
    requests_per_second: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=5, description="Most requests in a second that this facility sends to the issuer, on average."
    )
