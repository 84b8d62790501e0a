"""`python3 -m facility.checks.operator NAMESPACE BATCH`: whether the operator has done what it is there for.

It has made what the other parts wait for, and says of every VirtualOrganization, as it stands now, whether it is
ready. A VO that is not, and says why, is a matter of its own: the operator is well. No Secret is looked at, for who
may ask for one may read it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from facility import names
from facility.checks import api
from facility.checks.report import patiently

Get = Callable[[str], dict[str, Any]]


def missing(namespace: str, batch: str, get: Get = api.get) -> str:
    """What is wrong with what the operator makes before there is any VO; empty when nothing is."""
    for space, name in ((namespace, "facility-trust"), (batch, "facility-trust"), (batch, "cm-config")):
        try:
            get(f"/api/v1/namespaces/{space}/configmaps/{name}")
        except OSError as error:
            return f"ConfigMap {name} in {space}: {error}"
    return ""


def told(namespace: str, get: Get = api.get) -> tuple[list[str], list[str]]:
    """(what the operator says of each VO, names of VOs of which it says nothing). Raises OSError."""
    path = f"/apis/{names.API_GROUP}/{names.API_VERSION}/namespaces/{namespace}/virtualorganizations"
    vos = get(path)["items"]
    said = {vo["metadata"]["name"]: _ready(vo) for vo in vos}
    lines = [f"{name}: {one['status']} ({one['reason']}): {one['message']}" for name, one in said.items() if one]
    return lines, [name for name, one in said.items() if not one]


def _ready(vo: dict[str, Any]) -> dict[str, Any] | None:
    """The condition Ready, if it speaks of the object's present generation."""
    conditions: Iterable[dict[str, Any]] = vo.get("status", {}).get("conditions", [])
    now = vo["metadata"]["generation"]
    return next((one for one in conditions if one["type"] == "Ready" and one.get("observedGeneration") == now), None)


def silence(namespace: str, get: Get = api.get) -> str:
    """Which VOs the operator has not looked at; empty when there is none."""
    try:
        silent = told(namespace, get)[1]
    except OSError as error:
        return str(error)
    return f"nothing is said yet of {', '.join(silent)}" if silent else ""


def main(arguments: Sequence[str] | None = None, get: Get = api.get) -> int:
    """0 when the operator is well."""
    namespace, batch = sys.argv[1:] if arguments is None else arguments
    wrong = patiently(lambda: missing(namespace, batch, get) or silence(namespace, get))
    if wrong:
        print(wrong)
        return 1
    print("\n".join(["the operator has made what the other parts need", *told(namespace, get)[0]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
