"""What follows at the hub from what the broker says of a session: for whom, and until when."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyterhub import orm, roles, scopes
from jupyterhub.user import User
from tornado import web

from facility.hub import groups
from facility.hub.authenticator import VOAuthenticator
from facility.hub.standing import Standing
from tests.fakes.authority import Authority
from tests.fakes.hub_neighbours import Broker, Reply

HELD = ["cms:", "cms:/cms", "cms:/cms/admins"]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    authority = Authority(tmp_path)
    (tmp_path / "identity").write_text("me")
    with Broker(authority, "me") as one:
        yield one


@pytest.fixture
def alice() -> Iterator[User]:
    """A user as JupyterHub has her after a sign-in."""
    database = orm.new_session_factory("sqlite:///:memory:")()
    for role in roles.get_default_roles():
        roles.create_role(database, role)
    row = orm.User(name="cms-alice")
    database.add(row)
    database.commit()
    roles.assign_default_roles(database, row)
    user = User(row)
    user.sync_groups(HELD)
    yield user
    database.close()


def hub(broker: Broker, files: Path, **more: str) -> VOAuthenticator:
    places = {"broker_url": broker.url, "bundle": str(files / "ca.crt"), "identity": str(files / "identity")}
    made = VOAuthenticator(**{**places, **more})
    made.log = logging.getLogger("hub")
    return made


def held(user: User) -> list[str]:
    return sorted(group.name for group in user.orm_user.groups)


def may(user: User) -> bool:
    """Whether the user's tokens open anything of theirs."""
    return "servers!user=cms-alice" in scopes.get_scopes_for(user.orm_user)


def told(state: str, reason: str, found: Any = None) -> Reply:
    return Reply(body={"state": state, "reason": reason, "groups": found})


#: the broker's answer; what refresh_user gives; the groups then held; whether the person's tokens open anything
TABLE: dict[str, tuple[Reply, bool | list[str], list[str], bool]] = {
    "good": (told("good", "SignedIn", ["/cms", "/cms/admins"]), True, HELD, True),
    "good, groups unknown": (told("good", "SignedIn"), True, HELD, True),
    "good, without groups": (Reply(body={"state": "good", "reason": "SignedIn"}), True, HELD, True),
    "good, nonsense for groups": (told("good", "SignedIn", "all"), True, HELD, True),
    "good, no text among groups": (told("good", "SignedIn", ["/cms", 1]), True, HELD, True),
    "a group less": (told("good", "SignedIn", ["/cms"]), ["cms:", "cms:/cms"], HELD, True),
    "a group more": (told("good", "SignedIn", ["/cms", "/x", "/cms/admins"]), [*HELD, "cms:/x"], HELD, True),
    "no groups": (told("good", "SignedIn", []), ["cms:"], HELD, True),
    "issuer away": (told("unknown", "IssuerUnavailable", []), True, HELD, True),
    "client refused": (told("unknown", "ClientRefused"), True, HELD, True),
    "dead": (told("dead", "SignInAgain"), False, ["cms:"], True),
    "dead for a reason of tomorrow": (told("dead", "SomethingNew"), False, ["cms:"], True),
    "not in the group": (told("dead", "NotInGroup", []), False, ["cms:"], False),
    "VO closed": (told("dead", "VOClosed"), False, ["cms:"], False),
    "broker fails": (Reply(500), True, HELD, True),
    "broker away": (Reply(503, {"state": "dead", "reason": "VOClosed"}), True, HELD, True),
    "hub refused": (Reply(401, {"error": "invalid_client"}), True, HELD, True),
    "no such path": (Reply(404, {"error": "not_found"}), True, HELD, True),
    "no object": (Reply(body=["dead"]), True, HELD, True),
    "no state": (Reply(body={"reason": "NotInGroup"}), True, HELD, True),
}


@pytest.mark.parametrize(("reply", "answer", "groups_then", "opens"), TABLE.values(), ids=TABLE)
async def test_only_a_session_known_dead_is_ended(
    broker: Broker,
    tmp_path: Path,
    alice: User,
    reply: Reply,
    answer: bool | list[str],
    groups_then: list[str],
    opens: bool,
) -> None:
    broker.states["cms-alice"] = reply
    given = await hub(broker, tmp_path).refresh_user(alice)
    assert given == ({"groups": answer} if isinstance(answer, list) else answer)
    assert held(alice) == groups_then
    assert may(alice) is opens


async def test_who_is_in_good_standing_again_gets_back_what_they_had(
    broker: Broker, tmp_path: Path, alice: User
) -> None:
    one = hub(broker, tmp_path)
    broker.states["cms-alice"] = told("dead", "VOClosed")
    assert await one.refresh_user(alice) is False
    broker.states["cms-alice"] = told("good", "SignedIn", ["/cms", "/cms/admins"])
    # a dict makes JupyterHub give the default role again, and set the groups
    assert await one.refresh_user(alice) == {"groups": HELD}
    roles.assign_default_roles(alice.db, alice.orm_user)
    alice.sync_groups(HELD)
    assert await one.refresh_user(alice) is True


async def test_a_session_stays_ended_when_the_hubs_database_fails(
    broker: Broker, tmp_path: Path, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    broker.states["cms-alice"] = told("dead", "NotInGroup")
    alice.db.expire(alice.orm_user, ["groups"])
    orm.Base.metadata.tables["user_group_map"].drop(alice.db.connection())
    assert await hub(broker, tmp_path).refresh_user(alice) is False
    assert "could not be followed" in caplog.text


async def test_a_broker_that_is_not_there_signs_nobody_out(broker: Broker, tmp_path: Path, alice: User) -> None:
    assert await hub(broker, tmp_path, broker_url="https://127.0.0.1:1").refresh_user(alice) is True


async def test_a_broker_of_an_unknown_authority_is_not_believed(broker: Broker, tmp_path: Path, alice: User) -> None:
    broker.states["cms-alice"] = told("dead", "SignInAgain")
    other = tmp_path / "other"
    other.mkdir()
    assert await hub(broker, tmp_path, bundle=str(Authority(other).bundle)).refresh_user(alice) is True
    assert await hub(broker, tmp_path).refresh_user(alice) is False


async def test_a_hub_without_identity_signs_nobody_out(broker: Broker, tmp_path: Path, alice: User) -> None:
    (tmp_path / "identity").unlink()
    assert await hub(broker, tmp_path).refresh_user(alice) is True


async def test_a_user_who_is_deleted_leaves_no_session(broker: Broker, tmp_path: Path, alice: User) -> None:
    broker.sessions["cms-alice"] = {"sub": "1"}
    await hub(broker, tmp_path).delete_user(alice)
    assert not broker.sessions


async def test_nobody_is_deleted_while_the_broker_is_away(broker: Broker, tmp_path: Path, alice: User) -> None:
    broker.away = True
    with pytest.raises(web.HTTPError) as refused:
        await hub(broker, tmp_path).delete_user(alice)
    assert refused.value.status_code == 503


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/cms/analysis", "cms:/cms/analysis"),
        ("atlas:/atlas", "cms:atlas:/atlas"),
        ("", "cms:"),
        ("/ü", "cms:/ü"),
        ("/a\nb", None),
        ("/" + "a" * 255, None),
    ],
)
def test_a_group_stays_within_its_vo_whatever_it_is_called(path: str, name: str | None) -> None:
    made = groups.of_person("cms", [path])
    assert made == sorted({"cms:", name} if name else {"cms:"})
    assert all(one.startswith("cms:") for one in made)


def test_groups_are_shown_as_the_issuer_calls_them() -> None:
    assert groups.paths("cms", ["cms:", "cms:/cms", "cms:/a", "atlas:/atlas"]) == ["/a", "/cms"]


@pytest.mark.parametrize("reason", ["SignedIn", "SignInAgain", "NotInGroup", "VOClosed", "IssuerUnavailable", "", "X"])
def test_every_state_is_told_in_a_sentence(reason: str) -> None:
    for state in ("good", "dead", "unknown"):
        sentence = Standing(state, reason).sentence("CMS", "is suspended")
        assert sentence.endswith(".")
        assert "{" not in sentence
