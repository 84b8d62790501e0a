"""How people's sessions fare: how many of each VO have no tokens, by reason, and who has no Unix uid yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from facility.inspection.facts import Facts, Json, condition, name
from facility.inspection.finding import Finding, Severity
from facility.inspection.judge.organizations import PATIENCE, closed
from facility.inspection.remedies import PERSON

_TOKEN = "TokenReady"  # noqa: S105 - a condition's name
_SEVERITY = {
    "ClientRefused": Severity.ERROR,
    "AnswerRefused": Severity.ERROR,
    "IssuerUnavailable": Severity.WARNING,
}


def judge(facts: Facts) -> Iterator[Finding]:
    """One finding for each reason in each VO that is there and open."""
    people: dict[str, list[Json]] = {}
    for user in facts.some("facilityusers", facts.spaces.facility):
        people.setdefault(str((user.get("spec") or {}).get("vo", "")), []).append(user)
    for vo in facts.vos:
        mine = people.get(name(vo), [])
        if not closed(vo):
            yield from _sessions(name(vo), mine)
        yield from _numbers(name(vo), mine, facts)


def _sessions(vo: str, people: list[Json]) -> Iterator[Finding]:
    states = [condition(user, _TOKEN) for user in people]
    reasons = Counter(str(one.get("reason")) for one in states if one and one.get("status") != "True")
    for reason, count in sorted(reasons.items()):
        text = f"{count} of {len(people)} {'has' if count == 1 else 'have'} no good session ({reason})"
        yield Finding(_SEVERITY.get(reason, Severity.NOTE), vo, "people", text, PERSON.get(reason, ""))


def _numbers(vo: str, people: list[Json], facts: Facts) -> Iterator[Finding]:
    waiting = [name(one) for one in people if not (one.get("spec") or {}).get("uid") and facts.age(one) > PATIENCE]
    if waiting:
        text = (
            f"{len(waiting)} of {len(people)} have no uid, so their jobs are refused ({', '.join(sorted(waiting)[:3])})"
        )
        yield Finding(Severity.ERROR, vo, "people", text, "see the operator's log: it gives uids")
