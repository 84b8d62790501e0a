"""How figures are written down: rows of value, unit, what stands beside them, and the goal; a table and a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

Row = dict[str, Any]


def row(value: float, unit: str, goal: float | None = None, beside: str = "", least: bool = False) -> Row:
    """One measured figure; `beside` names what it was measured against or next to.

    `goal` is the most that the figure may be; where more is better, the `least`.
    """
    found: Row = {"value": value, "unit": unit, "beside": beside, "goal": goal}
    return found | {"least": True} if least else found


def table(rows: dict[str, Row]) -> str:
    """The rows as aligned text."""
    width = max(len(name) for name in rows)
    lines = [f"{'':{width}}  {'value':>9}  unit  goal"]
    for name, one in sorted(rows.items()):
        goal = "" if one["goal"] is None else f"{'>=' if one.get('least') else '<='} {one['goal']}"
        lines.append(f"{name:{width}}  {one['value']:>9}  {one['unit']:4}  {goal}")
    return "\n".join(lines)


def publish(part: str, rows: dict[str, Row]) -> None:
    """Print the table and write `results/<part>.json`; then fail if a figure misses its goal."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{part}.json").write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
    print("\n" + table(rows))
    missed = {name: one["value"] for name, one in rows.items() if one["goal"] is not None and not _met(one)}
    assert not missed, f"these miss their goals: {missed}"


def _met(one: Row) -> bool:
    met: bool = one["value"] >= one["goal"] if one.get("least") else one["value"] <= one["goal"]
    return met
