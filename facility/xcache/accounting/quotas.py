"""Which directories the cache keeps small, by the file that tells it so (facility.xcache.keeping)."""

from __future__ import annotations


def directories(text: str) -> set[str]:
    """Those of the lines `quota <directory>/ <bytes>`."""
    found = (line.split() for line in text.splitlines())
    return {words[1].rstrip("/") for words in found if words[:1] == ["quota"] and len(words) > 1}
