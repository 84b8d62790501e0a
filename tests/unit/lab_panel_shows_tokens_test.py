"""The panel in a real JupyterLab and a real browser: what it shows, that it follows, that no mouse is needed."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, expect, sync_playwright

from facility.agent import files
from facility.agent.clock import steady
from tests.fakes import chromium
from tests.fakes.jupyterlab import KEY, jupyterlab
from tests.fakes.patience import PATIENCE


def token(seconds: float | None, **more: str) -> dict[str, Any]:
    return {"audience": "https://lake.test:1094", "scope": "storage.read:/embargoed", "seconds": seconds or 0, **more}


def agent_says(tokens: Path, **entries: dict[str, Any]) -> None:
    updated, clock = datetime.now(UTC).isoformat(), {"steady": steady(), "ahead": 0}
    files.write_status(tokens, {"updated": updated, "clock": clock, "broker": {}, "files": entries})


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture(scope="module")
def url(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with jupyterlab(tmp_path_factory.mktemp("home"), tokens) as found:
        yield found


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    return []


def complains(message: ConsoleMessage) -> bool:
    """Whether something is wrong; that plugins take their time on a busy machine is not."""
    return message.type in ("error", "warning") and not message.text.endswith("ms to activate.")


@pytest.fixture(scope="module")
def page(url: str, complaints: list[str]) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.program(), args=["--no-sandbox", "--disable-gpu"])
        made = browser.new_page(viewport={"width": 1280, "height": 800})
        made.on("pageerror", lambda error: complaints.append(str(error)))
        made.on("console", lambda one: complaints.append(one.text) if complains(one) else None)
        made.set_default_timeout(1000 * PATIENCE)
        expect.set_options(timeout=1000 * PATIENCE)
        made.clock.install()  # ten seconds until the next question pass at once
        made.goto(f"{url}lab?token={KEY}")
        yield made
        browser.close()


@pytest.fixture
def panel(page: Page, tokens: Path) -> Locator:
    agent_says(tokens, lake=token(95))
    found = page.get_by_role("region", name="Who you are, and your tokens")
    if not found.is_visible():
        page.locator("button.facility-label").click()
    page.clock.fast_forward(11_000)
    expect(found).to_contain_text("All is well.")
    return found


def test_it_shows_who_one_is_the_lakes_and_how_long_tokens_are_good(panel: Locator) -> None:
    expect(panel).to_contain_text("cms-alice")
    expect(panel).to_contain_text("root://xcache-cms.facility.svc:1094//cms")
    expect(panel).to_contain_text("https://xcache-cms.facility.svc:1094/cms")
    expect(panel).to_contain_text("lake: good for 1 min")
    expect(panel).to_contain_text("storage.read:/embargoed")
    link = panel.get_by_role("link", name="Sign in again")
    expect(link).to_have_attribute("href", "https://hub.test/hub/oauth/cms/login")
    expect(link).to_have_attribute("target", "_blank")


def test_it_counts_down_without_asking(page: Page, panel: Locator) -> None:
    before = panel.locator(".facility-left").inner_text()
    page.clock.run_for(3_000)
    expect(panel.locator(".facility-left")).not_to_have_text(before)
    expect(page.locator("button.facility-label")).to_contain_text("cms-alice: tokens good for 1 min")


def test_it_follows_what_the_agent_writes(page: Page, panel: Locator, tokens: Path) -> None:
    agent_says(tokens, lake=token(None, error="interaction_required", error_description="The session has ended."))
    page.clock.fast_forward(11_000)
    expect(panel.get_by_role("status")).to_contain_text("lake: sign in again: The session has ended.")
    expect(page.locator("button.facility-label")).to_have_text("cms-alice: sign in again")


def test_it_says_so_while_no_agent_has_written(page: Page, panel: Locator, tokens: Path) -> None:
    (tokens / files.STATUS).unlink()
    page.clock.fast_forward(11_000)
    expect(panel.get_by_role("status")).to_contain_text("no agent has written")
    expect(panel).to_contain_text("cms-alice")


def test_the_keyboard_alone_opens_it_and_reaches_its_link(page: Page, panel: Locator) -> None:
    page.keyboard.press("Control+Shift+C")
    page.keyboard.type("Show My Identity")
    page.keyboard.press("Enter")
    expect(panel).to_be_visible()
    label = page.locator("button.facility-label")
    label.focus()
    page.keyboard.press("Enter")
    expect(panel).to_be_visible()
    expect(panel).to_be_focused()
    page.keyboard.press("Tab")
    expect(panel.get_by_role("link", name="Sign in again")).to_be_focused()


def test_a_stranger_is_told_nothing(url: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url}facility/status")
    assert refused.value.code == 403
    refused.value.close()


def test_the_answer_is_not_kept_and_is_no_activity(url: str) -> None:
    def activity() -> str:
        return str(answer("api/status")[1]["last_activity"])

    def answer(path: str) -> tuple[Any, dict[str, Any]]:
        request = urllib.request.Request(f"{url}{path}", headers={"Authorization": f"token {KEY}"})
        with urllib.request.urlopen(request) as response:
            return response.headers, json.loads(response.read())

    before = activity()
    headers, report = answer("facility/status")
    assert headers["Cache-Control"] == "no-store"
    assert report["user"] == "cms-alice"
    assert activity() == before


def test_the_image_asks_nobody_about_news_from_outside(page: Page, panel: Locator) -> None:
    expect(page.get_by_text("Jupyter news")).to_have_count(0)


def test_the_browser_had_nothing_to_complain_of(panel: Locator, complaints: list[str]) -> None:
    assert complaints == []
