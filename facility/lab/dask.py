"""What dask needs to send workers into the pool: one certificate for all parts of one person's clusters.

Scheduler (in the notebook), workers (in jobs) and client show each other the same certificate, which nobody else has:
so a worker is this person's, or it is refused. It is made when a notebook server starts, is gone with its pod, and goes
to the workers as an input file of their jobs; the access point keeps it, 0700 and the owner's, while they are queued.
Whoever starts the server again has another, and what is left of the old clusters finds no scheduler.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from facility.agent import files

#: where the image has dask look for configuration in a notebook (DASK_CONFIG), and only there
DIRECTORY = Path("/run/dask")
#: key and certificate; what workers have it as in their jobs is the same name (facility.condor.job_wrapper)
PEM = "facility-dask.pem"
_NAME = "dask of one person"
_LIFE = datetime.timedelta(days=365)
_SLACK = datetime.timedelta(hours=1)  # for clocks that differ


def prepare(prefix: str, directory: Path) -> None:
    """A new certificate, and the configuration that names it. `prefix`: the notebook server's path. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = directory / PEM
    files.write(pem, certificate(datetime.datetime.now(datetime.UTC)), 0o600)
    files.write(directory / "facility.yaml", configuration(pem, prefix), 0o600)


def certificate(now: datetime.datetime) -> str:
    """A key and a certificate signed with it, as PEM, good for a year."""
    # half of what a notebook server takes to import: in its thread, beside the server's start
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    shape = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption())
    return (private + made.public_bytes(serialization.Encoding.PEM)).decode()


def configuration(pem: Path, prefix: str) -> str:
    """dask's configuration (YAML): TLS with this certificate between all parts of a cluster, and its pages seen through
    the notebook server, which asks who comes.
    """
    roles = "".join(f"      {role}: {{cert: {pem}, key: {pem}}}\n" for role in ("client", "scheduler", "worker"))
    return (
        "distributed:\n  comm:\n    default-scheme: tls\n    require-encryption: true\n"
        f"    tls:\n      ca-file: {pem}\n      min-version: 1.3\n{roles}"
        f'  dashboard:\n    link: "{prefix}proxy/{{port}}/status"\n'
    )
