"""What a caller may have is worked out once for each VO as it is, and anew when the VO is another."""

from __future__ import annotations

from typing import Any

import pytest

from facility.broker.errors import BrokerError
from facility.broker.identity import AccessPoint, Cache, Hub, Notebook
from facility.broker.offers import Offers
from facility.tokens import policy
from facility.vo import VirtualOrganization
from tests.fakes.broker_world import EMBARGOED, LAKE, OPEN, SITE

NOTEBOOK, JOB, CACHE = Notebook("cms-alice"), AccessPoint("cms"), Cache("cms")
GRANTED = (EMBARGOED, OPEN)


def vo(**spec: Any) -> VirtualOrganization:
    lake = {"prefix": "/cms", "origin": LAKE, "audience": LAKE, "scopes": [EMBARGOED, OPEN]}
    whole = {"issuer": "https://cms.test", "clientSecret": {"name": "cms-client"}, "lakes": [lake], **spec}
    return VirtualOrganization.parse({"metadata": {"name": "cms"}, "spec": whole})


@pytest.fixture
def offers() -> Offers:
    return Offers(SITE.compute_audience)


def test_each_kind_of_caller_is_offered_its_own(offers: Offers) -> None:
    one = vo()
    assert offers.of(one, NOTEBOOK).allowed == policy.notebook(one.spec, SITE.compute_audience)
    assert offers.of(one, JOB).allowed == policy.job(one.spec, SITE.compute_audience)
    assert offers.of(one, CACHE).allowed == policy.cache(one.spec)
    assert not offers.of(one, Hub()).allowed


def test_people_of_a_vo_share_an_offer_until_the_vo_is_another(offers: Offers) -> None:
    one = vo()
    first = offers.of(one, NOTEBOOK)
    assert offers.of(one, Notebook("cms-bob")) is first
    other = vo(displayName="another")
    assert offers.of(other, NOTEBOOK) is not first


def test_what_is_offered_ends_with_what_the_issuer_granted(offers: Offers) -> None:
    offer = offers.of(vo(), NOTEBOOK)
    assert offer.choose(GRANTED, LAKE, "").text == " ".join(sorted(GRANTED))
    assert offer.choose((OPEN,), LAKE, "").text == OPEN
    with pytest.raises(BrokerError) as refusal:
        offer.choose((OPEN,), LAKE, EMBARGOED)
    assert (refusal.value.status, refusal.value.error) == (400, "invalid_scope")


def test_a_refusal_stays_one_however_often_it_is_asked_for(offers: Offers) -> None:
    offer = offers.of(vo(), NOTEBOOK)
    for _ in range(2):
        with pytest.raises(BrokerError) as refusal:
            offer.choose((), LAKE, "")
        assert (refusal.value.status, refusal.value.error) == (403, "access_denied")
