"""What travels over the broker's interface, as models: requests are read with them, and described by them.

No error of theirs ever quotes what was sent: it may be a token.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facility.broker import errors
from facility.broker.errors import BrokerError

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
#: a hub user's name as `names.hub_user` makes it
USER = r"^[a-z][a-z0-9]{0,14}-[a-z0-9](-?[a-z0-9]){0,15}$"
_DAY = 86400

Text = Annotated[str, Field(min_length=1, max_length=255)]


class Message(BaseModel):
    """A body, a form, or the parameters of a query."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TokenForm(Message):
    """A request for a token (RFC 8693, section 2.1). Parameters of other names are ignored (RFC 6749, section 3.2)."""

    model_config = ConfigDict(extra="ignore")
    grant_type: Literal["urn:ietf:params:oauth:grant-type:token-exchange"]
    subject_token: str = Field(max_length=16384, repr=False, description="The pod's identity token.")
    subject_token_type: Literal["urn:ietf:params:oauth:token-type:jwt"]
    audience: str = Field(min_length=1, max_length=255, description="The one audience that the token is for.")
    scope: str = Field(
        default="", max_length=16384, description="Scopes with spaces between; all that is allowed unless given."
    )
    requested_subject: str = Field(
        default="", max_length=64, description="Access points: the owner whose token it is, such as cms_alice."
    )
    min_valid: Annotated[int, Field(ge=0, le=_DAY)] = Field(
        default=0, description="Seconds that the token should have left; at most two thirds of the life of such tokens."
    )


class TokenAnswer(Message):
    """A token (RFC 8693, section 2.2.1)."""

    access_token: str = Field(repr=False)
    issued_token_type: Literal["urn:ietf:params:oauth:token-type:access_token"]
    token_type: Literal["Bearer"]
    expires_in: int = Field(ge=0, description="Seconds that it is good for from now.")
    scope: str
    warning: str | None = Field(default=None, description="A sentence, while no newer token is to be had.")


class Error(Message):
    """An error (RFC 6749, section 5.2)."""

    error: str = Field(pattern="^[a-z_]+$")
    error_description: str = Field(description="A sentence for people; never holds a token.")
    allowed: dict[str, str] | None = Field(
        default=None, description="Audience to scopes, when more was asked for than policy allows."
    )


class Waiting(Message):
    """How long an answer may be held back."""

    model_config = ConfigDict(extra="ignore")
    seen: str = Field(default="", max_length=64, description="The `state` of the answer that the caller has.")
    wait: float = Field(
        default=0.0,
        ge=0,
        le=9999,
        allow_inf_nan=False,
        description="Seconds, of which 60 count at most, for which the answer is held back while it is that one.",
    )


class File(Message):
    """A token to keep as a file."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9-]*$")
    audience: str
    scope: str


class Refusal(Message):
    """Why none of these tokens is to be had now."""

    error: str = Field(pattern="^[a-z_]+$")
    error_description: str


class Listing(Message):
    """What an agent keeps."""

    files: tuple[File, ...]
    refused: Refusal | None = None
    state: str = Field(pattern="^[0-9a-f]{16}$", description="The same exactly for the same content.")
    again: float | None = Field(default=None, ge=0, description="Seconds that the broker wants to be left alone.")


class SignInBody(Message):
    """What the hub knows of a person who has just signed in."""

    model_config = ConfigDict(extra="ignore", strict=True)
    vo: str = Field(pattern="^[a-z][a-z0-9]{0,14}$")
    sub: Text = Field(description="The subject, as the issuer has it.")
    claim: Text = Field(description="The person's name, as the issuer has it.")
    refresh_token: str = Field(min_length=1, max_length=16384, repr=False)
    scopes: list[Annotated[str, Field(max_length=512)]] = Field(max_length=256, description="The granted ones.")
    groups: list[Annotated[str, Field(max_length=255)]] = Field(max_length=1024, description="As asserted.")


class User(Message):
    """A hub user."""

    user: str = Field(pattern=USER)


class StandingBody(Message):
    """How a session is."""

    state: Literal["good", "dead", "unknown"]
    reason: str
    groups: list[str] | None = Field(description="wlcg.groups as known; null: not known.")


class BatchBody(Message):
    """How a person's jobs fare, as the operator has written it last."""

    user: str = Field(pattern=USER)
    known: bool = Field(description="Whether the operator has written anything yet; all else is empty until then.")
    idle: int = Field(ge=0)
    running: int = Field(ge=0)
    held: int = Field(ge=0)
    pods: int = Field(ge=0, description="Execute pods that work for this person, or will.")
    cpus: int = Field(ge=0, description="Cores of those pods.")
    allowed_cpus: int = Field(
        ge=0, alias="allowedCpus", description="Cores that this person may have by their share at the moment."
    )
    waiting: str = Field(description="Why jobs wait, as a sentence; empty when none waits.")


class Health(Message):
    """The process serves."""

    status: Literal["serving"]


Read = TypeVar("Read", bound=Message)


def read(kind: type[Read], value: Any) -> Read:
    """A message of what was sent. Raises BrokerError, which names what is wrong and quotes none of it."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise malformed(error) from None


def malformed(error: ValidationError) -> BrokerError:
    """What is wrong with a message, in words."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    if any((one["loc"], one["type"]) == (("grant_type",), "literal_error") for one in found):
        return errors.unsupported_grant_type(f"grant_type must be {GRANT}")
    told = (f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg'][:200]}" for one in found[:5])
    return errors.invalid_request("; ".join(told))
