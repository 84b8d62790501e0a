"""Every name that two parts must agree on is made here, once.

A person of a virtual organization (VO) has one short name; from it follow the hub's user name, the HTCondor and
Unix owner, and the FacilityUser object's name. A VO's name gives the names of its cache and its access point.
"""

from __future__ import annotations

import re
from hashlib import sha256

API_GROUP = "analysis-facility.io"
API_VERSION = "v1alpha1"
#: audience of the projected ServiceAccount tokens with which pods prove to the broker who they are
BROKER_AUDIENCE = "token-broker"
#: seconds that such a token is asked for: the kubelet renews it with a fifth left by its own clock, which may be five
#: minutes slow
IDENTITY_LIFE = 1800
#: audiences for submitting, as `Site.compute_audience` makes them
COMPUTE_AUDIENCE = re.compile(r"condor://cm[.][a-z0-9-]+[.]svc")
#: HTCondor's trust domain: identities are `<owner>@<TRUST_DOMAIN>`
TRUST_DOMAIN = "pool"
LABEL_VO = f"{API_GROUP}/vo"
LABEL_OWNER = f"{API_GROUP}/owner"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
#: on objects that lie in no namespace: the namespace of the facility that they belong to
LABEL_FACILITY = f"{API_GROUP}/facility"
#: value of LABEL_MANAGED_BY on all that the operator writes: what has it and is not built any more is removed
OPERATOR = "facility-operator"
#: on every VO that the operator serves: its people's sessions end before the object goes
FINALIZER = f"{API_GROUP}/removal"
#: on what the broker has stored: its kind (session, tokens), and the name of the key that it was sealed with
LABEL_STORED = f"{API_GROUP}/component"
ANNOTATION_KEY = f"{API_GROUP}/key"
#: on an execute pod: what it has for its jobs (`facility.condor.shapes.written`), and why it is to take no more of them
ANNOTATION_SHAPE = f"{API_GROUP}/shape"
ANNOTATION_RETIRE = f"{API_GROUP}/retire"
#: set by kubespawner on user pods; the only place from which the broker learns whose pod it is
ANNOTATION_HUB_USER = "hub.jupyter.org/username"

CONDOR_PORT = 9618
XROOTD_PORT = 1094
BROKER_PORT = 8443
HUB_PORT = 8081

VO_NAME = re.compile(r"[a-z][a-z0-9]{0,14}")
_PLAIN = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")
_LONGEST = 16  # with `<vo>_` before it, within the 32 characters of a Unix account name


class BadNameError(ValueError):
    """A name that cannot be used; the text says what is wrong and what would do."""


def person(claim: str) -> str:
    """The short name of a person, from the claim that the VO names them by (usually `preferred_username`).

    Plain names of at most 16 characters (lower case, digits, single hyphens inside) stay as they are; any other is
    cut and gets eight hexadecimal digits of its SHA-256, so that two different claims never meet in one name.

    Raises:
        BadNameError: the claim is empty or longer than 255 characters.
    """
    if not claim or len(claim) > 255:
        raise BadNameError(f"a person's name has 1 to 255 characters, this one has {len(claim)}")
    if _PLAIN.fullmatch(claim) and len(claim) <= _LONGEST:
        return claim
    stem = re.sub(r"[^a-z0-9]+", "-", claim.lower()).strip("-")[: _LONGEST - 9].strip("-")
    digest = sha256(claim.encode()).hexdigest()[:8]
    return f"{stem}-{digest}" if stem else f"u-{digest}"


def hub_user(vo: str, name: str) -> str:
    """The hub's user name, also the FacilityUser's name: `cms-alice`."""
    return f"{check_vo(vo)}-{name}"


def owner(vo: str, name: str) -> str:
    """The owner of jobs and files as HTCondor and Unix see them: `cms_alice`."""
    return f"{check_vo(vo)}_{name}"


def split_hub_user(user: str) -> tuple[str, str]:
    """`cms-alice` to (`cms`, `alice`). Raises BadNameError for anything `hub_user` does not make."""
    vo, hyphen, name = user.partition("-")
    if not hyphen or not VO_NAME.fullmatch(vo) or not _PLAIN.fullmatch(name) or len(name) > _LONGEST:
        raise BadNameError(f"{user!r} is not a user of this facility: expected <vo>-<name>")
    return vo, name


def split_owner(text: str) -> tuple[str, str]:
    """`cms_alice` to (`cms`, `alice`). Raises BadNameError for anything `owner` does not make."""
    vo, underscore, name = text.partition("_")
    if not underscore or not VO_NAME.fullmatch(vo) or not _PLAIN.fullmatch(name) or len(name) > _LONGEST:
        raise BadNameError(f"{text!r} is not an owner of this facility: expected <vo>_<name>")
    return vo, name


def check_vo(vo: str) -> str:
    """The VO's name itself. Raises BadNameError when it is not 1 to 15 of a-z and 0-9, a letter first."""
    if not VO_NAME.fullmatch(vo):
        raise BadNameError(f"VO name {vo!r}: use 1 to 15 of a-z and 0-9, beginning with a letter")
    return vo


def xcache(vo: str) -> str:
    """Name of a VO's cache: StatefulSet, Service, ServiceAccount, ConfigMap; its Secret is `tls-<that>`."""
    return f"xcache-{check_vo(vo)}"


def xcache_replicas(vo: str, count: int) -> list[str]:
    """Names of a VO's caches: pods, and where there are several, a Service of each."""
    return [f"{xcache(vo)}-{one}" for one in range(count)]


def access_point(vo: str) -> str:
    """Name of a VO's access point: StatefulSet, Service, ServiceAccount, ConfigMap; its Secret is `tls-<that>`."""
    return f"ap-{check_vo(vo)}"


def priority_class(vo: str) -> str:
    """Name of a VO's PriorityClass, which all its user and execute pods have: quotas tell VOs apart by it."""
    return f"facility-vo-{check_vo(vo)}"


def group(vo: str, path: str) -> str:
    """The hub's name of a group that a VO's issuer asserts: `cms:/cms/analysis`; all of a VO: `cms:`."""
    return f"{check_vo(vo)}:{path}"


def host(service: str, namespace: str) -> str:
    """DNS name of a Service that resolves in every pod whatever the cluster's domain; certificates carry it."""
    return f"{service}.{namespace}.svc"


def key_name(key: bytes) -> str:
    """What a sealing key is called where it is named: this tells nothing about the key, which is random."""
    return sha256(b"facility key " + key).hexdigest()[:16]


def tls_secret(service: str) -> str:
    """Name of the kubernetes.io/tls Secret (tls.crt, tls.key, ca.crt) of a Service."""
    return f"tls-{service}"
