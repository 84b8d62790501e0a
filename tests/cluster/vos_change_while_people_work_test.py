"""What of a VO may change while its people work: its client's secret, what its pods reach. The operator tells of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from facility import names
from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Outcome, Stage, restarts
from facility.dev.demo.secrets import all_secrets
from tests.cluster.waiting import USERS, until_ready, until_usable

pytestmark = pytest.mark.cluster
VO, POD = world.ESCAPE, "jupyter-escape-dave"

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


@pytest.fixture(scope="module")
def dave(stage: Stage, outcome: Outcome) -> str:
    """The pod of a person of the VO."""
    stage.cluster.apply(world.manifest(VO))
    until_usable(stage, VO)
    asyncio.run(spawn(stage))
    until_ready(stage, POD)
    return POD


async def spawn(stage: Stage) -> None:
    async with stage.at_hub(VO, VO.person.name) as dave:
        await dave.sign_in()
        await dave.spawn()


def hand_out(stage: Stage, client: str) -> None:
    """Give issuer and facility another secret of their client, as the VO's managers and the site's admin would."""
    whole = place.material()
    changed = dataclasses.replace(whole, clients=whole.clients | {VO.name: client})
    wanted = {f"iam-{VO.name}-clients", world.client_secret(VO)}
    stage.cluster.apply(*(one for one in all_secrets(changed) if one["metadata"]["name"] in wanted))
    stage.cluster.do("rollout", "restart", f"deploy/iam-{VO.name}", "-n", world.NAMESPACE)
    stage.cluster.do("rollout", "status", f"deploy/iam-{VO.name}", "-n", world.NAMESPACE, "--timeout=90s")


@pytest.fixture
def another_secret(stage: Stage, dave: str) -> Iterator[None]:
    hand_out(stage, secrets.token_urlsafe(48))
    yield
    hand_out(stage, place.material().clients[VO.name])


def token(stage: Stage) -> str:
    """Which token dave's pod has now, by its hash."""
    return stage.cluster.execute(USERS, POD, "notebook", ["sha256sum", "/run/token/lake"])


def test_another_client_secret_is_taken_up_without_a_restart(stage: Stage, another_secret: None) -> None:
    before, held = restarts(stage.cluster), {token(stage)}
    # three tokens: the second may have been asked for with the old secret
    stage.cluster.wait_for("new tokens", lambda: held.add(token(stage)) or len(held) >= 3, 150)
    asyncio.run(spawn(stage))
    assert restarts(stage.cluster) == before


def reaches(stage: Stage, address: str, port: int) -> bool:
    """Whether dave's notebook can open a connection."""
    try:
        stage.cluster.execute(USERS, POD, "notebook", ["python3", "-c", CONNECT, address, str(port)])
    except ClusterError:
        return False
    return True


def allow(stage: Stage, *destinations: dict[str, Any]) -> None:
    change = json.dumps({"spec": {"network": {"allow": list(destinations)}}})
    stage.cluster.do("patch", "vo", VO.name, "-n", "facility", "--type=merge", "-p", change)


def test_pods_reach_inside_only_what_the_vo_lists(stage: Stage, dave: str) -> None:
    # an issuer lets in whoever comes, so the only wall between is that of the VO's pods
    issuer = f"{names.LABEL_COMPONENT}=issuer,{names.LABEL_VO}=cms"
    (pod,) = stage.cluster.items("pods", "-n", world.NAMESPACE, "-l", issuer)
    address, port = pod["status"]["podIP"], 8443
    assert not reaches(stage, address, port)
    allow(stage, {"cidr": f"{address}/32", "ports": [port]})
    try:
        stage.cluster.wait_for("the way opened", lambda: reaches(stage, address, port), 60)
    finally:
        allow(stage)
    stage.cluster.wait_for("the way closed", lambda: not reaches(stage, address, port), 60)


def test_the_operator_tells_events_and_metrics(stage: Stage, dave: str) -> None:
    suspend(stage, True)
    try:
        stage.cluster.wait_for("an event of it", lambda: "Suspended" in reasons(stage), 30)
    finally:
        suspend(stage, False)
    until_usable(stage, VO)
    text = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/metrics').read().decode())"
    found = []
    for pod in stage.cluster.items("pods", "-n", "facility", "-l", "app.kubernetes.io/component=operator"):
        where = ("facility", pod["metadata"]["name"], "operator")
        found.append(stage.cluster.execute(*where, ["python3", "-c", text]))
    leaders = [one for one in found if "facility_operator_leader 1.0" in one]
    assert len(leaders) == 1
    assert 'facility_operator_vos{ready="True",reason="Served"}' in leaders[0]
    assert 'facility_operator_issuer_up{vo="cms"} 1.0' in leaders[0]


def suspend(stage: Stage, so: bool) -> None:
    change = json.dumps({"spec": {"suspended": so}})
    stage.cluster.do("patch", "vo", VO.name, "-n", "facility", "--type=merge", "-p", change)


def reasons(stage: Stage) -> set[str]:
    """Reasons of the events of the VO."""
    events = stage.cluster.items("events.events.k8s.io", "-n", "facility")
    return {one["reason"] for one in events if one["regarding"]["name"] == VO.name}
