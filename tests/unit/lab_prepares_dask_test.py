"""The notebook server makes what dask needs, where the image says so and nowhere else."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facility import lab
from facility.lab import dask
from tests.fakes.broker_world import eventually


def server() -> Any:
    """As much of a server as the extension knows."""
    app = SimpleNamespace(settings={"base_url": "/user/cms-alice/"}, add_handlers=lambda *_: None)
    return SimpleNamespace(web_app=app, log=logging.getLogger("server"))


async def test_in_the_image_a_server_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "DIRECTORY", tmp_path)
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path))
    lab._load_jupyter_server_extension(server())
    await eventually((tmp_path / "facility.yaml").exists)
    assert "/user/cms-alice/proxy/" in (tmp_path / "facility.yaml").read_text()


@pytest.mark.parametrize("configured", ["", "/home/alice/dask"])
def test_elsewhere_dasks_configuration_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: str
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(dask, "prepare", lambda *words: made.append(words))
    monkeypatch.setenv("DASK_CONFIG", configured)
    lab._load_jupyter_server_extension(server())
    assert made == []
