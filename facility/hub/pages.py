"""The facility's own pages within JupyterHub's: templates and static files of this package, and the logos of VOs.

Templates are read from the package and compiled in the hub's own Jinja environment, whose `page.html` they extend, so
a hub of another chart needs no setting for them. That environment escapes whatever comes from an object or a person.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from hashlib import sha256
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

FOLDER = Path(str(resources.files("facility.hub").joinpath("web")))
#: changes with the files, so that browsers may keep them for as long as they like
VERSION = sha256(b"".join(file.read_bytes() for file in sorted(FOLDER.iterdir()) if file.is_file())).hexdigest()[:12]
_INLINE = re.compile(r"data:(image/(?:png|jpeg|gif|webp|avif|svg\+xml));base64,(.+)", re.S)


def render(settings: dict[str, Any], template: str, base_url: str, **values: Any) -> str:
    """A template of this package, with `values`. `settings` are those of the hub's tornado application."""
    environment = settings["jinja2_env_sync"]
    compiled = environment.from_string((FOLDER / template).read_text())
    return str(compiled.render(base_url=base_url, static=f"{base_url}facility/static", version=VERSION, **values))


def again(url: str, text: str) -> str:
    """A sentence as HTML, with the link to sign in again if there is one."""
    link = f' <a class="btn btn-jupyter" href="{escape(url, quote=True)}">Sign in again</a>' if url else ""
    return f"{escape(text)}{link}"


def logo_url(vo: str, logo: str, base_url: str) -> str:
    """Where a browser finds a VO's logo: at the hub when it is written in the object, so that the page stays small."""
    if not logo.startswith("data:"):
        return logo
    if inline_image(logo) is None:
        return ""
    return f"{base_url}facility/logo/{quote(vo)}?v={sha256(logo.encode()).hexdigest()[:12]}"


def inline_image(logo: str) -> tuple[str, bytes] | None:
    """Type and bytes of a logo that is written in the object itself (RFC 2397), None for any other."""
    found = _INLINE.fullmatch(logo)
    try:
        return (found[1], b64decode(found[2], validate=True)) if found else None
    except binascii.Error:
        return None
