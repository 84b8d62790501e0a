"""A pod's directory, its identity and two clocks that only a test moves, with an agent's keeper at a fake broker."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facility.agent.keeper import Keeper
from facility.exchange import Broker
from tests.fakes.authority import Authority
from tests.fakes.token_broker import TokenBroker

START = 1_800_000_000.0


@dataclass
class Pod:
    """`now` is the clock that nobody sets; `wrong`: seconds by which the node's time of day is wrong."""

    broker: TokenBroker
    authority: Authority
    directory: Path
    identity: Path
    now: float = START
    wrong: float = 0.0
    log: list[str] = field(default_factory=list)

    def wall(self) -> float:
        """The node's time of day: that of the broker, which is the test's own day, but for what is wrong with it."""
        return self.broker.wall() + self.wrong

    def keeper(self) -> Keeper:
        """An agent that begins here."""
        outside = Broker(self.broker.url, self.identity, self.authority.client, lambda: self.now, self.wall)
        return Keeper(outside, self.directory, lambda: self.now, lambda: 1.0, self.log.append, self.wall)

    def status(self) -> dict[str, Any]:
        """status.json."""
        found: dict[str, Any] = json.loads((self.directory / "status.json").read_text())
        return found

    def read(self, name: str) -> str:
        """A token file."""
        return (self.directory / name).read_text()
