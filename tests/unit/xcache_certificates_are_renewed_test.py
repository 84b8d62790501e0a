"""A renewed certificate reaches a running cache: the copies that xrootd reads follow the mounted Secret."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from facility.xcache import places, tls
from facility.xcache.places import below


class Mounted:
    """A Secret as the kubelet mounts it: each state in a folder of its own, changed by turning one link."""

    def __init__(self, root: Path) -> None:
        self.root, self.place, self.states = root, below(root, places.TLS), 0
        self.place.mkdir(parents=True)
        below(root, places.RUN).mkdir(parents=True)
        for name in ("tls.crt", "tls.key"):
            (self.place / name).symlink_to(f"..data/{name}")

    def hold(self, certificate: str, key: str) -> None:
        self.states += 1
        state = self.place / f"..state{self.states}"
        state.mkdir()
        (state / "tls.crt").write_text(certificate)
        (state / "tls.key").write_text(key)
        link = self.place / "..new"
        link.symlink_to(state.name)
        link.rename(self.place / "..data")

    def copies(self) -> tuple[str, str]:
        paths = (places.TLS_CERTIFICATE, places.TLS_KEY)
        certificate, key = (below(self.root, path).read_text() for path in paths)
        return certificate, key


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    made = Mounted(tmp_path)
    made.hold("certificate", "key")
    return made


def test_the_copies_follow_the_secret(mounted: Mounted) -> None:
    assert tls.install(mounted.root)
    assert mounted.copies() == ("certificate", "key")
    mounted.hold("certificate 2", "key 2")
    assert tls.install(mounted.root)
    assert mounted.copies() == ("certificate 2", "key 2")


def test_what_has_not_changed_is_not_written(mounted: Mounted) -> None:
    tls.install(mounted.root)
    before = below(mounted.root, places.TLS_KEY).stat().st_ino
    assert not tls.install(mounted.root)
    assert below(mounted.root, places.TLS_KEY).stat().st_ino == before


def test_copies_are_exchanged_whole_and_for_their_owner_alone(mounted: Mounted) -> None:
    tls.install(mounted.root)
    with below(mounted.root, places.TLS_KEY).open() as opened:
        mounted.hold("certificate 2", "key 2")
        tls.install(mounted.root)
        assert opened.read() == "key"
    run = below(mounted.root, places.RUN)
    assert {path.name for path in run.iterdir()} == {"tls.crt", "tls.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in run.iterdir()} == {0o400}


def test_the_key_is_there_before_its_certificate(mounted: Mounted) -> None:
    tls.install(mounted.root)
    mounted.hold("certificate 2", "key 2")
    blocked = below(mounted.root, places.TLS_CERTIFICATE)
    blocked.unlink()
    (blocked / "something").mkdir(parents=True)
    with pytest.raises(OSError):  # noqa: PT011 - the certificate cannot be put in place of a folder
        tls.install(mounted.root)
    assert below(mounted.root, places.TLS_KEY).read_text() == "key 2"


def test_what_keeps_a_certificate_away_is_said_once_and_tried_again(mounted: Mounted) -> None:
    said: list[str] = []
    renewal = tls.Renewal(mounted.root, said.append)
    renewal.look()
    link = mounted.place / "..data"
    state = link.readlink()
    link.unlink()
    renewal.look()
    renewal.look()
    link.symlink_to(state)
    mounted.hold("certificate 2", "key 2")
    renewal.look()
    assert [line.partition(":")[0] for line in said] == [
        "the cache has been given another certificate",
        "the certificate cannot be renewed",
        "the cache has been given another certificate",
    ]
    assert mounted.copies() == ("certificate 2", "key 2")
    assert "key 2" not in "".join(said)
