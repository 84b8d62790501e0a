"""When a token file is asked for again: after a token, and after none. Pure functions of seconds.

Early enough that no job sees a token expire though the broker was away for a moment, and seldom enough that a broker or
an issuer in trouble is not asked more than they bear.
"""

from __future__ import annotations

import math

from facility.exchange import margin

#: seconds in which an answer that is late, and a second asking after it, are not too late
LEAD = 15.0
#: seconds between two askings for one file, after a failure at first and at most
SOONEST, LATEST = 5.0, 30.0
#: seconds before an owner is asked for again who must sign in, and how many such owners are asked for in a second
SIGNED_OUT, AT_ONCE = 10.0, 10.0
_LONGEST = 60.0  # seconds: whose session has ended is known after that at the latest


def min_valid(needed: float) -> int:
    """Seconds for which a new token should be good, where each must be good for more than `needed` at any time."""
    return math.ceil(needed + LEAD)


def after_token(left: float, wanted: int) -> float:
    """Until the next asking, with a token that is good for `left` more where it should be for `wanted`.

    When the broker will have renewed it by itself, or, with one that is good for less than it should be, three times in
    what is left of it. But once in a minute in any case: the broker answers from memory, and may have news.
    """
    if left < wanted:
        return max(min(left / 3, _LONGEST), SOONEST)
    return max(min(left - max(wanted, margin(left)), _LONGEST), SOONEST)


def after_failure(failures: int, left: float, asked_for: float) -> float:
    """Until the next try after so many in vain: ever longer, but not past the end of a token that is good for `left`.

    asked_for: what the broker said (Retry-After), 0 if nothing.
    """
    longest = max(SOONEST, min(LATEST, left / 4)) if left > 0 else LATEST
    return max(asked_for, min(SOONEST * 2.0 ** min(failures, 8), longest))


def signed_out(owners: int) -> float:
    """Until an owner is asked for again who must sign in, where so many must."""
    return max(SIGNED_OUT, owners / AT_ONCE)
