"""An image's tag says what went into it: the same inputs give the same tag, any other input another."""

from __future__ import annotations

from pathlib import Path

import pytest

from facility.dev.images.build import UnknownImageError, check
from facility.dev.images.catalog import IMAGES, Image
from facility.dev.images.inputs import digest, files, inputs, lay_out, reference

BASE = "sha256:0011"
IMAGE = Image("cat", parts=("purr", "dev.tail"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout with one image."""
    content = {
        "pyproject.toml": "[project]",
        "README.md": "read me",
        "images/cat/Dockerfile": "FROM debian:forky-slim",
        "images/cat/requirements.txt": "",
        "images/dog/Dockerfile": "FROM debian:forky-slim",
        "images/shared/install": "#!/bin/sh",
        "facility/__init__.py": "",
        "facility/names.py": "",
        "facility/cli.py": "",
        "facility/tokens/__init__.py": "",
        "facility/purr/sound.py": "loud = 1",
        "facility/purr/__pycache__/sound.cpython-311.pyc": "",
        "facility/bark/sound.py": "",
        "facility/dev/tail.py": "",
        "facility/dev/cluster.py": "",
    }
    for name, text in content.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "images/shared/install").chmod(0o755)
    return tmp_path


def tag(checkout: Path) -> str:
    return digest(inputs(checkout, IMAGE), BASE)


def test_a_context_holds_the_recipe_what_is_shared_and_the_images_own_parts_of_the_package(checkout: Path) -> None:
    assert list(inputs(checkout, IMAGE)) == [
        "Dockerfile",
        "image/requirements.txt",
        "shared/install",
        "source/facility/__init__.py",
        "source/facility/dev/tail.py",
        "source/facility/names.py",
        "source/facility/purr/sound.py",
        "source/facility/tokens/__init__.py",
        "source/pyproject.toml",
    ]


def test_the_command_line_is_only_in_images_that_name_it(checkout: Path) -> None:
    assert "source/facility/cli.py" in inputs(checkout, Image("cat", parts=("cli",)))


@pytest.mark.parametrize(
    "name", ["images/cat/Dockerfile", "images/shared/install", "facility/purr/sound.py", "pyproject.toml"]
)
def test_any_change_of_an_input_changes_the_tag(checkout: Path, name: str) -> None:
    before = tag(checkout)
    (checkout / name).write_text("something else")
    assert tag(checkout) != before


def test_a_file_that_moves_or_becomes_a_program_changes_the_tag(checkout: Path) -> None:
    first = tag(checkout)
    (checkout / "facility/purr/sound.py").chmod(0o755)
    second = tag(checkout)
    (checkout / "facility/purr/sound.py").rename(checkout / "facility/purr/noise.py")
    assert len({first, second, tag(checkout)}) == 3


def test_another_base_image_changes_the_tag(checkout: Path) -> None:
    assert digest(inputs(checkout, IMAGE), "sha256:0022") != tag(checkout)


@pytest.mark.parametrize("name", ["README.md", "facility/bark/sound.py", "images/dog/Dockerfile", "facility/cli.py"])
def test_what_an_image_does_not_hold_leaves_its_tag_alone(checkout: Path, name: str) -> None:
    before = tag(checkout)
    (checkout / name).write_text("something else")
    assert tag(checkout) == before


def test_the_tag_depends_on_content_not_on_where_or_when_the_checkout_was_made(checkout: Path) -> None:
    before = tag(checkout)
    (checkout / "pyproject.toml").touch()
    assert tag(checkout.rename(checkout.with_name("elsewhere"))) == before


def test_a_reference_is_the_repository_the_name_and_twelve_digits_of_the_hash() -> None:
    assert reference("hub", "0123456789abcdef" * 4) == "analysis-facility/hub:0123456789ab"


def test_a_context_is_laid_out_with_modes_that_no_umask_decides(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("context")
    (checkout / "images/cat/Dockerfile").chmod(0o600)
    lay_out(inputs(checkout, IMAGE), folder)
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in ("Dockerfile", "shared", "shared/install")}
    assert modes == {"Dockerfile": 0o644, "shared": 0o755, "shared/install": 0o755}


def test_a_snapshot_of_a_checkout_has_the_checkouts_tag(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("context")
    lay_out(inputs(checkout, IMAGE), folder)
    assert digest({str(path.relative_to(folder)): path for path in files(folder)}, BASE) == tag(checkout)


def test_an_image_that_does_not_exist_is_refused_with_the_names_of_those_that_do() -> None:
    with pytest.raises(UnknownImageError, match="no image cat: there are facility, hub, notebook"):
        check(["hub", "cat"])


def test_a_name_given_twice_is_built_once() -> None:
    assert check(["hub", "demo", "hub"]) == ("hub", "demo")


def test_every_image_of_the_catalog_has_a_recipe_and_a_lock() -> None:
    root = Path(__file__).parents[2] / "images"
    for name in IMAGES:
        assert {"Dockerfile", "requirements.txt"} <= {path.name for path in (root / name).iterdir()}
