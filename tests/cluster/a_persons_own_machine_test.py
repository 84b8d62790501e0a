"""A person's own machine, outside of the cluster: signs in by the device flow, and then reads and submits.

The machine is the one that runs this test: `facility` as a program of its own, with a home of its own. Names of the
demo lead to its node ports by a proxy. XRootD's and HTCondor's own tools then run beside the cluster (`elsewhere`),
with what `facility env` told and nothing else.
"""

from __future__ import annotations

import asyncio
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

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.demo.pages import forms, words
from tests.cluster.elsewhere import Elsewhere, let_in
from tests.fakes import connect_proxy

pytestmark = pytest.mark.cluster

#: both ways to read, each to the same sum
READ = f"""
xrdcp -s "${{LAKE_ROOT}}/{world.CMS.file}" - | sha256sum | cut -d' ' -f1
python3 - "$LAKE_HTTPS{world.CMS.file}" <<'END'
import hashlib, os, ssl, sys, urllib.request
token = open(os.environ["BEARER_TOKEN_FILE"]).read()
asked = urllib.request.Request(sys.argv[1], headers={{"Authorization": "Bearer " + token}})
with urllib.request.urlopen(asked, context=ssl.create_default_context(cafile=os.environ["X509_CERT_FILE"])) as answer:
    print(hashlib.sha256(answer.read()).hexdigest())
END
"""
#: a job with a file of its own, from submission to its result
SUBMIT = """
printf '#!/bin/sh\\ncat question; id -un; test -s "$BEARER_TOKEN_FILE" && echo token\\n' > job.sh
echo 'is anybody there?' > question
printf 'executable = job.sh\\ntransfer_input_files = question\\nrequest_memory = 50MB\\n' > job.sub
printf 'output = answer\\nerror = errors\\nlog = log\\nqueue\\n' >> job.sub
cluster=$(condor_submit -spool -terse job.sub | cut -d. -f1)
for _ in $(seq 120); do
    state=$(condor_q "$cluster" -af JobStatus)
    [ "$state" != 4 ] || break
    sleep 1
done
condor_q "$cluster" -af Owner JobStatus HoldReason
condor_transfer_data "$cluster" > /dev/null
cat answer
condor_rm "$cluster" > /dev/null
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


@pytest.fixture(scope="module")
def elsewhere(stage: Stage, machine: Machine) -> Elsewhere:
    """The machine's tools; its home is the machine's."""
    if not stage.node:
        pytest.skip("needs a machine on the nodes' network")
    return Elsewhere(let_in(stage, world.CMS), Path(machine.environment["HOME"]))


def variables(machine: Machine) -> dict[str, str]:
    """What `facility env` says now."""
    told = machine.run("env")
    assert told.returncode == 0, told.stderr
    return {name: shlex.split(value)[0] for name, value in re.findall(r"export (\w+)=(.*)", told.stdout)}


def test_it_reads_the_lake_by_both_protocols(machine: Machine, elsewhere: Elsewhere) -> None:
    sums = elsewhere.run(READ, variables(machine)).split()
    assert len(sums) == 2
    assert len(set(sums)) == 1


def test_it_submits_and_has_the_result_and_needs_to_know_one_address_only(
    machine: Machine, elsewhere: Elsewhere
) -> None:
    told = variables(machine)
    assert not [name for name in told if "COLLECTOR" in name]
    said = elsewhere.run(SUBMIT, told).splitlines()
    assert said[0].split()[:2] == ["cms_alice", "4"], said
    assert said[1] == "is anybody there?"
    assert said[2].startswith("slot")
    assert said[3] == "token"


def test_pods_have_no_part_in_the_ways_in(stage: Stage, elsewhere: Elsewhere) -> None:
    ask = "import socket, sys; socket.create_connection((sys.argv[1], 1094), 3)"
    address = next(iter(elsewhere.hosts.values()))
    with pytest.raises(ClusterError):
        stage.cluster.execute("facility-users", "jupyter-atlas-bob", "notebook", ["python3", "-c", ask, address])


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
