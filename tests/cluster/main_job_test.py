"""What a person can do: the main job of the demo, told as claims."""

from __future__ import annotations

import json
from pathlib import Path

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage


def test_two_people_of_two_vos_read_and_compute_at_once_and_get_the_reference(outcome: Outcome) -> None:
    for vo in (world.CMS, world.ATLAS):
        found = outcome.results[vo.name]
        assert found["notebook"] == found["reference"]
        assert found["batch"]["merged"] == found["reference"]


def test_every_job_outlived_two_tokens_and_read_with_new_ones(outcome: Outcome) -> None:
    for found in outcome.results.values():
        assert len(found["batch"]["reads"]) == 4
        for reads in found["batch"]["reads"]:
            assert reads[-1]["at"] > 2 * world.TOKEN_LIFE
            assert len({read["token"] for read in reads}) >= 3


def test_a_third_vo_works_within_a_minute_of_its_object(outcome: Outcome) -> None:
    assert outcome.seconds["vo_applied_to_first_read_s"] <= 60


def test_the_pictures_are_pictures(outcome: Outcome, stage: Stage) -> None:
    for vo in (world.CMS, world.ATLAS):
        picture = Path(stage.artifacts) / f"{vo.name}-histogram.png"
        assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert picture.stat().st_size > 5000


def test_results_are_kept_for_the_bench(outcome: Outcome) -> None:
    assert json.loads(json.dumps(outcome.seconds))["vo_applied_to_first_read_s"] > 0
