"""The first program of HTCondor's containers makes directories and secrets as HTCondor wants them."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from facility.condor import job_wrapper, layout, start

#: of dask's processes
ROLES = ("WORKER", "CLIENT", "SCHEDULER")


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for secret in (layout.MOUNTED_KEY, layout.MOUNTED_TOKEN):
        path = below(tmp_path, secret)
        path.parent.mkdir(parents=True)
        path.write_text(f"content of {secret.name}")
    return tmp_path


@pytest.mark.parametrize(
    ("role", "secret"),
    [
        ("cm", layout.KEYS / "POOL"),
        ("ap", layout.KEYS / "POOL"),
        ("ep", layout.IDENTITY_TOKENS / "execute"),
    ],
)
def test_each_role_has_its_secret_and_nobody_else_may_read_it(root: Path, role: str, secret: Path) -> None:
    before = os.umask(0)
    try:
        start.prepare(role, root)
    finally:
        os.umask(before)
    assert mode(below(root, secret)) == 0o600
    assert mode(below(root, secret).parent) == 0o700


def test_an_execute_pod_never_has_the_pools_key(root: Path) -> None:
    start.prepare("ep", root)
    assert list(below(root, layout.KEYS).iterdir()) == []


def test_a_container_that_starts_again_finds_all_as_it_should_be_and_takes_a_new_key(root: Path) -> None:
    start.prepare("ap", root)
    below(root, layout.MOUNTED_KEY).write_text("another key")
    below(root, layout.CREDENTIALS / "cms_alice").mkdir()
    start.prepare("ap", root)
    assert below(root, layout.KEYS / "POOL").read_text() == "another key"
    assert below(root, layout.CREDENTIALS / "cms_alice").is_dir()


def test_a_missing_secret_is_an_error_that_names_it(root: Path) -> None:
    below(root, layout.MOUNTED_KEY).unlink()
    with pytest.raises(FileNotFoundError, match="pool-key/POOL"):
        start.prepare("cm", root)


@pytest.mark.parametrize("arguments", [(), ("cm", "ap"), ("schedd",)])
def test_an_unknown_role_is_refused_with_the_known_ones(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match=r"cm\|ap\|ep"):
        start.main(arguments)


def wrapped(tmp_path: Path, **environment: str) -> dict[str, str]:
    """The environment that a job sees behind the wrapper."""
    program = tmp_path / "job-wrapper"
    program.write_text(job_wrapper.TEXT)
    given = {"_CONDOR_SCRATCH_DIR": str(tmp_path), "FACILITY_VO": "cms", **environment}
    done = subprocess.run(
        ["/bin/sh", str(program), "/usr/bin/env", "-0"], env=given, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


def test_a_job_finds_its_own_token_whatever_its_submitter_brought_along(tmp_path: Path) -> None:
    brought = {"BEARER_TOKEN_FILE": "/run/token/lake", "BEARER_TOKEN": "x", "HOME": "/home/jovyan"}
    seen = wrapped(tmp_path, _CONDOR_CREDS="/scratch/.condor_creds", **brought)
    assert seen["BEARER_TOKEN_FILE"] == "/scratch/.condor_creds/cms.use"
    assert seen["HOME"] == str(tmp_path)
    assert "BEARER_TOKEN" not in seen
    assert seen["PATH"].startswith("/opt/venv/bin:")


def test_arguments_reach_the_job_as_they_are(tmp_path: Path) -> None:
    program = tmp_path / "job-wrapper"
    program.write_text(job_wrapper.TEXT)
    command = ["/bin/sh", str(program), "/usr/bin/printf", "%s|", "a b", "$HOME", "*", ""]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True)
    assert done.stdout == "a b|$HOME|*||"


def test_workers_of_dask_speak_tls_with_what_they_came_with_and_other_jobs_know_nothing_of_it(tmp_path: Path) -> None:
    assert not [name for name in wrapped(tmp_path) if name.startswith("DASK")]
    brought = tmp_path / "facility-dask.pem"
    brought.write_text("key and certificate")
    seen = {name: value for name, value in wrapped(tmp_path).items() if name.startswith("DASK_DISTRIBUTED__COMM__")}
    assert seen.pop("DASK_DISTRIBUTED__COMM__DEFAULT_SCHEME") == "tls"
    assert seen.pop("DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION") == "true"
    files = {f"DASK_DISTRIBUTED__COMM__TLS__{role}__{kind}" for role in ROLES for kind in ("CERT", "KEY")}
    assert seen == dict.fromkeys({"DASK_DISTRIBUTED__COMM__TLS__CA_FILE", *files}, str(brought))
