"""`htcondor`, as it is in a notebook: HTCondor's own tool, whose submissions take their files along.

`htcondor job submit` and `htcondor jobset submit` expect to be on the access point's machine, and to be its account of
the same name. Here neither is so: what they submit is spooled, and they are told the owner that this person is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

from facility import names

DAG = (
    "DAGMan does not run here: it would run its owner's programs on the access point. "
    "For DAGMan's files: facility batch dag FILE"
)
REFUSED = 1


def main() -> int:
    """HTCondor's exit code, or 1 for what is done otherwise here."""
    if sys.argv[1:3] == ["dag", "submit"]:
        print(DAG, file=sys.stderr)
        return REFUSED
    be_owner(os.environ)  # before the tool is imported: it asks then who this is
    import htcondor2
    from htcondor_cli import cli  # type: ignore[import-untyped,unused-ignore]

    htcondor2.Schedd.submit = spooling(htcondor2.Schedd.submit)
    return int(cli.main() or 0)


def spooling(submit: Callable[..., Any]) -> Callable[..., Any]:
    """The bindings' `submit`, with files sent along."""

    def spooled(schedd: Any, description: Any, *args: Any, **more: Any) -> Any:
        placed = submit(schedd, description, *args, **more | {"spool": True})
        schedd.spool(placed)
        return placed

    return spooled


def be_owner(environment: MutableMapping[str, str]) -> None:
    """Python's `getpass.getuser`, which the tool asks, says the owner of this person's jobs."""
    user = environment.get("FACILITY_USER", "")
    if user:
        environment["LOGNAME"] = names.owner(*names.split_hub_user(user))


if __name__ == "__main__":
    sys.exit(main())
