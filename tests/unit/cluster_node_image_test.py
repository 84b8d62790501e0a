"""The node image holds what kind, containerd and Calico themselves say, read from their modules when it is built."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from facility.dev.cluster import base, node_image, system_images

CALICO = """---
# Source: one
kind: ServiceAccount
metadata:
  name: calico-node
  namespace: kube-system
---
kind: ServiceAccount
metadata:
  name: calico-kube-controllers
---
kind: DaemonSet
metadata:
  name: calico-node
---
kind: ClusterRoleBinding
metadata:
  name: calico-node
"""


def test_of_calicos_manifest_accounts_and_roles_of_the_node_part_are_taken() -> None:
    kept = node_image.enforcing_parts(CALICO)
    assert kept.count("kind:") == 2
    assert "ServiceAccount" in kept
    assert "ClusterRoleBinding" in kept


def test_controllers_and_their_daemon_set_are_left_out() -> None:
    kept = node_image.enforcing_parts(CALICO)
    assert "kube-controllers" not in kept
    assert "DaemonSet" not in kept


def test_the_pause_image_is_the_one_that_containerd_is_configured_with() -> None:
    text = '[plugins."cri"]\n  # fixed\n  sandbox_image = "registry.example/pause:3.10"\n'
    assert node_image.sandbox_image(text) == "registry.example/pause:3.10"


def test_a_configuration_without_a_pause_image_is_refused() -> None:
    with pytest.raises(ValueError, match="names no sandbox_image"):
        node_image.sandbox_image("version = 2\n")


def test_scripts_from_the_module_cache_can_be_executed_and_other_files_written(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    for name, text in (("bin/run", "#!/bin/sh\n"), ("config", "version = 2\n")):
        (source / name).write_text(text)
        (source / name).chmod(0o444)
    node_image.copy_base(source, tmp_path / "copy")
    assert (tmp_path / "copy/bin/run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "copy/config").stat().st_mode & 0o777 == 0o644


def test_cgroup_v2_is_told_from_v1_by_its_root(tmp_path: Path) -> None:
    assert not node_image.unified_cgroups(tmp_path)
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    assert node_image.unified_cgroups(tmp_path)


def test_an_image_of_one_program_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_bytes(b"\x7fELF")
    archive = system_images.single_file(program, "etcd")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        (entry,) = tar.getmembers()
    assert (entry.name, entry.mode, entry.mtime, entry.uid) == ("usr/local/bin/etcd", 0o755, 0, 0)


def test_a_base_image_is_made_from_the_machines_mirror_with_its_own_apt_settings() -> None:
    command = base.bootstrap("forky", "http://mirror.example/debian", ['Acquire::Check-Valid-Until "false";'])
    assert command[-3:] == ["forky", "-", "deb http://mirror.example/debian forky main"]
    assert '--aptopt=Acquire::Check-Valid-Until "false";' in command
