"""The issuer gives a cache no token any more: what it has is read on by people's own tokens, nothing else is, with a
reason."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import forge, lakes
from tests.cluster.reading import Answer, Attempt, attempt
from tests.cluster.through_caches import PODS

pytestmark = pytest.mark.cluster

SIZE, COUNT, FIRST = 50_000, 400, 300
#: seconds until the token that the cache has is over, and until it has another once it may
OVER, BACK = 2 * world.TOKEN_LIFE, 60


@pytest.fixture(params=[world.CMS, pytest.param(world.ESCAPE, marks=pytest.mark.long)], ids=["https", "root"])
def vo(request: pytest.FixtureRequest, stage: Stage, outcome: Outcome) -> world.DemoVO:
    """VOs whose caches read by the one and by the other protocol."""
    one: world.DemoVO = request.param
    return one


@pytest.fixture
def folder(stage: Stage, vo: world.DemoVO) -> Iterator[str]:
    made = f"/{vo.name}/open/own-{secrets.token_hex(4)}"
    lakes.fill(stage, made, count=COUNT, size=SIZE)
    yield made
    lakes.remove(stage, made)


@pytest.fixture
def dismissed(stage: Stage, vo: world.DemoVO, folder: str) -> Iterator[None]:
    """The facility's client is not known any more, after somebody has read the first file."""
    assert all(one.ok for one in read(stage, vo, f"{folder}/0"))
    name = world.client_secret(vo)
    good = stage.cluster.get("secret", name, "-n", "facility")["data"]["client_secret"]

    def set_to(value: str) -> None:
        patch = f'{{"data":{{"client_secret":"{value}"}}}}'
        stage.cluster.do("patch", "secret", name, "-n", "facility", "--type=merge", "-p", patch)

    set_to(base64.b64encode(b"another").decode())
    try:
        yield
    finally:
        set_to(good)
    number = iter(range(FIRST, COUNT))
    stage.cluster.wait_for(
        "the cache's reads", lambda: all(one.ok for one in read(stage, vo, f"{folder}/{next(number)}")), BACK
    )


def read(stage: Stage, vo: world.DemoVO, path: str, scope: str = "storage.read:/") -> list[Answer]:
    token = forge.token(vo, scope=scope)
    asked = [Attempt(protocol, f"xcache-{vo.name}.facility.svc", path, token) for protocol in ("root", "https")]
    return attempt(stage.cluster, PODS[vo.name], asked)


def test_what_it_has_is_read_and_what_it_lacks_is_refused_with_a_reason(
    stage: Stage, vo: world.DemoVO, folder: str, dismissed: None
) -> None:
    number = iter(range(1, FIRST))

    def none(answers: list[Answer]) -> bool:
        return not any(one.ok for one in answers)

    stage.cluster.wait_for("its token over", lambda: none(read(stage, vo, f"{folder}/{next(number)}")), OVER)
    root, https = read(stage, vo, f"{folder}/{next(number)}")
    assert "origin.demo.svc:1094 refuses this cache" in root.text, root
    assert https.code in (401, 403), https
    assert "origin.demo.svc:1094 refuses this cache" in https.text, https
    assert all(one.ok and one.bytes == SIZE for one in read(stage, vo, f"{folder}/0"))
    assert none(read(stage, vo, f"{folder}/0", scope="storage.read:/embargoed"))
