"""`python -m facility.dev.demo up|run|down`: from an empty machine to a verified main job.

FACILITY_CLUSTER=current (with REGISTRY) uses the cluster of the current kubeconfig context instead of a kind cluster.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator

from facility.dev.cluster import engine, kind, node_image, tools
from facility.dev.cluster.problems import ClusterError, check_architecture
from facility.dev.cluster.run import cache
from facility.dev.demo import mainjob, place, world
from facility.dev.demo.kernel import CellError
from facility.dev.demo.kube import Cluster, NotReadyError
from facility.dev.demo.person import SignInError
from facility.dev.demo.steps import Progress, checklist
from facility.dev.images import build, places

_SECONDS = place.ROOT / "artifacts" / "demo-seconds.json"


def up() -> None:
    """Cluster, images, charts, two VOs: each step is skipped or quick when it is done already."""
    check_architecture()
    local = not place.on_current()
    progress = Progress(record=_SECONDS)
    with progress.step("tools: kind, helm, kubectl, kubeconform"):
        tools.ensure()
    if local:
        with progress.step("Docker engine"):
            engine.ensure()
        with progress.step("node image"):
            node_image.ensure()
        with progress.step("kind cluster"):
            kind.up(place.NAME)
    with progress.step("container images"):
        references = list(build.ensure().values())
    with progress.step("images onto the cluster"):
        kind.load(references, place.NAME) if local else _push(references)
    here = place.cluster()
    with progress.step("issuers and lake origin"):
        place.install_outside(here)
    with progress.step("the facility"):
        place.install(here)
    with progress.step("virtual organizations cms and atlas"):
        here.apply(world.manifest(world.CMS), world.manifest(world.ATLAS))
        for vo in (world.CMS, world.ATLAS):
            _wait_for(here, vo)


def run() -> None:
    """The main job, its checklist, and where to go from here."""
    progress = Progress()
    with progress.step("main job") as say:
        outcome = mainjob.play(place.stage(), say)
    seconds = json.loads(_SECONDS.read_text()) | progress.seconds
    cold = seconds.get("container images", 0) > 60  # a run that built the images says what a first one takes
    _SECONDS.with_name(f"demo-{'cold' if cold else 'warm'}.json").write_text(json.dumps(seconds, indent=1) + "\n")
    print(f"\nVerified in {sum(seconds.values()):.0f} s:\n{checklist(outcome.verified)}\n\n{_farewell()}")


def down(*, keep_images: bool) -> None:
    """Remove what the demo made: cluster, material, and unless kept, images; stop the engine if it was started."""
    if engine.answers():
        kind.down(place.NAME)
        if not keep_images:
            places.remove()
    shutil.rmtree(cache() / "demo", ignore_errors=True)
    engine.stop()


def _wait_for(here: Cluster, vo: world.DemoVO) -> None:
    def ready() -> bool:
        if here.condition("vo", "facility", vo.name, "Ready").get("status") != "True":
            return False
        sets = [("facility", f"xcache-{vo.name}"), ("facility-batch", f"ap-{vo.name}")]
        return all(here.get("statefulset", name, "-n", ns)["status"].get("readyReplicas") for ns, name in sets)

    here.wait_for(f"VO {vo.name}, its cache and its access point", ready, 180)


def _push(references: list[str]) -> None:
    registry = os.environ.get("REGISTRY", "").rstrip("/")
    if not registry:
        raise ClusterError("CLUSTER=current needs REGISTRY=<where the cluster can pull images from>")
    places.push(references, registry)


def _farewell() -> str:
    passwords = place.material().passwords
    people = [
        f"  {vo.name:7} {account.name:8} {passwords[account.name]}"
        for vo in world.VOS.values()
        for account in vo.people
    ]
    hosts = " ".join(["hub", *(f"iam-{vo}" for vo in world.VOS)]).replace(" ", f".{world.NAMESPACE}.svc ")
    rule = f'--host-resolver-rules="MAP *.{world.NAMESPACE}.svc 127.0.0.1"'
    return "\n".join(
        [
            f"The hub: {world.HUB}   (start Chromium with {rule},",
            f"  or put this line into /etc/hosts: 127.0.0.1 {hosts}.{world.NAMESPACE}.svc)",
            "Its certificate's authority: kubectl -n facility get cm facility-trust",
            "The demo's accounts (VO, name, password):",
            *people,
            "`make demo-down` removes all of it.",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run one command; 1 and a sentence on standard error when it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m facility.dev.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up")
    commands.add_parser("run")
    commands.add_parser("down").add_argument("--keep-images", action="store_true")
    arguments = parser.parse_args(argv)
    failed: list[str] = []
    try:
        if arguments.command == "up":
            up()
        elif arguments.command == "run":
            run()
        else:
            down(keep_images=arguments.keep_images)
    except* (ClusterError, NotReadyError, SignInError, CellError, AssertionError) as problems:
        failed = [str(problem) for problem in _leaves(problems)]
        print("\n" + "\n".join(failed), file=sys.stderr)
    return 1 if failed else 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """What failed, out of the groups that people who work at the same time make of it."""
    for one in group.exceptions:
        yield from _leaves(one) if isinstance(one, BaseExceptionGroup) else [one]


if __name__ == "__main__":
    sys.exit(main())
