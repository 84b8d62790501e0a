"""What a person's own machine learns from the hub: public, without a login, and nothing that is a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from facility.hub.outside import document
from facility.site import Outside
from facility.vo import VirtualOrganization
from tests.fakes.hub_world import World, spec, world
from tests.fakes.operator_world import SITE, vo
from tests.fakes.patience import PATIENCE

READY = {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}]}


def made(name: str = "cms", ready: bool = True, **change: Any) -> VirtualOrganization:
    one = vo(name)
    one["spec"] |= {"login": {"deviceClient": "laptops"}, **change}
    return VirtualOrganization.parse(one | ({"status": READY} if ready else {"status": {}}))


def test_a_vo_is_told_with_its_issuer_client_tokens_lakes_and_batch_system() -> None:
    rucio = {"name": "rucio", "audience": "rucio", "scopes": ["openid", "profile"]}
    found = document([made(services=[rucio])], SITE)["vos"]["cms"]
    assert found["client_id"] == "laptops"
    assert found["issuer"] == made().spec.issuer
    assert [one["name"] for one in found["tokens"]] == ["lake", "compute", "rucio"]
    assert found["tokens"][2] == {"name": "rucio", "audience": "rucio", "scope": "openid profile"}
    assert {"openid", "offline_access"} <= set(found["scopes"])
    prefix = made().spec.lakes[0].prefix
    assert found["lakes"][0]["root"] == f"root://{SITE.xcache('cms')}:1094/{prefix}"
    assert found["lakes"][0]["https"] == f"https://{SITE.xcache('cms')}:1094{prefix}"
    assert found["batch"] == {"schedd": f"{SITE.access_point('cms')}:9618", "memory": "1888"}


def test_where_the_site_has_ways_in_from_outside_their_names_and_authority_are_told() -> None:
    site = SITE.model_copy(update={"outside": Outside(domain="af.example.org")})
    found = document([made()], site, trust="PEM")["vos"]["cms"]
    prefix = made().spec.lakes[0].prefix
    assert found["lakes"][0]["root"] == f"root://xcache-cms.af.example.org:1094/{prefix}"
    assert found["lakes"][0]["https"] == f"https://xcache-cms.af.example.org:1094{prefix}"
    assert found["batch"] == {"schedd": "ap-cms.af.example.org:9618", "memory": "1888"}
    assert found["trust"] == "PEM"


@pytest.mark.parametrize(
    "one",
    [
        made(login={}),
        made(suspended=True),
        made(ready=False),
    ],
    ids=["without a client for machines", "suspended", "not ready"],
)
def test_a_vo_that_nobody_could_use_so_is_not_told(one: VirtualOrganization) -> None:
    assert document([one], SITE) == {"vos": {}}


def test_no_secret_and_no_name_of_one_is_told() -> None:
    told = str(document([made()], SITE)).lower()
    assert "secret" not in told
    assert made().spec.client_secret.name not in told


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub"), with_hub=False) as running:
        running.api.put("cms", spec(running.cms, login={"deviceClient": "laptops"}))
        with running.running():
            yield running


def test_anybody_may_ask_and_need_not_ask_again_for_a_while(hub: World) -> None:
    answer = requests.get(f"{hub.hub}/hub/facility/vos.json", timeout=PATIENCE)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in answer.headers
    assert list(answer.json()["vos"]) == ["cms"]
    assert answer.json()["vos"]["cms"]["trust"] == ""
    again = {"If-None-Match": answer.headers["ETag"]}
    assert requests.get(answer.url, headers=again, timeout=PATIENCE).status_code == 304


def test_the_authority_beside_the_hubs_own_bundle_is_told(hub: World) -> None:
    own = hub.authority.bundle.with_name("own.crt")
    own.write_text("PEM of the facility")
    try:
        told = requests.get(f"{hub.hub}/hub/facility/vos.json", timeout=PATIENCE).json()
    finally:
        own.unlink()
    assert told["vos"]["cms"]["trust"] == "PEM of the facility"
