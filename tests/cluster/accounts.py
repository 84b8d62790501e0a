"""What is counted beside the cache of cms: sums since its pod began."""

from __future__ import annotations

import re

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage

#: XRootD tells of files every 10 s, and of what it lets go of every 5
SECONDS = 40
_ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/metrics').read().decode())"
_LINE = re.compile(r"facility_cache_(\w+)\{(.*)\} (\d+)")

Sums = dict[tuple[str, str], int]


def sums(stage: Stage) -> Sums:
    """Metric and label (subject and protocol, or origin) to its value."""
    told = stage.cluster.execute("facility", "xcache-cms-0", "accounting", ["python3", "-c", _ASK])
    found: Sums = {}
    for name, labels, value in _LINE.findall(told):
        rest = ",".join(one for one in labels.split(",") if not one.startswith("vo="))
        found[name, rest] = int(value)
    return found


def grown(before: Sums, after: Sums, name: str, labels: str) -> int:
    """By how much."""
    return after.get((name, labels), 0) - before.get((name, labels), 0)


def served(before: Sums, after: Sums, person: world.Account, protocol: str) -> int:
    """Bytes that a person has read meanwhile."""
    return grown(before, after, "served_bytes_total", f'subject="{person.subject}",protocol="{protocol}"')
