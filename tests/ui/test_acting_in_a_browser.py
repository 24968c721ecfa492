"""From the gate's queue to the devices and back, by hand in a real browser; who only looks can do none of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as NotInTime

from tests.ui.conftest import CODE, HOSTILE, Site, wait_for
from tests.ui.test_pages_in_a_browser import LURED, PATIENCE_MS, cell, choose, chromium, page, settled, visit
from ui.viewmodels.acting import LOCKED
from ui.viewmodels.text import JOINER

__all__ = ["chromium", "page"]
pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]


def enter(page: Page, site: Site, place: str, title: str, who: str | None = None) -> None:
    """Open the link that `assay up` printed, and act as somebody."""
    visit(page, f"{site.url}/{place}?code={CODE}", title)
    expect(page).not_to_have_url(re.compile("code="))
    if who is not None:
        choose(page, "Acting as", who)


def turn(page: Page, title: str) -> None:
    """Go to another page of the same session."""
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=PATIENCE_MS)
    settled(page)


RUNS = """() => {
    const app = document.querySelector("[data-testid=stApp]");
    window.ran = false;
    new MutationObserver(() => { window.ran ||= app.dataset.testScriptState === "running"; })
        .observe(app, {attributes: true, attributeFilter: ["data-test-script-state"]});
}"""


def press(page: Page, label: str) -> None:
    """Press a button and wait until all that follows is done; a button drawn anew under the pointer swallows the click,
    and the script does not run: then it is pressed again.
    """
    settled(page)
    for last in (False, False, True):
        page.evaluate(RUNS)
        page.get_by_role("button", name=label, exact=True).click()
        try:
            page.wait_for_function("window.ran", timeout=PATIENCE_MS if last else 5000)
            break
        except NotInTime:
            if last:
                raise
    settled(page)


def card(page: Page) -> Locator:
    """The class's place on the fleet page."""
    return page.locator(".st-key-class-demo-arm")


def test_who_only_looks_sees_everything_and_can_do_nothing(page: Page, fleet_site: Site) -> None:
    visit(page, f"{fleet_site.url}/fleet", "Fleet")
    expect(card(page)).to_contain_text("Release 1 · reach-first")
    expect(card(page)).to_contain_text(LOCKED)
    page.get_by_role("button", name="Go back to no release").click()
    expect(page.get_by_role("button", name="Go back to no release now")).to_be_disabled()
    visit(page, f"{fleet_site.url}/gate", "Gate")
    expect(page.get_by_text("reach-second for demo-arm").first).to_be_visible()
    expect(page.get_by_role("button", name="Write what is signed")).to_be_disabled()
    visit(page, f"{fleet_site.url}/recall?what=dataset:arm", "Recall")
    expect(page.get_by_role("button", name="Recall it now")).to_be_disabled()
    expect(page.get_by_text(LOCKED)).to_be_visible()


def test_a_wrong_code_opens_nothing(page: Page, fleet_site: Site) -> None:
    visit(page, f"{fleet_site.url}/fleet?code=guessed", "Fleet")
    expect(page.get_by_role("combobox", name="Acting as")).to_have_count(0)
    page.get_by_text("Looking only").click()
    page.get_by_label("Code").fill(f"{CODE}x")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This is not the code of this browser.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Code").fill(CODE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Acting as")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("reading as viewer")).to_be_visible()


def test_a_viewer_is_told_whose_part_it_is(page: Page, fleet_site: Site) -> None:
    enter(page, fleet_site, "gate", "Gate", "engineer")
    expect(page.get_by_role("button", name="Write what is signed")).to_be_disabled()
    expect(page.get_by_text("engineer is contributor, trainer; this takes approver or releaser")).to_be_visible()


def test_the_queue_is_approved_by_two_promoted_gone_back_from_and_withdrawn(page: Page, fleet_site: Site) -> None:
    enter(page, fleet_site, "gate", "Gate", "approver-1")
    expect(page.get_by_text("nobody has signed; 2 missing, of approver-1 and approver-2").first).to_be_visible()
    press(page, "Write what is signed")
    signed = page.locator(".st-key-release")
    expect(signed).to_contain_text("adds one release and changes nothing else", timeout=PATIENCE_MS)
    for said in ("decision", "sha256:", "audit head", "at most 24 h", "its bytes go to nobody"):
        expect(signed).to_contain_text(said)
    expect(page.get_by_role("button", name="Promote reach-second to demo-arm")).to_be_disabled()

    key = page.get_by_label("Key file, by its path on this machine")
    key.fill(str(fleet_site.home.settings.keys_folder / "steward.pem"))
    press(page, "Sign as approver-1")
    expect(page.locator(".st-key-problem")).to_contain_text("kind: signer-not-enrolled", timeout=PATIENCE_MS)
    press(page, "Try again")
    key.fill(str(fleet_site.home.settings.keys_folder / "approver-1.pem"))
    press(page, "Sign as approver-1")
    expect(page.get_by_text("signed by approver-1; 1 missing, of approver-2").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("approver-1 has signed this release; another approver must sign.")).to_be_visible()
    choose(page, "Acting as", "approver-2")
    press(page, "Sign as approver-2")
    expect(page.get_by_text("ready to be promoted").first).to_be_visible(timeout=PATIENCE_MS)
    choose(page, "Acting as", "releaser")
    expect(page.get_by_text("It reaches 3 devices: arm-7, arm-8, arm-9.")).to_be_visible()
    press(page, "Promote reach-second to demo-arm")
    expect(page.get_by_text("Published: release 2 of class demo-arm: reach-second").first).to_be_visible(
        timeout=PATIENCE_MS
    )
    expect(page.get_by_text("Nothing waits for approval.")).to_be_visible()

    turn(page, "Fleet")
    expect(card(page)).to_contain_text("Release 2 · reach-second")
    expect(card(page)).to_contain_text("0 of 3 devices acknowledged")
    expect(cell(page.get_by_test_id("stDataFrame").first, "release 1 · reach-first").first).to_be_attached()
    page.get_by_role("button", name="Go back to release 1 …").click()
    expect(page.get_by_text("Instead of release 2 · reach-second, class demo-arm gets release 1")).to_be_visible()
    press(page, "Go back to release 1 now")
    expect(card(page)).to_contain_text("Release 1 · reach-first", timeout=PATIENCE_MS)
    expect(card(page)).to_contain_text("2 of 3 devices acknowledged")
    expect(page.get_by_role("button", name="Go back to no release now")).to_have_count(0)

    page.get_by_text("Withdraw a release for good").click()
    press(page, "Withdraw it now")
    expect(page.get_by_text("Nothing was done: give a reason and tick the box.")).to_be_visible()
    page.get_by_label("Reason, kept in the audit log").last.fill(f"the gripper slips {HOSTILE}")
    page.get_by_text("Withdraw demo-arm: release 1 · reach-first for good").click()
    press(page, "Withdraw it now")
    expect(card(page)).to_contain_text("No release", timeout=PATIENCE_MS)
    expect(card(page)).to_contain_text("Not yet heard of a withdrawal: arm-7, arm-8, arm-9.")
    expect(card(page)).to_contain_text("Exposure ends")
    expect(card(page)).to_contain_text(HOSTILE.replace("http:", f"http:{JOINER}"))
    expect(page.locator(LURED)).to_have_count(0)


def test_a_recall_is_shown_proven_confirmed_once_and_followed(page: Page, fleet_site: Site) -> None:
    enter(page, fleet_site, "recall", "Recall", "steward")
    choose(page, "What is not to be trusted?", "dataset · arm")
    reach = page.locator(".st-key-reach")
    expect(reach).to_contain_text("2 models", timeout=PATIENCE_MS)
    reach.get_by_text("2 models").last.click()
    reach.get_by_text("reach-first", exact=False).filter(visible=True).last.click()
    expect(reach.get_by_text("→ trained-on →").filter(visible=True).first).to_be_visible()
    press(page, "Recall it now")
    expect(page.get_by_text("Nothing was done: give a reason and tick the box.")).to_be_visible()
    page.get_by_label("Reason, kept in the audit log").fill("the calibration was wrong")
    page.get_by_text("It cannot be undone.").click()
    press(page, "Recall it now")
    done = page.locator(".st-key-recalled")
    expect(done).to_contain_text("the calibration was wrong (steward)", timeout=PATIENCE_MS)
    expect(done).to_contain_text("of 3 devices acknowledged it")
    expect(page.locator(".st-key-reach")).to_have_count(0)
    expect(page.locator(LURED)).to_have_count(0)


def test_the_audit_page_verifies_the_log_and_finds_a_head_that_does_not_fit(page: Page, fleet_site: Site) -> None:
    visit(page, f"{fleet_site.url}/audit", "Audit")
    head = page.locator("code").filter(has_text="sha256:").first.inner_text().strip()
    page.get_by_label("A head that was kept").fill(head)
    press(page, "Verify the log")
    expect(page.get_by_text("The head that was kept is a head of this log.")).to_be_visible(timeout=PATIENCE_MS)
    size, _, root = head.partition(":")
    page.get_by_label("A head that was kept").fill(f"{int(size) + 9}:{root}")
    press(page, "Verify the log")
    expect(page.locator(".st-key-problem")).to_contain_text("kind: audit-damaged", timeout=PATIENCE_MS)
    press(page, "Compare the log with them")
    expect(page.get_by_text("Every head that a device kept is a head of this log.")).to_be_visible(timeout=PATIENCE_MS)
    choose(page, "Action", "device.report")
    expect(cell(page.get_by_test_id("stDataFrame").last, "arm-8").first).to_be_attached()


def test_keys_and_policies_are_listed(page: Page, fleet_site: Site) -> None:
    visit(page, f"{fleet_site.url}/keys", "Keys and policies")
    tables = page.get_by_test_id("stDataFrame")
    expect(cell(tables.first, "approver-2").first).to_be_attached()
    expect(cell(tables.last, "demo-arm").first).to_be_attached()


def test_the_link_that_is_printed_opens_and_the_address_alone_does_not(page: Page, empty_site: Site) -> None:
    settings = empty_site.home.settings
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ASSAY_", "STREAMLIT_"))}
    command = [str(Path(sys.executable).with_name("assay")), "up"]
    up = subprocess.Popen(
        command, env=environment | {"ASSAY_HOME": str(settings.home)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert up.stdout is not None
        link = up.stdout.readline().split()[1]
        address, _, code = link.partition("/?code=")
        assert len(code) >= 32
        wait_for(f"{address}/_stcore/health", up)
        visit(page, address, "Datasets")
        expect(page.get_by_text("Looking only")).to_be_visible()
        visit(page, link, "Datasets")
        expect(page.get_by_role("combobox", name="Acting as")).to_be_visible()
        choose(page, "Acting as", "steward")
        expect(page.get_by_text("reading as steward")).to_be_visible()
    finally:
        page.goto("about:blank")
        up.terminate()
        up.communicate(timeout=60)
