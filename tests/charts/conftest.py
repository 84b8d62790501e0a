"""What the checks of charts share: helm's copy of them, and kubeconform with the schemas of the real API."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from facility.dev.cluster import golang, programs, tools
from tests.charts.openapi import write
from tests.charts.rendering import SOURCE, Charts, cases

Conform = Callable[[str], str]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument `case` is one for each chart and each of its values."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", cases(), ids=str)


@pytest.fixture(scope="session")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Charts:
    return Charts(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def conform(tmp_path_factory: pytest.TempPathFactory) -> Conform:
    """What kubeconform has against some YAML; empty when all is well."""
    schemas = tmp_path_factory.mktemp("schemas")
    swagger = golang.source(programs.KUBERNETES) / "api" / "openapi-spec" / "swagger.json"
    crds = yaml.safe_load_all((SOURCE / "crds" / "templates" / "crds.yaml").read_text())
    write(json.loads(swagger.read_text()), crds, schemas)
    return lambda text: _kubeconform(schemas, text)


def _kubeconform(schemas: Path, text: str) -> str:
    command = [
        tools.tool("kubeconform"),
        "-strict",
        "-schema-location",
        f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
    ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""
