"""`python -m facility.dev.images build [NAME...]`, `list`, `lock`."""

from __future__ import annotations

import argparse
import sys

from facility.dev.cluster import registry
from facility.dev.cluster.problems import ClusterError
from facility.dev.images import build, lock


def main(argv: list[str] | None = None) -> int:
    """Run one command; 1 and a sentence on stderr when it cannot be done."""
    arguments = _parser().parse_args(argv)
    try:
        _run(arguments)
    except (ClusterError, build.UnknownImageError, lock.LockError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "lock":
        lock.lock(build.ROOT)
    elif arguments.command == "build":
        for ref in build.ensure(arguments.name or None).values():
            print(ref)
    else:
        for ref in build.planned().values():
            print(ref, "built" if registry.present(ref) else "not built")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m facility.dev.images", description="The facility's images.")
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build what has changed, and print the references")
    building.add_argument("name", nargs="*", help="only these images")
    commands.add_parser("list", help="print the references, and whether they are built")
    commands.add_parser("lock", help="resolve anew and write every lock file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
