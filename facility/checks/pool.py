"""`python3 -m facility.checks.pool HOST`: whether HTCondor's central manager proves its name and refuses strangers.

A connection to its port would prove little: the port is held by a daemon that passes connections on. So condor_ping
speaks with the collector itself, by a token that nobody has signed, which is looked at only once the collector's
certificate has been found good.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from facility import names
from facility.checks.report import patiently, report

#: two empty objects of JSON and no signature; HTCondor asks no issuer about it
_NOBODYS = "e30.e30.AA"
_REFUSED = "rejected our token"
_PATIENCE = 30  # seconds
#: what HTCondor says last of all is only that it failed; lines with these words say of what, the first best
_TELLING = ("verify", "does not match", "attempt to connect", "unknown host", "ERROR:", "AUTHENTICATE:1")


def environment(token: Path, bundle: str) -> dict[str, str]:
    """HTCondor's settings for a client that has this token file and nothing else."""
    return {
        "CONDOR_CONFIG": "ONLY_ENV",
        "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "SCITOKENS",
        "_CONDOR_SCITOKENS_FILE": str(token),
        "_CONDOR_AUTH_SSL_CLIENT_CAFILE": bundle,
        "_CONDOR_TOOL_DEBUG": "D_SECURITY",
    }


def command(host: str) -> tuple[str, ...]:
    """The question to the collector at `host`."""
    return ("condor_ping", "-debug", "-pool", f"{host}:{names.CONDOR_PORT}", "-type", "COLLECTOR", "-verbose", "READ")


def verdict(said: str) -> str:
    """What is wrong, out of all that condor_ping said; empty when the token was refused, as it should be."""
    if _REFUSED in said:
        return ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for word in _TELLING for line in lines if word in line]
    return (telling or lines or ["condor_ping said nothing"])[0]


def problem(host: str, surroundings: Mapping[str, str] = os.environ) -> str:
    """What is wrong with the central manager at `host`."""
    with tempfile.TemporaryDirectory() as directory:
        token = Path(directory) / "token"
        token.touch(mode=0o600)
        token.write_text(_NOBODYS)
        settings = {"HOME": directory, **surroundings, **environment(token, surroundings.get("SSL_CERT_FILE", ""))}
        try:
            done = subprocess.run(  # noqa: S603 - a constant and a host's name
                command(host), env=settings, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"condor_ping failed: {error}"
    return verdict(done.stdout + done.stderr) if done.returncode else "it took a token that nobody has signed"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it is well."""
    host = (sys.argv[1:] if arguments is None else arguments)[0]
    return report({host: patiently(lambda: problem(host))}, "proves its name, and refuses whoever has no token")


if __name__ == "__main__":
    sys.exit(main())
