"""A person's own machine, outside of the cluster: signs in by the device flow, and its tokens read and submit.

The machine is the one that runs this test: `facility` as a program of its own, with a home of its own. Names of the
demo lead to its node ports by a proxy. Caches and access points are for the facility's network alone, so what the
machine got is shown to them from alice's pod.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.demo.pages import forms, words
from tests.cluster.reading import Attempt, attempt
from tests.fakes import connect_proxy

pytestmark = pytest.mark.cluster

CMS = "xcache-cms.facility.svc"
#: in the pod, with the machine's variables for HTCondor and its token on standard input: no collector, no configuration
SUBMIT = r"""
import json, os, subprocess, sys, tempfile
given = json.load(sys.stdin)
with tempfile.TemporaryDirectory() as there:
    name, job = f"{there}/token", f"{there}/job.sub"
    with open(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(given["token"])
    with open(job, "w") as file:
        file.write("executable = /bin/true\nqueue\n")
    own = {"_CONDOR_SCITOKENS_FILE": name, "_CONDOR_AUTH_SSL_CLIENT_CAFILE": os.environ["SSL_CERT_FILE"]}
    env = {"PATH": os.environ["PATH"], "HOME": there, **given["condor"], **own}
    def run(*words):
        done = subprocess.run(words, env=env, capture_output=True, text=True)
        return {"code": done.returncode, "text": (done.stdout + done.stderr)[-2000:]}
    sent = run("condor_submit", "-spool", "-terse", job)
    cluster = sent["text"].split(".")[0].strip()
    told = [sent, run("condor_q", cluster, "-af", "Owner"), run("condor_rm", cluster)]
print(json.dumps(told))
"""


@dataclass
class Machine:
    """Its environment has nothing of the facility but the CAs and the way to it."""

    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`facility …`."""
        command = [sys.executable, "-m", "facility.cli", *words]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=120)

    def token(self, *words: str) -> str:
        """An access token."""
        done = self.run("token", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def machine(stage: Stage, outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Signed in as alice, by a browser in which she approves what the program shows."""
    home = tmp_path_factory.mktemp("machine")
    (home / "ca.pem").write_text(stage.bundle)
    with connect_proxy.serving(stage.address) as proxy:
        made = Machine(
            {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "HOME": str(home),
                "SSL_CERT_FILE": str(home / "ca.pem"),
                "https_proxy": proxy,
            }
        )
        login = [sys.executable, "-m", "facility.cli", "login", "--vo", "cms", "--hub", world.HUB, "--keep", "file"]
        with subprocess.Popen(login, env=made.environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            shown = "".join(process.stderr.readline() for _ in range(3))
            page = re.search(r"or open (\S+)", shown)
            assert page, shown + process.stderr.read()
            asyncio.run(approve(stage, page[1]))
            assert process.wait(60) == 0, process.stderr.read()
        yield made
        made.run("logout")


async def approve(stage: Stage, url: str) -> None:
    """Alice's browser: through the issuer's login form to the device's page, and yes."""
    async with stage.at_hub(world.CMS, "alice") as person:
        method, values = "GET", None
        for _ in range(6):
            async with person.http.request(method, url, data=values) as answer:
                page, at = await answer.text(), str(answer.url)
            if "Device connected" in page:
                return
            form = forms(page)[0]
            values = {name: value for name, value in form.fields.items() if name != "deny"}
            if "username" in values:
                values |= {"username": person.account, "password": person.password}
            method, url = "POST", urljoin(at, form.action)
        raise AssertionError(words(page))


def test_it_reads_the_lake_with_its_own_tokens(stage: Stage, machine: Machine) -> None:
    token = machine.token()
    asked = [Attempt(protocol, CMS, world.CMS.file, token) for protocol in ("root", "https")]
    for answer in attempt(stage.cluster, "jupyter-cms-alice", asked):
        assert answer.ok, answer


def test_it_submits_as_the_same_person_and_needs_to_know_one_address_only(stage: Stage, machine: Machine) -> None:
    told = machine.run("env")
    assert told.returncode == 0, told.stderr
    variables = dict(re.findall(r"export (\w+)=(.*)", told.stdout))
    condor = {name: shlex.split(value)[0] for name, value in variables.items() if "CONDOR" in name}
    assert not [name for name in condor if "COLLECTOR" in name]
    given = json.dumps({"condor": condor, "token": Path(condor["_CONDOR_SCITOKENS_FILE"]).read_text()})
    pod = ("facility-users", "jupyter-cms-alice", "notebook")
    sent, listed, removed = json.loads(stage.cluster.execute(*pod, ["python3", "-c", SUBMIT], stdin=given))
    assert sent["code"] == 0, sent
    assert listed["text"].split() == ["cms_alice"]
    assert removed["code"] == 0, removed


def test_it_goes_on_over_rotated_refresh_tokens(machine: Machine) -> None:
    assert len({machine.token("--force-new") for _ in range(4)}) == 4


def test_it_writes_a_token_file_and_tells_how_it_is(machine: Machine, tmp_path: Path) -> None:
    done = machine.run("get-token", "--for", "rucio", "-o", str(tmp_path / "bt"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bt").stat().st_mode & 0o777 == 0o600
    assert machine.run("status").returncode == 0


def test_signed_out_it_gets_nothing(machine: Machine) -> None:
    assert machine.run("logout").stdout == "signed out\n"
    assert machine.run("token").returncode == 1
