"""Sessions in HashiCorp Vault: the small server of tests/fakes/vault.py, or the real one if FACILITY_VAULT names it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facility import site
from facility.broker import stores
from facility.broker.store import ConflictError, Kind, StoreError, UnreadableError
from facility.broker.vault import VaultStore
from facility.broker.vault_client import YOUNG, VaultClient, VaultError
from tests.fakes import broker_world, vault
from tests.fakes.authority import Authority
from tests.fakes.broker_world import SECRETS, SITE, World
from tests.fakes.clock import Clock
from tests.fakes.patience import PATIENCE
from tests.fakes.vault import SmallVault, Vault

ALICE = {"user": "cms-alice", "refresh_token": "secret-bytes"}
ONLY_SMALL = pytest.mark.skipif(bool(vault.REAL), reason="the real Vault cannot be told to misbehave")


@dataclass
class Place:
    """A Vault, the pod's identity for it, and stores of brokers."""

    world: World
    vault: Vault
    identity: Path
    clock: Clock
    stack: AsyncExitStack

    def settings(self, **more: Any) -> site.Vault:
        return site.Vault(url=self.vault.url, **more)

    def store(self, **more: Any) -> VaultStore:
        settings = self.settings(**more)
        made = VaultStore(VaultClient(settings, self.identity, self.world.authority.client, self.clock), settings)
        self.stack.push_async_callback(made.close)
        return made

    def identify(self, account: str = "broker", audience: str = vault.AUDIENCE) -> None:
        """Writes a projected token of a ServiceAccount, which the API server reviews."""
        uid = f"uid-{account}"
        account_claims = {"namespace": "facility", "serviceaccount": {"name": account, "uid": uid}}
        name = f"system:serviceaccount:facility:{account}"
        now = int(time.time())
        claims = {"aud": [audience], "iss": "https://kubernetes.test", "sub": name, "iat": now, "nbf": now}
        token = self.world.issuer.sign({**claims, "exp": now + 3600, "kubernetes.io": account_claims})
        self.world.api.identities[token] = {"username": name, "uid": uid, "audience": audience}
        self.identity.write_text(token)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    world = World(Authority(tmp_path), tmp_path)
    async with (
        world.neighbours(),
        vault.running(world.api, world._api_url, world.authority) as made,
        AsyncExitStack() as stack,
    ):
        found = Place(world, made, tmp_path / "vault-token", Clock(), stack)
        found.identify()
        yield found


@pytest.fixture
async def store(place: Place) -> VaultStore:
    return place.store()


async def owners(store: VaultStore, kind: Kind, vo: str) -> list[str]:
    return [owner async for owner in store.owners(kind, vo)]


async def test_what_is_written_is_read_by_everybody_who_may(place: Place, store: VaultStore) -> None:
    assert await store.read(Kind.SESSION, "cms-alice") is None
    version = await store.write(Kind.SESSION, ALICE, None)
    found = await place.store().read(Kind.SESSION, "cms-alice")
    assert found is not None
    assert (found.content, found.version) == (ALICE, version)
    assert await store.read(Kind.TOKENS, "cms-alice") is None


async def test_of_two_writers_of_one_version_one_is_told(store: VaultStore) -> None:
    first = await store.write(Kind.SESSION, ALICE, None)
    second = await store.write(Kind.SESSION, {**ALICE, "n": 1}, first)
    for stale in (first, None):
        with pytest.raises(ConflictError):
            await store.write(Kind.SESSION, {**ALICE, "n": 2}, stale)
    found = await store.read(Kind.SESSION, "cms-alice")
    assert found is not None
    assert (found.content["n"], found.version) == (1, second)


async def test_of_many_writers_at_once_one_writes(place: Place) -> None:
    stores = [place.store() for _ in range(4)]
    version = await stores[0].write(Kind.SESSION, ALICE, None)
    writes = [one.write(Kind.SESSION, {**ALICE, "n": n}, version) for n, one in enumerate(stores * 5)]
    found = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(one, str) for one in found) == 1
    assert sum(isinstance(one, ConflictError) for one in found) == 19


async def test_nothing_is_left_of_what_is_deleted_or_replaced(place: Place, store: VaultStore) -> None:
    version = await store.write(Kind.SESSION, ALICE, None)
    for number in range(3):
        version = await store.write(Kind.SESSION, {**ALICE, "n": number}, version)
    path = "secret/data/analysis-facility/session/cms/cms-alice"
    for old in range(1, int(version)):
        with pytest.raises(VaultError, match="404"):
            await store._client.ask("GET", f"{path}?version={old}")
    await store.delete(Kind.SESSION, "cms-alice")
    await store.delete(Kind.SESSION, "cms-alice")
    assert await store.read(Kind.SESSION, "cms-alice") is None
    assert await owners(store, Kind.SESSION, "cms") == []
    assert await place.store().write(Kind.SESSION, ALICE, None) == "1"


async def test_a_vo_s_documents_are_listed_and_cleared_without_anybody_else_s(store: VaultStore) -> None:
    for owner in ("cms-alice", "cms-bob", "cms", "cmsx-alice", "atlas-alice"):
        await store.write(Kind.TOKENS, {"user": owner}, None)
    await store.write(Kind.SESSION, ALICE, None)
    assert sorted(await owners(store, Kind.TOKENS, "cms")) == ["cms", "cms-alice", "cms-bob"]
    await store.clear(Kind.TOKENS, "cms")
    assert await owners(store, Kind.TOKENS, "cms") == []
    assert await owners(store, Kind.TOKENS, "cmsx") == ["cmsx-alice"]
    assert await owners(store, Kind.SESSION, "cms") == ["cms-alice"]
    await store.clear(Kind.TOKENS, "lhcb")


async def test_a_document_that_was_copied_over_another_s_is_unreadable(store: VaultStore) -> None:
    body = {"options": {"cas": 0}, "data": ALICE}
    await store._client.ask("POST", "secret/data/analysis-facility/session/cms/cms-bob", body)
    with pytest.raises(UnreadableError):
        await store.read(Kind.SESSION, "cms-bob")


@pytest.mark.parametrize("who", [{"account": "hub"}, {"audience": "token-broker"}])
async def test_nobody_but_the_broker_is_let_in(place: Place, who: dict[str, str]) -> None:
    place.identify(**who)
    with pytest.raises(StoreError, match="login: 403"):
        await place.store().read(Kind.SESSION, "cms-alice")


async def test_a_broker_without_an_identity_for_vault_says_what_is_missing(place: Place) -> None:
    place.identity.unlink()
    with pytest.raises(StoreError, match=r"No such file.*see broker\.vault\.audience"):
        await place.store().read(Kind.SESSION, "cms-alice")


async def test_a_token_is_renewed_before_it_ends_and_replaced_when_it_has(place: Place, store: VaultStore) -> None:
    await store.write(Kind.SESSION, ALICE, None)
    first = store._client._token
    assert first is not None
    place.clock.pass_by(vault.TTL * 0.7)
    assert await store.read(Kind.SESSION, "cms-alice")
    renewed = store._client._token
    assert renewed is not None
    assert renewed.value == first.value
    assert renewed.over > first.over
    place.clock.pass_by(vault.TTL + 1)
    place.identity.write_text(place.identity.read_text() + "\n")  # read anew for each sign-in
    assert await store.read(Kind.SESSION, "cms-alice")
    assert store._client._token is not None
    assert store._client._token.value != first.value


async def test_a_token_that_vault_has_forgotten_is_replaced_at_once(place: Place, store: VaultStore) -> None:
    await store.write(Kind.SESSION, ALICE, None)
    assert store._client._token is not None
    await place.vault.revoke(store._client._token.value)
    place.clock.pass_by(YOUNG)
    found = await asyncio.gather(*(store.read(Kind.SESSION, "cms-alice") for _ in range(10)))
    assert all(one is not None for one in found)


async def test_a_broker_that_ends_leaves_no_token_behind(place: Place) -> None:
    settings = place.settings()
    store = VaultStore(VaultClient(settings, place.identity, place.world.authority.client, place.clock), settings)
    await store.read(Kind.SESSION, "cms-alice")
    token = store._client._token
    await store.close()
    other = place.store()
    await other.read(Kind.SESSION, "cms-alice")
    other._client._token = token
    place.identity.write_text("nothing to sign in with")
    with pytest.raises(StoreError):
        await other.read(Kind.SESSION, "cms-alice")


@ONLY_SMALL
@pytest.mark.parametrize("status", [503, 500, 429, 307, 473])
async def test_a_vault_in_trouble_is_no_lost_session(place: Place, store: VaultStore, status: int) -> None:
    await store.write(Kind.SESSION, ALICE, None)
    assert isinstance(place.vault, SmallVault)
    place.vault.status = status
    for attempt in (store.read(Kind.SESSION, "cms-alice"), store.delete(Kind.SESSION, "cms-alice")):
        with pytest.raises(StoreError, match=str(status)):
            await attempt
    place.vault.status = None
    assert await store.read(Kind.SESSION, "cms-alice")


@ONLY_SMALL
async def test_one_sign_in_is_enough_for_many_requests(place: Place, store: VaultStore) -> None:
    await asyncio.gather(*(store.read(Kind.SESSION, f"cms-u{number}") for number in range(20)))
    assert isinstance(place.vault, SmallVault)
    assert place.vault.requests.count(("POST", "/v1/auth/kubernetes/login")) == 1


async def test_a_vault_that_cannot_be_reached_is_away(place: Place) -> None:
    settings = site.Vault(url="https://127.0.0.1:1")
    client = VaultClient(settings, place.identity, place.world.authority.client)
    with pytest.raises(StoreError, match="no answer"):
        await VaultStore(client, settings).read(Kind.SESSION, "cms-alice")
    await client.close()


async def test_no_exception_and_no_log_line_holds_a_secret(
    place: Place, store: VaultStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "facility")
    version = await store.write(Kind.SESSION, ALICE, None)
    token = store._client._token
    assert token is not None
    said = [repr(token), repr(await store.read(Kind.SESSION, "cms-alice"))]
    for attempt in (store.write(Kind.SESSION, ALICE, str(int(version) + 1)), store._client.ask("GET", "sys/nothing")):
        with pytest.raises(StoreError) as error:
            await attempt
        said.append(repr(error.value))
    said += [record.getMessage() for record in caplog.records]
    for secret in (token.value, place.identity.read_text().strip(), "secret-bytes"):
        assert secret not in "\n".join(said)


async def test_a_whole_broker_on_vault_keeps_sessions_and_tokens_over_a_restart(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = site.Storage(vault=place.settings())
    monkeypatch.setattr(broker_world, "SITE", SITE.model_copy(update={"storage": storage}))
    monkeypatch.setattr(stores, "IDENTITY", place.identity)
    world = place.world
    world.issuer.rotate = True
    async with world.running_broker():
        await world.sign_in()
        first = (await world.token()).body["access_token"]
        second = (await world.token(audience=world.compute)).body["access_token"]
    asked = len(world.issuer.forms)
    async with world.running_broker():
        assert (await world.token()).body["access_token"] == first
        assert (await world.token(audience=world.compute)).body["access_token"] == second
        assert len(world.issuer.forms) == asked
        world.clock.pass_by(3600)
        assert (await world.token()).status == 200
        assert (await world.ask("DELETE", "/sessions/cms-alice", "hub")).status == 204
    assert not [path for path in world.api.objects if path.startswith((f"{SECRETS}/session-", f"{SECRETS}/tokens-"))]
    store = place.store()
    assert await owners(store, Kind.SESSION, "cms") == await owners(store, Kind.TOKENS, "cms") == []


async def test_with_vault_no_token_lies_in_the_cluster_in_a_log_or_in_an_address(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    storage = site.Storage(vault=place.settings())
    monkeypatch.setattr(broker_world, "SITE", SITE.model_copy(update={"storage": storage}))
    monkeypatch.setattr(stores, "IDENTITY", place.identity)
    async with place.world.running_broker():
        refresh = await place.world.sign_in()
        access = (await place.world.token()).body["access_token"]
    kept = await place.store().read(Kind.SESSION, "cms-alice")
    assert kept is not None
    assert kept.content["refresh_token"] == refresh  # so it would be seen where it is
    asked = getattr(place.vault, "requests", ())
    everywhere = "\n".join([*in_clear(place.world.api.objects), caplog.text, str(asked)])
    for secret in (refresh, access, access.rpartition(".")[0], place.identity.read_text()):
        assert secret not in everywhere


def in_clear(objects: Mapping[str, Any]) -> Iterator[str]:
    """All that the API server holds, with what Secrets hold decoded."""
    yield json.dumps(objects)
    for one in objects.values():
        if one.get("kind") == "Secret":
            yield from (b64decode(value).decode(errors="replace") for value in (one.get("data") or {}).values())


async def test_people_who_went_while_no_broker_was_there_are_swept_out_of_vault(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = site.Storage(vault=place.settings())
    monkeypatch.setattr(broker_world, "SITE", SITE.model_copy(update={"storage": storage}))
    monkeypatch.setattr(stores, "IDENTITY", place.identity)
    world, store = place.world, place.store()
    async with world.running_broker():
        await world.sign_in()
        await world.sign_in("bob")
        await world.token()
    world.api.remove(f"{broker_world.USERS}/cms-alice")
    async with world.running_broker(), asyncio.timeout(PATIENCE):
        while await owners(store, Kind.SESSION, "cms") != ["cms-bob"] or await owners(store, Kind.TOKENS, "cms"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
