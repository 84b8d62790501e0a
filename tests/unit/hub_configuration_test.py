"""The hub's configuration, from the site's settings and the operator's files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from facility import names
from facility.hub.authenticator import VOAuthenticator
from facility.hub.broker_client import Session
from facility.hub.cluster import ClientCredentials
from facility.hub.config import USERNAME, configure
from facility.hub.http import Answer

SITE = """
publicUrl: https://hub.example:31440
namespaces: {facility: af, users: af-users, batch: af-batch}
images: {facility: f:1, hub: h:1, notebook: n:1, condor: c:1, xcache: x:1}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "secrets").mkdir()
    for name, text in {"proxy-token": "p\n", "crypt-key": f"{'ab' * 32};{'cd' * 32}", "cookie-secret": "c"}.items():
        (tmp_path / "secrets" / name).write_text(text)
    return tmp_path


def configured(files: Path, **more: Any) -> Config:
    config = Config()
    configure(config, files / "site.yaml", **{"secrets": files / "secrets", **more})
    return config


def test_addresses_follow_from_the_sites_namespaces(files: Path) -> None:
    config = configured(files)
    assert config.JupyterHub.hub_connect_url == "http://hub.af.svc:8081"
    assert config.ConfigurableHTTPProxy.api_url == "http://proxy-api.af.svc:8001"
    assert config.VOAuthenticator.broker_url == "https://broker.af.svc:8443"
    assert config.KubeSpawner.namespace == "af-users"
    assert config.JupyterHub.public_url == "https://hub.example:31440/"


def test_keys_come_from_files_and_are_never_in_the_environment(files: Path) -> None:
    before = dict(os.environ)
    config = configured(files)
    assert config.ConfigurableHTTPProxy.auth_token == "p"
    assert config.CryptKeeper["keys"] == ["ab" * 32, "cd" * 32]
    assert len(config.JupyterHub.cookie_secret) == 32
    assert dict(os.environ) == before


def test_an_empty_key_is_an_error_and_not_a_weak_hub(files: Path) -> None:
    (files / "secrets" / "cookie-secret").write_text("\n")
    with pytest.raises(ValueError, match="cookie-secret is empty"):
        configured(files)


def test_in_another_charts_hub_only_sign_in_and_pods_are_ours(files: Path) -> None:
    config = configured(files, secrets=None)
    assert config.JupyterHub.authenticator_class == "facility.hub.authenticator.VOAuthenticator"
    assert config.KubeSpawner.image == "n:1"
    assert not {"db_url", "hub_bind_url", "cookie_secret", "public_url"} & set(config.JupyterHub)
    assert "ConfigurableHTTPProxy" not in config


@pytest.mark.parametrize("name", ["cms-alice", "a-b", "abcdefghijklmno-0123456789abcdef", "cms-j-rg-0a1b2c3d"])
def test_names_of_this_facility_are_users(name: str) -> None:
    assert names.split_hub_user(name)
    assert VOAuthenticator(username_pattern=USERNAME).validate_username(name)


@pytest.mark.parametrize("name", ["admin", "cms-", "cms-Alice", "cms-a--b", "cms-a\n", "cms-a/b", "cms-" + "a" * 40])
def test_no_other_name_is_a_user(name: str) -> None:
    assert not VOAuthenticator(username_pattern=USERNAME).validate_username(name)


def test_no_token_is_in_what_is_printed() -> None:
    session = Session("cms-alice", "cms", "sub", "alice", (), (), "a-refresh-token")
    for one in (session, ClientCredentials("id", "a-secret"), Answer(200, {"access_token": "a-token"})):
        assert "a-" not in repr(one)
