"""P3, stale reads in the last soak (`make soak`), which takes longer than all other figures together and a cluster."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.figures import Row, row

ARTIFACT = Path("artifacts/soak.json")


def measured(path: Path = ARTIFACT) -> dict[str, Row]:
    """Its figures. Raises AssertionError where there was no soak."""
    assert path.exists(), f"{path} is missing: run `make soak` first, which measures P3"
    told = json.loads(path.read_text())
    beside = f"of {told['reads']} reads in {told['seconds']:.0f} s, while {len(told['kills'])} times a part was ended"
    least = min(one["least_left"] for one in told["readers"].values())
    return {
        "P3": row(told["P3"], "", 0, beside),
        "P3_other_errors": row(told["other_errors"], "", 0, beside),
        "P3_least_left_s": row(least, "s", None, "of the oldest token that was read with"),
    }
