"""The browser of tests: this machine's Chromium, Debian's where there is none."""

from __future__ import annotations

import shutil

from facility.dev.cluster import apt


def program() -> str:
    """Path of the browser. Raises ClusterError where installing it needs root."""
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if not found:
        apt.ensure(["chromium"])
    return found or "/usr/bin/chromium"
