"""The cache's image with a clock that a test turns (libfaketime): nobody waits for what hours do."""

from __future__ import annotations

from pathlib import Path

from facility.dev.cluster.run import output
from facility.xcache import places

#: the file that says by how many seconds the clock is ahead, such as +3600
FILE = f"{places.RUN}/clock"
#: seconds after which whoever runs has looked at it again
LOOKED = 2
_IMAGE = "facility-test/xcache-with-another-clock"
_RECIPE = f"""
FROM {{image}}
USER root
RUN /usr/lib/facility/install libfaketime && ln -s /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib/facility/libclock.so
ENV LD_PRELOAD=/usr/lib/facility/libclock.so FAKETIME_TIMESTAMP_FILE={FILE}
ENV FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1
USER 65532:65532
"""


def made(image: str) -> str:
    """The image's name, built if there is none."""
    name = f"{_IMAGE}:{image.rpartition(':')[2]}"
    recipe = _RECIPE.format(image=image)
    output(["docker", "build", "--network", "host", "-q", "-t", name, "-"], data=recipe, timeout=300)
    return name


def text(seconds: float) -> str:
    """What the file says."""
    return f"{seconds:+.0f}"


def turn(file: Path, seconds: float) -> None:
    """A clock whose file is here."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text(seconds))
    file.chmod(0o444)
