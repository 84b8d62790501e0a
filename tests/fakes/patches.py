"""What an API server does with patches and selectors, for both of the tests' own."""

from __future__ import annotations

import copy
from typing import Any


def merged(old: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def selected(manifest: dict[str, Any], selector: str) -> bool:
    """Whether an object's labels are as an equality-based selector wants them."""
    labels = manifest["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        name, _, value = term.partition("!=" if "!=" in term else "=")
        if (labels.get(name) == value) == ("!=" in term):
            return False
    return True


def having(manifest: dict[str, Any], fields: str) -> bool:
    """Whether an object's fields are as a field selector wants them."""
    for term in filter(None, fields.split(",")):
        path, _, value = term.partition("=")
        found: Any = manifest
        for name in path.split("."):
            found = found.get(name, "") if isinstance(found, dict) else ""
        if str(found).lower() != value.lower():
            return False
    return True
