"""`facility check`: with a kubeconfig, or in the operator's pod."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kubernetes_asyncio.config import ConfigException

from facility.inspection.facts import name
from facility.inspection.judge.everything import judge
from facility.inspection.read import Reader, connect
from facility.inspection.report import Report
from facility.kubernetes import SERVICE_ACCOUNT, ApiError

COULD_NOT_LOOK = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing is wrong, 1 when something is, 2 when the facility could not be looked at."""
    given = _parser().parse_args(arguments)
    try:
        found = asyncio.run(look(given.namespace or _namespace(SERVICE_ACCOUNT)))
    except (ApiError, ConfigException) as error:
        print(f"the cluster could not be looked at: {error}", file=sys.stderr)
        return COULD_NOT_LOOK
    if given.vo and given.vo not in found.vos:
        print(f"there is no VO {given.vo}; there are: {', '.join(found.vos) or 'none'}", file=sys.stderr)
        return COULD_NOT_LOOK
    found = found.only(given.vo) if given.vo else found
    print(json.dumps(found.document(), indent=1) if given.json else "\n".join(found.lines()))
    return found.status


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="facility check", description="Say what is wrong with this facility, VO by VO.")
    made.add_argument("-n", "--namespace", default="", help="the facility's; the pod's own, else facility")
    made.add_argument("--vo", default="", help="only this VO, and what all VOs stand on")
    made.add_argument("--json", action="store_true", help="one JSON object")
    return made


def _namespace(account: Path) -> str:
    try:
        return (account / "namespace").read_text().strip()
    except OSError:
        return "facility"


async def look(namespace: str) -> Report:
    """Reads the facility of that namespace, and judges it. Raises ApiError or ConfigException."""
    kubernetes = await connect()
    try:
        facts = await Reader(kubernetes, namespace, time.time).facts()
    finally:
        await kubernetes.close()
    return Report(tuple(map(name, facts.vos)), tuple(judge(facts)), facts.unread)


if __name__ == "__main__":
    sys.exit(main())
