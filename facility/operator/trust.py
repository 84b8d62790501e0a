"""Whom the facility's programs trust: public authorities, the site's further ones, and the internal one. Pure."""

from __future__ import annotations

import ssl

from facility.operator.build.common import config_map
from facility.operator.objects import Manifest
from facility.site import Site

NAME, KEY = "facility-trust", "ca.crt"
#: what no machine outside trusts by itself, which the hub tells people's own machines
OWN = "own.crt"


def bundle(public: str, ca: str, site: Site) -> str:
    """All certificates, PEM."""
    parts = (ca, site.extra_trust, public)
    return "\n".join(part.strip() for part in parts if part.strip()) + "\n"


def build(text: str, own: str, site: Site) -> list[Manifest]:
    """The ConfigMap in every namespace whose pods mount it. `own`: without public authorities."""
    spaces = site.namespaces
    every = dict.fromkeys((spaces.facility, spaces.users, spaces.batch))
    return [config_map(NAME, space, {KEY: text, OWN: own}, component="trust") for space in every]


def context(text: str) -> ssl.SSLContext:
    """For the operator's own connections: exactly this bundle, names always checked."""
    return ssl.create_default_context(cadata=text)
