"""What a caller's agent keeps: each token that policy allows it, under the name of its file."""

from __future__ import annotations

from dataclasses import dataclass

from facility.broker.errors import BrokerError
from facility.tokens.naming import WantedFile


@dataclass(frozen=True)
class Holding:
    """What an agent keeps; with a refusal it may keep none of it now."""

    files: tuple[WantedFile, ...] = ()
    refusal: BrokerError | None = None
