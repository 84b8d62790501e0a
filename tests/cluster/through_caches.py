"""What people see through caches: `reader.py` run in a person's pod."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage
from facility.xcache import places
from tests.cluster import forge, reader

_PROGRAM = Path(reader.__file__).read_text()
#: VO to the pod of its person, who reads through its cache
PODS = {"cms": "jupyter-cms-alice", "escape": "jupyter-escape-dave"}


def record(path: str) -> str:
    """Where XRootD's cache writes down what it has of a file, in the cache's pod."""
    return f"{places.DATA}{path}.cinfo"


def seen(stage: Stage, vo: world.DemoVO, what: str, *of: Any, token: str = "") -> Any:
    """What somebody of the VO sees: the answer of that method of `reader.Reader`. Who may read all of its lake, unless
    another token is given."""
    wish = json.dumps({"host": f"xcache-{vo.name}.facility.svc", "what": what, "of": of})
    token = token or forge.token(vo, scope="storage.read:/")
    where = ("facility-users", PODS[vo.name], "notebook", ["python3", "-c", _PROGRAM])
    return json.loads(stage.cluster.execute(*where, stdin=f"{token}\n{wish}\n", timeout=400))
