"""Jobs in container images of their own: refused with a sentence unless the site's nodes let them."""

from __future__ import annotations

from typing import Any

import pytest

from facility.condor import containers, execute_config
from facility.operator.build.execute_pod import execute_pod
from facility.site import Cvmfs, Site
from tests.fakes.objects import site, user, vo
from tests.unit.condor_configuration_test import read
from tests.unit.condor_pods_test import SHAPE

classad2 = pytest.importorskip("classad2")
WITH, WITHOUT = site(containers=True), site()
IMAGE = {"WantContainer": True, "ContainerImage": "docker://debian:13"}
DOCKER = {"WantDocker": True, "DockerImage": "debian:13"}


@pytest.mark.parametrize(
    ("where", "job", "told"),
    [
        (WITHOUT, {}, ""),
        (WITHOUT, {"WantContainer": False}, ""),
        (WITHOUT, IMAGE, "leave container_image"),
        (WITHOUT, {"SingularityImage": "x.sif"}, "leave container_image"),
        (WITHOUT, DOCKER, "leave container_image"),
        (WITH, {}, ""),
        (WITH, IMAGE, ""),
        (WITH, DOCKER, "no Docker here"),
    ],
)
def test_an_image_that_no_pod_could_run_is_refused_with_what_to_write_instead(
    where: Site, job: dict[str, Any], told: str
) -> None:
    found = read(containers.requirements(where), "SUBMIT_REQUIREMENT_Images", "SUBMIT_REQUIREMENT_Images_REASON")
    ad = classad2.ClassAd(job)
    assert classad2.ExprTree(found["SUBMIT_REQUIREMENT_Images"]).eval(ad) is not bool(told)
    assert told in classad2.ExprTree(found["SUBMIT_REQUIREMENT_Images_REASON"]).eval(ad)


def test_execute_pods_know_apptainer_only_where_the_site_says_so() -> None:
    assert "SINGULARITY" not in execute_config.execute(WITHOUT)
    here = WITH.model_copy(update={"cvmfs": Cvmfs(claim="cvmfs")})
    found = read(execute_config.execute(here), "SINGULARITY", "SINGULARITY_BIND_EXPR")
    assert found == {"SINGULARITY": "/usr/bin/apptainer", "SINGULARITY_BIND_EXPR": '"/etc/facility/trust /cvmfs"'}


@pytest.mark.parametrize(
    ("where", "profile"),
    [
        (WITHOUT, {"type": "RuntimeDefault"}),
        (WITH, None),
        (
            site(containers=True, seccomp_profile="profiles/userns.json"),
            {"type": "Localhost", "localhostProfile": "profiles/userns.json"},
        ),
    ],
)
def test_the_wall_of_system_calls_is_the_runtimes_unless_the_site_has_one_for_images(
    where: Site, profile: dict[str, str] | None
) -> None:
    pod = execute_pod(vo("cms"), user("cms", "alice", 20001), where, "ep-x", "a.b.c", SHAPE)[1]["spec"]
    assert pod["securityContext"].get("seccompProfile") == profile
    assert pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False
