"""Programs built from Go modules, each once for its version and flags, into the cache.

`go install M@V` refuses modules with replace directives (Kubernetes, etcd, Calico have them). So every program is
built in a small module of its own, which requires the one wanted: its dependencies then come out as its authors chose
them, checked against the same sums, and replacements by folders of its repository become published versions.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from facility.dev.cluster.problems import check_go
from facility.dev.cluster.run import alone, cache, logged, output, step


@dataclass(frozen=True)
class Program:
    """What to build: one or more main packages of one version of one module.

    Attributes:
        packages: main packages, relative to the module; the module itself when empty.
        variables: string variables set at link time, by full name.
        siblings: version of those modules that the repository replaces by its own folders; empty to use the
            versions that the module already requires.
        requires, replaces: `module@version` wanted besides what the module says itself.
    """

    name: str
    module: str
    version: str
    packages: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    tags: str = ""
    cgo: bool = False
    siblings: str = ""
    requires: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()

    def digest(self) -> str:
        """Names this program as this machine's Go would build it."""
        return sha256(f"{self!r} {_go_version()}".encode()).hexdigest()[:12]


def build(program: Program) -> Path:
    """The folder that holds the program's executables, built now unless it was before.

    Raises:
        ClusterError: there is no Go, or the build failed (with the end of what it said).
    """
    folder = cache() / "go" / f"{program.name}-{program.digest()}"
    done = folder / "bin"
    with alone(folder.name):
        if not done.is_dir():
            with step(f"build {program.name} {program.version}"):
                fresh_module(folder, program)
                logged(build_command(program, folder / "new"), cwd=folder, env=_environment(program))
                (folder / "new").rename(done)
    return done


def source(program: Program) -> Path:
    """The module's own files, read-only, in the Go module cache."""
    return Path(_download(program)["Dir"])


def build_command(program: Program, into: Path) -> list[str]:
    """The `go build` of a program's packages; -trimpath so that the build cache serves every checkout."""
    flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in program.variables)])
    packages = [f"{program.module}/{package}" for package in program.packages] or [program.module]
    tags = ["-tags", program.tags] if program.tags else []
    return [
        *("go", "build", "-mod=mod", "-trimpath", "-buildvcs=false"),
        *tags,
        "-ldflags",
        flags,
        "-o",
        f"{into}/",
        *packages,
    ]


def own_module(program: Program, theirs: dict[str, Any]) -> str:
    """The text of the small module's go.mod, from the JSON form of the wanted module's (`go mod edit -json`)."""
    lines = [f"module localhost/{program.name}", f"go {theirs['Go']}"]
    lines += [f"godebug {setting['Key']}={setting['Value']}" for setting in theirs.get("GoDebug") or ()]
    siblings = [f"{name}@{program.siblings}" for name in _folders(theirs) if program.siblings]
    for spec in (f"{program.module}@{program.version}", *program.requires, *siblings):
        lines.append(f"require {spec.replace('@', ' ')}")
    for old, new in _replacements(program, theirs):
        lines.append(f"replace {old} => {new.replace('@', ' ')}")
    return "\n".join(lines) + "\n"


def _folders(theirs: dict[str, Any]) -> list[str]:
    """Modules that the wanted one requires and has in folders of its repository, which exist on nobody's proxy."""
    inside = {entry["Old"]["Path"] for entry in theirs.get("Replace") or () if "Version" not in entry["New"]}
    return [entry["Path"] for entry in theirs.get("Require") or () if entry["Path"] in inside]


def _replacements(program: Program, theirs: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of module path and what stands in for it: `module@version`."""
    pairs = [(spec.partition("@")[0], spec) for spec in program.replaces]
    if program.siblings:
        pairs += [(name, f"{name}@{program.siblings}") for name in _folders(theirs)]
    for entry in theirs.get("Replace") or ():
        if "Version" in entry["New"]:
            pairs.append((entry["Old"]["Path"], f"{entry['New']['Path']}@{entry['New']['Version']}"))
    return pairs


def fresh_module(folder: Path, program: Program) -> None:
    """Begins the small module that builds a program, in `folder`, whatever is there. Raises ClusterError."""
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted build left
    folder.mkdir(parents=True)
    module = _download(program)
    theirs = json.loads(output(["go", "mod", "edit", "-json", module["GoMod"]]))
    (folder / "go.mod").write_text(own_module(program, theirs))
    sums = Path(module["Dir"]) / "go.sum"
    (folder / "go.sum").write_text(sums.read_text() if sums.exists() else "")


def _download(program: Program) -> dict[str, Any]:
    check_go()
    found: dict[str, Any] = json.loads(
        output(["go", "mod", "download", "-json", f"{program.module}@{program.version}"])
    )
    return found


def _environment(program: Program) -> dict[str, str]:
    return {"CGO_ENABLED": "1" if program.cgo else "0", "GOWORK": "off"}


def _go_version() -> str:
    check_go()
    return output(["go", "env", "GOVERSION"]).strip()
