"""`make bench PART=tokens`: how fast tokens are given, how seldom issuers are asked, what a token costs a program.

P1: tokens per second that one core of the broker gives from memory, also with 10,000 sessions, beside the development
issuer's own token endpoint. P2: requests at the issuer per person, audience and token life, over a day of 10,000 people
with three restarts. Both need no cluster. P3: stale reads in the last soak. Memory of a session and of an agent, and
the cost of `oidc-token` beside oidc-agent's own, come along.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.bench import token_commands, token_day, token_rate, token_soak
from tests.bench.figures import publish


def test_tokens_are_given_fast_and_asked_for_seldom(tmp_path: Path) -> None:
    rows = token_soak.measured() | token_day.measured() | token_rate.measured(tmp_path) | commands(tmp_path)
    publish("tokens", rows)


def commands(directory: Path) -> dict[str, token_commands.Row]:
    """With a broker of their own, as the other one is busy with thousands."""
    place = directory / "commands"
    place.mkdir()
    with token_rate.standing(place) as stage:
        asyncio.run(token_rate.sign_in(stage, range(1)))
        return token_commands.measured(stage, place)
