"""The images: what each is locked to, and which parts of the package it holds."""

from __future__ import annotations

from dataclasses import dataclass

#: repository of every image; a site that pushes them elsewhere retags them
REPOSITORY = "analysis-facility"
#: what every part stands on (pyproject's import rules name the layers)
CORE = ("__init__", "names", "site", "tokens", "users", "vo")


@dataclass(frozen=True)
class Image:
    """One image; its recipe is the folder `images/<name>`."""

    name: str
    #: extras of pyproject.toml that its lock covers, beside `requirements.in` in its folder
    extras: tuple[str, ...] = ()
    #: modules and subpackages of `facility` it holds beside CORE, as dotted names below `facility`
    parts: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """All that it holds of the package."""
        return CORE + self.parts


IMAGES: dict[str, Image] = {
    image.name: image
    for image in (
        Image("facility", ("operator", "broker"), ("agent", "broker", "cli", "condor", "operator", "xcache")),
        Image("hub", ("hub",), ("condor", "hub", "xcache")),
        Image("notebook", ("lake",), ("agent", "condor", "lake")),
        Image("condor", (), ("condor",)),
        Image("xcache", (), ("xcache",)),
        Image("demo", ("demo",), ("dev.__init__", "dev.issuer", "dev.lake")),
    )
}
