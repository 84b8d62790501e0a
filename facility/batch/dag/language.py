"""DAGMan's input files (HTCondor's manual, "DAGMan input file"), as far as they are understood here.

What a file says and this does not do is refused with a sentence, never passed over, unless it changes nothing about
which jobs run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PRE, POST = "PRE", "POST"
_ALL = "ALL_NODES"
#: about the output and the pace of DAGMan itself
_WITHOUT_EFFECT = frozenset({"CONFIG", "DOT", "JOBSTATE_LOG", "NODE_STATUS_FILE", "SET_JOB_ATTR"})
_ELSEWHERE = frozenset(
    "SPLICE SUBDAG SERVICE PROVISIONER CONNECT PIN_IN PIN_OUT ENV SAVE_POINT_FILE".split()  # noqa: SIM905 - read as in a file
)
_VARIABLE = re.compile(r'([A-Za-z_+][\w.+]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*')


class DagError(ValueError):
    """A file that cannot be run; the text names the file and the line."""


@dataclass(frozen=True)
class Script:
    """What runs beside the person before (PRE) or after (POST) a node's job; `arguments` may have DAGMan's macros."""

    program: str
    arguments: tuple[str, ...] = ()


@dataclass
class Node:
    """One node. `file` is its submit description, or `text` if that stood in the DAG itself. `directory`: DIR."""

    name: str
    file: str = ""
    text: str = ""
    directory: str = ""
    noop: bool = False
    done: bool = False
    parents: set[str] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)
    retries: int = 0
    unless: int | None = None
    pre: Script | None = None
    post: Script | None = None
    skip: int | None = None
    priority: int = 0
    category: str = ""
    abort: tuple[int, int | None] | None = None


@dataclass
class Dag:
    """Nodes by name in the order of the file; `final` is run when all else is over, however it went."""

    nodes: dict[str, Node] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    final: Node | None = None

    def node(self, name: str) -> Node:
        """Raises DagError."""
        if self.final and name == self.final.name:
            return self.final
        if name not in self.nodes:
            raise DagError(f"there is no node {name}")
        return self.nodes[name]


def read(path: Path, text: Callable[[Path], str] = Path.read_text) -> Dag:
    """The DAG of a file. Raises DagError and OSError."""
    reader = _Reader(text)
    reader.file(path)
    return _checked(reader.dag, path)


class _Reader:
    def __init__(self, text: Callable[[Path], str]) -> None:
        self.dag = Dag()
        self._text = text
        self._described: dict[str, str] = {}
        self._open: list[Path] = []

    def file(self, path: Path) -> None:
        if path in self._open:
            raise DagError(f"{path} includes itself")
        self._open.append(path)
        numbered = enumerate(self._text(path).splitlines(), 1)
        for number, line in numbered:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            try:
                self._line(words, line, numbered)
            except (DagError, ValueError, IndexError) as error:
                told = error if isinstance(error, DagError) else f"cannot be understood: {line.strip()}"
                raise DagError(f"{path}, line {number}: {told}") from None
        self._open.pop()

    def _line(self, words: list[str], line: str, more: Iterator[tuple[int, str]]) -> None:
        key = words[0].upper()
        if key in _WITHOUT_EFFECT:
            return
        if key in _ELSEWHERE or (key == "SCRIPT" and "HOLD" in (word.upper() for word in words[1:3])):
            raise DagError(f"{key} is something of DAGMan's that is not done here: write it as nodes of one DAG")
        known = self._commands(words, line, more)
        if key not in known:
            raise DagError(f"{words[0]} is no command of a DAG")
        known[key]()

    def _commands(
        self, words: list[str], line: str, more: Iterator[tuple[int, str]]
    ) -> Mapping[str, Callable[[], None]]:
        """What each command does with its line."""
        return {
            "JOB": lambda: self._job(words, line, more),
            "FINAL": lambda: self._job(words, line, more),
            "SUBMIT-DESCRIPTION": lambda: self._description(words[1], more),
            "PARENT": lambda: self._edges(words[1:]),
            "VARS": lambda: self._variables(words, line),
            "SCRIPT": lambda: self._script(words[1:]),
            "RETRY": lambda: self._retry(words),
            "PRE_SKIP": lambda: self._set(words[1], "skip", int(words[2])),
            "PRIORITY": lambda: self._set(words[1], "priority", int(words[2])),
            "CATEGORY": lambda: self._set(words[1], "category", words[2]),
            "MAXJOBS": lambda: self.dag.limits.__setitem__(words[1], int(words[2])),
            "ABORT-DAG-ON": lambda: self._abort(words),
            "DONE": lambda: self._set(words[1], "done", True),
            "INCLUDE": lambda: self.file(Path(words[1])),
        }

    def _job(self, words: list[str], line: str, more: Iterator[tuple[int, str]]) -> None:
        name, source, options = words[1], words[2], [word.upper() for word in words[3:]]
        if name in self.dag.nodes or name.upper() == _ALL:
            raise DagError(f"there cannot be another node {name}")
        node = Node(name, noop="NOOP" in options, done="DONE" in options)
        if source == "{":
            node.text = _block(more, "}")
        elif source in self._described:
            node.text = self._described[source]
        else:
            node.file = source
        if "DIR" in options:
            node.directory = words[3 + options.index("DIR") + 1]
        if words[0].upper() == "FINAL":
            self.dag.final = node
        else:
            self.dag.nodes[name] = node

    def _description(self, name: str, more: Iterator[tuple[int, str]]) -> None:
        self._described[name] = _block(more, "}")

    def _edges(self, words: list[str]) -> None:
        at = [word.upper() for word in words].index("CHILD")
        for child in words[at + 1 :]:
            self.dag.node(child).parents.update(self.dag.node(parent).name for parent in words[:at])

    def _variables(self, words: list[str], line: str) -> None:
        rest = line.split(None, 2)[2]
        if rest.split()[0].upper() in ("PREPEND", "APPEND"):
            rest = rest.split(None, 1)[1]
        found = _VARIABLE.findall(rest)
        if _VARIABLE.sub("", rest).strip() or not found:
            raise DagError('variables are written NAME="value"')
        for node in self._meant(words[1]):
            node.variables.update({name: re.sub(r'\\(["\\])', r"\1", value) for name, value in found})

    def _script(self, words: list[str]) -> None:
        if words[0].upper() in ("DEFER", "DEBUG"):
            raise DagError(f"SCRIPT {words[0].upper()} is something of DAGMan's that is not done here: leave it out")
        when, name, program, *arguments = words
        if when.upper() not in (PRE, POST):
            raise DagError(f"a script is {PRE} or {POST}, not {when}")
        self._set(name, when.lower(), Script(program, tuple(arguments)))

    def _retry(self, words: list[str]) -> None:
        self._set(words[1], "retries", int(words[2]))
        if len(words) > 3 and words[3].upper() == "UNLESS-EXIT":
            self._set(words[1], "unless", int(words[4]))

    def _abort(self, words: list[str]) -> None:
        returned = int(words[4]) if len(words) > 4 and words[3].upper() == "RETURN" else None
        self._set(words[1], "abort", (int(words[2]), returned))

    def _set(self, name: str, what: str, value: object) -> None:
        for node in self._meant(name):
            setattr(node, what, value)

    def _meant(self, name: str) -> list[Node]:
        return list(self.dag.nodes.values()) if name.upper() == _ALL else [self.dag.node(name)]


def _block(lines: Iterator[tuple[int, str]], end: str) -> str:
    """The lines up to one that is `end`."""
    found: list[str] = []
    for _, line in lines:
        if line.strip() == end:
            return "\n".join(found)
        found.append(line.strip())
    raise DagError(f"a {{ without its {end}")


def _checked(dag: Dag, path: Path) -> Dag:
    if not dag.nodes:
        raise DagError(f"{path} has no node")
    left = {name: set(node.parents) for name, node in dag.nodes.items()}
    while ready := {name for name, parents in left.items() if not parents}:
        left = {name: parents - ready for name, parents in left.items() if name not in ready}
    if left:
        raise DagError(f"{path}: nodes wait for each other in a circle: {', '.join(sorted(left))}")
    return dag
