"""What one development issuer is told: its settings, its people and its clients, read from mounted files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

CODE = "authorization_code"
REFRESH = "refresh_token"
CLIENT = "client_credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lifetimes(_Model):
    """Seconds. `code: null` is what INDIGO IAM 1.12 does in fact: an unused code stays good."""

    access_token: Annotated[int, Field(ge=2)] = 3600
    id_token: Annotated[int, Field(ge=2)] = 600
    refresh_token: Annotated[int, Field(ge=2)] = 2592000
    device_code: Annotated[int, Field(ge=1)] = 600
    session: Annotated[int, Field(ge=1)] = 86400
    code: Annotated[int, Field(ge=1)] | None = None


class Mood(_Model):
    """A bad day: what befalls requests to these paths. As it stands here, none."""

    paths: tuple[str, ...] = ("/token",)
    #: seconds that answers are held back
    delay: Annotated[float, Field(ge=0, le=60)] = 0
    #: the connection is gone in the middle of the body
    cut: bool = False
    #: answered instead of anything else, with this Retry-After (seconds)
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    retry_after: Annotated[int, Field(ge=1)] | None = None
    #: a web page instead of JSON, with that status or 200
    page: bool = False


class Settings(_Model):
    """`issuer.yaml`. The issuer is the claim `iss` of access tokens exactly as it stands here, slash or no slash."""

    issuer: Annotated[str, Field(pattern=r"^https://[^/?#@]+/?$")]
    organisation: str = "indigo-dc"
    lifetimes: Lifetimes = Lifetimes()
    #: scopes below whose path a narrower one may be asked for (IAM: system scopes); others only word by word
    system_scopes: tuple[str, ...] = ()
    #: scopes that begin so are given only as `group_scopes` allows; all others to everybody
    restricted: tuple[str, ...] = ("storage.",)
    #: group -> the restricted scopes (and what lies below their paths) that its members may have
    group_scopes: dict[str, tuple[str, ...]] = {}
    #: add `iss` to authorization responses (RFC 9207); IAM does not
    iss_parameter: bool = False
    #: seconds between publishing a key found while running and signing with it
    publish_ahead: Annotated[int, Field(ge=0)] = 600
    #: a token exchange may give scopes that the exchanged token lacks; newer IAMs can forbid that for a VO
    exchange_widens: bool = True
    #: access tokens are looked up, so that they can be cleared and revoked; newer IAMs can do without a record of them,
    #: and believe a token until its end
    access_tokens_on_record: bool = True
    mood: Mood = Mood()


class Client(_Model):
    """A registered client; without a secret it is public. The flags are IAM's, with IAM's defaults."""

    client_id: str
    client_secret: str | None = Field(default=None, repr=False)
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = (CODE, REFRESH)
    scopes: tuple[str, ...] = ("openid", "profile", "offline_access", "wlcg.groups")
    reuse_refresh_token: bool = True
    #: seconds for which a refresh token that was rotated away is still good; IAM: none
    refresh_token_grace: Annotated[int, Field(ge=0)] = 0
    clear_access_tokens_on_refresh: bool = True
    allow_introspection: bool = True
    #: may change people while the issuer runs (`admin`): a test's client, never a facility's
    administers: bool = False


class Person(_Model):
    """An account. `login` is typed into the form; `preferred_username` is the claim, the login unless given."""

    login: str
    password: str = Field(repr=False)
    sub: str
    given_name: str = ""
    family_name: str = ""
    email: str = ""
    preferred_username: str = ""
    groups: tuple[str, ...] = ()
    optional_groups: tuple[str, ...] = ()
    active: bool = True
    #: has to sign the acceptable use policy before anything else is given
    aup_due: bool = False

    @property
    def username(self) -> str:
        """The claim `preferred_username`."""
        return self.preferred_username or self.login

    @property
    def name(self) -> str:
        """The claim `name`."""
        return f"{self.given_name} {self.family_name}".strip() or self.username


class Change(_Model):
    """What a test changes of a person; None: stays."""

    groups: tuple[str, ...] | None = None
    active: bool | None = None
    aup_due: bool | None = None


class Directory(_Model):
    """Who and what the issuer knows."""

    people: tuple[Person, ...] = ()
    clients: tuple[Client, ...] = ()

    def client(self, client_id: str | None) -> Client | None:
        """The client of that id, if there is one."""
        return next((c for c in self.clients if c.client_id == client_id), None)

    def person(self, sub: str | None) -> Person | None:
        """The person whose subject that is, if there is one."""
        return next((p for p in self.people if p.sub == sub), None)

    def account(self, login: str) -> Person | None:
        """The person who signs in under that name, if there is one."""
        return next((p for p in self.people if p.login == login), None)


def load_settings(path: Path) -> Settings:
    """From issuer.yaml. Raises OSError, yaml.YAMLError or pydantic.ValidationError."""
    return Settings.model_validate(yaml.safe_load(path.read_text()))


def load_directory(people: Path, clients: Path) -> Directory:
    """From the two mounted Secrets' files, each a YAML list. Raises like `load_settings`."""
    return Directory.model_validate(
        {"people": yaml.safe_load(people.read_text()) or (), "clients": yaml.safe_load(clients.read_text()) or ()}
    )
