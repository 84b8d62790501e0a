"""What the broker knows of a person's session, what follows from it at the hub, and the sentence for the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: reasons after which a person may not even go on with what runs: they are no member, or the VO is closed
_OUT = ("NotInGroup", "VOClosed")

_SENTENCES = {
    "SignedIn": "You are signed in, and your tokens are renewed.",
    "SignInAgain": "Your session with {vo} has ended, or {vo} wants you to confirm something there, such as its terms "
    "of use. Sign in again; what runs goes on running.",
    "NotInGroup": "{vo} says that you are not, or no longer, in a group that may work here. If that has changed, sign "
    "in again; else ask the managers of {vo}.",
    "VOClosed": "{vo} {closed}: nobody can work with it here now.",
    "IssuerUnavailable": "{vo} does not answer now. You stay signed in, and tokens at hand are used until they expire.",
    "ClientRefused": "{vo} does not accept this facility now. Tell the facility's administrators; you stay signed in.",
    "AnswerRefused": "{vo} gives tokens that are not what was asked for. Tell the facility's administrators; you stay "
    "signed in.",
}
_UNKNOWN = "The state of your session is not known at the moment. You stay signed in."


@dataclass(frozen=True)
class Standing:
    """A session's state (good, dead or unknown), the reason, and the person's `wlcg.groups` if they are known."""

    state: str
    reason: str = ""
    groups: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, body: Any) -> Standing:
        """From the broker's answer; UNKNOWN when it is not one."""
        if not isinstance(body, dict) or body.get("state") not in ("good", "dead"):
            reason = body.get("reason") if isinstance(body, dict) else ""
            return cls("unknown", reason if isinstance(reason, str) else "")
        reason, groups = body.get("reason"), body.get("groups")
        if not isinstance(groups, list) or not all(isinstance(one, str) for one in groups):
            groups = None
        known = None if groups is None else tuple(groups)
        return cls(body["state"], reason if isinstance(reason, str) else "", known)

    @property
    def dead(self) -> bool:
        """Whether the person has to sign in again."""
        return self.state == "dead"

    @property
    def out(self) -> bool:
        """Whether the person has no business here any more, not even by a token that they hold."""
        return self.dead and self.reason in _OUT

    def sentence(self, vo: str, closed: str = "") -> str:
        """For the person: what is so, and what to do. `vo` is the VO's title, `closed` why it is closed."""
        default = _SENTENCES["SignInAgain"] if self.dead else _UNKNOWN
        return _SENTENCES.get(self.reason, default).format(vo=vo, closed=closed or "is closed")


UNKNOWN = Standing("unknown")
CLOSED = Standing("dead", "VOClosed")
