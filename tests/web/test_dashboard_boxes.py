"""Boxes in the dashboard: preview, snippets, the test against no box, and the doctor of a page."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from app.actions.boxdoctor import Check, Finding, look
from app.core.boxes import Box, Theme
from app.net.pages import Fetched
from app.store.engine import open_database
from app.store.ledgers import add_box_counts
from tests.services.clock import Clock
from tests.web.dashboard_stage import House, open_house
from tests.web.small_site import BASE, SHOP


@pytest.fixture
def house(sqlite_database_url: str, tmp_path: Path, clock: Clock) -> Iterator[House]:
    database = open_database(sqlite_database_url)
    opened = open_house(database, tmp_path, clock, demo=True)
    yield opened
    opened.desk.parts.spool.close()
    database.dispose()


def count(house: House, box: str, arm: str, metric: str, number: int) -> None:
    with house.desk.world.transaction("write") as session:
        add_box_counts(session, {(20_000, box, arm, "", metric): number})


# ── Preview and snippets ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_preview_is_a_page_of_ours_that_only_we_may_frame(house: House) -> None:
    page = house.get("/dashboard/boxes/book/preview", **{"in": "fa", "dark": "1"})
    assert 'lang="fa" dir="rtl"' in page.text
    assert 'name="color-scheme" content="dark"' in page.text
    assert 'data-parvar="book"' in page.text
    assert "data-parvar-preview" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "form-action 'none'" in policy
    assert house.get("/dashboard/boxes/nobody/preview").status_code == 404


def test_what_stands_in_the_address_of_a_preview_goes_no_further(house: House) -> None:
    page = house.get("/dashboard/boxes/tested/preview", **{"in": '"><script>', "arm": '"><script>alert(1)</script>'})
    assert "alert(1)" not in page.text
    assert 'data-parvar-preview="a"' in page.text


def test_the_snippet_keeps_room_without_any_style(house: House) -> None:
    page = house.get("/dashboard/boxes/book").text
    kept = re.search(r"&lt;svg width=&#34;1&#34; height=&#34;(\d+)&#34;", page)
    assert kept is not None
    assert 300 < int(kept[1]) < 1_200
    assert "qr.svg" in page


# ── The test ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_test_is_judged_by_the_confirmed_against_no_box(house: House) -> None:
    count(house, "halved", "half:control", "draw", 4_000)
    count(house, "halved", "half:control", "confirm", 8)
    count(house, "halved", "half:a", "draw", 4_000)
    count(house, "halved", "half:a", "confirm", 160)
    page = house.read("/dashboard/boxes/halved")
    assert "a against no box: brings more" in page
    assert "4.00%" in page
    assert "بیشتر می‌آورد" in house.read("/dashboard/boxes/halved", "fa")


def test_a_test_calls_nothing_early(house: House) -> None:
    count(house, "halved", "half:control", "draw", 40)
    count(house, "halved", "half:a", "draw", 40)
    count(house, "halved", "half:a", "confirm", 20)
    assert "a against no box: too few to say" in house.read("/dashboard/boxes/halved")


def test_whoever_signed_up_elsewhere_after_seeing_no_box_counts_for_no_box(house: House) -> None:
    for arm in ("control", "a"):
        count(house, "halved", f"half:{arm}", "draw", 4_000)
    count(house, "book", "half:control", "confirm", 100)
    count(house, "halved", "half:a", "confirm", 100)
    assert "a against no box: not to be told apart yet" in house.read("/dashboard/boxes/halved")


# ── The doctor ───────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = (
    f'<!doctype html><div data-parvar="book"><svg width="1" height="500"></svg></div>'
    f'<script async src="{BASE}/b/embed.js"></script>'
)

META = '<meta http-equiv="Content-Security-Policy" content="connect-src \'self\'">'


def findings(house: House, text: str, policy: str = "", key: str = "book", url: str = f"{SHOP}/") -> dict[Check, bool]:
    return {one.check: one.is_well for one in seen(house, Fetched(url, 200, "text/html", policy, text), key)}


def seen(house: House, page: Fetched, key: str = "book", **changes: object) -> list[Finding]:
    shelved = house.desk.parts.shelved()
    assert shelved is not None
    box: Box = replace(shelved.workspace.boxes[key], **changes)  # type: ignore[arg-type]
    return list(look(box, page, BASE))


def test_a_good_page_is_well(house: House) -> None:
    assert all(findings(house, GOOD).values())
    assert all(findings(house, GOOD, f"default-src 'none'; script-src {BASE}; connect-src {BASE}").values())


@pytest.mark.parametrize(
    ("text", "policy", "check"),
    [
        ("<p>Nothing</p>", "", Check.EMBED),
        (f'<script async src="{BASE}/b/embed.js"></script>', "", Check.PLACE),
        (GOOD.replace("async ", ""), "", Check.ASYNC),
        (GOOD.replace('<svg width="1" height="500"></svg>', ""), "", Check.ROOM),
        (GOOD, "script-src 'self'", Check.SCRIPT_POLICY),
        (GOOD, "default-src 'self'", Check.CONNECT_POLICY),
        (GOOD, f"script-src {BASE}, script-src 'none'", Check.SCRIPT_POLICY),
        (GOOD, "script-src 'nonce-x' 'strict-dynamic'", Check.SCRIPT_POLICY),
        (f'<meta http-equiv="Content-Security-Policy" content="connect-src \'self\'">{GOOD}', "", Check.CONNECT_POLICY),
        (f'<iframe src="{BASE}/b/book?frame&lang=en"></iframe>', "frame-src 'none'", Check.FRAME_POLICY),
        (f'<form method="post" action="{BASE}/b/book?lang=en"></form>', "form-action 'self'", Check.FORM_POLICY),
    ],
)
def test_the_doctor_finds_what_is_wrong(house: House, text: str, policy: str, check: Check) -> None:
    assert findings(house, text, policy)[check] is False


def test_a_policy_that_allows_us_in_other_words_is_well(house: House) -> None:
    for policy in (f"script-src {BASE}/b/; connect-src *", "default-src http:", "img-src 'self'"):
        assert all(findings(house, GOOD, policy).values()), policy
    nonce = GOOD.replace("<script async", '<script async nonce="x"')
    assert findings(house, nonce, "script-src 'nonce-x' 'strict-dynamic'")[Check.SCRIPT_POLICY]


def test_a_picture_needs_its_own_leave(house: House) -> None:
    page = Fetched(f"{SHOP}/", 200, "text/html", "img-src 'self'", GOOD)
    found = {one.check: one.is_well for one in seen(house, page, theme=Theme(image="book.png"))}
    assert found[Check.IMAGE_POLICY] is False


def test_a_foreign_origin_and_a_page_that_is_no_page_are_named(house: House) -> None:
    assert findings(house, GOOD, url="https://other.example/")[Check.ORIGIN] is False
    broken = seen(house, Fetched(f"{SHOP}/", 404, "text/html", "", ""))
    assert broken[0] == Finding(Check.ANSWER, is_well=False, detail="404 text/html")


def test_rules_that_name_other_pages_are_named(house: House) -> None:
    script = f'<script async src="{BASE}/b/blogged.js"></script>'
    assert findings(house, script, key="blogged", url=f"{SHOP}/blog/one")[Check.PAGES]
    assert not findings(house, script, key="blogged", url=f"{SHOP}/shop")[Check.PAGES]


@contextmanager
def page_of(answer: Callable[[Request], Response]) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, Request.application(answer), threaded=True)
    server.log = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_doctor_asks_no_machine_inside_our_network(house: House) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.path)
        return Response(GOOD, mimetype="text/html")

    with page_of(answer) as url:
        for inside in (url, url.replace("127.0.0.1", "localhost"), "file:///etc/passwd", "https://[::1]/", "x"):
            page = house.send("/dashboard/boxes/book/doctor", "/dashboard/boxes/book/doctor", url=inside).text
            assert "The page cannot be read" in page
    assert asked == []


def test_the_doctor_reads_a_page_of_a_network_that_is_allowed_and_follows_redirects(house: House) -> None:
    def answer(request: Request) -> Response:
        if request.path == "/":
            return Response(status=302, headers={"Location": "/there"})
        if request.path == "/round":
            return Response(status=302, headers={"Location": "/round"})
        return Response(GOOD, mimetype="text/html")

    settings = replace(house.desk.world.settings, webhook_networks=("127.0.0.0/8",))
    object.__setattr__(house.desk.world, "settings", settings)
    with page_of(answer) as url:
        page = house.send("/dashboard/boxes/book/doctor", "/dashboard/boxes/book/doctor", url=f"{url}/").text
        assert "The box is on the page: script" in page
        assert "may not show this box" in page
        assert f"{url}/#parvar-doctor" in page
        round_ = house.send("/dashboard/boxes/book/doctor", "/dashboard/boxes/book/doctor", url=f"{url}/round").text
        assert "moved on and on" in round_
