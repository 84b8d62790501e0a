"""Issuers' public keys are fetched beside XRootD and HTCondor, before these would ask for them amid a login."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facility.keycache import settings
from facility.keycache.keeper import AGAIN, PERIOD, Keeper
from facility.keycache.library import KeysError
from facility.operator.build.access_point import access_point
from facility.operator.build.pool import pool
from facility.operator.build.xcache import xcache
from facility.operator.objects import Manifest
from facility.vo import VirtualOrganization
from tests.fakes.authority import Authority
from tests.fakes.clock import Clock
from tests.fakes.https_files import HttpsFiles, serving
from tests.fakes.operator_world import SITE, vo

ISSUER = "https://iam.example.org/"
OTHER = "https://iam.other.example/"
CMS = VirtualOrganization.parse(vo("cms", ISSUER))


class Issuers:
    """Which were asked, in order; those in `away` do not answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away: set[str] = set()

    def __call__(self, issuer: str) -> None:
        self.asked.append(issuer)
        if issuer in self.away:
            raise KeysError("Could not connect to server")


class Kept:
    """A keeper with all that it needs."""

    def __init__(self) -> None:
        self.issuers, self.clock, self.said = Issuers(), Clock(), list[str]()
        self.keeper = Keeper(self.issuers, self.clock, self.said.append)

    def after(self, seconds: float, *issuers: str) -> list[str]:
        """Whom it asks when it looks again."""
        self.clock.pass_by(seconds)
        self.issuers.asked.clear()
        self.keeper.look(issuers)
        return list(self.issuers.asked)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_keys_are_fetched_at_once_and_then_every_five_minutes(kept: Kept) -> None:
    assert kept.after(0, ISSUER) == [ISSUER]
    assert kept.after(PERIOD - 1, ISSUER) == []
    assert kept.after(1, ISSUER) == [ISSUER]


def test_an_issuer_that_is_away_is_asked_again_soon_and_spoken_of_once(kept: Kept) -> None:
    kept.issuers.away.add(ISSUER)
    assert kept.after(0, ISSUER) == [ISSUER]
    assert kept.after(AGAIN, ISSUER) == [ISSUER]
    assert kept.said == [f"keys of {ISSUER} not fetched, those at hand are used: Could not connect to server"]
    kept.issuers.away.clear()
    assert kept.after(AGAIN, ISSUER) == [ISSUER]
    assert kept.said[1:] == [f"keys of {ISSUER} fetched"]
    assert kept.after(AGAIN, ISSUER) == []


def test_one_issuer_that_is_away_keeps_no_other_from_being_asked(kept: Kept) -> None:
    kept.issuers.away.add(ISSUER)
    assert kept.after(0, ISSUER, OTHER) == [ISSUER, OTHER]
    assert kept.after(AGAIN, ISSUER, OTHER) == [ISSUER]


def test_a_new_vos_issuer_is_asked_at_the_next_look_and_a_removed_one_no_more(kept: Kept) -> None:
    kept.after(0, ISSUER)
    assert kept.after(AGAIN, ISSUER, OTHER) == [OTHER]
    assert kept.after(PERIOD, OTHER) == [OTHER]
    assert kept.after(0, ISSUER, OTHER) == [ISSUER]


def containers(manifests: list[Manifest]) -> dict[str, dict[str, Any]]:
    (spec,) = (one["spec"]["template"]["spec"] for one in manifests if one["kind"] == "StatefulSet")
    return {one["name"]: one for one in (*spec.get("initContainers", []), *spec["containers"])}


def data(manifests: list[Manifest], name: str) -> dict[str, str]:
    (found,) = (one for one in manifests if one["kind"] == "ConfigMap" and one["metadata"]["name"] == name)
    files: dict[str, str] = found["data"]
    return files


@pytest.mark.parametrize(
    ("manifests", "judge", "config"),
    [(xcache(CMS, SITE), "xcache", "xcache-cms"), (access_point(CMS, SITE), "access-point", "ap-cms-config")],
    ids=["cache", "access point"],
)
def test_whoever_judges_tokens_reads_keys_that_another_container_fetches(
    manifests: list[Manifest], judge: str, config: str
) -> None:
    found = containers(manifests)
    wanted = [{"name": name, "value": value} for name, value in settings.environment().items()]
    for name in (judge, "keys"):
        assert [one for one in found[name]["env"] if one in wanted] == wanted, name
    home, issuers = found["keys"]["args"][-2:]
    mounts = {one["mountPath"]: one for one in found["keys"]["volumeMounts"]}
    assert data(manifests, config)[Path(issuers).name] == f"{ISSUER}\n"
    assert mounts[str(Path(issuers).parent)]["name"] == "config"
    (place,) = (one for path, one in mounts.items() if Path(home).is_relative_to(path))
    assert not place.get("readOnly")
    assert place["name"] in {one["name"] for one in found[judge]["volumeMounts"]}


def test_beside_a_cache_only_the_folder_of_the_keys_can_be_written() -> None:
    found = containers(xcache(CMS, SITE))["keys"]
    (cache,) = (one for one in found["volumeMounts"] if one["name"] == "cache")
    assert cache["subPath"] == "keys"
    assert {one["name"] for one in found["volumeMounts"]} == {"config", "trust", "cache"}


def test_the_central_manager_is_told_the_issuers_of_all_vos_with_a_queue() -> None:
    with_queue = [VirtualOrganization.parse(vo("cms", ISSUER)), VirtualOrganization.parse(vo("atlas", OTHER))]
    without = VirtualOrganization.parse(vo("escape", "https://iam.escape.example/", batch={"enabled": False}))
    assert data(pool([*with_queue, without], SITE), "cm-config")[settings.ISSUERS] == f"{ISSUER}\n{OTHER}\n"


#: the cache is filled in a process of its own, as a C library may end that: HTCondor's bindings load what theirs needs
FETCH = """
import ctypes, sys
import htcondor2
from facility.keycache.library import KeyCache, KeysError
path, trust, home, issuer = sys.argv[1:]
library = ctypes.CDLL(path)
library.scitoken_config_set_str(b"tls.ca_file", trust.encode(), ctypes.byref(ctypes.c_char_p()))
try:
    KeyCache(home, path).fetch(issuer)
except KeysError as error:
    print(error)
"""


def fetched(issuer: str, authority: Authority, home: Path) -> str:
    """What libscitokens says of it; nothing if it has the keys."""
    bindings = importlib.util.find_spec("htcondor2")
    assert bindings
    assert bindings.origin
    (library,) = (Path(bindings.origin).parents[1] / "htcondor.libs").glob("libSciTokens*")
    command = [sys.executable, "-W", "ignore", "-c", FETCH, str(library), str(authority.bundle), str(home), issuer]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def in_cache(home: Path) -> dict[str, list[str]]:
    """Key ids by issuer."""
    with sqlite3.connect(home / "scitokens" / "scitokens_cpp.sqllite") as database:
        rows = database.execute("SELECT issuer, keys FROM keycache").fetchall()
    return {issuer: [key["kid"] for key in json.loads(text)["jwks"]["keys"]] for issuer, text in rows}


def publish(server: HttpsFiles, *kids: str) -> str:
    """An issuer that has these keys."""
    keys = [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": kid, "x": "AA", "y": "AA"} for kid in kids]
    told = {"issuer": f"{server.url}/", "jwks_uri": f"{server.url}/jwk"}
    server.answers["/.well-known/openid-configuration"] = (200, json.dumps(told).encode())
    server.answers["/jwk"] = (200, json.dumps({"keys": keys}).encode())
    return f"{server.url}/"


def test_libscitokens_has_the_keys_and_keeps_them_when_the_issuer_is_away(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    authority = Authority(tmp_path / "ca")
    with serving(authority) as server:
        issuer = publish(server, "first")
        assert fetched(issuer, authority, tmp_path) == ""
        assert in_cache(tmp_path) == {issuer: ["first"]}
        publish(server, "second")
        assert fetched(issuer, authority, tmp_path) == ""
        assert in_cache(tmp_path) == {issuer: ["second"]}
        server.answers["/jwk"] = (503, b"away")
        assert "key set" in fetched(issuer, authority, tmp_path)
    assert fetched(issuer, authority, tmp_path) != ""
    assert in_cache(tmp_path) == {issuer: ["second"]}


def test_an_image_without_libscitokens_says_so() -> None:
    code = "from facility.keycache.library import KeyCache; KeyCache('/nowhere', 'libSciTokens-none.so')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "libSciTokens-none.so" in done.stderr
