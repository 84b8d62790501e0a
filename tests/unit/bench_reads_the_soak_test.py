"""The bench of tokens takes the figure of stale reads from the last soak, and does without none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import token_soak


def test_the_stale_reads_of_a_soak_are_a_figure_with_a_goal(tmp_path: Path) -> None:
    told = {"P3": 2, "other_errors": 0, "reads": 100, "seconds": 300.0, "kills": [{}, {}]}
    readers = {"cms job": {"least_left": 12.5}, "cms notebook": {"least_left": 8.0}}
    (tmp_path / "soak.json").write_text(json.dumps(told | {"readers": readers}))
    found = token_soak.measured(tmp_path / "soak.json")
    assert (found["P3"]["value"], found["P3"]["goal"]) == (2, 0)
    assert found["P3"]["beside"] == "of 100 reads in 300 s, while 2 times a part was ended"
    assert found["P3_least_left_s"]["value"] == 8.0


def test_without_a_soak_the_bench_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="run `make soak` first"):
        token_soak.measured(tmp_path / "soak.json")
