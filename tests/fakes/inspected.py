"""A facility as `facility check` reads it: one VO, everything in order. Tests break one thing at a time."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from facility import names
from facility.inspection.facts import Certificate, Facts

Json = dict[str, Any]
#: lists by plural and namespace that are other than in a facility in order
Changed = dict[tuple[str, str], Any]
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC).timestamp()


def moment(ago: float) -> str:
    """A time so many seconds ago, as Kubernetes writes it."""
    return datetime.fromtimestamp(NOW - ago, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def labelled(component: str, vo: str = "") -> Json:
    return {names.LABEL_COMPONENT: component} | ({names.LABEL_VO: vo} if vo else {})


def thing(name: str, space: str = "facility", ago: float = 9000, labels: Json | None = None, **content: Any) -> Json:
    """Any object, made so many seconds ago."""
    meta = {"name": name, "namespace": space, "creationTimestamp": moment(ago), "labels": labels or {}}
    return {"metadata": meta, **content}


def workload(name: str, space: str = "facility", vo: str = "", ready: int = 1, component: str = "") -> Json:
    """A Deployment or StatefulSet of one pod."""
    labels = labelled(component or name, vo)
    spec = {"replicas": 1, "selector": {"matchLabels": labels}}
    return thing(name, space, labels=labels, spec=spec, status={"readyReplicas": ready})


def pod(
    name: str, space: str = "facility", component: str = "", vo: str = "", ago: float = 9000, **status: Any
) -> Json:
    """A pod; `status` as Kubernetes has it."""
    return thing(name, space, ago, labelled(component or name, vo), spec={}, status={"phase": "Running", **status})


def conditions(*changed: tuple[str, str, str, str]) -> list[Json]:
    """A good VO's conditions, but for those (type, status, reason, message)."""
    good = [("Ready", "True", "Served", "fine"), ("IssuerReachable", "True", "Answered", "fine")]
    good += [("ClientReady", "True", "Found", "fine")]
    found = {one[0]: one for one in (*good, *changed)}
    keys = ("type", "status", "reason", "message")
    return [dict(zip(keys, one, strict=True), observedGeneration=1) for one in found.values()]


def vo(name: str = "cms", *changed: tuple[str, str, str, str], ago: float = 9000, **spec: Any) -> Json:
    """A VO with a lake and batch."""
    made = thing(name, ago=ago, spec={"issuer": f"https://{name}.test/", "lakes": [{"prefix": f"/{name}"}], **spec})
    made["metadata"]["generation"] = 1
    made["status"] = {"observedGeneration": 1, "conditions": conditions(*changed)}
    return made


def person(name: str, vo_name: str = "cms", reason: str = "SignedIn", uid: int | None = 20001) -> Json:
    """A person of a VO."""
    status = "True" if reason == "SignedIn" else "Unknown" if reason == "IssuerUnavailable" else "False"
    ready = {"type": "TokenReady", "status": status, "reason": reason, "message": "a sentence"}
    return thing(f"{vo_name}-{name}", spec={"vo": vo_name, "uid": uid}, status={"conditions": [ready]})


def lease(ago: float = 2, holder: str = "operator-1") -> Json:
    """The operator's, renewed so many seconds ago."""
    spec = {"holderIdentity": holder, "renewTime": moment(ago), "leaseDurationSeconds": 12}
    return thing("operator", spec=spec)


def objects() -> dict[tuple[str, str], tuple[Json, ...]]:
    """Everything of a facility in order, by plural and namespace."""
    deployments = tuple(workload(name) for name in ("operator", "broker", "hub", "proxy"))
    cache = workload("xcache-cms", vo="cms", component="xcache")
    queue = workload("ap-cms", "facility-batch", vo="cms", component="access-point")
    return {
        ("virtualorganizations", "facility"): (vo(),),
        ("facilityusers", "facility"): (person("alice"), person("bob")),
        ("deployments", "facility"): deployments,
        ("leases", "facility"): (lease(),),
        ("statefulsets", "facility"): (cache,),
        ("statefulsets", "facility-batch"): (workload("cm", "facility-batch"), queue),
        ("pods", "facility"): (pod("broker-1", component="broker"), pod("xcache-cms-0", component="xcache", vo="cms")),
        ("pods", "facility-batch"): (pod("ap-cms-0", "facility-batch", "access-point", "cms"),),
        ("pods", "facility-users"): (pod("jupyter-cms-alice", "facility-users", "notebook", "cms"),),
    }


def without(name: str, plural: str, space: str = "facility") -> Changed:
    """That list without the object of that name."""
    kept = tuple(one for one in objects()[plural, space] if one["metadata"]["name"] != name)
    return {(plural, space): kept}


def vos(*found: Any) -> Changed:
    """Those VOs and no others."""
    return {("virtualorganizations", "facility"): found}


def facts(changed: Changed | None = None, **more: Any) -> Facts:
    """Those facts, with other lists (None: not read) and other fields."""
    found = {**deepcopy(objects()), **(changed or {})}
    certificates = (Certificate("facility", "tls-broker", "", NOW + 80 * 86400, ours=True),)
    read = {key: value for key, value in found.items() if value is not None}
    return Facts(**{"now": NOW, "objects": read, "certificates": certificates, **more})
