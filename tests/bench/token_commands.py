"""What a program pays for a token: our `oidc-token` and our agent, beside oidc-agent's own (Debian's package).

Both have the token at hand, so that no issuer is asked: what is measured is the command. The agents' memory is looked
at in the same moment.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from facility.dev.cluster import apt
from facility.dev.issuer.settings import Client
from tests.bench.figures import Row, row
from tests.bench.processes import program, resident, wait_for
from tests.bench.token_rate import Stage, issuing
from tests.fakes import issuer as development
from tests.fakes.broker_world import LAKE, identity

TIMES = 30
#: memory that an agent has for itself, and with the interpreter's and libraries' files, which a node has once
SIZES = (("_own", "RssAnon", 15.0), ("", "VmRSS", None))
Size = Callable[[str], float]
_NAME, _PASSWORD = "bench", "for the time of a test"
_CALLBACK = "http://localhost:4242"
AGENT = Client(
    client_id="oidc-agent",
    client_secret="its secret",
    redirect_uris=(development.CALLBACK, _CALLBACK),
    scopes=development.SCOPES,
)


class Cost(NamedTuple):
    """Of one call: milliseconds by the clock (median), milliseconds of CPU (mean)."""

    wall: float
    cpu: float


def measured(stage: Stage, directory: Path) -> dict[str, Row]:
    """Rows of both, asked in turns. Somebody named p0 is signed in at the stage's broker."""
    apt.ensure(["oidc-agent-cli"])
    with ours(stage, directory) as (mine, my_size), theirs(directory) as (other, other_size):
        mine_one, other_one = _calls(mine, TIMES // 2), _calls(other, TIMES // 2)
        mine_all = _joined(mine_one, _calls(mine, TIMES // 2))
        other_all = _joined(other_one, _calls(other, TIMES // 2))
        rows = {f"agent{name}_MiB": _sizes(my_size(kind), other_size(kind), most) for name, kind, most in SIZES}
    beside = f"oidc-agent's own: {other_all.wall:.1f} ms, {other_all.cpu:.1f} ms of CPU"
    return {
        "oidc_token_ms": row(round(mine_all.wall, 1), "ms", beside=beside),
        "oidc_token_cpu_ms": row(round(mine_all.cpu, 1), "ms", beside=beside),
    } | rows


def _sizes(mine: float, other: float, most: float | None) -> Row:
    return row(round(mine, 1), "MiB", most, f"oidc-agent: {other:.1f} MiB")


def _calls(call: tuple[list[str], Mapping[str, str]], times: int) -> list[Cost]:
    command, environment = call
    found = []
    for _ in range(times + 1):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        answer = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
        took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        assert answer.stdout.count(".") == 2, answer.stderr
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found.append(Cost(took * 1000, used * 1000))
    return found[1:]  # the first one reads the disk


def _joined(one: list[Cost], more: list[Cost]) -> Cost:
    both = one + more
    return Cost(statistics.median(cost.wall for cost in both), statistics.mean(cost.cpu for cost in both))


@contextmanager
def ours(stage: Stage, directory: Path) -> Iterator[tuple[tuple[list[str], Mapping[str, str]], Size]]:
    """The command with our agent behind it, and how much memory that has."""
    place = directory / "token"
    place.mkdir()
    (directory / "identity").write_text(identity("pod-0"))
    around = {
        "AGENT_BROKER_URL": stage.url,
        "AGENT_IDENTITY": str(directory / "identity"),
        "AGENT_DIRECTORY": str(place),
        "SSL_CERT_FILE": str(stage.directory / "ca.crt"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with program("facility.agent.main", directory / "agent.log", **around) as running:
        wait_for((place / "lake").exists, running)
        command = [str(_script(directory)), "--time", "60", "--aud", LAKE]
        yield (command, {**os.environ, **around}), running.mebibytes


def _script(directory: Path) -> Path:
    """The command as installing the package makes it, with this interpreter."""
    path = directory / "oidc-token"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nfrom facility.commands.oidc_token import main\nsys.exit(main())\n"
    )
    path.chmod(0o755)
    return path


@contextmanager
def theirs(directory: Path) -> Iterator[tuple[tuple[list[str], Mapping[str, str]], Size]]:
    """oidc-agent with an account at the development issuer."""
    root = directory / "theirs"
    root.mkdir()
    with issuing(root, (AGENT,)) as (_, url):
        with development.Browser(url, root / "ca.crt") as http:
            there = development.Running(url, http, *[None] * 3, root / "ca.crt")  # type: ignore[arg-type]
            granted = there.sign_in(client=AGENT)
        around = {**os.environ, "HOME": str(root), "OIDC_CONFIG_DIR": str(root / "oidc")}
        (root / "oidc").mkdir(mode=0o700)
        started = subprocess.run(["oidc-agent"], env=around, check=True, capture_output=True, text=True).stdout
        around |= dict(re.findall(r"^(OIDC\w+)=([^;]+);", started, re.MULTILINE))
        pid = int(around["OIDCD_PID"])
        try:
            _add_account(url, root, granted["refresh_token"], around)
            command = [str(shutil.which("oidc-token", path="/usr/bin")), "--time", "60", _NAME]
            yield (command, around), lambda kind: resident(pid, kind)
        finally:
            os.kill(pid, 15)


def _add_account(url: str, root: Path, refresh_token: str, around: Mapping[str, str]) -> None:
    options = {
        "--iss": f"{url}/",
        "--client-id": AGENT.client_id,
        "--client-secret": str(AGENT.client_secret),
        "--redirect-uri": _CALLBACK,
        "--cert-path": str(root / "ca.crt"),
        "--scope": "openid offline_access storage.read:/",
        "--prompt": "none",
    }
    secrets = {"OIDC_REFRESH_TOKEN": refresh_token, "OIDC_ENCRYPTION_PW": _PASSWORD}
    flags = ["--manual", "--rt-env", "--pw-env", "--confirm-default", _NAME]
    command = ["oidc-gen", *(f"{name}={value}" for name, value in options.items()), *flags]
    made = subprocess.run(command, env={**around, **secrets}, capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stdout + made.stderr
