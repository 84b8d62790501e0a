"""Jobs get the lake's token without asking, and of the services that they name those that their VO has for jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facility.condor import access_point_config, services
from facility.condor.credentials import File
from facility.condor.keeper import LINGER
from facility.vo import VirtualOrganization
from tests.fakes.access_point import LAKE, RUCIO, AccessPoint, access_point, jobs
from tests.fakes.objects import site, vo
from tests.unit.condor_configuration_test import read

htcondor2 = pytest.importorskip("htcondor2")  # with it, classad2 knows HTCondor's own functions
classad2 = pytest.importorskip("classad2")
FTS = {"name": "fts", "audience": "fts", "scopes": ["fts"], "consumers": ["job"]}
NOTEBOOKS_ONLY = {"name": "desk", "audience": "desk", "scopes": ["desk"], "consumers": ["notebook"]}


def with_services(lakes: int = 1, more: bool = True) -> VirtualOrganization:
    """A VO with services; `more`: rucio and fts for jobs, beside one for notebooks only."""
    plain = vo("cms", lakes=lakes)
    rucio = {"name": "rucio", "audience": RUCIO, "scopes": ["openid"]}
    spec = plain.spec.model_dump(by_alias=True) | {"services": [*([rucio, FTS] if more else []), NOTEBOOKS_ONLY]}
    return plain.model_copy(update={"spec": type(plain.spec).model_validate(spec)})


def macros(of: VirtualOrganization, *names: str) -> dict[str, str]:
    return read(access_point_config.access_point(of, site()), *names)


def needed(of: VirtualOrganization, **job: Any) -> Any:
    """What the transform makes of OAuthServicesNeeded; None: it takes it away."""
    text = macros(of, "JOB_TRANSFORM_Facility")["JOB_TRANSFORM_Facility"]
    assert "COPY OAuthServicesNeeded AskedServices" in text
    (verb, rest) = re.findall(r"^\s*(SET|EVALSET|DELETE) OAuthServicesNeeded ?(.*)$", text, re.MULTILINE)[0]
    return None if verb == "DELETE" else classad2.ExprTree(rest).eval(classad2.ClassAd(job))


def accepted(of: VirtualOrganization, **job: Any) -> tuple[bool, str]:
    """What the access point says of a job, and its sentence."""
    name = "SUBMIT_REQUIREMENT_Services"
    found = macros(of, name, f"{name}_REASON", "SUBMIT_REQUIREMENT_NAMES")
    assert "Services" in found["SUBMIT_REQUIREMENT_NAMES"].split()
    ad = classad2.ClassAd({"VO": "cms"} | job)
    return classad2.ExprTree(found[name]).eval(ad), str(classad2.ExprTree(found[f"{name}_REASON"]).eval(ad))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, "cms"),
        ({"AskedServices": "rucio"}, "cms,rucio"),
        ({"AskedServices": "fts, rucio"}, "cms,rucio,fts"),
        ({"AskedServices": "cms,rucio"}, "cms,rucio"),
        ({"AskedServices": "cms"}, "cms"),
        ({"AskedServices": "atlas, ../x, rucio"}, "cms,rucio"),
        ({"AskedServices": 5}, "cms"),
    ],
)
def test_every_job_has_the_lakes_token_and_what_it_names_of_the_vos(asked: dict[str, Any], given: str) -> None:
    assert needed(with_services(), **asked) == given


@pytest.mark.parametrize(
    "asked", ["rucio*mine", "Rucio", "desk", "atlas", "rucio, atlas", "compute", "../cms_bob/cms", 5]
)
def test_a_job_that_names_another_service_is_refused_with_those_that_there_are(asked: Any) -> None:
    fine, sentence = accepted(with_services(), AskedServices=asked)
    assert fine is False
    assert "jobs of cms may name cms, rucio, fts" in sentence
    assert str(asked) in sentence


@pytest.mark.parametrize("asked", [{}, {"AskedServices": "rucio"}, {"AskedServices": "cms fts,rucio"}])
def test_a_job_that_names_what_there_is_comes_in(asked: dict[str, Any]) -> None:
    assert accepted(with_services(), **asked)[0] is True


def test_no_job_comes_in_beside_the_transform() -> None:
    assert accepted(with_services(), VO="atlas")[0] is False


@pytest.mark.parametrize(("lakes", "more", "given"), [(1, False, "cms"), (0, False, None), (0, True, "rucio")])
def test_vos_with_fewer_kinds_of_tokens(lakes: int, more: bool, given: str | None) -> None:
    assert needed(with_services(lakes, more), AskedServices="rucio") == given


def test_a_vo_without_lakes_has_jobs_that_may_go_without_tokens() -> None:
    assert needed(with_services(lakes=0)) == ""


def test_a_vo_without_services_says_so() -> None:
    fine, sentence = accepted(with_services(lakes=0, more=False), AskedServices="rucio")
    assert fine is False
    assert "cms has none for jobs" in sentence


def test_each_name_is_one_audience() -> None:
    assert services.of_jobs(with_services()) == {"cms": "https://origin.test:1094", "rucio": RUCIO, "fts": "fts"}


def test_further_lakes_are_numbered_as_in_notebooks() -> None:
    found = vo("cms", lakes=2)
    lakes = (found.spec.lakes[0], found.spec.lakes[1].model_copy(update={"audience": "https://other.test"}))
    other = found.model_copy(update={"spec": found.spec.model_copy(update={"lakes": lakes})})
    assert services.of_jobs(other) == {"cms": "https://origin.test:1094", "lake2": "https://other.test"}


@pytest.fixture
def point(tmp_path: Path) -> Iterator[AccessPoint]:
    with access_point(tmp_path) as made:
        yield made


def test_each_named_service_has_a_file_with_a_token_of_its_own_audience(point: AccessPoint) -> None:
    point.keeper().round([jobs("cms_alice", "rucio", running=1), jobs("cms_bob", running=1)])
    asked = {(form["requested_subject"], form["audience"]) for form in point.broker.asked}
    assert asked == {("cms_alice", LAKE), ("cms_alice", RUCIO), ("cms_bob", LAKE)}
    assert point.there() == [File("cms_alice", "cms"), File("cms_alice", "rucio"), File("cms_bob", "cms")]
    assert point.token("cms_alice", "rucio") != point.token("cms_alice")


def test_a_service_that_no_job_names_any_more_loses_its_file(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([jobs("cms_alice", "rucio", running=1)])
    point.clock.pass_by(LINGER)
    keeper.round([jobs("cms_alice", running=1)])
    assert point.there() == [File("cms_alice", "cms")]


def test_a_service_that_the_vo_has_no_more_is_a_problem_and_no_question(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([jobs("cms_alice", "gone", running=1)])
    assert [form["audience"] for form in point.broker.asked] == [LAKE]
    assert "cms has no service gone for jobs any more" in keeper.held[File("cms_alice", "gone")].problem


def test_one_refused_service_does_not_keep_the_lakes_token_from_being_renewed(point: AccessPoint) -> None:
    answer = point.broker.token

    def choosy(form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        refused = {"error": "access_denied", "error_description": "none of the scopes"}
        return (403, refused) if form["audience"] == RUCIO else answer(form)

    point.broker.token = choosy  # type: ignore[method-assign]
    keeper = point.keeper()
    point.rounds(keeper, [jobs("cms_alice", "rucio", running=1)], 30)
    assert point.there() == [File("cms_alice", "cms")]
    assert point.token("cms_alice").startswith("token-2.")
    assert "none of the scopes" in keeper.held[File("cms_alice", "rucio")].problem
