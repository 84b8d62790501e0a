"""`helm test`: a good service proves its name and answers, or refuses whoever has no token; the others are told of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facility.checks import caches, operator, pool, report
from facility.checks.https import problem
from tests.fakes import lake_server, token_broker
from tests.fakes.authority import Authority

Get = Callable[[str], dict[str, Any]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_service_that_refuses_a_stranger_is_well(authority: Authority) -> None:
    with token_broker.serving(authority, token_broker.TokenBroker()) as refusing:
        assert problem(f"{refusing.url}/", refuses=True, trust=authority.client) == ""
        assert problem(f"{refusing.url}/", trust=authority.client).startswith("answered 4")


async def test_a_service_that_serves_a_stranger_is_well_only_where_it_may(authority: Authority) -> None:
    async with lake_server.serving(authority) as open_to_all:
        url = f"https://localhost:{open_to_all.port}"
        told = await asyncio.to_thread(problem, url, True, authority.client)
        assert told == "answered 200 to a stranger; it should refuse"
        assert await asyncio.to_thread(problem, url, False, authority.client) == ""


def test_a_certificate_of_another_name_is_trouble(authority: Authority) -> None:
    with token_broker.serving(authority, token_broker.TokenBroker()) as named_otherwise:
        url = named_otherwise.url.replace("127.0.0.1", "localhost")
        assert "certificate verify failed" in problem(url, refuses=True, trust=authority.client)


def test_a_service_that_is_not_there_is_trouble(authority: Authority) -> None:
    assert problem("https://127.0.0.1:1", trust=authority.client).startswith("does not answer")


def test_nothing_but_https_is_asked() -> None:
    assert problem("http://hub.test/hub/health") == "http://hub.test/hub/health is no https URL"


def test_trouble_that_passes_is_waited_for_and_trouble_that_stays_is_told() -> None:
    waits: list[float] = []
    troubles = iter(["not yet", "not yet", ""])
    assert report.patiently(lambda: next(troubles), waits.append) == ""
    assert waits == [report.PAUSE] * 2
    assert report.patiently(lambda: "never", waits.append) == "never"
    assert len(waits) == 2 + report.TRIES - 1


def test_a_report_has_a_line_for_each_and_fails_for_any(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.report({"one": "", "two": "is away"}, "is well") == 1
    assert capsys.readouterr().out == "one: is well\ntwo: is away\n"
    assert report.report({"one": ""}, "is well") == 0


def test_caches_are_those_that_the_api_server_lists() -> None:
    asked: list[str] = []

    def get(path: str) -> dict[str, Any]:
        asked.append(path)
        outside = {"metadata": {"name": "xcache-cms-outside"}, "spec": {"type": "LoadBalancer"}}
        return {"items": [{"metadata": {"name": "xcache-cms"}}, {"metadata": {"name": "xcache-atlas"}}, outside]}

    assert caches.services("facility", get) == ["xcache-atlas", "xcache-cms"]
    assert asked == ["/api/v1/namespaces/facility/services?labelSelector=app.kubernetes.io/component%3Dxcache"]


def test_a_facility_without_vos_has_no_cache_in_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    assert caches.main(["facility"], lambda path: {"items": []}) == 0
    assert "no VO has a cache yet" in capsys.readouterr().out


def serving(vos: list[dict[str, Any]], absent: str = "") -> Get:
    """An API server with these VOs and without that ConfigMap."""

    def get(path: str) -> dict[str, Any]:
        if absent and path.endswith(absent):
            raise OSError("the API server answered 404: not found")
        return {"items": vos} if path.endswith("/virtualorganizations") else {}

    return get


def vo(name: str, status: str = "True", seen: int = 2) -> dict[str, Any]:
    ready = {"type": "Ready", "status": status, "reason": "Why", "message": "because", "observedGeneration": seen}
    return {"metadata": {"name": name, "generation": 2}, "status": {"conditions": [ready]}}


def test_an_operator_that_has_judged_every_vo_is_well_though_a_vo_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert operator.main(["facility", "batch"], serving([vo("cms"), vo("atlas", "False")])) == 0
    assert "atlas: False (Why): because" in capsys.readouterr().out


def test_an_operator_is_ill_that_says_nothing_of_a_vo_or_only_of_what_it_was_before() -> None:
    new = {"metadata": {"name": "new", "generation": 1}}
    assert operator.silence("facility", serving([vo("cms"), new])) == "nothing is said yet of new"
    assert operator.silence("facility", serving([vo("cms", seen=1)])) == "nothing is said yet of cms"
    assert operator.silence("facility", serving([vo("cms")])) == ""


def test_an_operator_is_ill_that_has_not_made_what_others_wait_for() -> None:
    assert operator.missing("facility", "batch", serving([])) == ""
    told = operator.missing("facility", "batch", serving([], absent="cm-config"))
    assert told == "ConfigMap cm-config in batch: the API server answered 404: not found"


#: of condor_ping 25.14, with D_SECURITY, against a collector
REFUSED = """SSL host check: host alias cm.facility-batch.svc matches certificate SAN cm.facility-batch.svc.
SSL Auth: Server has rejected our token!
AUTHENTICATE: method 4096 (SCITOKENS) failed.
READ failed!
"""
UNKNOWN_AUTHORITY = """AUTHENTICATE:1003:Failed to authenticate with any method
SSL Auth: SSL: trying to continue reading.
SSL: library failure: error:0A000086:SSL routines::certificate verify failed
SSL Auth: SSL Authentication failed
READ failed!
"""
NOBODY = "attempt to connect to <10.0.0.1:9618> failed: Connection refused (connect errno = 111).\n"


def test_a_central_manager_is_well_that_proves_its_name_and_refuses_a_token_that_nobody_signed() -> None:
    assert pool.verdict(REFUSED) == ""


@pytest.mark.parametrize(
    ("said", "told"),
    [(UNKNOWN_AUTHORITY, "certificate verify failed"), (NOBODY, "Connection refused"), ("", "said nothing")],
)
def test_other_ends_of_a_ping_are_told(said: str, told: str) -> None:
    assert told in pool.verdict(said)


def program(tmp_path: Path, text: str) -> dict[str, str]:
    """The surroundings in which `condor_ping` is this shell script."""
    (tmp_path / "condor_ping").write_text(f"#!/bin/sh\n{text}\n")
    (tmp_path / "condor_ping").chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin", "SSL_CERT_FILE": "/etc/facility/trust/ca.crt"}


def test_the_ping_is_made_by_tls_with_the_facilitys_authorities_and_a_private_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"""env > {tmp_path}/env; stat -c %a "$_CONDOR_SCITOKENS_FILE" > {tmp_path}/mode
echo "$@" > {tmp_path}/args
echo 'SSL Auth: Server has rejected our token!'; exit 1"""
    surroundings = program(tmp_path, script)
    monkeypatch.setenv("PATH", surroundings["PATH"])
    assert pool.problem("cm.batch.svc", surroundings) == ""
    env = (tmp_path / "env").read_text()
    assert "_CONDOR_AUTH_SSL_CLIENT_CAFILE=/etc/facility/trust/ca.crt" in env
    assert "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS" in env
    assert (tmp_path / "mode").read_text() == "600\n"
    assert "-pool cm.batch.svc:9618" in (tmp_path / "args").read_text()


def test_a_central_manager_that_takes_such_a_token_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings = program(tmp_path, "exit 0")
    monkeypatch.setenv("PATH", surroundings["PATH"])
    assert pool.problem("cm.batch.svc", surroundings) == "it took a token that nobody has signed"
