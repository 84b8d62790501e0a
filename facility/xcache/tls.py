"""`python3 -m facility.xcache.tls`: hands each renewed certificate to a running cache, from a container beside it.

XRootD takes no TLS key that anybody but its owner may read, and a mounted Secret cannot be made so: the pair is
copied. XRootD (6.2) reads the copies anew once a minute (`xrd.tlsca ... refresh 60s`), and keeps what it has when they
do not fit each other. So nothing has to be restarted, only the copies kept.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from facility.xcache import pairs, places
from facility.xcache.places import below

#: seconds between two looks; the kubelet itself needs up to two minutes to bring a changed Secret
PERIOD = 20.0


def install(root: Path = Path("/")) -> bool:
    """Copy the mounted pair where it is another than the copies; whether it was. Raises OSError."""
    certificate, key = pairs.mounted(root, places.TLS)
    pair = [(below(root, places.TLS_KEY), key), (below(root, places.TLS_CERTIFICATE), certificate)]
    changed = [one for one in pair if not _holds(*one)]
    for path, content in changed:
        pairs.write(path, content)
    return bool(changed)


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


class Renewal:
    """Looks at the pair again and again, and says what it has done and what keeps it from it, each once."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root, say
        self._problem = ""

    def look(self) -> None:
        """One look. What fails is tried again at the next."""
        before, self._problem = self._problem, ""
        try:
            if install(self._root):
                self._say("the cache has been given another certificate")
        except OSError as error:
            self._problem = f"the certificate cannot be renewed: {error}"
            if self._problem != before:
                self._say(self._problem)


def main() -> None:
    """For ever."""
    renewal = Renewal(Path("/"), lambda text: print(text, file=sys.stderr, flush=True))
    while True:
        renewal.look()
        time.sleep(PERIOD)


if __name__ == "__main__":
    main()
