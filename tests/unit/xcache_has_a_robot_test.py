"""A storage that wants X.509 gets the proxy of the VO's robot, which is renewed in time and kept when VOMS is away."""

from __future__ import annotations

import os
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facility.dev.demo import grid
from facility.xcache import places
from facility.xcache.places import below
from facility.xcache.robot import Robot

#: VOMS' tool as far as files go: it says what it was asked for, and fails where the test says so
TOOL = """#!/bin/sh
asked="$*"
while [ $# -gt 0 ]; do case "$1" in -out) out="$2";; -cert) cert="$2";; -voms) voms="$2";; esac; shift; done
echo "$asked" >> "$TOOL_CALLS"
if [ -n "$voms" ] && [ -e "$TOOL_CALLS.away" ]; then echo "no server answers"; exit 1; fi
if grep -q nonsense "$cert"; then echo "no certificate"; exit 1; fi
echo "proxy ${voms:-bare}" > "$out"
"""


class Cache:
    """The pod's files, and the tool's calls."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.time, self.said = root, datetime.now(UTC).timestamp(), list[str]()
        for folder in (places.ROBOT_SECRET, places.RUN, places.CONFIG, str(Path(places.TRUST).parent), "/bin"):
            below(root, folder).mkdir(parents=True)
        self.calls = root / "calls"
        self.calls.touch()
        tool = root / "bin" / "voms-proxy-init"
        tool.write_text(TOOL)
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
        monkeypatch.setenv("TOOL_CALLS", str(self.calls))
        self.pems = grid.make(datetime.now(UTC), timedelta(days=1))
        below(root, places.TRUST).write_text(self.pems["ca.crt"])
        self.hold(self.pems["robot.crt"], self.pems["robot.key"])

    def hold(self, certificate: str, key: str) -> None:
        (below(self.root, places.ROBOT_SECRET) / "tls.crt").write_text(certificate)
        (below(self.root, places.ROBOT_SECRET) / "tls.key").write_text(key)

    def robot(self, voms: str = "") -> Robot:
        return Robot(self.root, voms, lambda: self.time, self.said.append)

    def voms(self, *, away: bool) -> None:
        Path(f"{self.calls}.away").touch() if away else Path(f"{self.calls}.away").unlink()

    @property
    def proxy(self) -> str:
        return below(self.root, places.ROBOT).read_text()

    @property
    def asked(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    return Cache(tmp_path, monkeypatch)


def test_a_certificate_becomes_a_proxy_that_is_renewed_after_half_a_day(cache: Cache) -> None:
    robot = cache.robot()
    for hours, times in ((0, 1), (11, 1), (13, 2)):
        cache.time = datetime.now(UTC).timestamp() + hours * 3600
        robot.look()
        assert len(cache.asked) == times
    assert cache.proxy == "proxy bare\n"
    assert "-rfc" in cache.asked[0].split()


def test_voms_is_asked_for_what_the_vo_says(cache: Cache) -> None:
    cache.robot("cms:/cms/Role=production").look()
    assert cache.proxy == "proxy cms:/cms/Role=production\n"
    assert f"-vomses {below(cache.root, places.CONFIG)}/vomses" in cache.asked[-1]


def test_while_voms_is_away_a_new_cache_has_a_bare_proxy_and_the_reason_is_told_once(cache: Cache) -> None:
    cache.voms(away=True)
    robot = cache.robot("cms")
    robot.look()
    robot.look()
    assert cache.proxy == "proxy bare\n"
    assert len([one for one in cache.said if "no server answers" in one]) == 1
    cache.voms(away=False)
    robot.look()
    assert cache.proxy == "proxy cms\n"


def test_while_voms_is_away_a_running_cache_keeps_the_proxy_that_it_has(cache: Cache) -> None:
    robot = cache.robot("cms")
    robot.look()
    cache.voms(away=True)
    cache.time += 13 * 3600
    robot.look()
    assert cache.proxy == "proxy cms\n"
    assert "no server answers" in cache.said[-1]


def test_started_anew_while_voms_is_away_it_keeps_the_attributes_that_the_cache_has(cache: Cache) -> None:
    cache.robot("cms").look()
    cache.voms(away=True)
    again = cache.robot("cms")
    again.look()
    cache.time += 13 * 3600
    again.look()
    assert cache.proxy == "proxy cms\n"


def test_while_voms_is_away_for_more_than_a_day_the_cache_has_at_least_a_proxy_that_is_good(cache: Cache) -> None:
    robot = cache.robot("cms")
    robot.look()
    cache.voms(away=True)
    cache.time += 25 * 3600
    robot.look()
    assert cache.proxy == "proxy bare\n"


def test_a_certificate_that_cannot_be_read_is_told(cache: Cache) -> None:
    broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"
    robot = cache.robot()
    cache.hold(broken, "")
    robot.look()
    assert cache.said


def test_another_certificate_counts_at_once(cache: Cache) -> None:
    robot = cache.robot()
    robot.look()
    other = grid.make(datetime.now(UTC), timedelta(days=1))
    cache.hold(other["robot.crt"], other["robot.key"])
    robot.look()
    assert len(cache.asked) == 2
    assert below(cache.root, places.ROBOT_KEY).read_text() == other["robot.key"]


def test_a_proxy_that_somebody_else_renews_is_taken_as_it_is(cache: Cache, tmp_path: Path) -> None:
    proxy, key = _proxy(cache.pems, tmp_path)
    cache.hold(proxy + cache.pems["robot.crt"], key)
    cache.robot("cms").look()
    assert cache.asked == []
    assert cache.proxy == proxy + key + cache.pems["robot.crt"]


def test_keys_are_for_their_owner_alone(cache: Cache) -> None:
    cache.robot().look()
    assert stat.S_IMODE(below(cache.root, places.ROBOT_KEY).stat().st_mode) == 0o400


def test_authorities_are_found_by_their_hashed_names_and_follow_the_bundle(cache: Cache) -> None:
    robot = cache.robot()
    other = grid.make(datetime.now(UTC), timedelta(days=1))["ca.crt"]
    for bundle, count in ((cache.pems["ca.crt"], 1), (cache.pems["ca.crt"] + other, 2)):
        below(cache.root, places.TRUST).write_text(bundle)
        robot.look()
        hashed = [one for one in below(cache.root, places.AUTHORITIES).iterdir() if one.suffix in (".0", ".1")]
        assert len(hashed) == count
    assert len(list(below(cache.root, places.RUN).glob("authorities.*"))) == 1


@pytest.mark.parametrize("certificate", ["", "nonsense"])
def test_what_is_no_certificate_is_told_and_leaves_what_there_was(cache: Cache, certificate: str) -> None:
    robot = cache.robot()
    robot.look()
    cache.hold(certificate, "")
    robot.look()
    assert cache.said[-1] == "the robot's Secret has no certificate in tls.crt"
    assert cache.proxy == "proxy bare\n"


def _proxy(pems: dict[str, str], folder: Path) -> tuple[str, str]:
    """A certificate with the extension by which proxies are known, and its key."""
    for name in ("ca.crt", "robot.crt", "robot.key"):
        (folder / name).write_text(pems[name])
    (folder / "extensions").write_text("proxyCertInfo=critical,language:id-ppl-inheritAll\n")
    run = {"check": True, "capture_output": True, "cwd": folder}
    subject = "/O=Demo grid/CN=Robot: the cache/CN=1"
    asked = ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "p.key", "-subj", subject, "-out"]
    subprocess.run([*asked, "p.csr"], **run)  # type: ignore[call-overload]
    signed = ["openssl", "x509", "-req", "-in", "p.csr", "-CA", "robot.crt", "-CAkey", "robot.key", "-days", "1"]
    subprocess.run([*signed, "-extfile", "extensions", "-out", "p.crt"], **run)  # type: ignore[call-overload]
    return (folder / "p.crt").read_text(), (folder / "p.key").read_text()
