"""`python -m facility.dev.cluster`: the local cluster, from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from facility.dev.cluster import base, enforcement, engine, kind, kubectl, problems, tools


def up(arguments: argparse.Namespace) -> None:
    """Everything that a cluster needs, then the cluster."""
    problems.check_architecture()
    engine.ensure()
    print(kind.up(arguments.name))


def down(arguments: argparse.Namespace) -> None:
    """The cluster away; with --engine the Docker engine too, if it was started here."""
    kind.down(arguments.name)
    if arguments.engine and not engine.stop():
        print("no Docker engine was started from here", file=sys.stderr)


def load(arguments: argparse.Namespace) -> None:
    """Images into the node; prints those that it lacked."""
    for image in kind.load(arguments.images, arguments.name):
        print(image)


def status(arguments: argparse.Namespace) -> None:
    """The node and every pod that is not running."""
    if not engine.answers():
        raise problems.ClusterError("Docker does not answer: `python -m facility.dev.cluster up` starts it")
    if not kind.exists(arguments.name):
        raise problems.ClusterError(
            f"there is no cluster {arguments.name}: `python -m facility.dev.cluster up` makes it"
        )
    run = kubectl.Kubectl(kind.kubeconfig(arguments.name))
    print(run("get", "nodes", "-o", "wide"), end="")
    away = "status.phase!=Running,status.phase!=Succeeded"
    print(run("get", "pods", "--all-namespaces", "--field-selector", away) or "all pods run", end="")


def kubeconfig(arguments: argparse.Namespace) -> None:
    """The path that KUBECONFIG takes."""
    print(kind.kubeconfig(arguments.name))


def check(arguments: argparse.Namespace) -> None:
    """Whether the cluster enforces NetworkPolicy."""
    image = base.ensure("forky")
    kind.load([image], arguments.name)
    enforcement.check(kind.kubeconfig(arguments.name), image)
    print("NetworkPolicy is enforced")


def show_tools(arguments: argparse.Namespace) -> None:
    """The paths of kind, helm, kubectl and kubeconform."""
    for path in tools.ensure().values():
        print(path)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m facility.dev.cluster", description=sys.modules[__name__].__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, action in (
        ("up", up),
        ("down", down),
        ("load", load),
        ("status", status),
        ("kubeconfig", kubeconfig),
        ("check", check),
        ("tools", show_tools),
    ):
        command = commands.add_parser(name, help=action.__doc__, description=action.__doc__)
        command.set_defaults(action=action)
        command.add_argument("--name", default=kind.NAME, help="the cluster's name (default: %(default)s)")
        if action is load:
            command.add_argument("images", nargs="+", metavar="IMAGE")
        if action is down:
            command.add_argument("--engine", action="store_true", help="also end the Docker engine that `up` started")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 1 with one sentence on stderr when the machine stands in the way."""
    arguments = parser().parse_args(argv)
    try:
        arguments.action(arguments)
    except problems.ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
