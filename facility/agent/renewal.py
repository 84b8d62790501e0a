"""When a token is asked for anew, and what comes of an attempt.

The broker renews by itself a token that has less than two and a half minutes left, or two thirds of its life; an agent
asks a little later than that, so that a life costs one request at the issuer and the file still has more than a minute.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

from facility.agent.state import Kept, Problem
from facility.codes import UNAVAILABLE
from facility.exchange import EARLIEST, BrokerError, Token, TokenSource, longest_pause

SOONEST = 5.0  # seconds between two successful askings for one token, however short its life
_MARGIN = 130.0  # seconds before its end at which a token is asked for anew; of short ones a share of their life
_LONGEST_PAUSE = 30.0


def spread() -> float:
    """A factor by which agents come apart; below one, so that the broker, too, finds the moment come."""
    return random.uniform(0.85, 0.95)  # noqa: S311 - spreads load, guards nothing


def ask(broker: TokenSource, kept: Kept, now: float) -> Token:
    """A token that lives longer than the one at hand, if there is any such. Raises BrokerError."""
    wanted, least = kept.wanted, needed(kept, now)
    try:
        return broker.token(wanted.audience, wanted.scope, min_valid=least)
    except BrokerError as error:
        if not least or error.code != "invalid_request":
            raise
        return broker.token(wanted.audience, wanted.scope)  # the VO's tokens live shorter than they did


def needed(kept: Kept, now: float) -> int:
    """Seconds that a new token should live, more than the old one has left: 0 without one that is still good."""
    remaining = kept.expires - now
    return min(math.ceil(remaining) + 1, int(kept.life * EARLIEST)) if remaining > 0 else 0


def renewed(kept: Kept, token: Token, now: float, factor: float) -> Kept:
    """With the token that was answered; `factor` as `spread` gives it."""
    seconds = token.expires - now
    # asked for more than there was left, and got no more
    same = kept.token is not None and token.value == kept.token.value and needed(kept, now) > kept.expires - now
    if same or token.warning:
        error = BrokerError(UNAVAILABLE, token.warning or "the broker has no newer token at the moment")
        return failed(replace(kept, token=token, life=max(kept.life, seconds)), error, now, factor)
    due = max(token.expires - min(seconds * EARLIEST, _MARGIN) * factor, now + SOONEST)
    return replace(kept, token=token, life=max(kept.life, seconds), due=due, failures=0, problem=None)


def failed(kept: Kept, error: BrokerError, now: float, factor: float) -> Kept:
    """After an attempt that failed: the next comes after 1, 2, 4 … 30 seconds, or when the broker said.

    But four times at least before the end of the token at hand, and later so often that what is lost in a pause is
    little beside a token's life: a pause must not outlast what it waits for.
    """
    left = kept.expires - now
    over = longest_pause(kept.life, _LONGEST_PAUSE) if kept.life else _LONGEST_PAUSE
    longest = min(max(left / 4, 1.0), _LONGEST_PAUSE) if left > 0 else over
    pause = min(max(min(2.0**kept.failures, longest), error.retry_after), _LONGEST_PAUSE) * factor
    problem = Problem(error.code, error.description)
    # the exponent stops growing: a broker away for days must not overflow it
    return replace(kept, due=now + pause, failures=min(kept.failures + 1, 5), problem=problem)


Spread = Callable[[], float]
