"""The dashboard and the inbox in real Chromium: main tasks in both languages and themes, axe on every page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from app.actions import accounts
from app.actions.errands import HOLD
from app.actions.errands.doing import drain
from app.core.facts import FactKind
from app.core.instants import DAY
from app.store.engine import open_database
from tests.services.clock import Clock
from tests.web.dashboard_stage import PASSWORD, House, open_house
from tests.web.small_site import publish, sources

ALICE = "alice@example.com"
PAGES = ("", "/ladder", "/campaigns", "/campaigns/welcome", "/people", "/boxes", "/boxes/book", "/mails", "/delivery")
MORE = ("/mails/book/deliver", "/segments", "/segments?condition=confirmed", "/audit")
LONG = ("/publish", "/releases", "/releases/1", "/work", "/people/change?what=tag&word=vip", "/people?field=first_name")
AHEAD = (
    "/campaigns/ahead",
    "/campaigns/overlap",
    "/campaigns/welcome/clicks?step=book/deliver",
    "/campaigns/welcome/versions",
)


@pytest.fixture
def house(sqlite_database_url: str, tmp_path: Path, clock: Clock) -> Iterator[tuple[House, str]]:
    database = open_database(sqlite_database_url)
    opened = open_house(database, tmp_path, clock, demo=True)
    opened.desk.confirmed(ALICE, first_name="Alice")
    opened.desk.clock.advance(DAY)
    opened.happens(ALICE, FactKind.VISITED, path="/pricing")
    server = make_server("127.0.0.1", 0, opened.desk.client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield opened, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    opened.desk.parts.spool.close()
    database.dispose()


@pytest.fixture(autouse=True)
def impatient(page: Page) -> None:
    page.set_default_timeout(5_000)


def faults_of(page: Page) -> list[str]:
    """What the browser complains about from now on: policy, script, missing files."""
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    return faults


def refusals(page: Page) -> list[str]:
    """What axe finds on the page as it is."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"][:3]]


@pytest.mark.parametrize("lang", ["en", "fa"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_fit_for_everybody(page: Page, house: tuple[House, str], lang: str, theme: str) -> None:
    opened, base = house
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    faults = faults_of(page)
    found: dict[str, list[str]] = {}
    person = opened.path_of(ALICE).removeprefix("/dashboard")
    for path in (*PAGES, *MORE, *LONG, *AHEAD, f"{person}?why=book/deliver", "/../inbox"):
        page.goto(f"{base}/dashboard{path}{'&' if '?' in path else '?'}lang={lang}")
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        found[path] = [*refusals(page), *(["wider than the window"] if wide else [])]
    assert {path: said for path, said in found.items() if said} == {}
    assert faults == []


def test_a_page_is_printed_dark_on_white_whatever_the_theme(page: Page, house: tuple[House, str]) -> None:
    opened, base = house
    page.emulate_media(color_scheme="dark", media="print")
    for path in (opened.path_of(ALICE), "/dashboard/campaigns/welcome", "/dashboard/ladder"):
        page.goto(f"{base}{path}?lang=fa")
        for theme in ("", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            expect(page.locator(".card").first).to_have_css("background-color", "rgb(255, 255, 255)")
            expect(page.locator("body")).to_have_css("color", "rgb(0, 0, 0)")
        expect(page.locator(".side")).to_be_hidden()


@pytest.mark.parametrize("lang", ["en", "fa"])
def test_no_page_is_wider_than_a_phone(page: Page, house: tuple[House, str], lang: str) -> None:
    opened, base = house
    page.set_viewport_size({"width": 360, "height": 740})
    person = opened.path_of(ALICE).removeprefix("/dashboard")
    wide = []
    for path in (*PAGES, *MORE, *LONG, *AHEAD, f"{person}?why=book/deliver", "/../inbox"):
        page.goto(f"{base}/dashboard{path}{'&' if '?' in path else '?'}lang={lang}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
    assert wide == []
    page.get_by_text("Menu" if lang == "en" else "فهرست").click()
    menu = page.get_by_role("navigation", name="Pages" if lang == "en" else "صفحه‌ها")
    menu.get_by_role("link", name="Subscribers" if lang == "en" else "مشترکان", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Subscribers" if lang == "en" else "مشترکان")


@pytest.mark.parametrize("lang", ["en", "fa"])
def test_somebody_is_found_tagged_and_the_tag_is_taken_back(page: Page, house: tuple[House, str], lang: str) -> None:
    opened, base = house
    page.goto(f"{base}/dashboard/people?lang={lang}")
    page.keyboard.press("/")
    page.keyboard.type("alice")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=ALICE).click()
    page.get_by_text("Tags" if lang == "en" else "برچسب‌ها", exact=True).click()
    page.get_by_label("New tag" if lang == "en" else "برچسب تازه").fill("vip")
    page.get_by_role("button", name="Tag" if lang == "en" else "برچسب بزن", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("vip")
    assert opened.desk.tags(ALICE) == {"vip"}
    page.get_by_role("button", name="Undo" if lang == "en" else "برگردان").click()
    expect(page.get_by_role("status")).to_contain_text("vip")
    assert opened.desk.tags(ALICE) == set()


def test_the_timeline_grows_while_one_looks(page: Page, house: tuple[House, str]) -> None:
    opened, base = house
    page.goto(f"{base}{opened.path_of(ALICE)}?lang=en")
    expect(page.get_by_text("Visited /pricing")).to_be_visible()
    opened.desk.clock.advance(1_000_000)
    opened.happens(ALICE, FactKind.VISITED, path="/cart")
    expect(page.get_by_text("Visited /cart")).to_be_visible(timeout=8_000)


def test_a_condition_answers_while_one_writes(page: Page, house: tuple[House, str]) -> None:
    _, base = house
    page.goto(f"{base}/dashboard/segments?lang=en")
    page.get_by_label("Condition").fill("confirmed")
    expect(page.get_by_text("1 person", exact=True)).to_be_visible()
    page.get_by_label("Condition").fill("stage == 'nowhere'")
    expect(page.get_by_text("there is no stage")).to_be_visible()


def test_everything_important_works_without_script(house: tuple[House, str], page: Page) -> None:
    opened, base = house
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"{base}{opened.path_of(ALICE)}?lang=en")
    plain.get_by_text("Pause", exact=True).click()
    plain.get_by_role("button", name="30 days").click()
    expect(plain.get_by_role("status")).to_contain_text("No marketing until")
    assert opened.desk.person(ALICE).paused_until is not None
    plain.get_by_role("button", name="+1 day").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text(ALICE)
    plain.context.close()


def test_the_theme_chosen_stays(page: Page, house: tuple[House, str]) -> None:
    _, base = house
    page.goto(f"{base}/dashboard?lang=en")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(f"{base}/dashboard/ladder")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


# ── The door ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def locked(sqlite_database_url: str, tmp_path: Path, clock: Clock) -> Iterator[tuple[House, str]]:
    """A house with a door: no demo."""
    database = open_database(sqlite_database_url)
    opened = open_house(database, tmp_path, clock, demo=False)
    server = make_server("127.0.0.1", 0, opened.desk.client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield opened, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    opened.desk.parts.spool.close()
    database.dispose()


@pytest.mark.parametrize("lang", ["en", "fa"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_way_in_and_ones_own_pages_are_fit_for_everybody(
    page: Page, locked: tuple[House, str], lang: str, theme: str
) -> None:
    opened, base = locked
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.set_viewport_size({"width": 360, "height": 740})
    token = accounts.setup_link(opened.desk.world)
    found: dict[str, list[str]] = {}
    page.goto(f"{base}/dashboard/setup/{token}?lang={lang}")
    found["setup"] = refusals(page)
    page.locator("[name=address]").fill("owner@example.com")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    found["login"] = refusals(page)
    page.locator("[name=address]").fill("owner@example.com")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    expect(page.locator("h1")).to_be_visible()
    for path in ("accounts", "me", "me/factor", "proof", "audit", "../inbox"):
        page.goto(f"{base}/dashboard/{path}?lang={lang}")
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        found[path] = [*refusals(page), *(["wider than the window"] if wide else [])]
    assert {path: said for path, said in found.items() if said} == {}


# ── Long work ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", ["en", "fa"])
def test_everybody_found_is_tagged_watched_and_taken_back(page: Page, house: tuple[House, str], lang: str) -> None:
    opened, base = house
    is_english = lang == "en"
    page.goto(f"{base}/dashboard/people?text=alice&lang={lang}")
    page.locator("details.many > summary").click()
    page.get_by_label("New tag" if is_english else "برچسب تازه", exact=True).fill("vip")
    page.get_by_role("button", name="Tag" if is_english else "برچسب بزن", exact=True).click()
    expect(page.locator("main")).to_contain_text(ALICE)
    page.locator("form button.first").click()
    expect(page.get_by_role("button", name="Cancel" if is_english else "لغو", exact=True)).to_be_visible()
    opened.desk.clock.advance(HOLD)
    drain(opened.desk.world, opened.desk.parts.shelf, "worker")
    assert opened.desk.tags(ALICE) == {"vip"}
    page.locator(".strip").get_by_role("button", name="Undo" if is_english else "برگردان").click(timeout=9_000)
    opened.desk.clock.advance(HOLD)
    drain(opened.desk.world, opened.desk.parts.shelf, "worker")
    assert opened.desk.tags(ALICE) == set()


def test_a_plan_appears_by_itself_as_soon_as_it_is_made(page: Page, house: tuple[House, str]) -> None:
    opened, base = house
    texts = sources()
    texts["campaigns/welcome.yaml"] = texts["campaigns/welcome.yaml"].replace('title: "Welcome"', 'title: "Good day"')
    publish(opened.desk.world, texts)
    page.goto(f"{base}/dashboard/releases/1?lang=en")
    page.get_by_role("button", name="Plan going back to it").click()
    expect(page.locator("progress.far")).to_be_visible()
    drain(opened.desk.world, opened.desk.parts.shelf, "worker")
    expect(page.get_by_role("heading", name="Apply this plan")).to_be_visible(timeout=9_000)
