"""The file that the agent writes is the one that others' programs find: WLCG Bearer Token Discovery by its readers.

Here those that are Python libraries, each in a process of its own; XRootD's client and HTCondor's tools are asked on
the cluster (tests/cluster/four_readers_use_the_agents_token_test.py), as they show a token to real servers only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.agent_pod import Pod
from tests.fakes.authority import Authority
from tests.fakes.token_broker import IDENTITY, TokenBroker, serving

ISSUER = "https://iam.test/"
RUCIO = "from rucio.common.utils import wlcg_token_discovery\nprint(wlcg_token_discovery())"
SCITOKENS = """
import sys, warnings
warnings.simplefilter("ignore")
from scitokens import SciToken
found = SciToken.discover(audience="https://lake.test", public_key=sys.stdin.buffer.read())
print(found._serialized_token, found["scope"])
"""


class Signer:
    """An issuer's key, and tokens of it that name their number."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        self.public = self._key.public_key().public_bytes(public, form)

    def token(self, number: int, audience: str) -> str:
        now = int(time.time())
        said = {"iss": ISSUER, "sub": "alice", "aud": audience, "exp": now + 600, "iat": now, "nbf": now}
        more = {"scope": "storage.read:/open", "wlcg.ver": "1.0", "jti": str(number)}
        return jwt.encode(said | more, self._key, "ES256", {"kid": "1"})


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def pod(tmp_path: Path, signer: Signer) -> Iterator[Pod]:
    directory, identity, authority = tmp_path / "token", tmp_path / "identity", Authority(tmp_path)
    directory.mkdir()
    identity.write_text(IDENTITY)
    with serving(authority, TokenBroker(life=600, mint=signer.token)) as broker:
        yield Pod(broker, authority, directory, identity)


def environment(pod: Pod, tmp_path: Path) -> dict[str, str]:
    """A notebook's, and an old token where discovery would look later."""
    later = tmp_path / f"bt_u{os.geteuid()}"
    later.write_text("an.old.token")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BEARER_TOKEN")}
    return kept | {"BEARER_TOKEN_FILE": str(pod.directory / "lake"), "XDG_RUNTIME_DIR": str(tmp_path)}


def ran(code: str, given: dict[str, str], said: bytes = b"") -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], env=given, input=said, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout.decode().split()


def test_rucios_clients_find_it_before_and_after_it_was_renewed(pod: Pod, tmp_path: Path) -> None:
    keeper = pod.keeper()
    keeper.round()
    assert ran(RUCIO, environment(pod, tmp_path)) == [pod.read("lake")]
    before = pod.read("lake")
    pod.now += 599
    keeper.round()
    assert ran(RUCIO, environment(pod, tmp_path)) == [pod.read("lake")] != [before]


def test_scitokens_finds_it_and_takes_it_for_a_good_token(pod: Pod, signer: Signer, tmp_path: Path) -> None:
    keeper = pod.keeper()
    keeper.round()
    given = environment(pod, tmp_path)
    assert ran(SCITOKENS, given, signer.public) == [pod.read("lake"), "storage.read:/open"]
    pod.now += 599
    keeper.round()
    assert ran(SCITOKENS, given, signer.public) == [pod.read("lake"), "storage.read:/open"]
