"""Runs in a notebook's kernel: reads one embargoed file in three ways and draws what is in it.

Standard tools only, no token anywhere in the code: `root://` and `https://` through fsspec and uproot, and xrdcp.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import analysis


def main(vo: str, path: str) -> None:
    """Read `path` (a lake path) over root://, https:// and by xrdcp; print `RESULT` and a line of JSON."""
    root = f"{os.environ['LAKE_ROOT'].rstrip('/')}/{path}"
    https = f"{os.environ['LAKE_HTTPS'].rstrip('/')}{path}"
    copy = Path.home() / "copy.root"
    subprocess.run(["xrdcp", "--force", "--nopbar", root, str(copy)], check=True, timeout=60)
    found = [analysis.histogram(where, vo) for where in (root, https, str(copy))]
    if any(one != found[0] for one in found):
        raise SystemExit(f"the three ways differ: {found}")
    analysis.draw(found[0], Path.home() / "histogram.png", title=f"{vo}: {path}")
    print("RESULT", json.dumps(found[0]))
