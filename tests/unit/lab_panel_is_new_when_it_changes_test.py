"""Browsers keep an extension's files for a year, so the panel's version must change whenever its files do."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

PANEL = Path(__file__).parents[2] / "facility" / "lab" / "panel"


def test_the_version_in_the_url_is_that_of_the_files() -> None:
    total = sha256()
    for path in sorted((PANEL / "static").iterdir()):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    load = json.loads((PANEL / "package.json").read_text())["jupyterlab"]["_build"]["load"]
    assert load == f"static/remoteEntry.js?v={total.hexdigest()[:12]}", "write that version into panel/package.json"


def test_each_file_is_asked_for_with_that_version() -> None:
    for name in ("remoteEntry.js", "panel.js"):
        text = (PANEL / "static" / name).read_text()
        assert "new URL('" not in text, f"{name}: use beside()"
