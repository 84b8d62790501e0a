"""YAML as people read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml


class _Plain(yaml.SafeDumper):
    """Writes shared parts out in full: anchors are hard to read in a review."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(documents: Iterable[dict[str, Any]]) -> str:
    """The documents as one YAML stream, keys in their own order."""
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)
