"""The environment that jobs start with, so that the same Python reads the lake in a job and in a notebook."""

from __future__ import annotations

import re

from facility import surroundings
from facility.condor.layout import TRUST
from facility.site import Site
from facility.users import FacilityUser
from facility.vo import VirtualOrganization

#: HTCondor separates entries by spaces, and quotes values that have some by single quotes: no value here has a quote
_PLAIN = re.compile(r"[\x20\x21\x23-\x26\x28-\x7E]*")


def job_environment(vo: VirtualOrganization, user: FacilityUser, site: Site) -> str:
    """`NAME=value` entries as HTCondor's environment syntax has them, without the quotes around the whole.

    Raises:
        ValueError: a value with a quote.
    """
    return " ".join(f"{name}={_quoted(value)}" for name, value in _values(vo, user, site).items())


def _values(vo: VirtualOrganization, user: FacilityUser, site: Site) -> dict[str, str]:
    trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "X509_CERT_FILE", "CURL_CA_BUNDLE"), str(TRUST))
    whose = {"FACILITY_VO": vo.name, "FACILITY_USER": user.hub_user}
    return trust | whose | surroundings.lake(vo, site.xcache(vo.name))


def _quoted(value: str) -> str:
    if not _PLAIN.fullmatch(value):
        raise ValueError(f"{value!r} cannot stand in a job's environment: it has a quote")
    return f"'{value}'" if " " in value else value
