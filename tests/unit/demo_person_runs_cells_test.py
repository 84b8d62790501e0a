"""The demo's person signs in, spawns and runs cells, against a hub, an issuer and a kernel of the smallest kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from facility.dev.demo.kernel import CellError
from facility.dev.demo.person import SignInError, at_hub
from tests.fakes.authority import Authority
from tests.fakes.patience import PATIENCE
from tests.fakes.small_hub import Channel, Places, Script, serving


@pytest.fixture
async def places(tmp_path: Path) -> AsyncIterator[Places]:
    async with serving(Authority(tmp_path)) as made:
        yield made


def alice(places: Places, password: str = "correct horse") -> Any:
    return at_hub(places.url("hub") + "/", places.bundle, "cms", "alice", password)


async def cell(places: Places, script: Script, seconds: float = PATIENCE) -> str:
    """What a cell gave whose kernel does what the script says."""
    places.script = script
    async with alice(places) as person:
        person.notebook = f"{places.url('hub')}/user/cms-alice/"
        async with person.kernel() as kernel:
            return str(await kernel.run("print(1)", seconds))


async def test_a_person_signs_in_through_the_issuers_forms(places: Places) -> None:
    async with alice(places) as person:
        assert await person.sign_in() == "cms-alice"


async def test_a_wrong_password_is_said_to_be_wrong(places: Places) -> None:
    async with alice(places, "wrong") as person:
        with pytest.raises(SignInError, match=r"302: .*/login") as refused:
            await person.sign_in()
    assert "error=" not in str(refused.value)


async def test_a_refusal_of_the_hub_is_told_in_its_words(places: Places) -> None:
    places.refusal = (403, "Your name belongs to somebody else")
    async with alice(places) as person:
        with pytest.raises(SignInError, match=r"403 at .*/login: Your name belongs to somebody else"):
            await person.sign_in()


async def test_a_server_is_waited_for_and_each_page_has_its_own_token(places: Places) -> None:
    async with alice(places) as person:
        await person.sign_in()
        assert await person.spawn() == f"{places.url('hub')}/user/cms-alice/"
        await person.put("a.py", "print()")
        assert await person.get("a.py") == "print()"
        await person.stop()
    tokens = {(method, path): token for method, path, token in places.seen}
    assert tokens["POST", "/hub/api/users/cms-alice/server"] == "of-hub"
    assert tokens["PUT", "/user/cms-alice/api/contents/a.py"] == "of-server"
    assert tokens["DELETE", "/hub/api/users/cms-alice/server"] == "of-hub"


async def test_a_failed_spawn_is_told_with_its_reason(places: Places) -> None:
    places.failure = "no room on any node"
    async with alice(places) as person:
        await person.sign_in()
        with pytest.raises(SignInError, match="no room on any node"):
            await person.spawn()


async def test_a_file_that_is_not_there_is_an_error(places: Places) -> None:
    async with alice(places) as person:
        person.notebook = f"{places.url('hub')}/user/cms-alice/"
        with pytest.raises(SignInError, match=r"404 reading gone\.txt: No such file"):
            await person.get("gone.txt")


async def test_a_cell_gives_what_it_printed_and_nothing_of_others(places: Places) -> None:
    async def script(channel: Channel) -> None:
        await channel.say("status", execution_state="busy")
        await channel.say("stream", parent="another", name="stdout", text="not mine ")
        await channel.say("stream", name="stdout", text="one ")
        await channel.say("stream", name="stderr", text="two")
        await channel.end()

    assert await cell(places, script) == "one two"


async def test_what_is_printed_after_the_reply_is_waited_for(places: Places) -> None:
    async def script(channel: Channel) -> None:
        await channel.say("execute_reply", status="ok")
        await channel.say("stream", name="stdout", text="late")
        await channel.say("status", execution_state="idle")

    assert await cell(places, script) == "late"


async def test_a_traceback_comes_without_colours_and_with_what_was_printed(places: Places) -> None:
    async def script(channel: Channel) -> None:
        await channel.say("stream", name="stdout", text="before")
        await channel.say("error", traceback=["\x1b[0;31mOSError\x1b[0m", "no token"])
        await channel.end("error")

    with pytest.raises(CellError) as failed:
        await cell(places, script)
    assert str(failed.value) == "before\nOSError\nno token"


async def test_a_cell_that_was_not_run_is_no_success(places: Places) -> None:
    async def script(channel: Channel) -> None:
        await channel.end("aborted")

    with pytest.raises(CellError, match="was not run"):
        await cell(places, script)


@pytest.mark.parametrize("state", ["restarting", "dead"])
async def test_a_kernel_that_dies_is_not_waited_for(state: str, places: Places) -> None:
    async def script(channel: Channel) -> None:
        await channel.say("status", parent="of nobody", execution_state=state)

    with pytest.raises(CellError, match="the kernel has died"):
        await cell(places, script)


async def test_a_connection_that_ends_early_is_an_error(places: Places) -> None:
    async def script(channel: Channel) -> None:
        await channel.say("execute_reply", status="ok")
        await channel.socket.close()

    with pytest.raises(CellError, match="the connection ended"):
        await cell(places, script)


async def test_a_cell_has_a_time_limit(places: Places) -> None:
    async def script(channel: Channel) -> None:
        await channel.say("status", execution_state="busy")

    with pytest.raises(TimeoutError):
        await cell(places, script, seconds=0.05)


async def test_a_kernel_is_ended_even_when_its_cell_fails(places: Places) -> None:
    async def script(channel: Channel) -> None:
        await channel.say("error", traceback=["x"])
        await channel.end("error")

    with pytest.raises(CellError):
        await cell(places, script)
    assert places.seen[-1][:2] == ("DELETE", "/user/cms-alice/api/kernels/k1")
