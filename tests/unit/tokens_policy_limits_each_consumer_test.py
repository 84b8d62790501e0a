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
    assert list(policy.lakes(vo())) == ["https://o.test:1094"]
    assert list(policy.notebook(vo(batch={"enabled": False}), COMPUTE)) == ["https://o.test:1094"]


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


def test_asking_for_nothing_in_particular_gives_all_that_is_allowed_and_less_is_possible() -> None:
    allowed = policy.lakes(vo())
    assert policy.choose(allowed, "https://o.test:1094", " ", "cms") == allowed["https://o.test:1094"]
    narrow = policy.choose(allowed, "https://o.test:1094", "storage.read:/open/below", "cms")
    assert scopes.text(narrow) == "storage.read:/open/below"
