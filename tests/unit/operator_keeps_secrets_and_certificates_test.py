"""Secrets are made once and never overwritten; certificates name their hosts and are renewed in time."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.fernet import Fernet

from facility.operator import pki, trust
from facility.operator.certificates import of_site
from facility.operator.pki import Pair
from facility.site import Site
from tests.fakes.apiserver import ApiServer
from tests.fakes.operator_world import SITE, World, secret, world

DAY = 24 * 3600
NOW = 1_800_000_000.0


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


def content(api: ApiServer, name: str, namespace: str = "facility") -> dict[str, bytes]:
    data = api.get("Secret", name, namespace)["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}


def hosts(certificate: bytes) -> list[str]:
    leaf = x509.load_pem_x509_certificate(certificate)
    named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return named.get_values_for_type(x509.DNSName)


async def test_each_secret_has_the_form_its_reader_takes(here: World) -> None:
    await here.reconcile()
    assert {len(value) for value in content(here.api, "hub-secrets").values()} == {64}
    assert set(content(here.api, "hub-secrets")) == {"proxy-token", "crypt-key", "cookie-secret"}
    Fernet(content(here.api, "broker-key")["current"])
    assert len(content(here.api, "pool-key", "facility-batch")["POOL"]) == 64
    assert here.api.get("Secret", "facility-ca")["type"] == "kubernetes.io/tls"


async def test_secrets_are_never_overwritten(here: World) -> None:
    here.api.put(secret("hub-secrets", **{"proxy-token": "mine"}))
    await here.reconcile()
    before = content(here.api, "facility-ca")
    here.restart()
    await here.reconcile()
    assert content(here.api, "hub-secrets") == {"proxy-token": b"mine"}
    assert content(here.api, "facility-ca") == before


async def test_a_lost_secret_is_made_anew(here: World) -> None:
    await here.reconcile()
    here.api.remove("Secret", "broker-key")
    await here.reconcile()
    assert content(here.api, "broker-key")["current"]


async def test_a_certificate_names_the_service_and_the_proxys_the_public_host_too(here: World) -> None:
    await here.reconcile()
    assert hosts(content(here.api, "tls-broker")["tls.crt"]) == ["broker.facility.svc", "broker"]
    public = hosts(content(here.api, "tls-proxy-public")["tls.crt"])
    assert public == ["proxy-public.facility.svc", "proxy-public", "hub.example.org"]


async def test_a_certificate_is_renewed_after_two_thirds_of_its_life_and_not_before(here: World) -> None:
    await here.reconcile()
    first = content(here.api, "tls-broker")["tls.crt"]
    here.clock.pass_by(59 * DAY)
    await here.reconcile()
    assert content(here.api, "tls-broker")["tls.crt"] == first
    here.clock.pass_by(2 * DAY)
    await here.reconcile()
    renewed = content(here.api, "tls-broker")
    assert renewed["tls.crt"] != first
    assert renewed["ca.crt"] == content(here.api, "facility-ca")["tls.crt"]


async def test_a_certificate_that_the_site_brought_is_left_alone(here: World) -> None:
    here.api.put(secret("tls-proxy-public", **{"tls.crt": "theirs", "tls.key": "theirs"}))
    await here.reconcile()
    assert content(here.api, "tls-proxy-public")["tls.crt"] == b"theirs"


async def test_trust_is_the_internal_authority_the_sites_and_the_public_ones(here: World) -> None:
    await here.reconcile()
    bundle = here.api.get("ConfigMap", "facility-trust", "facility-users")["data"]["ca.crt"]
    assert content(here.api, "facility-ca")["tls.crt"].decode().strip() in bundle
    assert here.public.strip() in bundle
    assert bundle.count("BEGIN CERTIFICATE") == 2
    own = here.api.get("ConfigMap", "facility-trust", "facility")["data"]["own.crt"]
    assert own.strip() == content(here.api, "facility-ca")["tls.crt"].decode().strip()


def test_the_sites_further_authorities_are_trusted_too() -> None:
    extra = pki.authority(NOW).certificate.decode()
    site = Site.model_validate(SITE.model_dump() | {"extra_trust": extra})
    text = trust.bundle("", pki.authority(NOW).certificate.decode(), site)
    assert len(trust.context(text).get_ca_certs()) == 2


def test_a_public_address_in_numbers_is_named_as_an_address() -> None:
    site = Site.model_validate(SITE.model_dump() | {"public_url": "https://192.0.2.7:8443"})
    (proxy,) = (server for server in of_site(site) if server.service == "proxy-public")
    leaf = x509.load_pem_x509_certificate(pki.issue(pki.authority(NOW), proxy.hosts, NOW).certificate)
    named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in named.get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]


def test_a_leaf_stands_up_to_strict_verification(tmp_path: Path) -> None:
    import time

    ca = pki.authority(time.time())
    leaf = pki.issue(ca, ["broker.facility.svc"], time.time())
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), trust.context(ca.certificate.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    (tmp_path / "leaf").write_bytes(leaf.certificate + leaf.key)
    server.load_cert_chain(tmp_path / "leaf")
    shake_hands(client, server, "broker.facility.svc")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client, server, "broker.elsewhere.svc")


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    """A TLS handshake in memory. Raises what the client makes of it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    ours.do_handshake()


def test_a_certificate_of_another_authority_or_for_other_hosts_does_not_serve() -> None:
    ca, other = pki.authority(NOW), pki.authority(NOW)
    leaf = pki.issue(ca, ["a", "b"], NOW).certificate
    assert pki.serves(leaf, ca, ["b", "a"], NOW)
    assert not pki.serves(leaf, ca, ["a"], NOW)
    assert not pki.serves(leaf, other, ["a", "b"], NOW)
    assert not pki.serves(b"nonsense", ca, ["a", "b"], NOW)


def test_a_private_key_is_never_shown() -> None:
    assert "PRIVATE" not in repr(pki.authority(NOW))
    assert "PRIVATE" not in str(Pair(b"", b"PRIVATE"))
