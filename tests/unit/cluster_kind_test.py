"""The cluster listens on this machine only, and images are sent to its node only when it lacks them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facility.dev.cluster import enforcement, kind, load, registry
from facility.dev.cluster.kubectl import Kubectl
from facility.dev.cluster.problems import ClusterError

LISTING = """\
REF TYPE DIGEST SIZE PLATFORMS LABELS
docker.io/facility/hub:1 application/vnd.oci.image.manifest.v1+json sha256:m1 10 MiB linux/amd64 -
sha256:i1 application/vnd.oci.image.manifest.v1+json sha256:m1 10 MiB linux/amd64 -
sha256:i2 application/vnd.oci.image.manifest.v1+json sha256:m2 10 MiB linux/amd64 -
"""


def test_an_image_that_the_node_has_under_its_name_is_not_sent() -> None:
    assert load.lacking({"facility/hub:1": "sha256:i1"}, LISTING) == []


def test_an_image_that_was_built_again_under_its_name_is_sent() -> None:
    assert load.lacking({"facility/hub:1": "sha256:i2"}, LISTING) == ["facility/hub:1"]


def test_an_image_that_is_new_to_the_node_is_sent() -> None:
    assert load.lacking({"facility/broker:1": "sha256:i9"}, LISTING) == ["facility/broker:1"]


def test_an_image_that_the_node_has_only_under_another_name_is_sent_for_its_name() -> None:
    assert load.lacking({"facility/other:1": "sha256:i2"}, LISTING) == ["facility/other:1"]


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("debian:forky-slim", "docker.io/library/debian:forky-slim"),
        ("facility/hub", "docker.io/facility/hub:latest"),
        ("localhost/calico:local", "localhost/calico:local"),
        ("registry.example:5000/a/b:1", "registry.example:5000/a/b:1"),
    ],
)
def test_names_are_completed_as_containerd_does(image: str, full: str) -> None:
    assert load.full_name(image) == full


def test_ports_listen_on_the_loopback_address_only() -> None:
    (node,) = kind.configuration([31440], capped=False)["nodes"]
    assert node["extraPortMappings"] == [{"containerPort": 31440, "hostPort": 31440, "listenAddress": "127.0.0.1"}]


def test_a_machine_that_lacks_capabilities_gets_a_kubelet_that_does_without() -> None:
    made = kind.configuration([], capped=True)
    assert json.loads(made["kubeadmConfigPatches"][0])["featureGates"] == {"KubeletInUserNamespace": True}
    assert "restrict_oom_score_adj = true" in made["containerdConfigPatches"][0]


def test_a_machine_that_lacks_nothing_gets_kinds_defaults() -> None:
    assert not {"kubeadmConfigPatches", "containerdConfigPatches"} & set(kind.configuration([], capped=False))


def test_a_registry_is_told_from_a_folder_of_the_default_one() -> None:
    assert registry.registry("kindest/node:v1") == registry.registry("debian:forky-slim") == ""
    assert registry.registry("registry.example/pause:3") == "registry.example"


def test_a_docker_that_asks_for_too_much_is_named_as_the_cause() -> None:
    assert "end that Docker" in kind.hint("ERROR: OCI runtime: unable to apply caps: operation not permitted")
    assert kind.hint("ERROR: something else") == ""


class SlowApi(Kubectl):
    """An API server that refuses its administrator a few times, as it does while it makes its own roles."""

    def __init__(self, refusals: int) -> None:
        super().__init__(Path("none"))
        object.__setattr__(self, "answers", iter([False] * refusals + [True]))

    def __call__(self, *arguments: str, data: str | None = None) -> str:
        if not next(self.answers):  # type: ignore[attr-defined]
            raise ClusterError("nodes is forbidden")
        return "ok"


def test_an_api_that_is_still_starting_is_waited_for() -> None:
    waited: list[float] = []
    SlowApi(refusals=3).wait_for_api(sleep=waited.append)
    assert waited == [0.5, 0.5, 0.5]


def test_an_api_that_never_serves_is_given_up_with_its_last_complaint() -> None:
    with pytest.raises(ClusterError, match="nodes is forbidden"):
        SlowApi(refusals=9).wait_for_api(sleep=lambda seconds: None, tries=3)


def test_a_policy_that_takes_effect_late_is_waited_for() -> None:
    answers = iter([False, False, True])
    enforcement.expect("default deny must block", lambda: next(answers), now=lambda: 0.0)


def test_a_cluster_that_enforces_nothing_is_found_out() -> None:
    clock = iter(range(0, 1000, 5))
    with pytest.raises(ClusterError, match="does not enforce NetworkPolicy as it should: default deny must block"):
        enforcement.expect("default deny must block", lambda: False, now=lambda: float(next(clock)))


def test_the_checks_pods_are_admitted_under_pod_security_restricted() -> None:
    spec = enforcement.pod("n", "server", "debian:forky-slim")["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
