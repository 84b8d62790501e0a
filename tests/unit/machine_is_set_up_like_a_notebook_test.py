"""`facility env`: one command on a person's own machine, and programs find tokens, lake and batch system."""

from __future__ import annotations

import json
import shlex
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facility.laptop import offers
from facility.laptop.errors import LaptopError
from facility.laptop.surroundings import variables
from tests.fakes import issuer
from tests.fakes.machine import Machine, machine, offer


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


def tell(here: Machine, **change: Any) -> None:
    """What the hub tells of the VO besides."""
    document = json.loads(offer(here.iam.url))
    document["vos"]["iam"] |= change
    here.hub.answers["/hub/facility/vos.json"] = 200, json.dumps(document).encode()


def env(here: Machine, last: str) -> subprocess.CompletedProcess[str]:
    """A shell that has evaluated it, and what it says then."""
    command = f'eval "$({sys.executable} -m facility.cli env)"; {last}'
    return subprocess.run(["sh", "-c", command], env=here.environment, capture_output=True, text=True, check=False)


def test_tokens_are_in_files_that_the_variables_name_and_of_their_person_alone(here: Machine) -> None:
    here.iam.clock.now = time.time()
    here.sign_in()
    done = env(here, 'cat "$BEARER_TOKEN_FILE"; echo; cat "$_CONDOR_SCITOKENS_FILE"; echo; ls -l "$BEARER_TOKEN_FILE"')
    assert done.stderr == ""
    lake, compute, listed = done.stdout.splitlines()
    assert issuer.claims(lake)["aud"] == "https://lake.test:1094"
    assert issuer.claims(compute)["scope"] == "compute.read compute.create"
    assert listed.startswith("-rw-------")
    assert stat.S_IMODE(here.sessions.tokens("iam").stat().st_mode) == 0o700


def test_no_token_is_in_what_is_printed(here: Machine) -> None:
    here.iam.clock.now = time.time()
    here.sign_in()
    assert "eyJ" not in env(here, "env").stdout


def test_condor_and_the_lake_are_where_the_hub_says(here: Machine) -> None:
    tell(here, batch={"schedd": "ap-iam.af.example.org:9618"})
    record = here.sign_in()
    found = variables(record, Path("/tokens"), Path("/bundle"))
    assert found["_CONDOR_SCHEDD_HOST"] == "ap-iam.af.example.org:9618"
    assert found["CONDOR_CONFIG"] == "ONLY_ENV"
    assert found["_CONDOR_SEC_CLIENT_AUTHENTICATION"] == "REQUIRED"
    assert found["_CONDOR_AUTH_SSL_CLIENT_CAFILE"] == found["X509_CERT_FILE"] == "/bundle"
    root = str(record.offer.lakes[0]["root"])
    assert root == found["LAKE_ROOT"] + "/iam"


def test_condor_reads_it_without_a_file_of_its_own(here: Machine) -> None:
    pytest.importorskip("htcondor2")
    here.iam.clock.now = time.time()
    tell(here, batch={"schedd": "ap-iam.af.example.org:9618"})
    here.sign_in()
    names = ("SCHEDD_HOST", "SEC_CLIENT_AUTHENTICATION_METHODS", "SEC_CLIENT_ENCRYPTION", "UID_DOMAIN")
    ask = f"import htcondor2; print(*(htcondor2.param[name] for name in {names}))"
    done = env(here, f"{sys.executable} -c {shlex.quote(ask)}")
    assert done.stdout == "ap-iam.af.example.org:9618 SCITOKENS REQUIRED pool\n", done.stderr


def test_jobs_that_ask_for_nothing_have_what_they_have_from_a_notebook(here: Machine) -> None:
    tell(here, batch={"schedd": "ap-iam.af.example.org:9618", "memory": "1888"})
    found = variables(here.sign_in(), Path("/tokens"), Path("/bundle"))
    assert found["_CONDOR_JOB_DEFAULT_REQUESTMEMORY"] == "1888"
    text = (Path(__file__).parents[2] / "images/notebook/condor_config").read_text()
    said = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    for name in ("JOB_DEFAULT_REQUESTDISK", "SUBMIT_DEFAULT_SHOULD_TRANSFER_FILES", "USE_JOBSETS"):
        assert found[f"_CONDOR_{name}"] == said[name]


def test_a_vo_without_batch_says_nothing_of_condor(here: Machine) -> None:
    tell(here, batch=None)
    found = variables(here.sign_in(), Path("/tokens"), Path("/bundle"))
    assert not [name for name in found if "CONDOR" in name]


def test_the_facilitys_authority_is_trusted_besides_the_machines_own(here: Machine) -> None:
    tell(here, trust=here.bundle.read_text())
    bundle = here.sessions.bundle(here.sign_in())
    own = ssl.create_default_context(cafile=here.bundle).get_ca_certs()
    trusted = ssl.create_default_context(cafile=bundle).get_ca_certs()
    assert all(one in trusted for one in own)
    assert len(trusted) >= len(own)


def test_what_the_issuer_does_not_grant_is_said_and_the_rest_is_there(here: Machine) -> None:
    here.iam.clock.now = time.time()
    here.meanwhile[1] = lambda: here.answer("Authorize", issuer.GUEST)
    here.sign_in(approve=False)
    done = env(here, 'test -n "$LAKE_ROOT" && echo there')
    assert done.stdout == "there\n"
    assert "lake: your sign-in granted none of storage.read:/" in done.stderr


def test_signing_out_takes_token_files_along(here: Machine) -> None:
    here.iam.clock.now = time.time()
    here.sign_in()
    env(here, "true")
    here.sessions.forget("iam")
    assert [path.name for path in (here.directory / "facility").iterdir()] == ["iam.lock"]


@pytest.mark.parametrize(
    "change",
    [
        {"trust": "no certificate"},
        {"trust": 3},
        {"tokens": [{"name": "../../x", "audience": "a", "scope": "s"}]},
        {"tokens": [{"name": "", "audience": "a", "scope": "s"}]},
    ],
)
def test_what_could_not_be_a_certificate_or_a_files_name_is_refused(change: dict[str, Any]) -> None:
    entry = json.loads(offer("https://iam.test"))["vos"]["iam"]
    with pytest.raises(LaptopError, match="makes no sense"):
        offers.read("iam", entry | change)


def test_who_is_not_signed_in_is_told_so(here: Machine) -> None:
    done = env(here, "true")
    assert "nobody is signed in: facility login" in done.stderr
