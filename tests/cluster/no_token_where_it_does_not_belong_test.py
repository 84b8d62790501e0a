"""Tokens are only where the design puts them: not in environments, arguments, logs, ClassAds, objects, databases.

Nor are refresh tokens and clients' secrets, nor does any stand in metrics; and no process leaves its memory behind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from facility.dev.demo import place as demo
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.limits import LIMITS, core_limits
from tests.cluster.node import on_node
from tests.cluster.scan import known, tokens

pytestmark = pytest.mark.cluster

#: tokens live here and nowhere else on a disk or in memory files of the facility's pods
AT_HOME = ("/run/token/lake", "/run/token/compute", "/run/token/rucio")


#: programs whose memory holds tokens or keys, by their command lines; not tini, which starts them and reads nothing
HOLDERS = {
    "broker": r"^\S*python\S* .*-m facility\.broker\.app",
    "agent": r"^\S*python\S* .*-m facility\.agent\.main",
    "hub": r"^\S*python\S* \S*jupyterhub --config",
    "operator": r"^\S*python\S* .*-m facility\.operator\.main",
    "credential monitor": r"^\S*python\S* .*-m facility\.condor\.credmon",
    "central manager": r"condor_collector",
    "access point": r"condor_schedd",
    "cache": r"^xrootd .*-n xcache",
}
#: what asks inside of a pod for what metrics say: status and text
ASK = """
import ssl, sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode(errors="replace"))
"""


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


def plain_objects(stage: Stage) -> str:
    """All objects but Secrets, which are where secrets are kept."""
    return json.dumps([one for one in json.loads(objects(stage)) if one["kind"] != "Secret"])


def metrics(stage: Stage) -> str:
    """What operator, hub and broker tell to whoever asks for their figures; some answer with a refusal."""
    broker = [f"https://broker.facility.svc:8443/{path}" for path in ("healthz", "metrics")]
    asked = {
        ("deploy/operator", "operator"): ["http://127.0.0.1:9090/metrics", "http://127.0.0.1:8080/healthz"],
        ("deploy/hub", "hub"): ["http://127.0.0.1:8081/hub/metrics", "http://127.0.0.1:8081/hub/health", *broker],
    }
    told = [
        stage.cluster.execute("facility", where, container, ["python3", "-c", ASK, *urls])
        for (where, container), urls in asked.items()
    ]
    assert "facility_" in told[0], f"the operator's metrics are not what was read: {told[0][:500]}"
    return "\n".join(told)


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
    "metrics": metrics,
}
#: where clients' secrets are looked for: of objects, everywhere but in Secrets
WITHOUT_SECRETS = PLACES | {"Kubernetes objects": plain_objects}


@pytest.mark.parametrize("place", PLACES)
def test_no_token_is_in(place: str, stage: Stage, outcome: Outcome) -> None:
    text = PLACES[place](stage)
    assert len(text) > 200, f"nothing was looked at in {place}"
    assert not list(tokens(place, text))


@pytest.mark.parametrize("place", WITHOUT_SECRETS)
def test_no_clients_secret_and_no_password_is_in(place: str, stage: Stage, outcome: Outcome) -> None:
    here = demo.material()
    text = WITHOUT_SECRETS[place](stage)
    assert len(text) > 200, f"nothing was looked at in {place}"
    assert not list(known(place, text, here.clients | here.passwords))


def test_the_scan_finds_a_clients_secret_where_it_is_kept(stage: Stage, outcome: Outcome) -> None:
    name = demo.material().clients
    found = {one.claims for one in known("objects", objects(stage), name)}
    assert {"cms", "atlas"} <= found


def test_no_process_that_holds_tokens_may_leave_a_core_file(stage: Stage, outcome: Outcome) -> None:
    limits = core_limits(on_node(stage, LIMITS))
    for holder, pattern in HOLDERS.items():
        found = {limit for command, limit in limits if re.search(pattern, command)}
        assert found in ({("0", "0")}, {("1", "1")}), f"{holder}: {found or 'does not run'}"


def test_no_core_file_is_anywhere_on_the_node(stage: Stage, outcome: Outcome) -> None:
    where = "/var/lib/kubelet/pods /var/lib/containerd /run/containerd /var/local-path-provisioner"
    named = r"-name core -o -name 'core.[0-9]*' -o -name 'core.[A-Z]*'"
    told = on_node(stage, f"find {where} -type f \\( {named} \\) -size +64k 2>/dev/null; true")
    assert told.strip() == ""


def test_the_scan_finds_a_token_where_one_lives(stage: Stage, outcome: Outcome) -> None:
    for file in AT_HOME:
        text = stage.cluster.execute("facility-users", "jupyter-cms-alice", "notebook", ["cat", file])
        assert list(tokens(file, f"x {text} y"))
        assert list(tokens(file, json.dumps({"data": text})))


def test_token_files_are_the_users_alone(stage: Stage, outcome: Outcome) -> None:
    told = stage.cluster.execute("facility-users", "jupyter-cms-alice", "notebook", ["stat", "-c", "%a %u", *AT_HOME])
    assert told.split() == ["600", "1000"] * len(AT_HOME)


def test_user_containers_hold_no_service_account_token(stage: Stage, outcome: Outcome) -> None:
    look = "ls /var/run/secrets/kubernetes.io /var/run/identity 2>&1; env | grep -c '^BEARER_TOKEN=' ; true"
    told = stage.cluster.execute("facility-users", "jupyter-cms-alice", "notebook", ["sh", "-c", look])
    assert told.count("No such file") == 2
    assert told.strip().endswith("0")
