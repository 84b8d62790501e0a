"""A chart's values and what the comments of its values.yaml say of them.

A comment `# path.of.a.value -- what it is` documents a value and all below it; `*` stands for any name. A path that
values.yaml does not give a value is passed through: its default is that of the program that reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from facility.site import Site

CHARTS = Path(__file__).resolve().parents[3] / "charts"
_COMMENT = re.compile(r"^ *# ?(?:(?P<path>[A-Za-z*][\w*.]*) -- )?(?P<text>.*)$")
ValuePath = tuple[str, ...]


def comments(text: str) -> dict[ValuePath, str]:
    """What the comments of a values.yaml document, in their order."""
    found: dict[ValuePath, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        match = _COMMENT.match(line)
        if match is None:
            current = []
        elif match["path"]:
            current = found.setdefault(tuple(match["path"].split(".")), [])
        current += [match["text"].strip()] if match else []
    return {path: " ".join(lines) for path, lines in found.items()}


def leaves(node: Any, at: ValuePath = ()) -> Iterator[tuple[ValuePath, Any]]:
    """Every value that is no mapping, and every empty mapping, with its path."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from leaves(value, (*at, str(key)))
    else:
        yield at, node


def covers(documented: ValuePath, path: ValuePath) -> bool:
    """Whether a documented path is that of a value, or of something above it."""
    return len(documented) <= len(path) and all(a in ("*", b) for a, b in zip(documented, path, strict=False))


@dataclass(frozen=True)
class Chart:
    """A chart as its files describe it."""

    folder: Path

    @property
    def name(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def about(self) -> dict[str, Any]:
        """Chart.yaml."""
        return self._yaml("Chart.yaml")

    @property
    def values(self) -> dict[str, Any]:
        """The defaults."""
        return self._yaml("values.yaml")

    @property
    def documented(self) -> dict[ValuePath, str]:
        """What the comments say."""
        return comments((self.folder / "values.yaml").read_text())

    @property
    def tested(self) -> bool:
        """Whether there is a `helm test`."""
        return (self.folder / "templates" / "tests").is_dir()

    def _yaml(self, name: str) -> dict[str, Any]:
        return yaml.safe_load((self.folder / name).read_text()) or {}


def charts() -> list[Chart]:
    """All charts."""
    return [Chart(path.parent) for path in sorted(CHARTS.glob("*/Chart.yaml"))]


def elsewhere(chart: Chart) -> dict[ValuePath, Any]:
    """Defaults of values that are passed through: for the operator's chart those of facility/site.py."""
    if chart.name != "operator":
        return {}
    images = dict.fromkeys(("facility", "hub", "notebook", "condor", "xcache"), "")
    site = Site.model_validate({"images": images, "publicUrl": "https://hub.example.org"})
    settings = site.model_dump(mode="json", by_alias=True, exclude={"images", "namespaces"})  # those are `global`
    return dict(leaves({"site": settings}))


def default(chart: Chart, documented: ValuePath) -> str:
    """The default as JSON, without what has a comment of its own; empty when nothing is left."""
    others = [path for path in chart.documented if len(path) > len(documented)]
    known = {**elsewhere(chart), **dict(leaves(chart.values))}
    mine = {path: value for path, value in known.items() if covers(documented, path)}
    mine = {path: value for path, value in mine.items() if not any(covers(other, path) for other in others)}
    if not mine:
        return ""
    first = next(iter(mine))[: len(documented)]  # of what stands for any name, the first
    shown = tree({path[len(documented) :]: value for path, value in mine.items() if path[: len(first)] == first})
    return f"`{json.dumps(shown, ensure_ascii=False)}`"


def tree(found: Mapping[ValuePath, Any]) -> Any:
    """The mapping whose leaves these are."""
    if () in found:
        return found[()]
    made: dict[str, Any] = {}
    for path, value in found.items():
        node = made
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = value
    return made
