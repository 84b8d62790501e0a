"""What a notebook, a job and a cache may ask for, and what they hear when they ask for more."""

from __future__ import annotations

import pytest

from facility.tokens import policy, scopes
from facility.tokens.policy import RefusedError
from facility.tokens.scopes import parse_all
from facility.vo import VirtualOrganizationSpec

COMPUTE = "condor://cm.test"
LAKE = {"origin": "https://o.test:1094", "audience": "https://o.test:1094"}


def vo(**changes: object) -> VirtualOrganizationSpec:
    lakes = [
        {**LAKE, "prefix": "/cms", "scopes": ["storage.read:/embargoed", "storage.read:/open"]},
        {**LAKE, "prefix": "/mc", "scopes": ["storage.read:/mc"], "cacheScopes": ["storage.read:/mc"]},
    ]
    base = {"issuer": "https://iam.test/", "clientSecret": {"name": "c"}, "lakes": lakes}
    return VirtualOrganizationSpec.model_validate(base | changes)


def test_a_notebook_may_have_the_lakes_and_the_batch_system() -> None:
    allowed = policy.notebook(vo(), COMPUTE)
    assert {audience: scopes.text(some) for audience, some in allowed.items()} == {
        "https://o.test:1094": "storage.read:/embargoed storage.read:/open storage.read:/mc",
        COMPUTE: "compute.read compute.create compute.modify compute.cancel",
    }


def test_a_job_may_have_the_lakes_only_and_a_vo_without_batch_has_no_compute() -> None:
    assert list(policy.job(vo(), COMPUTE)) == ["https://o.test:1094"]
    assert list(policy.notebook(vo(batch={"enabled": False}), COMPUTE)) == ["https://o.test:1094"]


RUCIO = {"name": "rucio", "audience": "rucio", "scopes": ["rucio", "openid"]}
SERVICES = [RUCIO, {"name": "fts", "audience": "https://fts.test:8446", "scopes": ["fts"], "consumers": ["job"]}]


def test_services_are_for_the_consumers_that_they_name_and_for_no_cache() -> None:
    organization = vo(services=SERVICES)
    assert list(policy.notebook(organization, COMPUTE)) == ["https://o.test:1094", COMPUTE, "rucio"]
    assert list(policy.job(organization, COMPUTE)) == ["https://o.test:1094", "rucio", "https://fts.test:8446"]
    assert list(policy.cache(organization)) == ["https://o.test:1094"]
    assert scopes.text(policy.job(organization, COMPUTE)["rucio"]) == "rucio openid"


def test_notebooks_and_jobs_only_read_whatever_else_a_lake_lists() -> None:
    listed = "storage.read:/open storage.modify:/open storage.create:/ storage.stage:/tape storage.poll:/ openid"
    organization = vo(lakes=[{**LAKE, "prefix": "/cms", "scopes": listed.split()}])
    for allowed in (policy.notebook(organization, COMPUTE), policy.job(organization, COMPUTE)):
        assert scopes.text(allowed["https://o.test:1094"]) == "storage.read:/open storage.stage:/tape storage.poll:/"


def test_a_caches_one_token_is_for_the_origins_of_all_lakes() -> None:
    other = {"origin": "root://o2.test", "audience": "https://o2.test", "prefix": "/x", "scopes": ["storage.read:/"]}
    organization = vo(lakes=[{**LAKE, "prefix": "/cms", "scopes": ["storage.read:/"]}, other])
    assert list(policy.cache(organization)) == ["https://o.test:1094 https://o2.test"]


@pytest.mark.parametrize("taken", ["lake", "service"])
def test_no_job_gets_a_token_for_submitting_by_whatever_name(taken: str) -> None:
    lake = {**LAKE, "prefix": "/cms", "scopes": ["storage.read:/"], "audience": COMPUTE}
    service = {"name": "ce", "audience": COMPUTE, "scopes": ["compute.create", "admin"]}
    organization = vo(lakes=[lake]) if taken == "lake" else vo(lakes=[], services=[service])
    assert policy.job(organization, COMPUTE) == {}
    only = policy.notebook(organization, COMPUTE)
    assert scopes.text(only[COMPUTE]) == "compute.read compute.create compute.modify compute.cancel"


def test_a_cache_may_have_the_scopes_of_its_misses() -> None:
    assert scopes.text(policy.cache(vo())["https://o.test:1094"]) == "storage.read:/ storage.read:/mc"


def test_nobody_gets_more_than_was_granted_at_sign_in() -> None:
    granted = policy.granted(policy.notebook(vo(), COMPUTE), parse_all("openid storage.read:/open compute.read"))
    assert scopes.text(granted["https://o.test:1094"]) == "storage.read:/open"
    assert scopes.text(granted[COMPUTE]) == "compute.read"


@pytest.mark.parametrize(
    ("audience", "scope", "error", "said"),
    [
        ("https://elsewhere.test", "", "invalid_target", "allowed: https://o.test:1094 condor://cm.test"),
        ("https://o.test:1094/", "", "invalid_target", "allowed:"),
        ("https://o.test:1094", "storage.read:/embargoed", "invalid_scope", "allowed: storage.read:/open"),
        ("https://o.test:1094", "storage.read:/open storage.read:/", "invalid_scope", "'storage.read:/'"),
        ("https://o.test:1094", "storage.read:/open/../embargoed", "invalid_scope", "not normalised"),
        ("https://o.test:1094", "storage.modify:/open", "invalid_scope", "allowed: storage.read:/open"),
        (COMPUTE, "", "access_denied", "granted you none of the scopes"),
    ],
)
def test_asking_beyond_policy_is_refused_with_what_is_allowed(audience: str, scope: str, error: str, said: str) -> None:
    allowed = policy.granted(policy.notebook(vo(), COMPUTE), parse_all("storage.read:/open"))
    with pytest.raises(RefusedError) as caught:
        policy.choose(allowed, audience, scope, "cms")
    assert caught.value.error == error
    assert said in str(caught.value)
    open_data = {"https://o.test:1094": "storage.read:/open"}
    everything = open_data | ({COMPUTE: ""} if error == "invalid_target" else {})
    assert caught.value.allowed == everything


def test_asking_for_nothing_in_particular_gives_all_that_is_allowed_and_less_is_possible() -> None:
    allowed = policy.job(vo(), COMPUTE)
    assert policy.choose(allowed, "https://o.test:1094", " ", "cms") == allowed["https://o.test:1094"]
    narrow = policy.choose(allowed, "https://o.test:1094", "storage.read:/open/below", "cms")
    assert scopes.text(narrow) == "storage.read:/open/below"
