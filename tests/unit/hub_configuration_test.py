"""The hub's configuration, from the site's settings and the operator's files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tornado import web
from traitlets.config import Config

from facility import names
from facility.hub.authenticator import VOAuthenticator
from facility.hub.broker_client import Session
from facility.hub.cluster import ClientCredentials
from facility.hub.config import USERNAME, configure
from facility.hub.http import Answer
from tests.fakes.hub_neighbours import Broker, Reply
from tests.fakes.hub_servers import Tls

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


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    tls = Tls.make(tmp_path)
    (tmp_path / "identity").write_text("me")
    with Broker(tls, "me") as one:
        yield one


def authenticator(broker: Broker, files: Path, url: str = "") -> VOAuthenticator:
    made = VOAuthenticator(broker_url=url or broker.url, bundle=str(files / "ca.crt"), identity=str(files / "identity"))
    made.log = logging.getLogger("hub")
    return made


ALICE = SimpleNamespace(name="cms-alice")


async def test_a_broker_that_is_not_there_signs_nobody_out(broker: Broker, tmp_path: Path) -> None:
    assert await authenticator(broker, tmp_path, url="https://127.0.0.1:1").refresh_user(ALICE) is True


async def test_a_broker_of_an_unknown_authority_is_not_believed(broker: Broker, tmp_path: Path) -> None:
    broker.states["cms-alice"] = Reply(body={"state": "dead"})
    other = tmp_path / "other"
    other.mkdir()
    stranger = Tls.make(other)
    hub = authenticator(broker, tmp_path)
    assert await hub.refresh_user(ALICE) is False
    hub = VOAuthenticator(broker_url=broker.url, bundle=str(stranger.bundle), identity=str(tmp_path / "identity"))
    assert await hub.refresh_user(ALICE) is True


async def test_a_hub_without_identity_signs_nobody_out(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "identity").unlink()
    assert await authenticator(broker, tmp_path).refresh_user(ALICE) is True


async def test_a_user_who_is_deleted_leaves_no_session(broker: Broker, tmp_path: Path) -> None:
    broker.sessions["cms-alice"] = {"sub": "1"}
    await authenticator(broker, tmp_path).delete_user(ALICE)
    assert not broker.sessions


async def test_nobody_is_deleted_while_the_broker_is_away(broker: Broker, tmp_path: Path) -> None:
    broker.away = True
    with pytest.raises(web.HTTPError) as refused:
        await authenticator(broker, tmp_path).delete_user(ALICE)
    assert refused.value.status_code == 503


def test_no_token_is_in_what_is_printed() -> None:
    session = Session("cms-alice", "cms", "sub", "alice", (), "a-refresh-token")
    for one in (session, ClientCredentials("id", "a-secret"), Answer(200, {"access_token": "a-token"})):
        assert "a-" not in repr(one)
