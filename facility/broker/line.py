"""The way to one issuer: in turn, not faster than it bears, and not at all while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from facility.broker.circuit import Circuit
from facility.broker.pace import Pace
from facility.broker.transport import Transport
from facility.tokens.wire import Request, Response, UnavailableError

BOW = 0.1  # seconds for which what is in no hurry stands back, should somebody ask in the same moment


class Line:
    """Requests to one issuer. `pulse` gives seconds of a clock that never jumps."""

    def __init__(self, transport: Transport, rate: float, pulse: Callable[[], float]) -> None:
        self._transport = transport
        self._pulse = pulse
        self._circuit = Circuit()
        self.pace = Pace(rate, pulse)

    @asynccontextmanager
    async def turn(self, need: float, probe: bool = True) -> AsyncIterator[None]:
        """One's turn, for one request; `need`: when what comes of it is needed (seconds since the epoch).

        `probe`: whether this may be what finds out that the issuer is back; others fail while it does, so what is in no
        hurry lets those go first who wait for it.

        Raises:
            UnavailableError: the issuer is away; nobody waits for that to change.
        """
        if self._circuit.away and not probe:
            await asyncio.sleep(BOW)
        self._circuit.refuse(self._pulse(), probe)
        await self.pace.turn(need)
        self._circuit.refuse(self._pulse(), probe)
        number = self._circuit.admit(self._pulse())
        try:
            yield
        finally:
            self._circuit.released(number)

    async def send(self, request: Request, further: bool = False) -> Response:
        """The answer; `further`: a request more than one has a turn for. Raises UnavailableError."""
        if further:
            self.pace.charge()
        try:
            answer = await self._transport.send(request)
        except UnavailableError as error:
            raise self._away(str(error)) from None
        if answer.trouble:
            raise self._away(f"{request.url} answers {answer.status} ({answer.kind})", answer.retry_after)
        self._circuit.answered()
        return answer

    def lasting(self, life: float) -> None:
        """The issuer has given a token that lives for so many seconds."""
        self._circuit.lasting(life)

    def stop(self) -> None:
        """Sends all away who wait for their turn."""
        self.pace.refuse(lambda: UnavailableError("this is not asked any more"))

    def _away(self, text: str, retry_after: float = 0.0) -> UnavailableError:
        """The error of one who asked in vain; those who wait for their turn need not try."""
        now = self._pulse()
        wait = self._circuit.failed(now, retry_after)
        self.pace.refuse(lambda: UnavailableError("the issuer gives no answer", self._circuit.wait(now)))
        return UnavailableError(text, wait)
