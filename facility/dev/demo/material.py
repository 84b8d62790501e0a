"""What the demo's outside world has and the facility must not make: its CA, issuers' keys, people's passwords.

Made once, kept in the cache directory with mode 0600, so that a demo run again finds the same people. All of it is
random; nothing of it is in the repository.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from facility.dev.demo import world

_DAYS = 365
_NAMES = [f"iam-{name}" for name in world.VOS] + ["origin"]


@dataclass(frozen=True)
class Material:
    """PEM texts and passwords by account, VO or service."""

    ca: str
    certificates: dict[str, str]
    keys: dict[str, str] = field(repr=False)
    signing: dict[str, str] = field(repr=False)
    passwords: dict[str, str] = field(repr=False)
    clients: dict[str, str] = field(repr=False)


def ensure(directory: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Material:
    """The demo's material, made if the directory has none."""
    file = directory / "material.json"
    if file.exists():
        return Material(**json.loads(file.read_text()))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    made, partial = make(now()), directory / ".material.json.new"
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as out:
        json.dump(asdict(made), out)
    partial.rename(file)  # whole or not at all: the demo may be interrupted anywhere
    return made


def make(now: datetime) -> Material:
    """New material, certificates valid for a year."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Demo lake CA")])
    ca = _certificate(ca_name, ca_name, ca_key.public_key(), ca_key, now, None)
    certificates, keys = {}, {}
    for name in _NAMES:
        key = ec.generate_private_key(ec.SECP256R1())
        host = f"{name}.{world.NAMESPACE}.svc"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificates[name] = _pem(_certificate(subject, ca_name, key.public_key(), ca_key, now, host))
        keys[name] = private_pem(key)
    people = [account.name for vo in world.VOS.values() for account in vo.people]
    return Material(
        ca=_pem(ca),
        certificates=certificates,
        keys=keys,
        signing={vo: private_pem(rsa.generate_private_key(65537, 2048)) for vo in world.VOS},
        passwords={name: secrets.token_urlsafe(9) for name in people},
        clients={vo: secrets.token_urlsafe(48) for vo in world.VOS},
    )


def private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    """PKCS #8, not encrypted: it goes into a Secret."""
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    now: datetime,
    host: str | None,
) -> x509.Certificate:
    """A CA certificate, or one for a host (RFC 5280)."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(ca=host is None), critical=True)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
