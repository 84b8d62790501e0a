"""The hub on a real PostgreSQL: people and running servers outlive a restart, and its password stays in files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fakes import hub_pods
from tests.fakes.authority import Authority
from tests.fakes.hub_pods import World
from tests.fakes.postgres import PASSWORD, Database, postgres


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with postgres() as found:
        yield found


def ready(world: World, user: str) -> bool:
    answer = world.ask("GET", f"/users/{user}")
    servers: dict[str, Any] = answer.json().get("servers", {})
    return answer.ok and any(one["ready"] for one in servers.values())


def test_people_and_servers_are_there_after_a_restart(database: Database, tmp_path: Path) -> None:
    values: dict[str, Any] = {"hub": {"db": {"type": "postgres", "url": database.url}}, "cull": {"enabled": False}}
    with hub_pods.world(tmp_path, **values) as world:
        (tmp_path / "secrets" / "database-password").write_text(f"{PASSWORD}\n")
        with world.running():
            assert world.start("cms-alice").status_code == 201
        with world.running():
            world.until(lambda: ready(world, "cms-alice"), "the server to be known")
            assert list(world.cluster.pods) == ["jupyter-cms-alice"]
            assert world.ask("DELETE", "/users/cms-alice/server").ok
        assert PASSWORD not in world.log
        assert (tmp_path / "pgpass").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "jupyterhub.sqlite").exists()
    with psycopg.connect(f"{database.url}&sslmode=verify-full", password=PASSWORD) as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("cms-alice",)]


def test_a_database_of_an_unknown_authority_is_not_spoken_to(database: Database, tmp_path: Path) -> None:
    stranger = Authority(tmp_path)
    url, _, _ = database.url.partition("?")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(f"{url}?sslmode=verify-full&sslrootcert={stranger.bundle}", password=PASSWORD)
