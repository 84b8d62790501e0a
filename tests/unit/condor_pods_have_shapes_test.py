"""Shapes are compared amount by amount, and Kubernetes is asked for what a pod of a shape needs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.condor import shapes
from facility.condor.gauges import HEADROOM
from facility.condor.resources import daemons_memory
from facility.condor.shapes import DAEMONS_DISK, Shape
from facility.site import Site
from tests.fakes.operator_world import SITE

AMOUNTS = st.integers(0, 50)
SHAPES = st.builds(Shape, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)


def site(**batch: Any) -> Site:
    return SITE.model_copy(update={"batch": SITE.batch.model_validate({**SITE.batch.model_dump(), **batch})})


@given(SHAPES, SHAPES)
def test_what_fits_once_at_least_is_what_fits(job: Shape, pod: Shape) -> None:
    assert (job.times(pod) > 0) is job.fits(pod)


@given(SHAPES, SHAPES)
def test_as_many_as_fit_find_room_and_one_more_does_not(job: Shape, pod: Shape) -> None:
    if job == Shape(0, 0, 0) or not job.fits(pod):
        return
    left = pod.minus(job, job.times(pod))
    assert not job.fits(left)
    assert job.fits(pod.minus(job, job.times(pod) - 1))


@given(st.lists(SHAPES))
def test_the_largest_has_room_for_each(found: list[Shape]) -> None:
    assert all(one.fits(shapes.largest(found)) for one in found)


@given(SHAPES)
def test_an_annotation_says_it_and_is_read_again(shape: Shape) -> None:
    assert shapes.read(shapes.written(shape)) == shape


@pytest.mark.parametrize("text", ["", "1-2-3", "1-2-3-4-5", "a-2-3-4", "-1-2-3-4", "²-2-3-4"])
def test_what_is_no_shape_is_none(text: str) -> None:
    assert shapes.read(text) is None


def test_the_usual_pod_is_what_the_site_says() -> None:
    resources = shapes.resources(shapes.usual(SITE), SITE)
    memory, disk = f"{4096}Mi", f"{10 * 1024 + DAEMONS_DISK}Mi"
    assert resources == {
        "requests": {"cpu": "2000m", "memory": memory, "ephemeral-storage": disk},
        "limits": {"memory": memory, "ephemeral-storage": disk},
    }


def test_others_are_in_proportion_to_it() -> None:
    asked = {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "1Gi"}
    here = site(
        execute_resources={"requests": asked, "limits": {"cpu": "3", "memory": "4Gi"}}, gpu_resource="x.org/gpu"
    )
    resources = shapes.resources(Shape(4, 8192 - daemons_memory(4), 20 * 1024 - DAEMONS_DISK, 2), here)
    assert resources["requests"] == {
        "cpu": "1000m",
        "memory": "2048Mi",
        "ephemeral-storage": "2048Mi",
        "x.org/gpu": "2",
    }
    assert resources["limits"] == {
        "cpu": "6000m",
        "memory": "8192Mi",
        "ephemeral-storage": "20480Mi",
        "x.org/gpu": "2",
    }


def test_without_a_name_for_gpus_no_pod_has_any() -> None:
    assert shapes.maximum(SITE).gpus == 0
    assert shapes.maximum(site(gpu_resource="nvidia.com/gpu")).gpus == 8


def test_the_largest_pod_is_never_smaller_than_the_usual_one() -> None:
    small = site(execute_max_cpus=1, execute_max_memory="1Gi", execute_max_disk="1Gi")
    assert shapes.maximum(small) == shapes.usual(small)


def test_with_each_job_that_a_pod_may_run_htcondor_needs_more_beside_it() -> None:
    cores = (1, 2, 8, 64)
    beside = [int(shapes.resources(Shape(n, 1000 * n, 10), SITE)["limits"]["memory"][:-2]) - 1000 * n for n in cores]
    assert beside == [daemons_memory(n) for n in cores]
    starter, headroom = 20, HEADROOM + 2 * 64  # MiB; files in memory are in /tmp and /dev/shm
    assert all(one - headroom - starter * n > 0 for one, n in zip(beside, cores, strict=True))
    largest = shapes.maximum(site(execute_max_cpus=64, execute_max_memory="100Gi"))
    assert shapes.resources(largest, SITE)["limits"]["memory"] == "102400Mi"
