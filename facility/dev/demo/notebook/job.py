"""Runs as a batch job: makes a partial histogram at its start and again at its end, more than two token lives later.

One process, so that what is shown is what long jobs need: the second read uses a token that did not exist when the
job began. The two reads go over different protocols, and a third over both in turn while the job waits.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from pathlib import Path

import analysis


def token_id() -> str:
    """The claim `jti` of the token in force: it names the token and opens nothing."""
    payload = Path(os.environ["BEARER_TOKEN_FILE"]).read_text().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["jti"])


def main(vo: str, path: str, number: int, count: int, seconds: int) -> None:
    """Histogram events of part `number` of `count`, twice at least `seconds` apart, and compare."""
    root = f"{os.environ['LAKE_ROOT'].rstrip('/')}/{path}"
    https = f"{os.environ['LAKE_HTTPS'].rstrip('/')}{path}"
    began, reads = time.time(), []
    start, stop = analysis.part(analysis.entries(root, vo), number, count)
    first = analysis.histogram(root, vo, start, stop)
    reads.append({"at": 0.0, "token": token_id()})
    while time.time() - began < seconds:
        time.sleep(15)
        for where in (root, https):
            if analysis.histogram(where, vo, start, stop) != first:
                raise SystemExit("a later read gave another histogram")
        reads.append({"at": round(time.time() - began, 1), "token": token_id()})
    Path(f"part.{number}.json").write_text(json.dumps(first))
    Path(f"reads.{number}.json").write_text(json.dumps(reads))
    print(f"{len(reads)} reads with {len({read['token'] for read in reads})} tokens")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(word) for word in sys.argv[3:6]))
