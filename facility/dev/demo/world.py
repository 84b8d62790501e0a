"""What the demo is made of: its virtual organizations, people, files, ports. Pure data, used by demo and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: domain of the ways in from outside, which no DNS knows
OUTSIDE = "outside.demo.test"
NAMESPACE = "demo"
HUB_PORT = 31440
HUB = f"https://hub.{NAMESPACE}.svc:{HUB_PORT}"
ORIGIN = f"https://origin.{NAMESPACE}.svc:1094"
#: the same storage by XRootD's own protocol
ROOT_ORIGIN = f"root://origin.{NAMESPACE}.svc:1094"
#: a storage with the same files that takes X.509 and no token, in the same pod, and who says there what a VO's robot is
STORAGE_HOST = f"origin.{NAMESPACE}.svc"
VOMS_NAME, VOMS_PORT, VOMS_ATTRIBUTE = f"voms.{NAMESPACE}.test", 15000, "/escape/Role=cache"
#: audience of a service that the demo does not have: its tokens are real, and nobody takes them
RUCIO = f"https://rucio.{NAMESPACE}.svc"
#: public client at the issuers, for `facility login` on people's own machines
MACHINES = "machines"
#: seconds that an access token lives in the demo: short, so that renewal is always part of what is shown
TOKEN_LIFE = 60
#: seconds between a job's first and last read: more than two token lives
JOB_SECONDS = 2 * TOKEN_LIFE + 15


@dataclass(frozen=True)
class Account:
    """A person at a development issuer; `groups` as in `wlcg.groups`."""

    name: str
    groups: tuple[str, ...]
    subject: str
    #: what the person is called at the issuer, when it is not the account's name
    preferred: str = ""


@dataclass(frozen=True)
class DemoVO:
    """A virtual organization of the demo, its port on this machine and its people."""

    name: str
    title: str
    port: int
    file: str
    people: tuple[Account, ...]
    #: whether its issuer gives a new refresh token at each use and takes the old one no more
    rotates: bool = True
    #: how its cache reads
    origin: str = ORIGIN

    @property
    def issuer(self) -> str:
        """Issuer as it stands in access tokens."""
        return f"https://iam-{self.name}.{NAMESPACE}.svc:{self.port}/"

    @property
    def person(self) -> Account:
        """Who does the main job."""
        return self.people[0]


CMS = DemoVO(
    "cms",
    "CMS (demo)",
    31441,
    "/cms/embargoed/nano_dimuon.root",
    (
        Account("alice", ("/cms", "/cms/analysis"), "5c1a0f0e-3f0a-4d3e-9a51-000000000001"),
        Account("carol", ("/cms",), "5c1a0f0e-3f0a-4d3e-9a51-000000000002"),
        Account("mallory", ("/guests",), "5c1a0f0e-3f0a-4d3e-9a51-000000000003"),
        Account("alias", ("/cms",), "5c1a0f0e-3f0a-4d3e-9a51-000000000004", preferred="alice"),
        Account("erin", ("/cms", "/cms/admins"), "5c1a0f0e-3f0a-4d3e-9a51-000000000005"),
    ),
)
ATLAS = DemoVO(
    "atlas",
    "ATLAS (demo)",
    31442,
    "/atlas/embargoed/PHYSLITE_example.root",
    (Account("bob", ("/atlas", "/atlas/analysis"), "7d2b1f1f-4f1b-4e4f-8b62-000000000001"),),
)
ESCAPE = DemoVO(
    "escape",
    "ESCAPE (demo)",
    31443,
    "/escape/embargoed/nano_dy.root",
    (Account("dave", ("/escape", "/escape/analysis"), "9e3c2a2a-5a2c-4f5a-9c73-000000000001"),),
    rotates=False,
    origin=ROOT_ORIGIN,
)
VOS = {vo.name: vo for vo in (CMS, ATLAS, ESCAPE)}


def client_secret(vo: DemoVO) -> str:
    """Name of the Secret with the facility's client at the VO's issuer."""
    return f"{vo.name}-client"


def manifest(vo: DemoVO, namespace: str = "facility") -> dict[str, Any]:
    """The VirtualOrganization object as a site's admin would apply it."""
    return {
        "apiVersion": "analysis-facility.io/v1alpha1",
        "kind": "VirtualOrganization",
        "metadata": {"name": vo.name, "namespace": namespace},
        "spec": {
            "displayName": vo.title,
            "issuer": vo.issuer,
            "clientSecret": {"name": client_secret(vo)},
            "login": {
                "allowedGroups": [f"/{vo.name}"],
                "adminGroups": [f"/{vo.name}/admins"],
                "deviceClient": MACHINES,
            },
            "limits": {"user": {"servers": 2}},
            "profiles": [
                {"name": "standard", "displayName": "Standard", "description": "Enough for most work."},
                {
                    "name": "analysis",
                    "displayName": "Analysis",
                    "description": "More memory, for members of the analysis group.",
                    "groups": [f"/{vo.name}/analysis"],
                    "memory": "512Mi",
                    "memoryLimit": "4Gi",
                    "environment": {"ANALYSIS": vo.name},
                },
            ],
            "lakes": [
                {
                    "prefix": f"/{vo.name}",
                    "origin": vo.origin,
                    "audience": ORIGIN,
                    "scopes": ["storage.read:/embargoed", "storage.read:/open"],
                }
            ],
            "cache": {"size": "2Gi"},
            "services": [{"name": "rucio", "audience": RUCIO, "scopes": ["openid", "profile"]}],
        },
    }
