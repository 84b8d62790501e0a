"""Build stages reach the package index as this machine's own pip does; verification is never given up for it."""

from __future__ import annotations

from pathlib import Path

from facility.dev.images.machine import ca_bundle, lay_out, pip_conf

LISTED = """:env:.index-url='https://packages.example/simple'
global.cert='/site/bundle.crt'
global.index-url='https://old.example/simple'
global.timeout='30'
global.trusted-host='packages.example'
global.find-links='/opt/wheels'
"""


def test_index_and_patience_are_carried_into_build_stages() -> None:
    assert "timeout = 30\n" in pip_conf(LISTED, has_bundle=False)


def test_what_the_environment_says_wins_over_files() -> None:
    assert "index-url = https://packages.example/simple\n" in pip_conf(LISTED, has_bundle=False)


def test_a_host_that_is_trusted_unverified_and_local_folders_are_not_carried() -> None:
    text = pip_conf(LISTED, has_bundle=True)
    assert "trusted-host" not in text
    assert "/opt/wheels" not in text


def test_the_machines_bundle_is_named_where_the_build_finds_it() -> None:
    assert "cert = /build/machine/ca.crt\n" in pip_conf(LISTED, has_bundle=True)
    assert "cert" not in pip_conf(LISTED, has_bundle=False)


def test_pips_own_bundle_is_taken_before_the_environments(tmp_path: Path) -> None:
    own, other = tmp_path / "own.crt", tmp_path / "other.crt"
    own.touch()
    other.touch()
    listed, environment = f"global.cert='{own}'\n", {"SSL_CERT_FILE": str(other)}
    assert ca_bundle(listed, environment) == own
    assert ca_bundle("", environment) == other


def test_a_bundle_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.touch()
    assert ca_bundle("global.cert='/nowhere/bundle.crt'\n", {"SSL_CERT_FILE": str(other)}) == other


def test_this_machine_gives_a_configuration_that_pip_can_read(tmp_path: Path) -> None:
    lay_out(tmp_path / "machine")
    assert (tmp_path / "machine" / "pip.conf").read_text().startswith("[global]\n")
