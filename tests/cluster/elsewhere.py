"""A machine beside the cluster: a container on the nodes' network, which comes to the facility by its ways in from
outside and has nothing of it but what `facility env` told.

The cluster of the tests has no load balancer. What one would do is done here: the Services of type LoadBalancer get an
address, the node's own, at which the cluster then takes their connections in as it takes a balancer's.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facility import names
from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Stage

_NETWORK = "kind"
_PATH = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"


def let_in(stage: Stage, vo: world.DemoVO) -> dict[str, str]:
    """Gives the VO's ways in the node's address; that address by the public name of each."""
    addresses = stage.cluster.items("nodes")[0]["status"]["addresses"]
    address = next(str(one["address"]) for one in addresses if one["type"] == "InternalIP")
    given = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
    for service, namespace in ((names.xcache(vo.name), "facility"), (names.access_point(vo.name), "facility-batch")):
        way = ("service", f"{service}-outside", "-n", namespace)
        stage.cluster.do("patch", *way, "--subresource=status", "--type=merge", "-p", given)
    return {f"{service}.{world.OUTSIDE}": address for service in (names.xcache(vo.name), names.access_point(vo.name))}


@dataclass(frozen=True)
class Elsewhere:
    """`hosts`: addresses by name, as its DNS would have them; `home`: what it sees of this machine."""

    hosts: Mapping[str, str]
    home: Path

    def run(self, script: str, variables: Mapping[str, str]) -> str:
        """What a shell script there says. Raises AssertionError with its errors when it fails."""
        known = [f"--add-host={name}:{address}" for name, address in self.hosts.items()]
        seen = ["-v", f"{self.home}:{self.home}", "--workdir", "/tmp", "--user", "0", "--entrypoint", "env"]
        own = [f"{name}={value}" for name, value in ({"PATH": _PATH, "HOME": str(self.home)} | dict(variables)).items()]
        image = place.images()["notebook"]
        command = ["docker", "run", "--rm", f"--network={_NETWORK}", *known, *seen, image]
        done = subprocess.run(
            [*command, "-i", *own, "bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout
