"""The facility's objects as tests need them: a site, VOs and people, small and valid."""

from __future__ import annotations

from typing import Any

from facility.site import Site
from facility.users import FacilityUser
from facility.vo import VirtualOrganization


def site(**batch: Any) -> Site:
    """A site; `batch`: fields of its batch settings."""
    images = {name: f"registry.test/{name}:1" for name in ("facility", "hub", "notebook", "condor", "xcache")}
    return Site.model_validate({"images": images, "publicUrl": "https://hub.test", "batch": batch})


def vo(name: str, lakes: int = 1, **batch: Any) -> VirtualOrganization:
    """A VO with as many lakes; `batch`: fields of its batch settings."""
    places = [_lake(f"/{name}{number or ''}") for number in range(lakes)]
    spec = {
        "issuer": f"https://iam-{name}.test/",
        "clientSecret": {"name": f"client-{name}"},
        "lakes": places,
        "batch": batch,
    }
    return VirtualOrganization.parse({"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": spec})


def user(vo: str, name: str, uid: int | None) -> FacilityUser:
    """A person; their sub is `sub-<name>`."""
    return FacilityUser.parse({"spec": {"vo": vo, "sub": f"sub-{name}", "name": name, "uid": uid}})


def _lake(prefix: str) -> dict[str, Any]:
    origin = "https://origin.test:1094"
    return {"prefix": prefix, "origin": origin, "audience": origin, "scopes": ["storage.read:/embargoed"]}
