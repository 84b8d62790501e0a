"""`facility batch examples`: copies the image's example notebooks to where they can be changed and run."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from facility.batch.queue import BatchError

#: where the notebook image has them
SHIPPED = Path("/usr/share/facility/examples")


def options(made: argparse.ArgumentParser) -> None:
    """Of the command."""
    made.add_argument("into", nargs="?", type=Path, default=Path.home() / "examples", metavar="DIRECTORY")
    made.add_argument("--from", dest="shipped", type=Path, default=SHIPPED, help=argparse.SUPPRESS)


def run(given: argparse.Namespace) -> int:
    """Copies what is not there yet: what a person has changed stays as it is. Raises BatchError."""
    if not given.shipped.is_dir():
        raise BatchError("this image has no examples")
    given.into.mkdir(parents=True, exist_ok=True)
    new = [one for one in sorted(given.shipped.iterdir()) if not (given.into / one.name).exists()]
    for one in new:
        shutil.copyfile(one, given.into / one.name)
    print(f"{given.into}: {', '.join(one.name for one in new) or 'nothing is missing'}")
    return 0
