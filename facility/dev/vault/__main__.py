"""`python -m facility.dev.vault`: builds Vault for tests and prints where the program is."""

from __future__ import annotations

import sys

from facility.dev import vault
from facility.dev.cluster.problems import ClusterError


def main() -> int:
    """1 and a sentence on stderr when it cannot be built."""
    try:
        print(vault.build())
    except ClusterError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
