"""The page of offers and answers in real Chromium: both languages and themes, a phone, and axe.

With TEST_SCREENSHOTS=<folder> every view is kept as a picture.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from werkzeug.serving import make_server

from app.actions import surveys
from app.actions.advance import drain
from app.actions.referrals import settle_due
from app.actions.shelf import Shelf
from app.actions.track.orders import take_orders
from app.core.instants import DAY
from app.links import MailRef
from app.store import offers as store
from app.store.engine import open_database
from app.store.people import SubscriberRow
from tests.services.clock import Clock
from tests.web.converting import asked, sell
from tests.web.dashboard_stage import House, open_house

VIEWS = [(lang, theme, width) for lang in ("fa", "en") for theme in ("light", "dark") for width in (1280, 360)]
ANSWERS = (10, 9, 9, 8, 10, 3, 7, 6, 10, 9, 0, 8)


def fill(house: House) -> None:
    """Twelve readers with codes, answers and friends."""
    desk = house.desk
    shelved = desk.parts.shelved()
    assert shelved is not None
    with desk.world.transaction("write") as session:
        store.add_codes(session, "spring", [f"SP-{number}" for number in range(40)])
    first = desk.confirmed("reader-0@example.com")
    token = desk.world.links.referral_token(first.public_id)
    desk.confirmed("reader-0+again@example.com", pv_friend=token)
    for number, answer in enumerate(ANSWERS):
        address = f"reader-{number}@example.com"
        row = (
            desk.person(address)
            if number == 0
            else desk.confirmed(address, **({"pv_friend": token} if number == 1 else {}))
        )
        with desk.world.transaction("write") as session:
            store.take_from_pool(session, "spring", [(row.id, "spring")], desk.clock())
            code = store.grants(session, [(row.id, "spring")])[row.id, "spring"].code
            person = session.get(SubscriberRow, row.id)
            assert person is not None
            person.stage = "lead" if number % 3 else "potential"
        words = (
            "سبزی‌ها تازه بود، ولی راننده دیر آمد." if answer == 3 else "The herbs were fresh." if answer == 10 else ""
        )
        surveys.answer(desk.world, shelved, MailRef(asked(desk, row.id), 0), str(answer), words)
        surveys.answer(
            desk.world, shelved, MailRef(asked(desk, row.id, "ask/next"), 0), "herbs" if answer > 7 else "fruit"
        )
        if number % 4 == 0:
            order = {"order_id": f"o-{number}", "email": address, "total": 100, "coupon": code}
            take_orders(desk.world, shelved, [order, {**order, "order_id": f"o-{number}-b"}])
    desk.clock.advance(DAY)
    settle_due(desk.world)
    drain(desk.world, Shelf(desk.world.secret))


@pytest.fixture
def house(sqlite_database_url: str, tmp_path: Path) -> Iterator[str]:
    database = open_database(sqlite_database_url)
    opened = open_house(database, tmp_path, Clock(), demo=True)
    sell(opened.desk)
    fill(opened)
    server = make_server("127.0.0.1", 0, opened.desk.client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    opened.desk.parts.spool.close()
    database.dispose()


def test_offers_and_answers_read_well_for_everybody(page: Page, house: str) -> None:
    found: dict[str, list[str]] = {}
    for lang, theme, width in VIEWS:
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{house}/dashboard/offers?lang={lang}")
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        faults = [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in Axe().run(page).response["violations"]]
        found[f"{lang}-{theme}-{width}"] = [*faults, *(["wider than the window"] if wide else [])]
        if folder := os.environ.get("TEST_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"offers-{lang}-{theme}-{width}.png", full_page=True)
    assert {view: faults for view, faults in found.items() if faults} == {}
