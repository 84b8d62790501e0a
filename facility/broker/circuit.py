"""Whether an issuer is away: noticed by whoever asks it, and found to be back by one of them at a time.

After a failure nobody asks for a moment; then one may try, and each further failure doubles the moment, up to a
minute, or to a twelfth of the life of the issuer's tokens: those that live for a minute do not wait for one. Everybody
else is told at once to come back later. Pure: times are seconds of a clock that never jumps.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from facility.exchange import longest_pause
from facility.tokens.wire import UnavailableError

FIRST, LONGEST = 1.0, 60.0  # seconds for which an issuer is left alone after the first failure, and at the most
TOLD = 3600.0  # the longest that an issuer's own Retry-After is heeded
DOUBLINGS = 6
NOBODY = 30.0  # seconds in which nobody who waits for a token wanted to know whether an issuer is back


class Circuit:
    """`spread` gives a number from 0 to 1: facilities that lost one issuer together do not come back together."""

    def __init__(self, spread: Callable[[], float] = random.random) -> None:
        self._spread = spread
        self._longest = LONGEST
        self._failures = 0
        self._until = 0.0
        self._probe = 0  # the number of the one who was let through last
        self._probing = False

    @property
    def away(self) -> bool:
        """Whether the last that was heard of the issuer was trouble."""
        return self._failures > 0

    def lasting(self, life: float) -> None:
        """The issuer has given a token that lives for so many seconds."""
        self._longest = longest_pause(life, LONGEST)

    def admit(self, now: float) -> int:
        """Lets somebody ask, the only one while the issuer is away; for `released`, when they are done.

        Raises:
            UnavailableError: the issuer is away; not everybody is to come back at the same time.
        """
        if not self.away:
            return 0
        self.refuse(now)
        self._probing, self._probe = True, self._probe + 1
        return self._probe

    def refuse(self, now: float, probe: bool = True) -> None:
        """Raises UnavailableError while the issuer is away and somebody else will find out whether it is back.

        `probe`: whether one could be the one to find out as soon as it is time to; others only when nobody does.
        """
        if self.away and (self._probing or now < self._until + (0.0 if probe else NOBODY)):
            raise UnavailableError("the issuer gives no answer at the moment", self.wait(now))

    def failed(self, now: float, retry_after: float = 0.0) -> float:
        """Nobody was there, or somebody in trouble, who may have said when to come back; when others may come back."""
        if self._probing or not self.away:
            self._failures += 1
            most = min(FIRST * 2 ** min(self._failures - 1, DOUBLINGS), self._longest)
            self._until = now + most * (0.5 + 0.5 * self._spread())
            self._probing = False
        # those who had asked before it was known to be away say nothing new but, maybe, when to come back
        self._until = max(self._until, now + min(retry_after, TOLD))
        return self.wait(now)

    def answered(self) -> None:
        """The issuer has answered, no matter what."""
        self._failures, self._probing = 0, False

    def released(self, probe: int) -> None:
        """Who was let through is done, and may not have asked after all."""
        if probe == self._probe:
            self._probing = False

    def wait(self, now: float) -> float:
        """Seconds after which it is worth another try; a bit different for each."""
        return max(self._until - now, FIRST) * (1 + self._spread())
