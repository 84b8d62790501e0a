"""A renewed certificate, a grown trust bundle, changed settings: all while the broker runs."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from facility.broker.app import look_after, serve
from facility.broker.files import Certificate, Trust
from facility.broker.shelf import Shelf
from facility.site import Settings, Site
from tests.fakes.authority import Authority
from tests.fakes.broker_world import SITE, facility
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port


def authority(directory: Path, name: str) -> Authority:
    (directory / name).mkdir()
    return Authority(directory / name)


async def reaches(url: str, context: ssl.SSLContext) -> bool:
    """Whether a client that trusts only this context's authorities gets an answer."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        try:
            async with session.get(url) as answer:
                return answer.status == 404
        except aiohttp.ClientConnectorCertificateError:
            return False


async def test_a_renewed_certificate_is_shown_to_the_next_client(tmp_path: Path) -> None:
    old, new = authority(tmp_path, "old"), authority(tmp_path, "new")
    old.write(tmp_path, "127.0.0.1")
    certificate = Certificate(tmp_path)
    server = TestServer(web.Application(), scheme="https")
    await server.start_server(ssl=certificate.context)
    url = str(server.make_url("/"))
    assert await reaches(url, old.client())
    assert not certificate.renew()
    new.write(tmp_path, "127.0.0.1")
    assert certificate.renew()
    assert await reaches(url, new.client())
    assert not await reaches(url, old.client())
    await server.close()


def test_a_certificate_that_does_not_fit_its_key_is_not_taken_into_use(tmp_path: Path) -> None:
    authority(tmp_path, "old").write(tmp_path, "127.0.0.1")
    certificate, key = Certificate(tmp_path), (tmp_path / "tls.key").read_bytes()
    authority(tmp_path, "new").write(tmp_path, "127.0.0.1")
    (tmp_path / "tls.key").write_bytes(key)
    for _ in range(2):
        with pytest.raises(OSError, match="mismatch"):
            certificate.renew()


def test_the_trust_bundle_is_read_again_when_it_changes_and_kept_when_it_is_broken(tmp_path: Path) -> None:
    one, two = authority(tmp_path, "one"), authority(tmp_path, "two")
    bundle = tmp_path / "ca.crt"
    bundle.write_bytes(one.bundle.read_bytes())
    trust = Trust(bundle)
    first = trust.context()
    assert trust.context() is first
    assert len(first.get_ca_certs()) == 1
    bundle.write_text("no certificate")
    assert trust.context() is first
    bundle.unlink()
    assert trust.context() is first
    bundle.write_bytes(one.bundle.read_bytes() + two.bundle.read_bytes())
    assert len(trust.context().get_ca_certs()) == 2
    assert trust.context().verify_mode == ssl.CERT_REQUIRED


async def test_changed_settings_end_the_process_so_that_it_starts_with_them(tmp_path: Path) -> None:
    authority(tmp_path, "ca").write(tmp_path, "127.0.0.1")
    path, stop = tmp_path / "site.yaml", asyncio.Event()
    path.write_text(written(SITE))
    looking = asyncio.create_task(look_after(Certificate(tmp_path), Settings.read(path), stop, every=0.001, apart=0.01))
    await asyncio.sleep(0)
    assert not stop.is_set()
    path.unlink()  # for a moment, as between two syncs of a volume
    path.write_text(written(SITE.model_copy(update={"public_url": "https://two.test"})))
    await asyncio.wait_for(looking, PATIENCE)
    assert stop.is_set()


@pytest.mark.parametrize("bad", ["publicUrl: https://two.test", "{", "a: b: c"])
async def test_settings_that_nothing_can_start_with_leave_the_broker_as_it_is(
    tmp_path: Path, bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    authority(tmp_path, "ca").write(tmp_path, "127.0.0.1")
    path, stop = tmp_path / "site.yaml", asyncio.Event()
    path.write_text(written(SITE))
    settings = Settings.read(path)
    path.write_text(bad)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(look_after(Certificate(tmp_path), settings, stop, every=0.001), 0.5)
    assert "goes on with those before" in caplog.text
    assert not stop.is_set()


async def test_being_told_to_end_ends_the_watch_of_files_at_once(tmp_path: Path) -> None:
    authority(tmp_path, "ca").write(tmp_path, "127.0.0.1")
    path, stop = tmp_path / "site.yaml", asyncio.Event()
    path.write_text(written(SITE))
    stop.set()
    await asyncio.wait_for(look_after(Certificate(tmp_path), Settings.read(path), stop), PATIENCE)


async def test_the_process_serves_from_its_files_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        world.authority.write(tmp_path / "etc" / "tls", "127.0.0.1")
        (tmp_path / "etc" / "site.yaml").write_text(written(SITE))
        port, metrics = free_port(), free_port()
        files = tmp_path / "etc", world.keys, world.authority.bundle
        serving = asyncio.create_task(serve(*files, world.connect, port, metrics))
        await eventually_reaches(f"https://127.0.0.1:{port}/", world.authority.client())
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, PATIENCE)


async def test_a_part_that_fails_ends_the_process_which_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(_: Shelf) -> None:
        raise RuntimeError("secret-bytes")

    async with facility(tmp_path) as world:
        world.authority.write(tmp_path / "etc" / "tls", "127.0.0.1")
        (tmp_path / "etc" / "site.yaml").write_text(written(SITE))
        files = tmp_path / "etc", world.keys, world.authority.bundle
        monkeypatch.setattr(Shelf, "run", fails)
        await asyncio.wait_for(serve(*files, world.connect, free_port(), free_port()), PATIENCE)
    assert "a part of the broker has failed: RuntimeError" in caplog.text
    assert "secret-bytes" not in caplog.text


def written(site: Site) -> str:
    """As the charts write it."""
    return yaml.safe_dump(site.model_dump(mode="json", by_alias=True))


async def eventually_reaches(url: str, context: ssl.SSLContext) -> None:
    """Returns once a server listens there."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                if await reaches(url, context):
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.01)
