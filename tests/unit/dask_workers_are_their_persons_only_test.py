"""dask-jobqueue's HTCondorCluster as the image configures it: workers come by TLS, with their person's certificate."""

from __future__ import annotations

import datetime
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from facility.condor.job_wrapper import TEXT
from facility.lab import dask

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "images" / "notebook"
#: a kernel's code: nothing in it speaks of certificates, addresses or HTCondor's options
KERNEL = """
import sys
from dask_jobqueue import HTCondorCluster
from distributed import Client
with HTCondorCluster() as cluster:
    cluster.scale(jobs=1)
    with Client(cluster) as client:
        client.wait_for_workers(1, timeout=60)
        print(sum(client.gather(client.map(lambda x: x * x, range(10)))))
        addresses = [cluster.scheduler_address, *client.scheduler_info()["workers"]]
        print(*(one.partition(":")[0] for one in addresses))
        print(cluster.dashboard_link)
"""
#: a program of somebody else's that has found out where the scheduler is
STRANGER = """
import sys
from distributed import Client
from distributed.security import Security
from facility.lab import dask
from pathlib import Path
dask.prepare("/", Path(sys.argv[2]))
pem = str(Path(sys.argv[2]) / dask.PEM)
other = Security(tls_ca_file=pem, tls_client_cert=pem, tls_client_key=pem, require_encryption=True)
try:
    Client(sys.argv[1], security=other, timeout=3)
except OSError as error:
    print("refused", type(error).__name__)
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of a kernel in a notebook whose pool is this machine."""
    configured, programs = tmp_path / "run", tmp_path / "bin"
    dask.prepare("/user/cms-alice/", configured)
    for directory in (programs, tmp_path / "scratch", tmp_path / "etc"):
        directory.mkdir()
    shipped = (IMAGE / "dask" / "jobqueue.yaml").read_text()
    shipped = shipped.replace("/run/dask/", f"{configured}/").replace("/opt/venv/bin/python", sys.executable)
    (tmp_path / "etc" / "jobqueue.yaml").write_text(shipped)
    wrapper = programs / "wrapper"
    wrapper.write_text(TEXT)
    fake = f"{ROOT}/tests/fakes/condor_submit.py {tmp_path}/scratch {wrapper}"
    (programs / "condor_submit").write_text(f'#!/bin/sh\nexec {sys.executable} {fake} "$@"\n')
    (programs / "condor_rm").write_text(f'#!/bin/sh\nkill $(cat {tmp_path}/scratch/"${{1%.*}}"/pid)\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    own = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    return own | {"DASK_ROOT_CONFIG": str(tmp_path / "etc"), "DASK_CONFIG": str(configured)}


def run(home: dict[str, str], code: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=home, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_cluster_without_any_argument_computes_by_tls_and_its_page_is_behind_the_notebook(
    home: dict[str, str],
) -> None:
    total, schemes, link = run(home, KERNEL)
    assert total == "285"
    assert set(schemes.split()) == {"tls"}
    assert link.startswith("/user/cms-alice/proxy/")
    assert link.endswith("/status")
    description = (Path(home["HOME"]) / "scratch" / "1" / "description").read_text()
    assert "facility-dask" not in description.partition("Arguments")[2], "no path of the notebook's in the command"


def test_whoever_lacks_the_certificate_is_refused(home: dict[str, str]) -> None:
    stranger = Path(home["HOME"]) / "stranger.py"
    stranger.write_text(STRANGER)
    elsewhere = Path(home["HOME"]) / "elsewhere"
    code = f"""
import os, subprocess, sys
from dask_jobqueue import HTCondorCluster
with HTCondorCluster() as cluster:
    clean = {{key: value for key, value in os.environ.items() if not key.startswith("DASK_")}}
    told = subprocess.run([sys.executable, {str(stranger)!r}, cluster.scheduler_address, {str(elsewhere)!r}],
                          env=clean, capture_output=True, text=True)
    print(told.stdout or told.stderr)
"""
    assert run(home, code)[0].startswith("refused ")


def test_the_certificate_is_new_at_each_start_and_nobody_elses_to_read(tmp_path: Path) -> None:
    dask.prepare("/", tmp_path)
    first = (tmp_path / dask.PEM).read_bytes()
    dask.prepare("/", tmp_path)
    assert (tmp_path / dask.PEM).read_bytes() != first
    assert stat.S_IMODE((tmp_path / dask.PEM).stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["facility-dask.pem", "facility.yaml"]


def test_the_certificate_is_good_for_as_long_as_a_server_may_run() -> None:
    from cryptography import x509

    now = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
    made = x509.load_pem_x509_certificate(dask.certificate(now).encode())
    assert made.not_valid_before_utc < now
    assert made.not_valid_after_utc > now + datetime.timedelta(days=300)


def test_the_shipped_configuration_names_what_the_server_makes() -> None:
    told = yaml.safe_load((IMAGE / "dask" / "jobqueue.yaml").read_text())["jobqueue"]["htcondor"]
    assert f"{dask.DIRECTORY}/{dask.PEM}" in " ".join(told["submit-command-extra"])
    assert f"DASK_CONFIG={dask.DIRECTORY}" in (IMAGE / "Dockerfile").read_text()
    assert str(dask.DIRECTORY) in (IMAGE / "accounts").read_text()
    assert dask.PEM in TEXT
