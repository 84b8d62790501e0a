"""Every value of a chart is documented, checked by the schema and used; every chart's page is what its files say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from facility.dev.charts.__main__ import readme
from facility.dev.charts.values import Chart, charts, comments, covers, elsewhere, leaves

USED = re.compile(r"\.Values((?:\.[A-Za-z]\w*)+)")
Schema = dict[str, Any]
BY_NAME = {chart.name: chart for chart in charts()}


@pytest.fixture(params=list(BY_NAME))
def chart(request: pytest.FixtureRequest) -> Chart:
    return BY_NAME[request.param]


def parts(chart: Chart) -> dict[str, Chart]:
    """The charts that a chart holds."""
    return {one["name"]: BY_NAME[one["name"]] for one in chart.about.get("dependencies", [])}


def used(chart: Chart) -> set[tuple[str, ...]]:
    """Values that the chart's templates name, and those that decide which charts it holds."""
    files = (path for path in (chart.folder / "templates").rglob("*") if path.is_file())
    found = {name for path in files for name in USED.findall(path.read_text())}
    conditions = {f".{one['condition']}" for one in chart.about.get("dependencies", []) if "condition" in one}
    return {tuple(name.strip(".").split(".")) for name in found | conditions}


def schema_of(chart: Chart, path: tuple[str, ...]) -> Schema | None:
    """The schema of a value, in that of the chart that it is for; None when nothing there speaks of it."""
    inner = parts(chart).get(path[0])
    if inner and len(path) > 1:
        return schema_of(inner, path[1:])
    root: Schema = json.loads((chart.folder / "values.schema.json").read_text())
    node: Schema | None = root
    for key in path:
        node = step(root, node, key) if node else None
    return node


def step(root: Schema, node: Schema, key: str) -> Schema | None:
    own = resolve(root, node)
    if key in own.get("properties", {}):
        return resolve(root, own["properties"][key])
    more = own.get("additionalProperties")
    return resolve(root, more) if isinstance(more, dict) else None


def resolve(root: Schema, node: Schema) -> Schema:
    return resolve(root, root["definitions"][node["$ref"].rpartition("/")[2]]) if "$ref" in node else node


def schema_leaves(root: Schema, node: Schema, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    inner = resolve(root, node).get("properties")
    if not inner:
        yield at
    for key, one in (inner or {}).items():
        yield from schema_leaves(root, one, (*at, key))


def test_the_page_is_what_the_generator_writes(chart: Chart) -> None:
    assert (chart.folder / "README.md").read_text() == readme(chart), "run python -m facility.dev.charts"


def test_every_value_has_a_comment_or_stands_below_one_that_has(chart: Chart) -> None:
    silent = [path for path, _ in leaves(chart.values) if not any(covers(one, path) for one in chart.documented)]
    assert silent == []


def test_every_comment_is_of_a_value_that_there_is_or_that_is_passed_through(chart: Chart) -> None:
    known = [*dict(leaves(chart.values)), *elsewhere(chart)]
    idle = [one for one in chart.documented if not any(covers(one, path) for path in known)]
    assert idle == []


def test_every_value_is_in_the_schema(chart: Chart) -> None:
    assert [path for path, _ in leaves(chart.values) if schema_of(chart, path) is None] == []


def test_every_value_that_a_template_names_exists(chart: Chart) -> None:
    known = list(dict(leaves(chart.values)))
    assert [path for path in used(chart) if not any(covers(path, one) for one in known)] == []


def test_every_value_is_used_or_is_for_a_chart_within_or_for_all(chart: Chart) -> None:
    passed = {("global",), *((name,) for name in parts(chart))}
    idle = [path for path, _ in leaves(chart.values) if not any(covers(one, path) for one in used(chart) | passed)]
    assert idle == []


def test_what_a_chart_hands_to_one_within_is_a_value_of_that_one() -> None:
    umbrella = BY_NAME["facility"]
    for name, inner in parts(umbrella).items():
        known = [path for path, _ in leaves(inner.values)]
        handed = [path for path, _ in leaves(umbrella.values.get(name)) if path != ("enabled",)]
        assert [path for path in handed if path not in known] == []


def test_every_setting_of_the_site_is_documented_with_the_operators_chart() -> None:
    operator = BY_NAME["operator"]
    root: Schema = json.loads((operator.folder / "values.schema.json").read_text())
    settings = list(schema_leaves(root, root["properties"]["site"], ("site",)))
    documented = [one for one in operator.documented if len(one) > 1]
    assert settings
    assert [path for path in settings if not any(covers(one, path) for one in documented)] == []


def test_comments_go_on_over_lines_and_end_with_the_next_value() -> None:
    text = "# a -- first\n# and more\na:\n  # a.*.b -- any\n  # a.c -- other\n  x: 1\n  # of nothing\n"
    assert comments(text) == {("a",): "first and more", ("a", "*", "b"): "any", ("a", "c"): "other"}
