"""Tokens are only where the design puts them: not in environments, arguments, logs, ClassAds, objects, databases."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from facility.dev.cluster.run import output
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.scan import tokens

pytestmark = pytest.mark.cluster

#: tokens live here and nowhere else on a disk or in memory files of the facility's pods
AT_HOME = ("/run/token/lake", "/run/token/compute")


def on_node(stage: Stage, script: str) -> str:
    """Output of a shell script on the node, as root: it sees all processes and all containers' logs."""
    return output(["docker", "exec", stage.node, "sh", "-c", script], timeout=120)


def environments(stage: Stage) -> str:
    return on_node(stage, "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ; echo; done 2>/dev/null; true")


def command_lines(stage: Stage) -> str:
    return on_node(stage, "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null; true")


def logs(stage: Stage) -> str:
    return on_node(stage, "cat /var/log/pods/facility*/*/*.log /var/log/pods/facility*/*/*.log.* 2>/dev/null; true")


def condor_files(stage: Stage) -> str:
    script = "cat /condor/log/* 2>/dev/null; find /condor/spool -type f -size -2M -exec cat {} + 2>/dev/null; true"
    pods = ["ap-cms-0", "ap-atlas-0"]
    return "\n".join(stage.cluster.execute("facility-batch", pod, "access-point", ["sh", "-c", script]) for pod in pods)


def class_ads(stage: Stage) -> str:
    script = "condor_q -all -long; condor_history -long -limit 200; condor_status -any -long"
    pods = ["ap-cms-0", "ap-atlas-0"]
    return "\n".join(stage.cluster.execute("facility-batch", pod, "access-point", ["sh", "-c", script]) for pod in pods)


def objects(stage: Stage) -> str:
    kinds = stage.cluster.do("api-resources", "--verbs=list", "-o", "name").split()
    everywhere = stage.cluster.do("get", ",".join(kinds), "-A", "-o", "json", "--ignore-not-found", timeout=300)
    items = json.loads(everywhere)["items"]
    return json.dumps([one for one in items if one["metadata"].get("namespace", "").startswith("facility")])


def hub_database(stage: Stage) -> str:
    file = "pathlib.Path('/srv/hub/jupyterhub.sqlite')"
    read = f"import sys, pathlib; sys.stdout.write({file}.read_bytes().decode('latin-1'))"
    return stage.cluster.execute("facility", "deploy/hub", "hub", ["python3", "-c", read])


PLACES: dict[str, Callable[[Stage], str]] = {
    "environments": environments,
    "command lines": command_lines,
    "logs": logs,
    "HTCondor's logs and spool": condor_files,
    "ClassAds": class_ads,
    "Kubernetes objects": objects,
    "the hub's database": hub_database,
}


@pytest.mark.parametrize("place", PLACES)
def test_no_token_is_in(place: str, stage: Stage, outcome: Outcome) -> None:
    text = PLACES[place](stage)
    assert len(text) > 200, f"nothing was looked at in {place}"
    assert not list(tokens(place, text))


def test_the_scan_finds_a_token_where_one_lives(stage: Stage, outcome: Outcome) -> None:
    for file in AT_HOME:
        text = stage.cluster.execute("facility-users", "jupyter-cms-alice", "notebook", ["cat", file])
        assert list(tokens(file, f"x {text} y"))
        assert list(tokens(file, json.dumps({"data": text})))


def test_token_files_are_the_users_alone(stage: Stage, outcome: Outcome) -> None:
    told = stage.cluster.execute("facility-users", "jupyter-cms-alice", "notebook", ["stat", "-c", "%a %u", *AT_HOME])
    assert told.split() == ["600", "1000"] * 2


def test_user_containers_hold_no_service_account_token(stage: Stage, outcome: Outcome) -> None:
    look = "ls /var/run/secrets/kubernetes.io /var/run/identity 2>&1; env | grep -c '^BEARER_TOKEN=' ; true"
    told = stage.cluster.execute("facility-users", "jupyter-cms-alice", "notebook", ["sh", "-c", look])
    assert told.count("No such file") == 2
    assert told.strip().endswith("0")
