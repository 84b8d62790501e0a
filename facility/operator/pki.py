"""Keys and certificates: the facility's own authority and what it issues (X.509 for TLS servers, RFC 5280). No I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=90)
_SKEW = timedelta(minutes=5)  # for nodes whose clock is a little behind


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM (key: PKCS #8)."""

    certificate: bytes
    key: bytes = field(repr=False)


def authority(now: float, called: str = "analysis facility, internal authority") -> Pair:
    """A new certificate authority, good for ten years from `now` (seconds since the epoch)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
    usage = _usage(signs_certificates=True)
    builder = (
        _builder(key, now, AUTHORITY_LIFE)
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def issue(ca: Pair, hosts: Iterable[str], now: float, life: timedelta = LEAF_LIFE) -> Pair:
    """A certificate of a TLS server for names or IP addresses, good for 90 days unless another life is given."""
    signer = _key(ca)
    key = ec.generate_private_key(ec.SECP256R1())
    names = list(hosts)
    issuer = x509.load_pem_x509_certificate(ca.certificate)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        _builder(key, now, life)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(identifier, critical=False)
    )
    return _pair(builder.sign(signer, hashes.SHA256()), key)


def serves(certificate: bytes, ca: Pair, hosts: Iterable[str], now: float) -> bool:
    """Whether a certificate is of this authority, for just these hosts, and in the first two thirds of its life."""
    try:
        leaf = x509.load_pem_x509_certificate(certificate)
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.certificate))
        named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    return set(named) == {_general(host) for host in hosts} and _time(now) < begin + (end - begin) * 2 / 3


def _builder(key: ec.EllipticCurvePrivateKey, now: float, life: timedelta) -> x509.CertificateBuilder:
    begin = _time(now) - _SKEW
    return (
        x509.CertificateBuilder()
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key(pair: Pair) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pair.key, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an elliptic curve key")
    return key


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), pem)


def _time(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)
