"""The demo's outside world: what its parts say of each other fits, its certificates hold, its secrets stay in place."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from facility import names
from facility.dev.demo import secrets, values, world
from facility.dev.demo.material import Material, ensure, make
from facility.dev.issuer.settings import Client, Person
from facility.hub.person import Person as Recognised
from facility.hub.person import check_admitted
from facility.site import Images, Site
from facility.vo import VirtualOrganization

IMAGES = {
    name: f"analysis-facility/{name}:0123" for name in ("facility", "hub", "notebook", "condor", "xcache", "demo")
}


@pytest.fixture(scope="module")
def material() -> Material:
    return make(datetime.now(UTC))


def organization(vo: world.DemoVO) -> VirtualOrganization:
    return VirtualOrganization.parse(world.manifest(vo))


@pytest.mark.parametrize("vo", world.VOS.values(), ids=list(world.VOS))
def test_each_vo_is_an_object_that_the_facility_takes(vo: world.DemoVO) -> None:
    spec = organization(vo).spec
    assert spec.issuer == vo.issuer
    assert spec.issuer.endswith("/")
    assert vo.file.startswith(spec.lakes[0].prefix + "/")


def test_no_two_vos_share_a_port_an_issuer_or_a_subject() -> None:
    vos = world.VOS.values()
    subjects = [account.subject for vo in vos for account in vo.people]
    assert len({vo.port for vo in vos} | {world.HUB_PORT}) == len(vos) + 1
    assert len({vo.issuer for vo in vos}) == len(vos)
    assert len(set(subjects)) == len(subjects)


@pytest.mark.parametrize(
    ("vo", "account"), [(vo, account) for vo in world.VOS.values() for account in vo.people], ids=lambda one: one.name
)
def test_everybody_is_admitted_but_guests(vo: world.DemoVO, account: world.Account) -> None:
    someone = Recognised(account.subject, account.preferred or account.name, frozenset(account.groups))
    if account.name == "mallory":
        with pytest.raises(Exception, match="only members of /cms may work here"):
            check_admitted(someone, organization(vo))
    else:
        check_admitted(someone, organization(vo))


def test_somebody_comes_with_a_name_that_another_has() -> None:
    called = [names.person(account.preferred or account.name) for account in world.CMS.people]
    assert len(set(called)) == len(called) - 1


def test_a_job_reads_with_tokens_that_its_first_read_did_not_know() -> None:
    assert world.JOB_SECONDS > 2 * world.TOKEN_LIFE


def test_material_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    directory = tmp_path / "cache" / "demo"
    first = ensure(directory)
    assert ensure(directory) == first
    assert (directory / "material.json").stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in directory.iterdir()] == ["material.json"]


def test_material_of_an_older_demo_keeps_what_it_has_and_gets_what_it_lacks(tmp_path: Path) -> None:
    whole = ensure(tmp_path)
    kept = {name: password for name, password in whole.passwords.items() if name != "erin"}
    (tmp_path / "material.json").write_text(json.dumps({**asdict(whole), "passwords": kept}))
    again = ensure(tmp_path)
    assert again.ca == whole.ca
    assert {name: again.passwords[name] for name in kept} == kept
    assert again.passwords["erin"]
    assert ensure(tmp_path) == again


def test_an_interrupted_writing_leaves_nothing_that_is_taken_for_material(tmp_path: Path) -> None:
    (tmp_path / ".material.json.new").write_text('{"ca": "-----BEG')
    assert ensure(tmp_path) == ensure(tmp_path)


def test_no_secret_of_the_material_is_printed(material: Material) -> None:
    hidden = [*material.keys.values(), *material.signing.values(), *material.passwords.values()]
    shown = repr(material)
    assert not [one for one in [*hidden, *material.clients.values()] if one[-40:] in shown or one[:30] in shown]


def test_every_secret_of_the_material_is_another(material: Material) -> None:
    for group in (material.keys, material.signing, material.passwords, material.clients):
        assert len(set(group.values())) == len(group)
    again = make(datetime.now(UTC))
    assert not set(again.passwords.values()) & set(material.passwords.values())


@pytest.mark.parametrize("name", ["iam-cms", "iam-atlas", "iam-escape", "origin"])
async def test_certificates_are_good_for_their_host_and_no_other(name: str, material: Material, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_text(material.certificates[name] + material.keys[name])
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(chain)
    trust = ssl.create_default_context(cadata=material.ca)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=serving) as server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=f"{name}.demo.svc")
        writer.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="hub.demo.svc")


def test_each_issuer_gets_its_own_people_client_and_key(material: Material) -> None:
    made = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in secrets.all_secrets(material)}
    for vo in world.VOS.values():
        people = yaml.safe_load(made["demo", f"iam-{vo.name}-people"]["stringData"]["people.yaml"])
        known = {person.login: person for person in map(Person.model_validate, people)}
        assert {login: person.sub for login, person in known.items()} == {a.name: a.subject for a in vo.people}
        assert made["demo", f"iam-{vo.name}-keys"]["stringData"] == {f"{secrets.KID}.pem": material.signing[vo.name]}


def test_the_facility_and_the_issuer_hold_the_same_client(material: Material) -> None:
    made = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in secrets.all_secrets(material)}
    for vo in world.VOS.values():
        registered = yaml.safe_load(made["demo", f"iam-{vo.name}-clients"]["stringData"]["clients.yaml"])
        ours = made["facility", organization(vo).spec.client_secret.name]["stringData"]
        client, machines, administrator = map(Client.model_validate, registered)
        assert administrator.administers
        assert not client.administers
        assert ours == {"client_id": client.client_id, "client_secret": client.client_secret}
        assert set(organization(vo).spec.session_scopes) <= set(client.scopes)
        assert client.redirect_uris == (f"{world.HUB}/hub/oauth/{vo.name}/callback",)
        assert machines.client_id == organization(vo).spec.login.device_client
        assert (machines.client_secret, machines.redirect_uris) == (None, ())
        assert set(organization(vo).spec.session_scopes) <= set(machines.scopes)


def test_services_get_secrets_that_a_cluster_knows_for_tls(material: Material) -> None:
    made = [one for one in secrets.all_secrets(material) if one["type"] == "kubernetes.io/tls"]
    assert {one["metadata"]["name"] for one in made} == {"tls-iam-cms", "tls-iam-atlas", "tls-iam-escape", "tls-origin"}
    assert all(set(one["stringData"]) == {"tls.crt", "tls.key", "ca.crt"} for one in made)


def test_values_hold_a_site_that_the_facility_takes_and_no_secret(material: Material) -> None:
    given = values.facility(IMAGES, material.ca)
    ours = {name: image for name, image in IMAGES.items() if name in Images.model_fields}  # the chart adds them
    site = Site.model_validate({**given["operator"]["site"], "images": ours})
    assert (site.public_url, site.extra_trust) == (world.HUB, material.ca)
    text = json.dumps([given, values.demo(IMAGES)])
    hidden = [*material.passwords.values(), *material.clients.values(), "PRIVATE KEY"]
    assert not [one for one in hidden if one in text]
