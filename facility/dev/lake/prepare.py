"""`python -m facility.dev.lake.prepare`: fills the volumes of the origin's pod before xrootd starts in it.

Runs in an init container of the demo's image, under the uid that xrootd has in its own: XRootD refuses a TLS key that
anybody else may read, and a mounted Secret cannot be made so.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from facility.dev.lake import grid, origin, private
from facility.keycache import settings as keycache
from facility.srr import Service, Share, report


def main() -> None:
    """LAKE_CONFIG, LAKE_TLS, LAKE_GRID and LAKE_FILES are there; LAKE_RUN and LAKE_DATA get filled. Raises OSError,
    KeyError, CalledProcessError."""
    place = {name: Path(os.environ[f"LAKE_{name.upper()}"]) for name in ("config", "tls", "files", "run", "data")}
    prepare(**place)
    subjects = os.environ["LAKE_VOMS_SUBJECT"], os.environ["LAKE_VOMS_ISSUER"]
    grid.prepare(Path(os.environ["LAKE_GRID"]), place["run"] / "grid", subjects)
    sys.stdout.write(f"prepared {place['data']} and {place['run']}\n")


def prepare(config: Path, tls: Path, files: Path, run: Path, data: Path) -> None:
    """Copies data and TLS files, makes the http secret, renders the configuration; again does no harm.

    `config` is a YAML file with `audience` and `issuers` (VO name -> issuer).
    """
    told = yaml.safe_load(config.read_text())
    for vo in files.iterdir():  # not the volume's own root: it is not ours to change
        shutil.copytree(vo, data / vo.name, dirs_exist_ok=True)
    (run / "admin").mkdir(exist_ok=True)
    for name in ("tls.crt", "tls.key"):
        private.write(run / name, (tls / name).read_bytes())
    private.write(run / "http.key", secrets.token_urlsafe(48).encode())
    private.write(run / keycache.ISSUERS, keycache.lines(told["issuers"].values()).encode())
    private.write(run / "srr.json", json.dumps(_report(told["audience"], tuple(told["issuers"]), data)).encode())
    private.write(run / "xrootd.cfg", origin.xrootd_cfg(tuple(told["issuers"])).encode())
    private.write(run / "scitokens.cfg", origin.scitokens_cfg(told["audience"], told["issuers"]).encode())


def _report(audience: str, vos: Sequence[str], data: Path) -> dict[str, Any]:
    """The lake's storage resource report, as it is before anybody reads: XRootD gives it to everybody, by https.

    Whoever accounts adds shares up, so room that is free is divided among the VOs, and none of it is told twice.
    """
    now, volume = time.time(), os.statvfs(data)
    free, shares = volume.f_bavail * volume.f_frsize // max(len(vos), 1), []
    for vo in vos:
        sizes = [one.stat().st_size for one in (data / vo).rglob("*") if one.is_file()]
        used = sum(sizes)
        shares.append(Share(vo, [vo], [f"/{vo}"], used + free, used, len(sizes), now))
    # of the image's package; its recipe asks for that much at least
    service = Service("origin", "org.xrootd", "6", urlsplit(audience).hostname or "", origin.PORT)
    return report(service, shares, now)


if __name__ == "__main__":
    main()
