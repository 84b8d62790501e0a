"""Who is let in by their groups: only those that the issuer asserts count, word by word."""

from __future__ import annotations

import pytest

from facility.tokens.groups import admitted


@pytest.mark.parametrize("groups", [[], ["/cms"], ["/atlas", "/cms/analysis"]])
def test_a_vo_that_lists_no_groups_lets_everybody_of_its_issuer_in(groups: list[str]) -> None:
    assert admitted(groups, ())


@pytest.mark.parametrize(
    ("groups", "allowed"),
    [
        (["/cms"], ["/cms"]),
        (["/cms/analysis", "/cms"], ["/cms/production", "/cms"]),
        (("/cms/analysis",), ("/cms/analysis", "/cms/production")),
        (frozenset({"/a", "/b"}), {"/b"}),
    ],
)
def test_one_of_the_listed_groups_is_enough(groups: list[str], allowed: list[str]) -> None:
    assert admitted(groups, allowed)


@pytest.mark.parametrize(
    ("groups", "allowed"),
    [
        ([], ["/cms"]),
        (["/cms/analysis"], ["/cms"]),  # a child implies no parent
        (["/cms"], ["/cms/analysis"]),
        (["/CMS"], ["/cms"]),
        (["/cms2"], ["/cms"]),
        (["cms"], ["/cms"]),
        (["/cms/"], ["/cms"]),
    ],
)
def test_nothing_is_concluded_from_a_group_that_resembles_a_listed_one(groups: list[str], allowed: list[str]) -> None:
    assert not admitted(groups, allowed)
