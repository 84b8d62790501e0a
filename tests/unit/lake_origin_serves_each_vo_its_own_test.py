"""The demo's origin is configured for each VO's tokens and paths, and for TLS only."""

from __future__ import annotations

import configparser
import stat
from pathlib import Path

import pytest

from facility.dev.lake import origin, prepare

ISSUERS = {"cms": "https://iam-cms.demo.svc:31441/", "atlas": "https://iam-atlas.demo.svc:31442/"}
AUDIENCE = "https://origin.demo.svc:1094"


def sections(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser


def test_each_issuer_opens_its_own_prefix_by_capabilities_alone() -> None:
    found = sections(origin.scitokens_cfg(AUDIENCE, ISSUERS))
    assert dict(found["Global"]) == {"audience": AUDIENCE, "onmissing": "deny"}
    for vo, issuer in ISSUERS.items():
        section = found[f"Issuer {vo}"]
        assert (section["issuer"], section["base_path"]) == (issuer, f"/{vo}")
        assert section["authorization_strategy"] == "capability"


def test_two_vos_of_one_issuer_are_refused() -> None:
    with pytest.raises(ValueError, match="one issuer"):
        origin.scitokens_cfg(AUDIENCE, {"cms": "https://one/", "atlas": "https://one/"})


def test_files_are_exported_read_only_with_tls_and_tokens_required() -> None:
    lines = origin.xrootd_cfg(tuple(ISSUERS)).splitlines()
    assert {"all.export /cms r/o", "all.export /atlas r/o", "xrootd.tls all", "sec.protocol ztn"} <= set(lines)
    assert f"http.secretkey {origin.RUN}/http.key" in lines


def test_the_pods_volumes_are_filled_and_again_after_a_restart(tmp_path: Path) -> None:
    place = {name: tmp_path / name for name in ("tls", "files", "run", "data")}
    for directory in place.values():
        directory.mkdir()
    for name in ("tls.crt", "tls.key"):
        (place["tls"] / name).write_text(name)
    (place["files"] / "cms").mkdir()
    (place["files"] / "cms" / "events.root").write_text("events")
    config = tmp_path / "lake.yaml"
    config.write_text(f"audience: {AUDIENCE}\nissuers:\n  cms: {ISSUERS['cms']}\n")
    for _ in range(2):
        prepare.prepare(config, **place)
    assert (place["data"] / "cms" / "events.root").read_text() == "events"
    assert stat.S_IMODE((place["run"] / "tls.key").stat().st_mode) == 0o400
    assert len((place["run"] / "http.key").read_text()) >= 64
    assert "Issuer cms" in (place["run"] / "scitokens.cfg").read_text()
