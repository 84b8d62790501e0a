"""The ways to caches, and what is asked at each of them: `asking.py`, run where people come from."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from facility import names
from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage
from tests.cluster import asking
from tests.cluster.elsewhere import Elsewhere, let_in
from tests.cluster.reading import Answer
from tests.cluster.through_caches import PODS

_PROGRAM = Path(asking.__file__).read_text()
#: letters that a signature has at least, and that nothing else ends with
_SIGNATURE = 40
#: no code of a refusal
GIVEN: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Door:
    """A name of a VO's cache. caches: pods behind it; outside: whether people come to it from beside the cluster."""

    vo: world.DemoVO
    host: str
    caches: tuple[str, ...]
    outside: bool = False


@dataclass(frozen=True)
class Question:
    """by, what: as `asking.py` has them; `path` as it goes onto the wire."""

    by: str
    what: str
    path: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Case:
    """A question, and the codes of which its refusal has one. Without any: it is to be given what it asks for."""

    name: str
    question: Question
    codes: frozenset[int] = GIVEN


def service(vo: world.DemoVO) -> Door:
    """The one that notebooks and jobs know."""
    return Door(vo, f"{names.xcache(vo.name)}.facility.svc", (f"{names.xcache(vo.name)}-0",))


def replica(vo: world.DemoVO, number: int) -> Door:
    """One of several caches by its own name."""
    name = f"{names.xcache(vo.name)}-{number}"
    return Door(vo, f"{name}.facility.svc", (name,))


def outside(vo: world.DemoVO) -> Door:
    """The one for people's own machines."""
    return Door(vo, f"{names.xcache(vo.name)}.{world.OUTSIDE}", service(vo).caches, outside=True)


def answers(stage: Stage, door: Door, cases: Iterable[Case]) -> list[tuple[Case, Answer]]:
    """All of it asked at that door, by one program."""
    some = list(cases)
    asked = json.dumps([{**vars(one.question), "host": door.host} for one in some])
    told = _outside(stage, door, asked) if door.outside else _inside(stage, door, asked)
    return list(zip(some, (Answer(**one) for one in json.loads(told)), strict=True))


def as_they_should(told: Iterable[tuple[Case, Answer]]) -> None:
    """All were given, or refused by a code that is right with nothing beside it. Raises AssertionError."""
    wrong = [f"{case.name}, by {case.question.by}: {answer}" for case, answer in told if not _right(case, answer)]
    assert not wrong, "\n".join([f"{len(wrong)} wrong answers", *wrong[:40]])


def written_down(stage: Stage, door: Door, told: Iterable[tuple[Case, Answer]]) -> list[str]:
    """Signatures of tokens that came to the door, and stand in a log of who may have seen them."""
    tokens = [case.question.token or case.question.path.partition("authz=")[2] for case, _ in told]
    places = [("facility", one, "xcache") for one in door.caches] + [(world.NAMESPACE, "deploy/origin", "origin")]
    logs = [stage.cluster.do("logs", "-n", space, pod, "-c", box, "--tail=-1") for space, pod, box in places]
    ends = {end for one in tokens if len(end := one.rpartition(".")[2]) > _SIGNATURE}
    return [end for end in ends if any(end in log for log in logs)]


def _right(case: Case, answer: Answer) -> bool:
    if case.codes == GIVEN:
        return answer.ok and answer.bytes > 0
    return not answer.ok and answer.bytes == 0 and answer.code in case.codes


def _inside(stage: Stage, door: Door, asked: str) -> str:
    where = ("facility-users", PODS[door.vo.name], "notebook", ["python3", "-c", _PROGRAM])
    return stage.cluster.execute(*where, stdin=asked, timeout=300)


def _outside(stage: Stage, door: Door, asked: str) -> str:
    """Tokens go into files of a folder that is this test's alone, as they would stand in the container's arguments."""
    with tempfile.TemporaryDirectory() as home:
        there = Path(home)
        for name, text in (("asking.py", _PROGRAM), ("asked.json", asked), ("ca.pem", stage.bundle)):
            (there / name).write_text(text)
        trusted = dict.fromkeys(("SSL_CERT_FILE", "X509_CERT_FILE"), str(there / "ca.pem"))
        machine = Elsewhere(let_in(stage, door.vo), there)
        return machine.run(f"python3 {there}/asking.py < {there}/asked.json", trusted)
