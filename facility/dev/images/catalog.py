"""The images: what each is locked to, and which parts of the package it holds."""

from __future__ import annotations

from dataclasses import dataclass

#: repository of every image; a site that pushes them elsewhere retags them
REPOSITORY = "analysis-facility"
#: what every part stands on, beside the single modules of the package itself (pyproject's import rules name the layers)
CORE = ("tokens",)
#: the one single module that stands above the parts
TOP = "cli"


@dataclass(frozen=True)
class Image:
    """One image; its recipe is the folder `images/<name>`."""

    name: str
    #: extras of pyproject.toml that its lock covers, beside `requirements.in` in its folder
    extras: tuple[str, ...] = ()
    #: what it holds of `facility` beside what all hold: dotted names below it, of modules or subpackages
    parts: tuple[str, ...] = ()


IMAGES: dict[str, Image] = {
    image.name: image
    for image in (
        Image(
            "facility",
            ("operator", "broker"),
            (
                "agent",
                "batch",
                "broker",
                "checks",
                "cli",
                "commands",
                "condor",
                "inspection",
                "keycache",
                "laptop",
                "operator",
                "why",
                "xcache",
            ),
        ),
        Image("hub", ("hub",), ("checks", "condor", "hub", "keycache", "xcache")),
        Image(
            "notebook",
            ("lake",),
            ("agent", "batch", "cli", "commands", "condor", "keycache", "lab", "lake", "laptop", "staging", "why"),
        ),
        Image("condor", (), ("checks", "condor", "keycache")),
        Image("xcache", (), ("keycache", "xcache")),
        Image("demo", ("demo",), ("checks", "dev.__init__", "dev.issuer", "dev.lake", "keycache")),
    )
}
