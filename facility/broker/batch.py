"""How people's jobs fare, for themselves: what the operator has written into their objects, and nobody else's.

It comes with the watch that the broker has anyway, so that an answer costs no question to the API server.
"""

from __future__ import annotations

from pydantic import ValidationError

from facility.broker import errors
from facility.broker.identity import Caller, Notebook
from facility.kubernetes import Json
from facility.users import BatchStatus


class Batch:
    """The latest state of each person's jobs, by hub user."""

    def __init__(self) -> None:
        self._known: dict[str, BatchStatus] = {}

    def noted(self, item: Json) -> None:
        """A person's object is new or different. What cannot be read is as if nothing had been written yet."""
        user = str(item["metadata"]["name"])
        self._known.pop(user, None)
        try:
            written = (item.get("status") or {}).get("batch")
            if written is not None:
                self._known[user] = BatchStatus.model_validate(written)
        except (ValidationError, AttributeError):
            return

    def gone(self, user: str) -> None:
        """There is no such person any more."""
        self._known.pop(user, None)

    def answer(self, caller: Caller) -> Json:
        """The document for whoever asks. Raises BrokerError 403 for a caller that is no person's pod."""
        if not isinstance(caller, Notebook):
            raise errors.access_denied("a person's jobs are told to that person's own pods")
        known = self._known.get(caller.user)
        told = (known or BatchStatus()).model_dump(by_alias=True)
        return {"user": caller.user, "known": known is not None, **told}
