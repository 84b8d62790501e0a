"""What the documentation names is there: files, headings, make targets, modules, reasons, settings, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from facility.dev import reference
from facility.model import Model
from facility.operator import status, validate
from facility.site import BatchDefaults, CacheDefaults, Site

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TARGET = re.compile(r"(?:`|^ {4}|&& )make ([a-z][a-z-]*)", re.MULTILINE)
_MODULE = re.compile(r"python3? (?:-I )?-m (facility(?:\.[a-z_]+)+)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`|^ {4}.*$", re.MULTILINE)
#: measured, not written: there once somebody has run `make bench`
_RESULTS = ROOT / "tests" / "bench" / "results"


def each_page() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(page.read_text()))
    return {text.replace(" ", "-") for text in plain}


@each_page()
def test_every_relative_link_leads_to_a_file_and_a_heading_of_it(page: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists() or there.parent == _RESULTS, link
        assert not anchor or anchor in anchors(there), link


@each_page()
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(_TARGET.findall(page.read_text())) <= targets


@each_page()
def test_every_module_that_is_to_be_run_can_be(page: Path) -> None:
    for name in _MODULE.findall(page.read_text()):
        place = ROOT.joinpath(*name.split("."))
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), name


@each_page()
def test_every_test_that_is_named_exists(page: Path) -> None:
    for name in re.findall(r"\btests/[\w/]+_(?:test|bench)\.py\b", page.read_text()):
        assert (ROOT / name).is_file(), name


@each_page()
def test_every_test_that_is_named_without_its_folder_exists(page: Path) -> None:
    there = {one.name for one in (ROOT / "tests").glob("*/*_test.py")}
    assert set(re.findall(r"`(\w+_test\.py)`", page.read_text())) <= there


def test_the_index_of_decisions_has_every_page() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    for page in (DOCS / "decisions").glob("0*.md"):
        title = page.read_text().splitlines()[0].partition(" ")[2].partition(" ")[2]
        assert f"[{page.name[:4]}]({page.name}) | {title} |" in index


@pytest.mark.parametrize("name", reference.pages())
def test_the_reference_of_objects_is_made_of_the_models(name: str) -> None:
    assert (DOCS / "reference" / name).read_text() == reference.pages()[name], "run `python -m facility.dev.reference`"


def reasons() -> Iterator[str]:
    """Every reason that the operator may write into a VO's conditions."""
    for module in ("validate", "one", "status", "removal"):
        code = (ROOT / "facility" / "operator" / f"{module}.py").read_text()
        yield from re.findall(r'(?:Problem\(\w+|"Unknown"|"False"), "([A-Z]\w+)"', code)
    yield from (reason for reason, _ in status._GOOD.values())


def test_every_reason_of_a_vo_is_explained() -> None:
    told = (DOCS / "how-to" / "add-a-vo.md").read_text()
    found = set(reasons())
    assert {"IssuerTaken", "SecretMissing", "CannotApply", "NotLooked", "Served"} <= found
    assert {"Suspended", "Removing", "IssuerDiffersBySlash", "HostUnknown"} <= found
    assert not {reason for reason in found if f"`{reason}`" not in told}
    assert all(
        f"`{condition}`" in told for condition in (validate.READY, validate.ISSUER, validate.CLIENT, validate.NETWORK)
    )


def settings(model: type[Model], prefix: str = "") -> Iterator[str]:
    return (f"{prefix}{field.alias}" for field in model.model_fields.values())


def test_every_setting_of_a_site_is_explained() -> None:
    told = (DOCS / "how-to" / "install-at-a-site.md").read_text()
    elsewhere = {"namespaces", "images", "cache", "batch"}
    names = {*settings(Site), *settings(CacheDefaults, "cache."), *settings(BatchDefaults, "batch.")} - elsewhere
    assert not {name for name in names if f"| `{name}` |" not in told}


def test_every_error_of_the_broker_is_explained() -> None:
    told = (DOCS / "reference" / "broker-api.md").read_text()
    code = "".join((ROOT / "facility" / "broker" / name).read_text() for name in ("errors.py", "routes.py"))
    found = set(re.findall(r'BrokerError\((\d{3}), "([a-z_]+)"', code))
    assert ("403", "interaction_required") in found
    assert not {(status, error) for status, error in found if not re.search(rf"\| {status} \| `{error}` \|", told)}
