"""Each image holds every module and every wheel that its programs import, pinned, and no tool of developers."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

from facility.dev.images.catalog import IMAGES, Image
from facility.dev.images.inputs import inputs
from facility.dev.images.lock import commands

ROOT = Path(__file__).parents[2]
#: what is run in each image, as `python -m`, by the hub's class names or by fsspec's entry points
PROGRAMS = {
    "facility": (
        "facility.agent.main",
        "facility.batch.main",
        "facility.broker.app",
        "facility.checks",
        "facility.cli",
        "facility.inspection.main",
        "facility.operator.main",
        "facility.operator.render",
    ),
    "hub": ("facility.checks.https", "facility.hub.config", "facility.hub.authenticator"),
    "notebook": (
        "facility.agent.main",
        "facility.batch.main",
        "facility.batch.tool",
        "facility.commands.oidc_token",
        "facility.cli",
        "facility.condor.start",
        "facility.lab",
        "facility.lake",
    ),
    "condor": (
        "facility.checks.pool",
        "facility.condor.accounting.main",
        "facility.condor.credmon",
        "facility.condor.schedd",
        "facility.condor.start",
    ),
    "xcache": ("facility.xcache.start", "facility.xcache.tls"),
    "demo": ("facility.checks.https", "facility.dev.issuer", "facility.dev.lake"),
}
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+) \\$", re.MULTILINE)


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("facility", include_external_packages=True, cache_dir=None)


def reached(name: str) -> set[str]:
    """Every module, ours and others', that an image's programs import, directly or not."""
    start = {m for program in PROGRAMS[name] for m in graph().modules if m == program or m.startswith(f"{program}.")}
    return start.union(*(graph().find_upstream_modules(module) for module in start))


def held(image: Image) -> set[str]:
    """Modules of the package in an image."""
    sources = [Path(name).with_suffix("") for name in inputs(ROOT, image) if name.startswith("source/facility/")]
    return {".".join(path.parts[1:]).removesuffix(".__init__") for path in sources}


def pins(lock: Path) -> dict[str, str]:
    return dict(_PIN.findall(lock.read_text()))


@pytest.mark.parametrize("image", IMAGES.values(), ids=list(IMAGES))
def test_an_image_holds_every_module_that_its_programs_import(image: Image) -> None:
    ours = {module for module in reached(image.name) if module.split(".")[0] == "facility"}
    assert ours - held(image) == set()


@pytest.mark.parametrize("image", IMAGES.values(), ids=list(IMAGES))
def test_an_image_is_locked_to_every_distribution_that_its_programs_import(image: Image) -> None:
    foreign = {module for module in reached(image.name) if module != "facility"} - set(sys.stdlib_module_names)
    distributions = packages_distributions()
    needed = {distributions[m][0].lower().replace("_", "-") for m in foreign if not m.startswith("facility.")}
    assert needed - set(pins(ROOT / "images" / image.name / "requirements.txt")) == set()


@pytest.mark.parametrize("name", [name for name in IMAGES if name != "demo"])
def test_no_production_image_holds_the_developers_tools(name: str) -> None:
    assert not {module for module in held(IMAGES[name]) if module.startswith("facility.dev")}


def locks() -> list[Path]:
    return [ROOT / "tests" / "requirements.txt", *sorted((ROOT / "images").glob("*/*.txt"))]


@pytest.mark.parametrize("lock", locks(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_lock_pins_by_hash_and_names_no_index(lock: Path) -> None:
    text = "\n".join(line for line in lock.read_text().splitlines() if not line.startswith("#"))
    requirements = re.split(r"\n(?=\S)", text) if text.strip() else []
    assert all("==" in one and "--hash=sha256:" in one for one in requirements)
    assert "://" not in text
    assert "--index" not in text


def test_what_images_and_tests_have_in_common_has_one_version() -> None:
    common = pins(ROOT / "tests" / "requirements.txt")
    for name in IMAGES:
        own = pins(ROOT / "images" / name / "requirements.txt")
        assert {key: own[key] for key in own.keys() & common} == {key: common[key] for key in own.keys() & common}


def test_dasks_dashboard_has_what_its_pages_are_drawn_with() -> None:
    assert "bokeh" in pins(ROOT / "images/notebook/requirements.txt")


def test_hub_and_notebook_speak_the_same_jupyterhub() -> None:
    hub, notebook = (pins(ROOT / "images" / name / "requirements.txt") for name in ("hub", "notebook"))
    assert hub["jupyterhub"] == notebook["jupyterhub"]


def test_locks_are_made_from_the_extras_with_wheels_only_and_the_tests_lock_first() -> None:
    first, *others = commands(ROOT)
    assert "--output-file=tests/requirements.txt" in first
    assert all({"--generate-hashes", "--no-build"} <= set(command) for command in (first, *others))
    hub = next(command for command in others if "--output-file=images/hub/requirements.txt" in command)
    assert {"--extra=hub", "--constraints=tests/requirements.txt", "--python-version=3.14"} <= set(hub)


def test_the_notebooks_fsspec_opens_lake_protocols_with_the_facilitys_classes() -> None:
    text = (ROOT / "images/notebook/lake/entry_points.txt").read_text()
    for module, _, name in re.findall(r"= (\S+?)(:)(\S+)", text):
        assert re.search(rf"^class {name}\(", (ROOT / Path(*module.split("."))).with_suffix(".py").read_text(), re.M)


@pytest.mark.parametrize("name", IMAGES)
def test_a_recipe_starts_from_debian_and_ends_with_an_unprivileged_user(name: str) -> None:
    lines = (ROOT / "images" / name / "Dockerfile").read_text().splitlines()
    bases = {line.split()[1] for line in lines if line.startswith("FROM ")}
    assert bases == {"debian:forky-slim", "packages"}
    user = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert user in (["65532:65532"], ["1000:1000"], ["4242:4242"])
