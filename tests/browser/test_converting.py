"""The pages and mails that convert, seen in a real browser: both languages, both schemes, a narrow screen.

With TEST_SCREENSHOTS=<folder> every view is kept as a picture.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from werkzeug.serving import make_server

from app.actions.referrals import settle_due
from app.core.instants import DAY, HOUR
from app.store.engine import open_database
from app.store.referrals import ReferralRow
from app.store.signups import put_attributes
from app.web.application import create_app
from tests.services.clock import Clock
from tests.web.converting import answer_path, asked, sell
from tests.web.desk import Desk, open_desk

VIEWS = [(lang, scheme) for lang in ("fa", "en") for scheme in ("light", "dark")]


@pytest.fixture
def desk(sqlite_database_url: str, tmp_path: Path) -> Iterator[Desk]:
    database = open_database(sqlite_database_url)
    opened = open_desk(database, tmp_path, Clock())
    sell(opened)
    alice = opened.confirmed("alice@example.com")
    with opened.world.transaction("write") as session:
        put_attributes(session, alice.id, {"first_name": "Maryam"}, opened.clock())
    yield opened
    opened.parts.spool.close()
    database.dispose()


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_app(desk.parts), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def smallest(page: Page, what: str) -> float:
    """The lower side of the smallest control, in CSS pixels."""
    boxes = [each.bounding_box() for each in page.locator(what).all()]
    return min(min(box["width"], box["height"]) for box in boxes if box is not None)


def look(page: Page, lang: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 360 if lang == "fa" else 800, "height": 700})


@pytest.mark.parametrize(("lang", "scheme"), VIEWS)
def test_a_question_is_answered_with_one_press_and_changed_with_another(
    page: Page, desk: Desk, address: str, lang: str, scheme: str
) -> None:
    look(page, lang, scheme)
    mail = asked(desk, desk.person("alice@example.com").id)
    page.goto(f"{address}{answer_path(desk, mail, 9)}?lang={lang}")
    assert page.locator("input:checked").get_attribute("value") == "9"
    assert fits(page)
    assert smallest(page, ".scale label") >= 36
    keep(page, f"survey-{lang}-{scheme}")
    page.locator(".scale label", has=page.locator("input[value='10']")).click()
    page.fill("textarea", "سبزی‌ها تازه بودند" if lang == "fa" else "The herbs were fresh")
    page.click("button[type=submit]")
    assert page.locator("[role=status]").count() == 1
    assert page.locator("input:checked").get_attribute("value") == "10"
    keep(page, f"survey-thanks-{lang}-{scheme}")


@pytest.mark.parametrize(("lang", "scheme"), VIEWS)
def test_the_page_of_invitations_copies_the_link(page: Page, desk: Desk, address: str, lang: str, scheme: str) -> None:
    look(page, lang, scheme)
    alice = desk.person("alice@example.com")
    token = desk.world.links.referral_token(alice.public_id)
    for name in ("bob", "carol", "dora"):
        desk.confirmed(f"{name}@example.org", pv_friend=token)
    with desk.world.transaction("write") as session:
        for number, row in enumerate(session.query(ReferralRow)):
            row.network = f"198.51.{number}.0/24"
    desk.clock.advance(DAY)
    settle_due(desk.world)
    desk.confirmed("emil@example.org", pv_friend=token)
    path = desk.world.links.share_url(alice.public_id).removeprefix(desk.world.settings.base_url)
    page.goto(f"{address}{path}?lang={lang}")
    assert fits(page)
    assert page.locator(".friends li").count() == 4
    assert ("۳" if lang == "fa" else "3") in page.locator(".board").inner_text()
    keep(page, f"share-{lang}-{scheme}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("[data-copy]")
    page.wait_for_function(
        "document.querySelector('[data-copy]').textContent === document.querySelector('[data-copy]').dataset.done"
    )
    assert page.evaluate("navigator.clipboard.readText()") == page.input_value("#link")


@pytest.mark.parametrize(("lang", "scheme"), VIEWS)
def test_the_countdown_shows_on_either_ground(page: Page, desk: Desk, address: str, lang: str, scheme: str) -> None:
    look(page, lang, scheme)
    url = desk.world.links.countdown_url(desk.clock() + 4 * DAY + 7 * HOUR, lang)
    ground = "#111" if scheme == "dark" else "#fff"
    source = address + url.removeprefix(desk.world.settings.base_url)
    page.set_content(f'<body style="background:{ground}"><img src="{source}" width="320" height="96" alt="">')
    page.wait_for_function("document.images[0].complete")
    assert page.evaluate("document.images[0].naturalWidth") == 640
    keep(page, f"countdown-{lang}-{scheme}")


@pytest.mark.parametrize("lang", ["fa", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_mail_with_an_offer_reads_well(page: Page, lang: str, scheme: str) -> None:
    from app.mail.countdown import draw, time_left
    from tests.actions.test_promises import play

    look(page, lang, scheme)
    stage = play("nurture/ready-to-buy" if lang == "fa" else "shop/post-purchase#3")
    offered = [mail for mail in stage.inbox if mail.offer] or [m for m in stage.inbox if m.mail == "after-purchase/nps"]
    mail = offered[0]

    def picture(route: object) -> None:
        token = route.request.url.rpartition("/")[2].removesuffix(".png")  # type: ignore[attr-defined]
        ends = stage.world.links.read_countdown(token)
        assert ends is not None
        route.fulfill(body=draw(time_left(ends[0] - mail.at), ends[1]), content_type="image/png")  # type: ignore[attr-defined]

    page.route("**/countdown/*", picture)
    page.route("**/o/*", lambda route: route.fulfill(body=b"", content_type="image/gif"))
    page.set_content(mail.message.html)
    assert fits(page)
    assert page.locator("html").get_attribute("dir") == ("rtl" if lang == "fa" else "ltr")
    keep(page, f"mail-{lang}-{scheme}")
