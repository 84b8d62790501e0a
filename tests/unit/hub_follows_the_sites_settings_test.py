"""The site's settings change while the hub runs: it starts anew with them, by itself, and people's servers run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.fakes.hub_world import World, spec, world
from tests.fakes.patience import PATIENCE

ANNOUNCED = "The site's settings have changed: starting anew"
KEPT = "the hub goes on with those before"


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub"), with_hub=False) as made:
        yield made


def settings(hub: World, content: str) -> None:
    """Write the file, and have the hub look at it: it does whenever a VO has changed, too."""
    (hub.directory / "site.yaml").write_text(content)
    hub.api.put("cms", spec(hub.cms, displayName=f"CMS ({len(content)})"))


def serves(hub: World) -> bool:
    try:
        return requests.get(f"{hub.hub}/hub/health", timeout=PATIENCE).ok
    except requests.ConnectionError:
        return False


def test_the_hub_ends_to_start_with_changed_settings_and_servers_run_on(hub: World) -> None:
    before = (hub.directory / "site.yaml").read_text()
    with hub.running():
        browser = hub.browser()
        assert browser.sign_in("cms").status_code == 302
        browser.get("/hub/home")
        assert browser.api("POST", "users/cms-alice/server").status_code == 201
        settings(hub, f"{before}homeSize: 20Gi\n")
        hub.wait_for(lambda: ANNOUNCED in hub.log and not serves(hub), "the hub to end")
    with hub.running():
        assert hub.servers() == {"cms-alice"}
        assert browser.get("/hub/home").status_code == 200
        settings(hub, f"{before}\n\nhomeSize: 20Gi\n")  # other text, same settings
        hub.wait_for(lambda: hub.log.count("VOs new or changed: cms") >= 1, "the hub to have heard of the VO")
        assert ANNOUNCED not in hub.log


@pytest.mark.parametrize("bad", ["", "a: b: c", "publicUrl: http://hub.example", "- one"])
def test_settings_that_no_hub_can_start_with_leave_it_as_it_is(hub: World, bad: str) -> None:
    with hub.running():
        settings(hub, bad)
        hub.wait_for(lambda: KEPT in hub.log, "the hub to say so")
        assert serves(hub)
        assert ANNOUNCED not in hub.log
