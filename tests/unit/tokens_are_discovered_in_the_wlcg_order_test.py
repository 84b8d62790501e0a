"""WLCG Bearer Token Discovery: the places, their order, and when to stop looking."""

from __future__ import annotations

from pathlib import Path

import pytest

from facility.tokens.discovery import InvalidTokenError, discover, read_file

PLACES = {"BEARER_TOKEN": "one", "BEARER_TOKEN_FILE": "/file", "XDG_RUNTIME_DIR": "/run/user/7"}
FILES = {Path("/file"): "two\n", Path("/run/user/7/bt_u7"): "\v three \f", Path("/tmp/bt_u7"): "four"}


def read(path: Path) -> str | None:
    return FILES.get(path)


@pytest.mark.parametrize(
    ("without", "found"),
    [([], "one"), (["BEARER_TOKEN"], "two"), (["BEARER_TOKEN", "BEARER_TOKEN_FILE"], "three"), (list(PLACES), "four")],
)
def test_the_first_place_that_holds_a_token_wins(without: list[str], found: str) -> None:
    assert discover({key: value for key, value in PLACES.items() if key not in without}, 7, read) == found


def test_an_empty_place_is_passed_over_and_no_place_gives_none() -> None:
    assert discover({**PLACES, "BEARER_TOKEN": " \t\r\n"}, 7, read) == "two"
    assert discover({}, 8, read) is None


@pytest.mark.parametrize("text", ["two words", "späm", "a\nb", "=", "quote'd"])
def test_something_that_is_no_token_ends_the_search_without_being_quoted(text: str) -> None:
    with pytest.raises(InvalidTokenError) as caught:
        discover({**PLACES, "BEARER_TOKEN": text}, 7, read)
    assert str(caught.value).startswith("BEARER_TOKEN holds no bearer token")


def test_a_named_file_that_is_missing_is_an_error_and_not_passed_over() -> None:
    with pytest.raises(InvalidTokenError, match="which does not exist"):
        discover({"BEARER_TOKEN_FILE": "/missing"}, 7, read)


def test_files_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "bt_u7").write_text("from-file\n")
    assert discover({"XDG_RUNTIME_DIR": str(tmp_path)}, 7) == "from-file"
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    assert read_file(tmp_path / "missing") is None
    for bad in (tmp_path / "binary", tmp_path):
        with pytest.raises(InvalidTokenError):
            read_file(bad)
