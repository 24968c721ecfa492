"""Every page in a real browser over a real service: what is shown, and that nothing is asked of any other host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as NotInTime

from tests.ui.conftest import HOSTILE, REASON, Site, stop_service

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]

ARGUMENTS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"
PATIENCE_MS = 30_000
LURED = 'img[src*=evil], svg image, [*|href*="evil"]'  # text that became a picture or a link
# The server answers 404 below a page's own address, and the browser then asks at the root; and a library says that it
# lays out graphs without a worker.
UNAVOIDABLE = ("/_stcore/", 'No script tag of type "javascript/worker" was found')


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS.split())
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page that may speak to this machine only, and says nothing on its console."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    opened = context.new_page()
    asked: set[str] = set()
    said: list[str] = []
    opened.on("request", lambda request: asked.add(urlsplit(request.url).hostname or ""))
    opened.on("console", lambda m: said.append(f"{m.type}: {m.text} {m.location.get('url', '')}"))
    opened.on("pageerror", lambda error: said.append(f"page error: {error}"))
    opened.on("websocket", lambda socket: asked.add(urlsplit(socket.url).hostname or ""))
    yield opened
    context.close()
    assert asked == {"127.0.0.1"}
    complaints = [s for s in said if s.startswith(("error", "warning", "page error"))]
    assert [s for s in complaints if not any(known in s for known in UNAVOIDABLE)] == []


def visit(page: Page, url: str, title: str) -> None:
    """Open a page and wait until it is whole."""
    page.goto(url)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=PATIENCE_MS)
    settled(page)


def settled(page: Page) -> None:
    """The script has run to its end, without an exception."""
    app = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    app.wait_for(timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def choose(page: Page, label: str, option: str) -> None:
    """Choose in a select box; a list drawn anew under the pointer swallows the click, then it is clicked again."""
    for last in (False, False, True):
        page.get_by_role("combobox", name=label).click()
        page.get_by_role("option", name=option).first.click()
        try:
            page.get_by_role("listbox").wait_for(state="hidden", timeout=PATIENCE_MS if last else 3000)
            break
        except NotInTime:
            if last:
                raise
            page.keyboard.press("Escape")
            settled(page)
    settled(page)


def cell(table: Locator, text: str) -> Locator:
    """Cells of a table with exactly this text; the table is drawn, and its cells are there for screen readers."""
    return table.locator("[role=gridcell]").get_by_text(text, exact=True)


def test_a_dataset_shows_its_versions_findings_provenance_and_quarantine(page: Page, site: Site) -> None:
    visit(page, f"{site.url}/?dataset=arm-bad", "Datasets")
    main = page.get_by_test_id("stMain")
    expect(main.get_by_role("heading", name="arm-bad")).to_be_visible()
    expect(main.get_by_text("No version of this dataset is approved")).to_be_visible()
    expect(main.get_by_text("Stand-in: simulation that plays a field recording")).to_be_visible()
    expect(main.get_by_text("It holds quarantined episodes")).to_be_visible()
    expect(main.get_by_role("heading", name="2 findings")).to_be_visible()
    findings = main.get_by_test_id("stDataFrame").nth(2)
    for text in ("gap", "1", "75 ms", "one missing frame", "mean_rate"):
        expect(cell(findings, text).first).to_be_attached()
    page.get_by_role("tab", name="Provenance").click()
    for said in ("stand-in", "mujoco 3", f"sha256:{'5' * 64}", HOSTILE):
        expect(main.get_by_text(said).filter(visible=True).first).to_be_visible()
    page.get_by_role("tab", name="Quarantine").click()
    expect(cell(page.get_by_role("tabpanel", name="Quarantine"), REASON)).to_have_count(1)


def test_an_approved_version_shows_its_signature_and_leads_to_its_lineage(page: Page, site: Site) -> None:
    visit(page, f"{site.url}/?dataset=arm-clean", "Datasets")
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text("Simulated: made by a physics engine")).to_be_visible()
    page.get_by_role("tab", name="Approval").click()
    expect(main.get_by_text("signed by steward").filter(visible=True)).to_be_visible()
    page.get_by_role("tab", name="Identity").click()
    manifest = main.get_by_text("episodes table").filter(visible=True)
    expect(manifest).to_contain_text("sha256:")
    page.get_by_role("link", name="Lineage of this version").click()
    expect(page.get_by_role("heading", name="Lineage", level=1)).to_be_visible(timeout=PATIENCE_MS)
    settled(page)
    expect(page.locator(".stGraphVizChart svg")).to_contain_text("arm-clean v1.0.0")


def test_what_nobody_checked_says_so(page: Page, site: Site) -> None:
    visit(page, f"{site.url}/?dataset=arm-raw", "Datasets")
    expect(page.get_by_text("This version was not checked")).to_be_visible()
    expect(page.get_by_text("Recorded, origin unverified: no enrolled device")).to_be_visible()


def test_the_lineage_of_a_model_marks_what_taints_it(page: Page, site: Site) -> None:
    visit(page, f"{site.url}/lineage", "Lineage")
    choose(page, "Asset", "model · tainted")
    graph = page.locator(".stGraphVizChart svg")
    for text in ("model tainted", "run fit", "arm-clean v1.0.0", "✗ 1 quarantined episodes", "✗ blocked: demo-arm"):
        expect(graph).to_contain_text(text, timeout=PATIENCE_MS)
    expect(page.get_by_text("what you asked about")).to_be_visible()
    expect(cell(page.get_by_test_id("stDataFrame"), "trained-on").first).to_be_attached()
    page.get_by_text("Follow content").click()
    settled(page)
    expect(graph).to_contain_text("3 episodes of arm-bad/week-1", timeout=PATIENCE_MS)
    expect(graph).to_contain_text("✗ 1 quarantined: 1")
    expect(graph).to_contain_text("same content ×3")
    expect(graph).to_contain_text("<img")  # a rig's name, as text
    expect(page.locator(LURED)).to_have_count(0)
    page.get_by_text("What came of it").click()
    settled(page)
    expect(graph).not_to_contain_text("run fit")


def test_a_run_that_failed_is_marked(page: Page, site: Site) -> None:
    visit(page, f"{site.url}/lineage?of=urn:assay:dataset:arm-clean", "Lineage")
    graph = page.locator(".stGraphVizChart svg")
    expect(graph).to_contain_text("run broken", timeout=PATIENCE_MS)
    expect(graph).to_contain_text("✗ failed")


def test_what_is_pasted_is_traced_or_refused_with_its_reason(page: Page, site: Site) -> None:
    visit(page, f"{site.url}/lineage?of=urn:assay:robot:bench-arm", "Lineage")
    expect(page.get_by_text("Nothing is recorded in this direction")).to_be_visible()
    visit(page, f"{site.url}/lineage?of=urn:assay:version:![x](//evil.example/d.png):aa", "Lineage")
    problem = page.locator(".st-key-problem")
    expect(problem).to_contain_text("evil.example/d.png")
    expect(problem).to_contain_text("What to do")
    expect(problem).to_contain_text("kind: input-invalid")
    expect(page.locator(LURED)).to_have_count(0)


def test_the_gate_says_at_once_why_a_model_is_blocked(page: Page, site: Site) -> None:
    visit(page, f"{site.url}/gate?class=demo-arm", "Gate")
    choose(page, "Model", "tainted")
    verdict = page.locator(".st-key-verdict")
    expect(verdict).to_contain_text("BLOCKED")
    expect(verdict).to_contain_text("tainted for class demo-arm in environment demo, hardware any")
    expect(page.get_by_text("no-quarantined-input", exact=True)).to_be_visible()
    expect(page.get_by_text("arm-bad/week-1 episode 1").first).to_be_visible()
    expect(cell(page.get_by_test_id("stDataFrame"), "arm-bad/week-1").first).to_be_attached()
    rules = page.locator("[data-testid=stMain] strong").all_inner_texts()
    assert rules.index("no-quarantined-input") < rules.index("success-rate")
    page.get_by_role("tab", name="Training").click()
    expect(page.get_by_text("no approved version").filter(visible=True)).to_be_visible()
    page.get_by_role("tab", name="Exact digests").click()
    expect(page.get_by_text("governance epoch").filter(visible=True)).to_be_visible()
    expect(page.locator(LURED)).to_have_count(0)


@pytest.mark.parametrize(
    ("address", "title", "said"),
    [
        ("/gate?model=nope&class=demo-arm", "Gate", "no model 'nope'"),
        ("/gate?model=tainted&class=nope", "Gate", "no device class 'nope'"),
        ("/?dataset=nope", "Datasets", "no dataset 'nope'"),
        ("/lineage?of=nope", "Lineage", "nothing is called 'nope'"),
        (f"/lineage?of=urn:assay:model:{'0' * 64}", "Lineage", f"no model 'urn:assay:model:{'0' * 64}'"),
    ],
)
def test_an_address_that_names_nothing_shows_nothing_else(
    page: Page, site: Site, address: str, title: str, said: str
) -> None:
    visit(page, f"{site.url}{address}", title)
    expect(page.locator(".st-key-problem")).to_contain_text(said)
    for other in (".st-key-verdict", "[data-testid=stDataFrame]", ".stGraphVizChart"):
        expect(page.locator(other)).to_have_count(0)


def test_a_wrong_address_is_left_by_choosing_from_what_there_is(page: Page, site: Site) -> None:
    visit(page, f"{site.url}/?dataset=nope", "Datasets")
    page.get_by_role("button", name="Choose from what there is").click()
    expect(page.get_by_role("combobox", name="Dataset")).to_be_visible(timeout=PATIENCE_MS)
    settled(page)
    expect(page.locator(".st-key-problem")).to_have_count(0)


def test_the_gate_judges_when_asked(page: Page, site: Site) -> None:
    visit(page, f"{site.url}/gate?class=collaborative-arm", "Gate")
    choose(page, "Model", "wild")
    expect(
        page.get_by_text("Nobody has asked the gate about this model for class collaborative-arm yet")
    ).to_be_visible()
    page.get_by_role("button", name="Judge now").click()
    verdict = page.locator(".st-key-verdict")
    expect(verdict).to_contain_text("BLOCKED", timeout=PATIENCE_MS)
    expect(verdict).to_contain_text("No training record")
    settled(page)


def test_pages_of_an_empty_home_say_what_to_do(page: Page, empty_site: Site) -> None:
    visit(page, empty_site.url, "Datasets")
    expect(page.get_by_text("assay dataset register NAME PATH --ingest SLUG")).to_be_visible()
    visit(page, f"{empty_site.url}/lineage", "Lineage")
    expect(page.get_by_text("Choose a dataset, a version or a model, or paste a URN")).to_be_visible()
    visit(page, f"{empty_site.url}/gate", "Gate")
    expect(page.get_by_text("No model is registered yet")).to_be_visible()


def test_a_service_that_is_gone_is_said_with_what_to_do(page: Page, empty_site: Site) -> None:
    stop_service(empty_site.home.settings)
    for place, title in (("", "Datasets"), ("/lineage", "Lineage"), ("/gate", "Gate")):
        visit(page, f"{empty_site.url}{place}", title)
        problem = page.locator(".st-key-problem")
        expect(problem).to_contain_text("the service does not answer", timeout=PATIENCE_MS)
        expect(problem).to_contain_text("kind: service-unreachable")
        expect(problem.get_by_role("button", name="Try again")).to_be_visible()


def test_beside_the_entry_lie_packages_only() -> None:
    folder = Path(__file__).resolve().parents[2] / "ui"
    modules = {p.name for p in folder.iterdir() if p.suffix == ".py"}
    assert modules == {"__init__.py", "app.py"}
