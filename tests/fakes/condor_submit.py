"""`condor_submit` of a pool that is this machine: runs a dask worker's job at once, as an execute pod would.

python condor_submit.py SCRATCH WRAPPER [-append COMMAND]... FILE: a directory for the job beside the others in SCRATCH,
with its input files in it, and the job wrapper around it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def main(scratch: Path, wrapper: str, *arguments: str) -> None:
    """Starts the job, and says so as HTCondor does."""
    words, appended = list(arguments), dict[str, str]()
    while words[0] == "-append":
        key, _, value = words[1].partition("=")
        appended[key.strip()] = value.strip()
        del words[:2]
    text = Path(words[0]).read_text()
    number = len(list(scratch.iterdir())) + 1
    place = scratch / str(number)
    place.mkdir()
    (place / "description").write_text(text)
    for name in filter(
        None, re.split("[, ]+", appended["transfer_input_files"].replace("$(transfer_input_files)", ""))
    ):
        shutil.copy(name, place)
    command = _command(re.search(r'^Arguments = "(.*)"$', text, re.MULTILINE))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DASK_", "COVERAGE", "COV_"))}
    environment = kept | {"_CONDOR_SCRATCH_DIR": str(place), "HOME": str(place)}
    with (place / "log").open("w") as log:
        job = subprocess.Popen([wrapper, *command], cwd=place, env=environment, stdout=log, stderr=log)
    (place / "pid").write_text(str(job.pid))
    print(f"1 job(s) submitted to cluster {number}.")


def _command(found: re.Match[str] | None) -> list[str]:
    assert found
    inner = re.fullmatch(r"-c '(.*)'", found[1])
    assert inner
    return ["/bin/sh", "-c", inner[1].replace("''", "'").replace('""', '"')]


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
