"""A cache says how full it is: to Prometheus, and by the hub to WLCG's accounting (SRR, schema 4.2)."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facility.dev.lake.prepare import prepare
from facility.hub.http import NoAnswerError
from facility.hub.storage import FRESH, Storage, told
from facility.site import Outside
from facility.vo import VirtualOrganization
from facility.xcache.accounting.held import FILE, parsed
from facility.xcache.accounting.main import Teller, version_of
from tests.fakes.clock import Clock
from tests.fakes.operator_world import SITE, vo
from tests.fakes.srr_reader import complaints

CMS = VirtualOrganization.parse(vo("cms"))
HELD = {"at": 1_800_000_000.2, "size": 8192, "files": 2, "limit": 20 << 30, "version": "6.2.0"}


def directory(name: str, parent: int, blocks: int, files: int) -> dict[str, Any]:
    usage = {"m_StBlocks": blocks, "m_NFiles": files, "m_NDirectories": 1}
    return {"m_dir_name": name, "m_parent": parent, "m_usage": usage, "m_stats": {}}


def written(*directories: dict[str, Any]) -> str:
    """As XRootD writes it."""
    return json.dumps({"m_usage_update_time": 1_800_000_000, "m_file_usage": 8192, "m_dir_states": directories})


TREE = written(
    directory("", -1, 16, 2), directory("cms", 0, 16, 2), directory("open", 1, 8, 1), directory("closed", 1, 8, 1)
)


@pytest.fixture
def teller(tmp_path: Path) -> Teller:
    return Teller("cms", 20 << 30, tmp_path, tmp_path, "6.2.0")


def test_directories_are_told_with_what_is_below_them(tmp_path: Path, teller: Teller) -> None:
    (tmp_path / FILE).write_text(TREE)
    metrics = teller.told("/metrics")
    assert metrics
    assert 'facility_cache_files{vo="cms"} 2' in metrics.body
    assert 'facility_cache_used_bytes{vo="cms",path="/"} 8192' in metrics.body
    assert 'facility_cache_used_bytes{vo="cms",path="/cms/open"} 4096' in metrics.body


def test_deep_directories_are_told_where_they_have_a_quota(tmp_path: Path, teller: Teller) -> None:
    deep = (directory("2025", 2, 8, 1), directory("raw", 4, 8, 1))
    (tmp_path / FILE).write_text(written(*json.loads(TREE)["m_dir_states"], *deep))
    (tmp_path / "keeping").write_text("prefetch ahead\nquota /cms/open/2025/raw/ 4096\n")
    metrics = teller.told("/metrics")
    assert metrics
    assert 'path="/cms/open/2025/raw"} 4096' in metrics.body
    assert 'path="/cms/open/2025"}' not in metrics.body


def test_before_xrootd_has_counted_nothing_is_told_and_while_it_writes_the_last_count(
    tmp_path: Path, teller: Teller
) -> None:
    assert teller.told("/held.json") is None
    assert "used_bytes" not in str(teller.told("/metrics"))
    (tmp_path / FILE).write_text(TREE)
    first = teller.told("/held.json")
    assert first
    assert json.loads(first.body) == {**HELD, "at": 1_800_000_000.0}
    (tmp_path / FILE).write_text(TREE[:50])
    assert teller.told("/held.json") == first


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"m_dir_states": []}', "null"])
def test_a_file_that_says_something_else_counts_as_none(text: str) -> None:
    assert parsed(text) is None


def test_the_version_is_that_of_the_images_package() -> None:
    packages = "deb xrootd-client 6.1.9-1\ndeb xrootd-server 6.2.0-2\npypi xrootd-server 1\n"
    assert version_of("xrootd-server", packages) == "6.2.0"
    assert version_of("nothing", packages) == ""


def test_a_report_is_what_its_schema_asks_for() -> None:
    report = told(CMS, SITE, HELD, 1_800_000_060.0)
    assert complaints(report, 1_800_000_060.0) == []
    service = report["storageservice"]
    assert service["storagecapacity"] == {"online": {"totalsize": 20 << 30, "usedsize": 8192}}
    (share,) = service["storageshares"]
    assert (share["timestamp"], share["vos"], share["path"]) == (1_800_000_000, ["cms"], ["/cms"])
    for endpoint in service["storageendpoints"]:
        assert endpoint["assignedshares"] == [share["name"]]
    assert share["assignedendpoints"] == [one["name"] for one in service["storageendpoints"]]


def test_endpoints_have_the_name_that_is_known_outside_if_there_is_one() -> None:
    def urls(site: Any) -> list[str]:
        return [one["endpointurl"] for one in told(CMS, site, HELD, 0.0)["storageservice"]["storageendpoints"]]

    inside = "xcache-cms.facility.svc:1094/"
    assert urls(SITE) == [f"https://{inside}", f"root://{inside}"]
    outside = SITE.model_copy(update={"outside": Outside(domain="af.example.org")})
    assert urls(outside) == [f"{scheme}://xcache-cms.af.example.org:1094/" for scheme in ("https", "root")]


def test_a_suspended_vos_share_is_closed() -> None:
    closed = VirtualOrganization.parse(vo("cms", suspended=True))
    (share,) = told(closed, SITE, HELD, 0.0)["storageservice"]["storageshares"]
    assert share["servingstate"] == "closed"


class Cache:
    """What the container beside it says, and how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away = False

    async def __call__(self, url: str) -> Any:
        self.asked.append(url)
        if self.away:
            raise NoAnswerError("away")
        return HELD


def test_a_cache_is_asked_once_a_minute_whoever_asks() -> None:
    cache, clock = Cache(), Clock()
    storage = Storage(cache, clock)
    for seconds in (0, FRESH - 1, 1):
        clock.pass_by(seconds)
        assert asyncio.run(storage.of(CMS, SITE))["storageservice"]["name"] == "xcache-cms"
    assert cache.asked == 2 * ["http://xcache-cms.facility.svc:9090/held.json"]


def test_a_cache_that_is_away_is_said_to_be_away_and_asked_again() -> None:
    cache, clock = Cache(), Clock()
    storage = Storage(cache, clock)
    cache.away = True
    for _ in range(2):
        with pytest.raises(NoAnswerError):
            asyncio.run(storage.of(CMS, SITE))
    cache.away = False
    assert asyncio.run(storage.of(CMS, SITE))
    assert len(cache.asked) == 3


def lake(tmp_path: Path) -> Any:
    """The report of the demo's lake: five bytes of cms, none of atlas."""
    for folder in ("tls", "files/cms", "files/atlas", "run", "data"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("tls.crt", "tls.key"):
        (tmp_path / "tls" / name).write_text(name)
    (tmp_path / "files/cms/a").write_text("12345")
    issuers = {"cms": "https://iam.test/", "atlas": "https://other.test/"}
    (tmp_path / "config").write_text(json.dumps({"audience": "https://origin.test:1094", "issuers": issuers}))
    prepare(**{name: tmp_path / name for name in ("config", "tls", "files", "run", "data")})
    return json.loads((tmp_path / "run/srr.json").read_text())


def test_the_demos_lake_reports_each_vos_share_too(tmp_path: Path) -> None:
    report = lake(tmp_path)
    assert complaints(report, time.time()) == []
    service = report["storageservice"]
    assert [(one["name"], one["usedsize"], one["numberoffiles"]) for one in service["storageshares"]] == [
        ("cms", 5, 1),
        ("atlas", 0, 0),
    ]
    assert service["storageendpoints"][0]["endpointurl"] == "https://origin.test:1094/"


def test_room_that_is_free_in_the_demos_lake_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=101, f_frsize=10))
    service = lake(tmp_path)["storageservice"]
    assert [one["totalsize"] for one in service["storageshares"]] == [5 + 505, 505]
    assert service["storagecapacity"] == {"online": {"totalsize": 5 + 1010, "usedsize": 5}}


def test_caches_of_one_vo_are_reported_together_without_those_that_say_nothing() -> None:
    asked = list[str]()

    async def ask(url: str) -> Any:
        asked.append(url)
        if "-1." in url:
            raise NoAnswerError("away")
        return {**HELD, "at": HELD["at"] + len(asked)}

    several = VirtualOrganization.parse(vo("cms", cache={"replicas": 3}))
    (service,) = asyncio.run(Storage(ask, Clock(0.0)).of(several, SITE)).values()
    assert asked == [f"http://xcache-cms-{one}.facility.svc:9090/held.json" for one in range(3)]
    (share,) = service["storageshares"]
    assert (share["totalsize"], share["usedsize"], share["numberoffiles"]) == (40 << 30, 16384, 4)
    assert share["timestamp"] == 1_800_000_001


def test_a_vo_none_of_whose_caches_says_anything_has_no_report() -> None:
    async def ask(url: str) -> Any:
        raise NoAnswerError(url)

    several = VirtualOrganization.parse(vo("cms", cache={"replicas": 2}))
    with pytest.raises(NoAnswerError, match="xcache-cms-0"):
        asyncio.run(Storage(ask, Clock(0.0)).of(several, SITE))
