"""A machine that cannot carry the local cluster is told why, and what to do, before anything is built."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from facility.dev.cluster import apt, problems
from facility.dev.cluster.problems import ClusterError


def test_another_architecture_is_named_with_the_one_that_works() -> None:
    with pytest.raises(ClusterError, match=r"this machine is aarch64.*use an x86-64 machine"):
        problems.check_architecture(lambda: "aarch64")


@pytest.mark.parametrize("name", ["x86_64", "amd64"])
def test_x86_64_is_taken_under_both_its_names(name: str) -> None:
    problems.check_architecture(lambda: name)


def test_too_little_disk_is_told_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"has 24 GB free and a first build needs 25 GB: free some"):
        problems.check_disk([tmp_path], lambda path: 24 * 10**9)


def test_a_cluster_needs_less_disk_than_a_first_build_and_says_so(tmp_path: Path) -> None:
    problems.check_disk([tmp_path], lambda path: 13 * 10**9, needed=12 * 10**9, what="a cluster")
    with pytest.raises(problems.ClusterError, match="11 GB free and a cluster needs 12 GB"):
        problems.check_disk([tmp_path], lambda path: 11 * 10**9, needed=12 * 10**9, what="a cluster")


def test_disk_is_measured_where_a_folder_will_be_when_it_is_not_there_yet(tmp_path: Path) -> None:
    asked = []
    problems.check_disk([tmp_path / "not" / "yet"], lambda path: asked.append(path) or 10**12)
    assert asked == [tmp_path]


def test_a_port_that_another_program_listens_on_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ClusterError, match=rf"port {port} of 127.0.0.1 is taken: end the program"):
            problems.check_ports([port])


def test_free_ports_pass() -> None:
    problems.check_ports([31440, 31441], taken=lambda port: False)


def test_a_machine_without_go_is_told_to_install_it() -> None:
    with pytest.raises(ClusterError, match=r"no Go compiler: install Go"):
        problems.check_go(lambda name: None)


def test_someone_who_is_not_root_learns_what_root_is_needed_for() -> None:
    with pytest.raises(ClusterError, match=r"root is needed to start Docker.*or let an administrator"):
        problems.check_root("to start Docker, which does not answer", lambda: 1000)


def test_root_may_go_on() -> None:
    problems.check_root("to start Docker", lambda: 0)


def test_the_debian_archive_is_found_among_other_sources() -> None:
    listed = (
        "https://other.example/nodejs/ other nodejs\n"
        "http://mirror.example/debian-security/ Debian Debian-Security\n"
        "http://mirror.example/debian/ Debian Debian\n"
    )
    assert apt.pick_mirror(listed) == "http://mirror.example/debian"


def test_a_machine_without_a_debian_archive_is_told_the_two_ways_out() -> None:
    with pytest.raises(ClusterError, match=r"let Docker reach a registry, or add a Debian archive"):
        apt.pick_mirror("http://mirror.example/ubuntu/ Ubuntu Ubuntu\n")


def test_a_frozen_mirror_is_told_from_other_complaints_of_apt() -> None:
    frozen = "E: Release file for http://mirror.example/debian/dists/forky/InRelease is expired (invalid since 9d)."
    assert apt.expired(frozen)
    assert not apt.expired("E: The repository 'http://mirror.example/debian forky InRelease' is not signed.")
