"""The story of the demo, walked in a real browser against the running house and a real SMTP server, in fa and en."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserType, Page

from tests.journeys.running import Running, running
from tests.services.smtp import Sink

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
WORDS = {
    "en": {"name": "Alice", "prospect": "Prospect", "ask": "Ask for advice"},
    "fa": {"name": "آلیس", "prospect": "مشتری احتمالی", "ask": "درخواست مشاوره"},
}

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with Sink(tmp_path_factory.mktemp("mails")) as sink:
        yield sink


@pytest.fixture(scope="module")
def house(mails: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("house") / "data", f"{mails.url}?starttls=never") as up:
        yield up


@pytest.fixture
def visitor(browser_type: BrowserType, browser_type_launch_args: dict[str, Any]) -> Iterator[Page]:
    """A browser that calls itself what people's browsers do, in beacons sent while a page is left as well."""
    told = [*browser_type_launch_args.get("args", ()), f"--user-agent={AGENT}"]
    browser = browser_type.launch(**{**browser_type_launch_args, "args": told})
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(20_000)
    yield page
    browser.close()


def links_of(html: str) -> list[str]:
    return [url.replace("&amp;", "&") for url in re.findall(r'href="([^"]+)"', html)]


def html_of(sink: Sink, address: str, number: int) -> str:
    """The HTML of this person's n-th mail, counted from 0."""
    body = sink.to(address)[number].message.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def wait_for_mails(sink: Sink, address: str, count: int, seconds: float = 20.0) -> float:
    """How long it took until so many mails for a person were there."""
    began = time.monotonic()
    while len(sink.to(address)) < count:
        assert time.monotonic() - began < seconds, f"only {len(sink.to(address))} of {count} mails came"
        time.sleep(0.02)
    return time.monotonic() - began


def sign_up(page: Page, house: Running, language: str, address: str) -> None:
    page.goto(f"{house.shop}/blog/seven-methods?lang={language}")
    page.locator("input[type=email]").fill(address)
    page.locator("input[name=first_name]").fill(WORDS[language]["name"])
    for tick in page.locator("form input[type=checkbox]").all():
        tick.check()
    page.wait_for_timeout(2_100)  # a form sent sooner than after two seconds is taken for a machine's
    page.locator("form button[type=submit]").click()
    page.locator("input[type=email]").wait_for(state="hidden")  # the box has thanked her
    page.wait_for_timeout(500)


@pytest.mark.parametrize("language", ["en", "fa"])
def test_a_visitor_becomes_a_prospect(language: str, house: Running, mails: Sink, visitor: Page) -> None:
    address = f"alice-{language}@example.com"
    told = len(mails.to("sales@example.com"))
    sign_up(visitor, house, language, address)
    assert wait_for_mails(mails, address, 1) < 5, "the confirmation is in the inbox at once"

    confirm = next(url for url in links_of(html_of(mails, address, 0)) if "/confirm/" in url)
    visitor.goto(confirm)
    assert len(mails.to(address)) == 1, "looking at the link confirms nothing"
    visitor.locator("form button").first.click()
    wait_for_mails(mails, address, 2)

    download = next(url for url in links_of(html_of(mails, address, 1)) if "/c/" in url)
    visitor.wait_for_timeout(2_500)
    answer = visitor.request.get(download, headers={"User-Agent": AGENT})
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF")

    for _ in range(3):
        visitor.goto(f"{house.shop}/pricing?lang={language}")
        visitor.wait_for_timeout(300)
    visitor.goto(f"{house.shop}/advice?lang={language}")
    visitor.get_by_text(WORDS[language]["ask"]).first.click()
    visitor.wait_for_timeout(2_000)

    visitor.goto(f"{house.base}/dashboard/people?q={address}&lang={language}")
    visitor.get_by_text(address).first.click()
    until = time.monotonic() + 30
    while WORDS[language]["prospect"] not in visitor.locator("main").inner_text():
        assert time.monotonic() < until, visitor.locator("main").inner_text()[:600]
        visitor.wait_for_timeout(500)
        visitor.reload()
    wait_for_mails(mails, "sales@example.com", told + 1)  # the sales team is told


def test_what_was_sent_reads_well_and_can_be_left_with_one_click(house: Running, mails: Sink, visitor: Page) -> None:
    address = "carol@example.com"
    sign_up(visitor, house, "en", address)
    wait_for_mails(mails, address, 1)
    message = mails.to(address)[0].message
    assert message["From"].startswith("Leila")
    assert message.get_body(("plain",)) is not None
    assert Path(house.data, "parvar.db").is_file()


def test_the_demo_opens_calm_with_codes_for_every_offer(house: Running, visitor: Page) -> None:
    visitor.goto(f"{house.base}/dashboard/?lang=en")
    assert "codes are left" not in visitor.locator("main").inner_text()
    visitor.goto(f"{house.base}/dashboard/offers?lang=en")
    pools = visitor.locator("table", has=visitor.get_by_text("Pool", exact=True)).locator("tbody tr")
    left = [int(row.locator("td.num").first.inner_text()) for row in pools.all()]
    assert len(left) == 8, "as many pools as the examples name"
    assert min(left) >= 490
