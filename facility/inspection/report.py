"""Findings for people, VO by VO, and for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from facility.inspection.finding import Finding, Severity

WELL, NOT_WELL = 0, 1


@dataclass(frozen=True)
class Report:
    """`vos`: names of all that were looked at; `unread`: what could not be."""

    vos: tuple[str, ...]
    findings: tuple[Finding, ...]
    unread: tuple[str, ...]

    def only(self, vo: str) -> Report:
        """What concerns one VO: its own, and what all VOs stand on."""
        return Report((vo,), tuple(one for one in self.findings if one.vo in ("", vo)), self.unread)

    @property
    def status(self) -> int:
        """The exit status: 1 when something is wrong; a note is no fault."""
        return NOT_WELL if self._count(Severity.ERROR) + self._count(Severity.WARNING) else WELL

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "well": self.status == WELL,
            "vos": list(self.vos),
            "findings": [asdict(one) for one in self.findings],
            "unread": list(self.unread),
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        yield from _part("the facility", [one for one in self.findings if not one.vo])
        for vo in sorted({*self.vos, *(one.vo for one in self.findings if one.vo)}):
            yield from _part(f"VO {vo}", [one for one in self.findings if one.vo == vo])
        if self.unread:
            yield from ("", "not looked at", *(f"  {one}" for one in self.unread))
        errors, warnings = self._count(Severity.ERROR), self._count(Severity.WARNING)
        yield from ("", f"{errors} {_of('error', errors)}, {warnings} {_of('warning', warnings)}")

    def _count(self, severity: Severity) -> int:
        return sum(one.severity == severity for one in self.findings)


def _part(title: str, findings: Sequence[Finding]) -> Iterator[str]:
    wrong = any(one.severity != Severity.NOTE for one in findings)
    yield title if wrong else f"{title}: nothing is wrong"
    for one in findings:
        yield f"  {one.severity:<8} {one.about}: {one.sentence}"
        if one.todo:
            yield f"           → {one.todo}"


def _of(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
