"""root:// through fsspec: a renewed token gets a connection of its own, and is never part of a name."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.lake.root import LakeXRootDFileSystem, cut
from facility.tokens.discovery import InvalidTokenError
from tests.fakes import root_server

HOST = "xcache-cms.facility.svc:1094"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lake"
    path.write_text("first.token")
    monkeypatch.delenv("BEARER_TOKEN", raising=False)
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(path))
    monkeypatch.setenv("LAKE_HOSTS", "xcache-cms.facility.svc")
    return path


def filesystem(hostid: str = HOST) -> LakeXRootDFileSystem:
    return LakeXRootDFileSystem(hostid, skip_instance_cache=True)


def test_a_new_token_makes_another_channel_and_the_same_token_the_same(token: Path) -> None:
    lake = filesystem()
    first = lake.unstrip_protocol("/cms/open/f.root")
    assert lake.unstrip_protocol("/cms/open/f.root") == first
    token.write_text("second.token")
    second = lake.unstrip_protocol("/cms/open/f.root")
    assert first != second
    assert first.partition("@")[2] == second.partition("@")[2] == f"{HOST}//cms/open/f.root"


def test_the_client_for_questions_follows_the_token_too(token: Path) -> None:
    lake = filesystem()
    first = lake._myclient.url.hostid
    token.write_text("second.token")
    assert lake._myclient.url.hostid != first


def test_a_url_kept_beyond_its_token_becomes_one_of_the_token_now(token: Path) -> None:
    lake = filesystem()
    kept = lake.unstrip_protocol("/cms/open/f.root")
    token.write_text("second.token")
    assert lake.unstrip_protocol(kept) == lake.unstrip_protocol("/cms/open/f.root")
    again = filesystem(kept.removeprefix("root://").partition("//")[0])
    assert again.unstrip_protocol("/cms/open/f.root") == lake.unstrip_protocol("/cms/open/f.root")


def test_a_user_that_came_with_the_url_stays(token: Path) -> None:
    assert filesystem(f"me@{HOST}").unstrip_protocol("/f") == f"root://me@{HOST}//f"


def test_without_a_token_the_lake_says_which_file_is_missing(token: Path) -> None:
    lake = filesystem()
    token.unlink()
    with pytest.raises(InvalidTokenError, match=str(token)):
        lake.unstrip_protocol("/f")


def test_without_a_token_another_server_is_opened_as_ever(token: Path) -> None:
    token.unlink()
    assert filesystem("eospublic.cern.ch").unstrip_protocol("/f") == "root://eospublic.cern.ch//f"


def test_the_token_is_neither_in_the_url_nor_in_the_pickle(token: Path) -> None:
    lake = filesystem()
    assert "first.token" not in lake.unstrip_protocol("/f")
    pickled = pickle.dumps(lake)
    assert b"first.token" not in pickled
    assert pickle.loads(pickled).unstrip_protocol("/f") == lake.unstrip_protocol("/f")


@given(start=st.integers(0, 1 << 40), length=st.integers(0, 1 << 27))
def test_a_cut_range_is_whole_and_in_order_and_fits_a_vector_read(start: int, length: int) -> None:
    pieces = cut(start, start + length)
    assert sum(stop - begin for begin, stop in pieces) == length
    assert all(0 < stop - begin <= 2097136 for begin, stop in pieces)
    assert [begin for begin, _ in pieces[1:]] == [stop for _, stop in pieces[:-1]]


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), (2, None), (None, 4), (1, 3), (-3, None), (None, -1), (-4, -2), (-100, 2)]
)
def test_a_range_of_a_file_is_what_python_would_slice(
    token: Path, tmp_path: Path, start: int | None, end: int | None
) -> None:
    (tmp_path / "f").write_bytes(b"events")
    with root_server.serving(tmp_path, token) as server:
        server.good = {"first.token"}
        lake = filesystem(f"localhost:{server.port}")
        assert lake.cat_file("/f", start=start, end=end) == b"events"[start:end]
