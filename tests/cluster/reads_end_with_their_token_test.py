"""A token opens files until it expires, and not longer: neither in a request nor on a connection that it logged in."""

from __future__ import annotations

import time

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import forge
from tests.cluster.through_caches import seen

pytestmark = pytest.mark.cluster

LIFE = 20.0
#: as docs/explanation/what-a-cache-does.md has it
LATEST = 3.0


def test_nothing_opens_with_a_token_that_has_expired(stage: Stage, outcome: Outcome) -> None:
    expires = time.time() + LIFE
    token = forge.token(scope="storage.read:/embargoed", life=LIFE)
    last = seen(stage, world.CMS, "opened_until", world.CMS.file, LIFE + 2 * LATEST, token=token)
    print({protocol: round(moment - expires, 2) for protocol, moment in last.items()})
    for moment in last.values():
        assert expires - 2 < moment <= expires + LATEST
