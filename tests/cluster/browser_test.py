"""What a person sees in a real browser: the chooser, the issuer's form, the hub, JupyterLab. Screenshots are kept."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from facility.dev.cluster import apt
from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage
from tests.cluster.changing import change
from tests.cluster.waiting import until_reason
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
    page.locator("[data-vo=cms]").click()
    sign_in(page, "carol", stage.passwords["carol"], stage)
    page.wait_for_url(f"{world.HUB}/**")
    laboratory(page)
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


def test_a_person_reads_data_in_a_notebook(page: Page, stage: Stage) -> None:
    as_carol(page, stage)
    laboratory(page)
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=90_000)
    running = page.locator(".jp-Notebook-ExecutionIndicator").first
    expect(running).to_have_attribute("data-status", "idle", timeout=90_000)
    cell = page.locator(".jp-Notebook .cm-content").first
    cell.click()
    page.keyboard.type("import os, uproot; uproot.open(os.environ['LAKE_ROOT'] + '/cms/open/nano_dy.root').keys()")
    expect(cell).to_contain_text("uproot")
    output = page.locator(".jp-OutputArea-output").first
    stage.cluster.wait_for("what the cell writes", lambda: written(cell, output), 90)
    expect(output).to_contain_text("Events")
    shot(page, stage, "6-read")


def test_the_chooser_works_by_keyboard_alone_on_a_narrow_screen(page: Page, stage: Stage) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(f"{world.HUB}/hub/login")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    shot(page, stage, "7-narrow")
    page.locator("[data-vo=cms]").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{world.CMS.issuer}**")
    page.keyboard.press("Tab")
    page.locator("input[name=username]").focus()
    page.keyboard.type("carol")
    page.keyboard.press("Tab")
    page.keyboard.type(stage.passwords["carol"])
    page.keyboard.press("Enter")
    if asked_for_consent(page):
        page.locator("[name=authorize]").press("Enter")
    page.wait_for_url(f"{world.HUB}/**")
    page.goto(f"{world.HUB}/hub/home")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    shot(page, stage, "8-narrow-home")


def test_who_was_here_before_continues_with_one_key(page: Page, stage: Stage) -> None:
    as_carol(page, stage)
    page.goto(f"{world.HUB}/hub/logout")
    page.goto(f"{world.HUB}/hub/login")
    expect(page.locator("#continue")).to_contain_text(world.CMS.title)
    expect(page.locator("#continue")).to_be_focused()
    shot(page, stage, "9-continue")
    page.keyboard.press("Enter")
    page.wait_for_url(inside)
    page.goto(f"{world.HUB}/hub/facility")
    expect(page.locator("#who")).to_have_text("cms-carol")
    expect(page.locator("#groups")).to_contain_text("/cms")
    shot(page, stage, "10-own-page")


def test_the_start_page_offers_what_ones_groups_allow_and_tells_a_limit(page: Page, stage: Stage) -> None:
    page.goto(f"{world.HUB}/hub/oauth/cms/login")
    sign_in(page, "alice", stage.passwords["alice"], stage)
    page.wait_for_url(f"{world.HUB}/**")
    page.goto(f"{world.HUB}/hub/spawn/cms-alice/more")
    expect(page.get_by_label("Standard")).to_be_checked()
    expect(page.get_by_label("Analysis")).to_be_visible()
    shot(page, stage, "11-start-page")
    stage.cluster.do("patch", "vo", "cms", "-n", "facility", "--type=merge", "-p", limit(0))
    try:
        told = page.get_by_text("You may have 0 servers at a time")
        for _ in range(20):  # until the hub has heard of it
            page.goto(f"{world.HUB}/hub/spawn/cms-alice/more")
            page.get_by_role("button", name="Start").click()
            page.wait_for_load_state()
            if told.count():
                break
        expect(told.first).to_be_visible()
        shot(page, stage, "12-limit")
    finally:
        stage.cluster.do("patch", "vo", "cms", "-n", "facility", "--type=merge", "-p", limit(2))


def test_terms_to_be_signed_lead_to_a_page_that_says_so_and_back_in(page: Page, stage: Stage) -> None:
    as_carol(page, stage)
    change(stage, world.CMS, "carol", aup_due=True)
    try:
        until_reason(stage, "cms-carol", "SignInAgain", 120)
        told = page.get_by_role("alert").filter(has_text="Sign in again")
        stage.cluster.wait_for("the page that says so", lambda: shows(page, f"{world.HUB}/hub/home", told), 60)
        shot(page, stage, "13-sign-in-again")
    finally:
        change(stage, world.CMS, "carol", aup_due=False)
    page.locator("#continue").click()
    page.wait_for_url(inside)
    page.goto(f"{world.HUB}/hub/facility")
    expect(page.locator("#state")).to_contain_text("You are signed in")


def test_a_person_outside_the_allowed_groups_reads_why_and_what_to_do(page: Page, stage: Stage) -> None:
    page.goto(f"{world.HUB}/hub/oauth/cms/login")
    sign_in(page, "mallory", stage.passwords["mallory"], stage)
    page.wait_for_url(f"{world.HUB}/hub/oauth/cms/callback**")
    expect(page.locator("body")).to_contain_text("/cms")
    expect(page.locator("body")).to_contain_text("403")
    shot(page, stage, "14-not-in-the-group")


def inside(url: str) -> bool:
    """Whether somebody at this address of the hub is signed in: neither its sign-in page nor on the way through."""
    return url.startswith(world.HUB) and "/hub/login" not in url and "/oauth/" not in url


def laboratory(page: Page) -> None:
    """carol's JupyterLab as on her first day: it would open again what was open when it was left."""
    page.goto(f"{world.HUB}/hub/spawn")
    page.wait_for_url("**/user/cms-carol/lab**", timeout=180_000)
    page.goto(f"{world.HUB}/user/cms-carol/lab?reset")


def written(cell: Locator, output: Locator) -> bool:
    """Whether the cell, run once more, has written something: a kernel that has just come loses what it is given."""
    cell.press("Control+Enter")
    with suppress(PlaywrightTimeout):
        output.wait_for(timeout=15_000)
    return output.count() > 0


def shows(page: Page, url: str, wanted: Locator) -> bool:
    """Whether that page, asked for anew, shows it: the hub looks at a session every half minute."""
    page.goto(url)
    return wanted.count() > 0


def as_carol(page: Page, stage: Stage) -> None:
    """carol, signed in."""
    page.goto(f"{world.HUB}/hub/oauth/cms/login")
    sign_in(page, "carol", stage.passwords["carol"], stage)
    page.wait_for_url(f"{world.HUB}/**")


def limit(servers: int) -> str:
    """A patch of how many servers each person may have."""
    return json.dumps({"spec": {"limits": {"user": {"servers": servers}}}})


def sign_in(page: Page, account: str, password: str, stage: Stage) -> None:
    """The issuer's login form and its consent page."""
    page.locator("input[name=username]").fill(account)
    page.locator("input[name=password]").fill(password)
    shot(page, stage, "2-login")
    page.locator("[type=submit]").first.click()
    if asked_for_consent(page):
        shot(page, stage, "3-consent")
        page.locator("[name=authorize]").click()


def asked_for_consent(page: Page) -> bool:
    """Whether the issuer asks before it goes on; at the hub already it did not."""
    either = "hub => document.querySelector('[name=authorize]') || location.href.startsWith(hub)"
    page.wait_for_function(either, arg=world.HUB)
    return not page.url.startswith(world.HUB)


def shot(page: Page, stage: Stage, name: str) -> None:
    """Keep a picture of the page."""
    directory = Path(stage.artifacts) / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(directory / f"{name}.png"))
