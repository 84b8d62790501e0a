"""How figures are written down: rows of value, unit, what stands beside them, and the goal; a table and a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

Row = dict[str, Any]


def row(value: float, unit: str, goal: float | None = None, beside: str = "") -> Row:
    """One measured figure; `beside` names what it was measured against or next to."""
    return {"value": value, "unit": unit, "beside": beside, "goal": goal}


def table(rows: dict[str, Row]) -> str:
    """The rows as aligned text."""
    width = max(len(name) for name in rows)
    lines = [f"{'':{width}}  {'value':>9}  unit  goal"]
    for name, one in sorted(rows.items()):
        goal = "" if one["goal"] is None else one["goal"]
        lines.append(f"{name:{width}}  {one['value']:>9}  {one['unit']:4}  {goal}")
    return "\n".join(lines)


def publish(part: str, rows: dict[str, Row]) -> None:
    """Print the table and write `results/<part>.json`; then fail if a figure misses its goal (most is best)."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{part}.json").write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
    print("\n" + table(rows))
    late = {name: one["value"] for name, one in rows.items() if one["goal"] and one["value"] > one["goal"]}
    assert not late, f"over their goals: {late}"
