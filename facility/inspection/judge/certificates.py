"""Whether certificates end soon. The operator renews its own thirty days before, so that one near its end is a sign."""

from __future__ import annotations

from collections.abc import Iterator

from facility.inspection.facts import Certificate, Facts
from facility.inspection.finding import Finding, Severity

_DAY = 86400
#: days before its end by which a certificate should have been renewed
SOON = 14


def judge(facts: Facts) -> Iterator[Finding]:
    """One finding for each certificate that has ended, ends soon, or cannot be read."""
    for one in facts.certificates:
        severity, text = _state(one, facts.now)
        if severity:
            todo = "see the operator's log: it should have renewed it" if one.ours else "renew it: it is the site's own"
            yield Finding(severity, one.vo, f"certificate {one.namespace}/{one.secret}", text, todo)


def _state(one: Certificate, now: float) -> tuple[Severity | None, str]:
    days = (one.ends - now) / _DAY
    if not one.ends:
        return Severity.ERROR, "its tls.crt is no certificate"
    if days <= 0:
        return Severity.ERROR, f"it ended {-days:.0f} days ago"
    return (Severity.WARNING, f"it ends in {days:.0f} days") if days < SOON else (None, "")
