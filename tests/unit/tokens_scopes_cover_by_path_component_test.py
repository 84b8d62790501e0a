"""Scopes: by whole path components, never wider than both sides (WLCG profile, claim `scope`)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.tokens import scopes
from facility.tokens.scopes import Scope, ScopeError, parse, parse_all


@pytest.mark.parametrize(
    ("holder", "wanted", "covered"),
    [
        ("storage.read:/foo", "storage.read:/foo", True),
        ("storage.read:/foo", "storage.read:/foo/bar", True),
        ("storage.read:/foo", "storage.read:/foobar", False),
        ("storage.read:/embargoed", "storage.read:/embargoed2", False),
        ("storage.read:/", "storage.read:/anything/at/all", True),
        ("storage.read:/", "storage.read:/", True),
        ("storage.read:/foo/bar", "storage.read:/foo", False),
        ("storage.read:/foo", "storage.read:/foo/", True),
        ("storage.read:/foo/", "storage.read:/foo", False),
        ("storage.read:/foo/", "storage.read:/foo/bar", True),
        ("storage.read:/foo", "storage.create:/foo", False),
        ("storage.modify:/foo", "storage.create:/foo", False),
        ("storage.stage:/foo", "storage.read:/foo", False),
        ("storage.read:/Foo", "storage.read:/foo", False),
        ("storage.read:/a%20b", "storage.read:/a%20b/c", True),
        ("storage.read:/%66oo", "storage.read:/foo/bar", True),
        ("compute.read", "compute.read", True),
        ("compute.read", "compute.create", False),
        ("wlcg.groups:/cms", "wlcg.groups:/cms/uscms", False),
        ("openid", "storage.read:/", False),
    ],
)
def test_a_scope_covers_what_lies_below_it_and_nothing_beside_it(holder: str, wanted: str, covered: bool) -> None:
    assert parse(holder).covers(parse(wanted)) is covered


@pytest.mark.parametrize(
    "text",
    [
        "storage.read",
        "storage.read:",
        "storage.read:foo",
        "storage.poll",
        "storage.read:/foo/../bar",
        "storage.read:/..",
        "storage.read:/./foo",
        "storage.read:/foo/%2e%2e/bar",
        "storage.read:/foo/%2E%2E",
        "storage.read:/foo/..%2Fbar",
        "storage.read:/foo%2Fbar",
        "storage.read://foo",
        "storage.read:/foo//bar",
        "storage.read:/foo//",
        "storage.read:/foo%",
        "storage.read:/foo%zz",
        "storage.read:/%ff%fe",
        "storage.read:/foo%00",
        "storage.read:/a\\b",
        "storage.read:/a%5Cb",
        "storage.read:/50%25",
        "storage.read:/%2520",
        'say"so',
        "späm",
        "",
        "a b",
    ],
)
def test_a_scope_that_the_profile_forbids_is_an_error(text: str) -> None:
    with pytest.raises(ScopeError):
        parse(text)


def test_one_bad_scope_among_granted_ones_is_not_granted_and_spoils_nothing() -> None:
    assert scopes.parse_granted("storage.read storage.read:/ok openid") == parse_all("storage.read:/ok openid")


def test_scopes_go_out_spelled_as_they_came_in() -> None:
    spelled = "storage.read:/a:b+c%20d storage.read:/x/ openid"
    assert scopes.text(parse_all(spelled)) == spelled


def test_two_policies_meet_in_the_narrower_scopes() -> None:
    wanted = parse_all("storage.read:/embargoed storage.read:/open compute.read")
    granted = parse_all("storage.read:/embargoed/mine storage.read:/ openid")
    assert scopes.text(scopes.common(wanted, granted)) == "storage.read:/embargoed storage.read:/open"
    assert scopes.text(scopes.common(wanted, granted[:1])) == "storage.read:/embargoed/mine"
    assert scopes.common(wanted, parse_all("openid")) == ()


_component = st.text(
    st.characters(codec="utf-8", exclude_characters="/%\\", exclude_categories=("Cc", "Cs")), min_size=1
)
_path = st.lists(_component.filter(lambda part: part not in (".", "..")), max_size=4)
_near = st.lists(st.sampled_from(["a", "ab", "b"]), max_size=4)  # few names, so that paths often meet
_storage = st.builds(
    lambda verb, parts, end: Scope(verb, tuple(parts), end or not parts),
    st.sampled_from(["storage.read", "storage.create"]),
    st.one_of(_near, _near, _path),
    st.booleans(),
)
_any = st.one_of(_storage, _storage, st.sampled_from([Scope("compute.read"), Scope("openid")]))
_sets = st.lists(_any, max_size=5).map(tuple)


@given(_any)
def test_a_scope_survives_being_written_and_read(scope: Scope) -> None:
    assert parse(str(scope)) == scope


@given(_any, _any, _any)
def test_covering_is_a_partial_order(one: Scope, two: Scope, three: Scope) -> None:
    assert one.covers(one)
    assert not (one.covers(two) and two.covers(three)) or one.covers(three)
    assert not (one.covers(two) and two.covers(one)) or one == two


@given(_sets, _sets)
def test_what_two_sets_have_in_common_is_covered_by_both(left: tuple[Scope, ...], right: tuple[Scope, ...]) -> None:
    shared = scopes.common(left, right)
    assert scopes.beyond(shared, left) == ()
    assert scopes.beyond(shared, right) == ()


@given(_any, _sets, _sets)
def test_what_both_sets_cover_their_common_part_covers(
    scope: Scope, left: tuple[Scope, ...], right: tuple[Scope, ...]
) -> None:
    both = scopes.covered(scope, left) and scopes.covered(scope, right)
    assert scopes.covered(scope, scopes.common(left, right)) is both


@given(_sets, _sets)
def test_beyond_and_covered_part_a_set_in_two(asked: tuple[Scope, ...], allowed: tuple[Scope, ...]) -> None:
    outside = scopes.beyond(asked, allowed)
    assert all(not scopes.covered(one, allowed) for one in outside)
    assert all(scopes.covered(one, allowed) for one in asked if one not in outside)
