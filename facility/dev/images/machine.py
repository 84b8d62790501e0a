"""What this machine needs to reach the package index, for build stages alone: it is in no image and in no tag."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

#: settings that say where and how wheels are fetched; `trusted-host` is not among them, for it ends verification
_CARRIED = ("index-url", "extra-index-url", "proxy", "timeout", "retries")
#: sections of pip's configuration, each winning over those before it
_SECTIONS = ("global", "install", ":env:")
_LINE = re.compile(r"^(global|install|:env:)\.([a-z-]+)='(.*)'$", re.MULTILINE)
#: where the build stages find it
_BUNDLE = "/build/machine/ca.crt"


def lay_out(folder: Path) -> None:
    """Write `pip.conf`, and `ca.crt` when this machine has a bundle, into a new folder."""
    folder.mkdir()
    listed = _pip_config()
    bundle = ca_bundle(listed, os.environ)
    if bundle:
        shutil.copyfile(bundle, folder / "ca.crt")
    (folder / "pip.conf").write_text(pip_conf(listed, has_bundle=bundle is not None))


def pip_conf(listed: str, *, has_bundle: bool) -> str:
    """pip's configuration file for a build stage, from what `pip config list` prints on this machine."""
    settings = {key: value for key, value in _settings(listed).items() if key in _CARRIED}
    if has_bundle:
        settings["cert"] = _BUNDLE
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in settings.items()), ""])


def ca_bundle(listed: str, environment: Mapping[str, str]) -> Path | None:
    """The bundle that pip trusts here: its own setting, the environment's, or OpenSSL's default."""
    own = _settings(listed).get("cert")
    candidates = (own, environment.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile)
    return next((Path(name) for name in candidates if name and Path(name).is_file()), None)


def _settings(listed: str) -> dict[str, str]:
    """What is in force of a listing: what the environment sets wins over files, as it does for pip."""
    found = sorted(_LINE.findall(listed), key=lambda line: _SECTIONS.index(line[0]))
    return {key: value for _, key, value in found}


def _pip_config() -> str:
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
