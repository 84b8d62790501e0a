"""Helm values of the demo: small requests (two cores hold all of it), short waits, the rest as the charts have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from facility.dev.demo import world

Values = dict[str, Any]
#: of the values that the demo has
Change = Callable[[Values], None]


def requests(cpu: str, memory: str) -> Values:
    """Resource requests of a container that may take what is there."""
    return {"requests": {"cpu": cpu, "memory": memory}}


def demo(images: dict[str, str]) -> Values:
    """Values of charts/demo."""
    return {
        "images": {"demo": images["demo"], "xcache": images["xcache"]},
        "issuer": {"accessTokenLifetime": world.TOKEN_LIFE},
    }


def facility(images: dict[str, str], ca: str) -> Values:
    """Values of charts/facility. `ca`: PEM of the authorities of the demo's issuers and storages."""
    ours = {name: images[name] for name in ("facility", "hub", "notebook", "condor", "xcache")}
    return {
        "global": {"images": ours},
        "operator": {"site": site(ca), "resources": requests("20m", "128Mi")},
        "broker": {"resources": requests("20m", "96Mi")},
        "hub": {
            "hub": {"resources": requests("20m", "192Mi")},
            "proxy": {
                "chp": {"resources": requests("10m", "96Mi")},
                "service": {"type": "NodePort", "nodePorts": {"https": world.HUB_PORT}},
            },
        },
        "condor": {"resources": requests("10m", "64Mi")},
    }


def site(ca: str) -> Values:
    """The site's settings, as facility/site.py has them."""
    return {
        "publicUrl": world.HUB,
        "extraTrust": ca,
        "homeSize": "1Gi",
        "groupsRefresh": 20,
        "outside": {"domain": world.OUTSIDE, "networks": ["172.16.0.0/12"]},  # where Docker has its networks
        "notebookResources": {**requests("20m", "256Mi"), "limits": {"memory": "3Gi"}},
        "cache": {"resources": {**requests("20m", "256Mi"), "limits": {"memory": "3Gi"}}, "fresh": 10},
        "batch": {
            "accessPointResources": requests("20m", "128Mi"),
            "accessPointSize": "1Gi",
            "executeResources": {
                "requests": {"cpu": "50m", "memory": "512Mi", "ephemeral-storage": "64Mi"},
                "limits": {"memory": "4Gi"},
            },
            "executeCpus": 4,
            "executeDisk": "4Gi",
            "gpuResource": "example.org/gpu",
            "executeIdle": 30,
            "executeGrace": 60,
            "credentialRefresh": 5,
        },
    }
