"""Reads embargoed data without a pause in one process that outlives many tokens, and writes down how each read went.

The same file runs in a notebook's kernel and as a batch job (`python soak.py VO PATH SECONDS OUT`). Files are opened
anew each time and kept open, over root:// and https, by whatever the image has. Nothing in it speaks of tokens but the
record, which says how long the one in force was still good.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Read = Callable[[], int]
#: seconds between two rounds over all ways
PAUSE = 0.5
#: how a server, or the client itself, refuses a token. All here may be read, so such a refusal is one for staleness
_REFUSED = re.compile(
    r"\b40[13]\b|\[3010\]|permission denied|auth failed|no protocols left|token expired|token verification|"
    r"unauthorized|forbidden|which does not exist|InvalidToken",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


def outcome(error: BaseException | None) -> str:
    """`ok`, `stale` (the token was refused, or not there) or `other`."""
    if error is None:
        return "ok"
    return "stale" if any(_REFUSED.search(text) for text in _texts(error)) else "other"


def _texts(error: BaseException) -> Iterator[str]:
    """What the error and those behind it say; names of their classes too, as some say nothing else."""
    found: BaseException | None = error
    while found is not None:
        yield f"{type(found).__name__}: {found}"
        found = found.__cause__ or found.__context__


def in_force() -> tuple[str, float]:
    """The current token's `jti`, which opens nothing, and when it expires. Empty and 0 where there is none."""
    try:
        payload = Path(os.environ["BEARER_TOKEN_FILE"]).read_text().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["jti"]), float(claims["exp"])
    except (OSError, LookupError, ValueError):
        return "", 0.0


def one(way: str, read: Read, now: Callable[[], float] = time.time) -> Record:
    """One read and how it went; `left`: seconds for which the token in force was good when it began."""
    begun, (token, expires) = now(), in_force()
    failed: BaseException | None = None
    try:
        if read() < 1:
            raise ValueError("nothing was read")
    except Exception as error:
        failed = error
    record: Record = {"at": round(begun, 2), "way": way, "outcome": outcome(failed), "took": round(now() - begun, 2)}
    record |= {"left": round(expires - begun, 1), "token": token}
    if failed is not None:
        told = " <- ".join(_texts(failed))
        record |= {"error": _TOKEN.sub("(a token)", told)[:600], "leaked": bool(_TOKEN.search(told))}
    return record


def soak(
    ways: dict[str, Read],
    seconds: float,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    say: Callable[[str], None] = lambda text: None,
) -> list[Record]:
    """Read in all ways in turn for so long. `say` hears every quarter of a minute how it goes."""
    records: list[Record] = []
    begun = heard = now()
    while now() - begun < seconds:
        records += [one(way, read, now) for way, read in ways.items()]
        if now() - heard >= 15:
            heard = now()
            say(f"{heard - begun:.0f} s: {len(records)} reads, {sum(r['outcome'] != 'ok' for r in records)} failed")
        sleep(PAUSE)
    return records


def ways(vo: str, path: str, keep: ExitStack) -> dict[str, Read]:
    """The ways to read that this image has. `keep` holds what stays open."""
    import analysis
    import uproot

    root = f"{os.environ['LAKE_ROOT'].rstrip('/')}/{path}"
    https = f"{os.environ['LAKE_HTTPS'].rstrip('/')}{path}"
    kind = analysis.FORMATS[vo]

    def opened(url: str) -> Read:
        def read() -> int:
            with uproot.open(url) as file:
                return len(file[kind.tree][kind.pt].array(entry_stop=5))

        return read

    def held(url: str) -> Read:
        tree = keep.enter_context(uproot.open(url))[kind.tree]
        total, state = int(tree.num_entries), {"at": 0}

        def read() -> int:
            state["at"] = (state["at"] + 7) % max(total - 5, 1)
            return len(tree[kind.pt].array(entry_start=state["at"], entry_stop=state["at"] + 5, array_cache=None))

        return read

    found: dict[str, Read] = {"uproot root": opened(root), "uproot https": opened(https)}
    found |= {"fsspec https": lambda: first(https), "fsspec root": lambda: first(root)}
    found |= {"held root": held(root), "held https": held(https)}
    return found | columns(root, https)


def first(url: str) -> int:
    """The length of a file's first bytes, read by whoever runs this."""
    import fsspec

    with fsspec.open(url) as file:
        return len(file.read(64))


def columns(root: str, https: str) -> dict[str, Read]:
    """pandas and pyarrow, where the image has them: both read through fsspec."""
    found: dict[str, Read] = {}
    try:
        from pandas.io.common import get_handle
    except ImportError:
        pass
    else:
        found["pandas root"] = lambda: _handled(get_handle(root, "rb", is_text=False))
    try:
        import fsspec
        from pyarrow import fs
    except ImportError:
        return found

    def read() -> int:
        lake, path = fsspec.url_to_fs(https)
        with fs.PyFileSystem(fs.FSSpecHandler(lake)).open_input_file(path) as file:
            return len(file.read(64))

    return found | {"pyarrow https": read}


def _handled(opened: Any) -> int:
    with opened as handles:
        return len(handles.handle.read(64))


def main(vo: str, path: str, seconds: float, out: str) -> None:
    """As a job: read for so long, and write the records."""
    with ExitStack() as keep:
        records = soak(ways(vo, path, keep), seconds)
    Path(out).write_text(json.dumps(records))
    print(f"{len(records)} reads with {len({record['token'] for record in records})} tokens")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
