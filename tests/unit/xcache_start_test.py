"""The cache's entry point makes of mounted files what xrootd accepts."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.xcache import places, start

GI = 1 << 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for directory in (places.TLS, places.CONFIG, places.VOLUME, places.RUN):
        (tmp_path / directory.lstrip("/")).mkdir(parents=True)
    (at(tmp_path, places.TLS) / "tls.crt").write_text("certificate")
    (at(tmp_path, places.TLS) / "tls.key").write_text("key")
    (at(tmp_path, places.CONFIG) / "xrootd.cfg").write_text("xrd.port 1094\n")
    return tmp_path


def at(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_tls_key_is_readable_for_its_owner_alone(root: Path) -> None:
    start.prepare(root, "")
    assert at(root, places.TLS_KEY).read_text() == "key"
    assert mode(at(root, places.TLS_KEY)) == 0o400
    assert at(root, places.TLS_CERTIFICATE).read_text() == "certificate"


def test_each_cache_gets_a_secret_against_plain_http_of_its_own(root: Path) -> None:
    start.prepare(root, "")
    first = at(root, places.HTTP_SECRET).read_text()
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert mode(at(root, places.HTTP_SECRET)) == 0o600
    start.prepare(root, "")
    assert at(root, places.HTTP_SECRET).read_text() != first


def test_a_restarted_container_takes_the_renewed_key(root: Path) -> None:
    start.prepare(root, "")
    (at(root, places.TLS) / "tls.key").write_text("renewed")
    start.prepare(root, "")
    assert at(root, places.TLS_KEY).read_text() == "renewed"


def test_the_configuration_ends_with_what_only_the_volume_tells(root: Path) -> None:
    start.prepare(root, "pfc.diskusage 0.90 0.95\n")
    assert (at(root, places.RUN) / "xrootd.cfg").read_text() == "xrd.port 1094\npfc.diskusage 0.90 0.95\n"


def test_cached_files_and_issuers_keys_lie_on_the_volume(root: Path) -> None:
    start.prepare(root, "")
    assert at(root, places.DATA).is_dir()
    assert at(root, places.KEYS).is_dir()


def test_what_xrootd_writes_down_lies_where_others_may_look_and_see_no_file(root: Path) -> None:
    old = at(root, places.STATISTICS)
    old.mkdir(parents=True)
    (old / "DirStat.json").write_text("{}")
    for _ in range(2):
        start.prepare(root, "")
        assert str(old.readlink()) == f"{places.VOLUME}/accounting"
    assert at(root, f"{places.VOLUME}/accounting").is_dir()


def test_a_cache_on_a_shared_disk_keeps_to_its_size() -> None:
    line = start.configuration(20 * GI, 1000 * GI)
    assert line == "pfc.diskusage 0.90 0.95 files 16537m 17899m 19456m purgeinterval 60\n"


def test_a_missing_size_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(places.SIZE, raising=False)
    with pytest.raises(KeyError, match="XCACHE_SIZE"):
        start.main()


@given(size=st.integers(0, 1 << 50), total=st.integers(64 << 20, 1 << 50))
def test_the_limits_are_such_that_xrootd_starts(size: int, total: int) -> None:
    found = re.fullmatch(
        r"pfc\.diskusage 0\.90 0\.95 files (\d+)m (\d+)m (\d+)m purgeinterval 60\n", start.configuration(size, total)
    )
    assert found
    baseline, nominal, largest = (int(number) << 20 for number in found.groups())
    assert 0 < baseline < nominal < largest < 0.90 * total
    assert largest <= max(size, 3 << 20)
