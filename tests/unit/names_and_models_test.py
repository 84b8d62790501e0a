"""Names are made once and safely; objects say what is wrong with them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from facility import names
from facility.lakes import covers
from facility.site import Site
from facility.users import FacilityUser
from facility.vo import VirtualOrganization

SPEC = {
    "issuer": "https://iam.example.org/",
    "clientSecret": {"name": "cms-client"},
    "lakes": [
        {
            "prefix": "/cms",
            "origin": "https://se.example.org:1094",
            "audience": "https://se.example.org:1094",
            "scopes": ["storage.read:/"],
        }
    ],
}

RUCIO = {"name": "rucio", "audience": "rucio", "scopes": ["rucio"]}


def vo(**changes: object) -> dict[str, object]:
    return {"metadata": {"name": "cms", "generation": 3}, "spec": {**SPEC, **changes}}


@pytest.mark.parametrize("claim", ["alice", "jdoe2", "a-b", "x"])
def test_a_plain_name_stays_as_it_is(claim: str) -> None:
    assert names.person(claim) == claim


@pytest.mark.parametrize(
    "claim", ["John.Doe", "a@cern.ch", "josé", "a--b", "-x", "über-lange-namen-haben-auch-wir", "日本"]
)
def test_any_other_name_becomes_plain_and_keeps_a_mark_of_the_original(claim: str) -> None:
    made = names.person(claim)
    assert re.fullmatch(r"[a-z0-9-]{1,16}", made)
    assert re.search(r"[0-9a-f]{8}$", made)


@given(st.text(min_size=1, max_size=255))
def test_every_claim_makes_a_name_that_comes_back_from_user_and_owner(claim: str) -> None:
    name = names.person(claim)
    assert names.split_hub_user(names.hub_user("cms", name)) == ("cms", name)
    assert names.split_owner(names.owner("cms", name)) == ("cms", name)
    assert len(names.owner("a" * 15, name)) <= 32


@pytest.mark.parametrize("text", ["", "x" * 256])
def test_a_claim_that_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(names.BadNameError, match="1 to 255"):
        names.person(text)


@pytest.mark.parametrize("text", ["alice", "cms-", "-alice", "Cms-alice", "cms_alice", "cms-a--b", "../x-y"])
def test_what_is_not_a_hub_user_is_not_taken_apart(text: str) -> None:
    with pytest.raises(names.BadNameError):
        names.split_hub_user(text)


@pytest.mark.parametrize("text", ["alice", "cms_", "_alice", "cms-alice", "cms_../x"])
def test_what_is_not_an_owner_is_not_taken_apart(text: str) -> None:
    with pytest.raises(names.BadNameError):
        names.split_owner(text)


def test_a_prefix_covers_whole_path_components_only() -> None:
    assert covers("/cms", "/cms")
    assert covers("/cms", "/cms/embargoed")
    assert not covers("/cms", "/cms2")
    assert covers("/", "/cms")


def test_a_virtual_organization_is_read_and_its_session_scopes_are_each_asked_once() -> None:
    read = VirtualOrganization.parse(vo())
    assert read.name == "cms"
    assert read.spec.session_scopes[:4] == ("openid", "profile", "offline_access", "wlcg.groups")
    assert "storage.read:/" in read.spec.session_scopes
    assert "compute.create" in read.spec.session_scopes
    assert len(set(read.spec.session_scopes)) == len(read.spec.session_scopes)


def test_a_service_is_for_notebooks_and_jobs_unless_it_says_which_and_is_asked_for_at_sign_in() -> None:
    fts = {"name": "fts", "audience": "https://fts.example.org:8446", "scopes": ["fts"], "consumers": ["job"]}
    spec = VirtualOrganization.parse(vo(services=[RUCIO, fts])).spec
    assert [one.consumers for one in spec.services] == [("notebook", "job"), ("job",)]
    assert {"rucio", "fts"} < set(spec.session_scopes)


def test_a_vo_that_says_nothing_of_tokens_refreshes_with_its_own_client_five_times_a_second() -> None:
    spec = VirtualOrganization.parse(vo()).spec
    assert (spec.tokens.grant, spec.tokens.exchange_client, spec.tokens.requests_per_second) == ("Refresh", None, 5)
    assert (spec.services, spec.login.device_client) == ((), "")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"issuer": "http://iam.example.org/"}, "https URL"),
        ({"issuer": "https://user@iam.example.org/"}, "https URL"),
        ({"isuer": "https://x"}, "Extra inputs"),
        ({"lakes": [{**SPEC["lakes"][0], "prefix": "/cms/"}]}, "trailing slash"),  # type: ignore[index]
        ({"lakes": [{**SPEC["lakes"][0], "prefix": "/a/../b"}]}, "absolute path"),  # type: ignore[index]
        ({"lakes": [SPEC["lakes"][0], {**SPEC["lakes"][0], "prefix": "/cms/x"}]}, "overlaps"),  # type: ignore[index]
        ({"lakes": [{**SPEC["lakes"][0], "scopes": ["storage.read:/ x"]}]}, "pattern"),  # type: ignore[index]
        ({"clientSecret": {"name": "../x"}}, "pattern"),
        ({"services": [{**RUCIO, "name": "lake2"}]}, "taken"),
        ({"services": [{**RUCIO, "name": "compute"}]}, "taken"),
        ({"services": [{**RUCIO, "name": "cms"}]}, "own name"),
        ({"services": [RUCIO, {**RUCIO, "audience": "other"}]}, "service rucio is there twice"),
        ({"services": [RUCIO, {**RUCIO, "name": "other"}]}, "of another service"),
        ({"services": [{**RUCIO, "audience": "https://se.example.org:1094"}]}, "audience is that of a lake"),
        ({"services": [{**RUCIO, "audience": "ru cio"}]}, "pattern"),
        ({"services": [{**RUCIO, "audience": "condor://cm.facility-batch.svc"}]}, "batch system"),
        ({"lakes": [{**SPEC["lakes"][0], "audience": "condor://cm.facility-batch.svc"}]}, "batch system"),  # type: ignore[index]
        ({"services": [{**RUCIO, "scopes": []}]}, "at least 1"),
        ({"services": [{**RUCIO, "consumers": ["cache"]}]}, "notebook"),
        ({"services": [{**RUCIO, "consumers": ["job", "job"]}]}, "twice"),
        ({"tokens": {"grant": "Password"}}, "Refresh"),
        ({"tokens": {"requestsPerSecond": 0}}, "greater"),
        ({"login": {"deviceClient": "a b"}}, "pattern"),
    ],
)
def test_a_wrong_virtual_organization_says_what_is_wrong(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        VirtualOrganization.parse(vo(**changes))


def test_a_facility_user_has_its_names() -> None:
    user = FacilityUser.parse({"spec": {"vo": "cms", "sub": "0b5e-1", "name": "alice"}})
    assert (user.hub_user, user.owner) == ("cms-alice", "cms_alice")


@pytest.mark.parametrize("sub", ["", 'a"b', "a b", "a,b", "a\\b", "a\nb"])
def test_a_subject_that_could_break_a_mapfile_line_is_refused(sub: str) -> None:
    with pytest.raises(ValidationError):
        FacilityUser.parse({"spec": {"vo": "cms", "sub": sub, "name": "alice"}})


def test_a_site_knows_the_addresses_of_its_parts() -> None:
    image = {name: f"facility/{name}:1" for name in ("facility", "hub", "notebook", "condor", "xcache")}
    site = Site.model_validate({"images": image, "publicUrl": "https://hub.example.org"})
    assert site.broker_url == "https://broker.facility.svc:8443"
    assert site.schedd("cms") == "ap@ap-cms.facility-batch.svc"
    assert site.xcache("cms") == "xcache-cms.facility.svc"
    assert site.compute_audience == "condor://cm.facility-batch.svc"
