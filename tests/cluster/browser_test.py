"""What a person sees in a real browser: the chooser, the issuer's form, the hub, JupyterLab. Screenshots are kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from facility.dev.cluster import apt
from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage
from tests.fakes import chromium

ARGUMENTS = [
    "--no-sandbox",  # the tests run as root, where Chromium's sandbox cannot
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    f"--host-resolver-rules=MAP *.{world.NAMESPACE}.svc 127.0.0.1",
]


@pytest.fixture(scope="module")
def home(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory whose certificate store trusts the facility's bundle's private CAs, as a site's machines do."""
    apt.ensure(["libnss3-tools"])
    made = tmp_path_factory.mktemp("home")
    store = made / ".pki" / "nssdb"
    store.mkdir(parents=True)
    subprocess.run(["certutil", "-d", f"sql:{store}", "-N", "--empty-password"], check=True)
    for number, certificate in enumerate(stage.private_cas):
        add = ["certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", f"ca{number}"]
        subprocess.run(add, input=certificate, text=True, check=True)
    return made


@pytest.fixture(scope="module")
def browser(home: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        environment = {**os.environ, "HOME": str(home)}
        browser = playwright.chromium.launch(executable_path=chromium.program(), args=ARGUMENTS, env=environment)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def test_a_person_chooses_signs_in_and_works_in_jupyterlab(page: Page, stage: Stage) -> None:
    page.goto(f"{world.HUB}/hub/login")
    expect(page.get_by_role("link", name=world.CMS.title)).to_be_visible()
    expect(page.get_by_role("link", name=world.ATLAS.title)).to_be_visible()
    shot(page, stage, "1-chooser")
    page.get_by_role("link", name=world.CMS.title).click()
    sign_in(page, "carol", stage.passwords["carol"], stage)
    page.wait_for_url(f"{world.HUB}/**")
    page.goto(f"{world.HUB}/hub/spawn")
    page.wait_for_url("**/user/cms-carol/lab**", timeout=180_000)
    expect(page.locator(".jp-Launcher").first).to_be_visible(timeout=90_000)
    shot(page, stage, "4-jupyterlab")
    label = page.get_by_role("button", name="cms-carol: tokens good for")
    expect(label).to_be_visible()
    label.click()
    panel = page.get_by_role("region", name="Who you are, and your tokens")
    expect(panel.get_by_role("status")).to_have_text("All is well.")
    expect(panel).to_contain_text("root://xcache-cms.facility.svc:1094//cms")
    expect(panel).to_contain_text("compute: good for")
    link = panel.get_by_role("link", name="Sign in again")
    expect(link).to_have_attribute("href", f"{world.HUB}/hub/oauth/cms/login")
    shot(page, stage, "5-panel")


def test_a_person_outside_the_allowed_groups_reads_why_and_what_to_do(page: Page, stage: Stage) -> None:
    page.goto(f"{world.HUB}/hub/oauth/cms/login")
    sign_in(page, "mallory", stage.passwords["mallory"], stage)
    page.wait_for_url(f"{world.HUB}/hub/oauth/cms/callback**")
    expect(page.locator("body")).to_contain_text("/cms")
    expect(page.locator("body")).to_contain_text("403")
    shot(page, stage, "6-not-in-the-group")


def sign_in(page: Page, account: str, password: str, stage: Stage) -> None:
    """The issuer's login form and its consent page."""
    page.locator("input[name=username]").fill(account)
    page.locator("input[name=password]").fill(password)
    shot(page, stage, "2-login")
    page.locator("[type=submit]").first.click()
    if page.locator("[name=authorize]").count():
        shot(page, stage, "3-consent")
        page.locator("[name=authorize]").click()


def shot(page: Page, stage: Stage, name: str) -> None:
    """Keep a picture of the page."""
    directory = Path(stage.artifacts) / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(directory / f"{name}.png"))
