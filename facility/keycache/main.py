"""`python3 -m facility.keycache.main HOME ISSUERS`: keeps issuers' public keys where XRootD and HTCondor look for them.

HOME is the directory of libscitokens' cache, ISSUERS a file with an issuer a line, which is read again each time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from facility.keycache.keeper import AGAIN, Keeper
from facility.keycache.library import KeyCache


def main() -> None:
    """For ever. Raises OSError where there is no library, or no file of issuers."""
    home, issuers = sys.argv[1:]
    keeper = Keeper(KeyCache(home).fetch, time.monotonic, say)
    while True:
        keeper.look(Path(issuers).read_text().split())
        time.sleep(AGAIN)


def say(text: str) -> None:
    """A line into the container's log."""
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
