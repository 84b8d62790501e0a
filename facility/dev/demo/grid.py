"""What the demo's storage of the time before tokens goes by: an X.509 authority, and what it has certified.

All keys are RSA: XRootD's GSI encrypts with them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from facility.dev.demo import world

_ORGANIZATION = "Demo grid"
_BITS = 2048
_SKEW = timedelta(minutes=5)
_Key = rsa.RSAPrivateKey


def make(now: datetime, life: timedelta) -> dict[str, str]:
    """PEM texts by file: `ca.crt`, and certificate and key of the storage, of its VOMS server and of the VO's robot."""
    key = rsa.generate_private_key(65537, _BITS)
    authority = _certificate("Demo grid CA", key, "Demo grid CA", key, (now - _SKEW, now + life), authority=True)
    made = {"ca.crt": _text(authority)}
    for name, called in (("host", world.STORAGE_HOST), ("voms", world.VOMS_NAME), ("robot", "Robot: the cache")):
        own = rsa.generate_private_key(65537, _BITS)
        made[f"{name}.crt"] = _text(_certificate(called, own, "Demo grid CA", key, (now - _SKEW, now + life)))
        made[f"{name}.key"] = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
    return made


def subject(called: str) -> str:
    """A name as the grid writes it."""
    return f"/O={_ORGANIZATION}/CN={called}"


def _certificate(
    called: str, own: _Key, by: str, signer: _Key, valid: tuple[datetime, datetime], *, authority: bool = False
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(called))
        .issuer_name(_name(by))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority=authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not authority:
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if "." in called:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(called)]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(called: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, called),
        ]
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
