"""The site's script in a real browser, on a foreign page under a strict policy: what it sends, and what it stores."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page
from werkzeug.serving import make_server

from app.disk.networks import Networks
from app.disk.spool import Spool
from app.disk.spool_reader import SpoolReader
from app.disk.visits import PageFact, read_page
from app.links import Key, Links
from app.web.beacon import Beacon, BeaconParts, Origins
from tests.services.clock import Clock

LINKS = Links((Key(1, b"k" * 32),), "https://example.com", "https://t.example.com")
TOKEN, OTHER = LINKS.mail_token(7, 3), LINKS.mail_token(8, 3)
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass
class Stage:
    """`engine` takes beacons, `host` is the foreign site; `mark` is how its pages load the script."""

    folder: Path
    engine: str = ""
    host: str = ""
    mark: str = ""
    cookies: list[str] = field(default_factory=list)

    def site(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.cookies.append(environ.get("HTTP_COOKIE", ""))
        policy = f"default-src 'none'; script-src {self.engine}; connect-src {self.engine}"
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy)]
        start_response("200 OK", headers)
        script = f'<script defer src="{self.engine}/site.js"{self.mark}></script>'
        return [f'<!doctype html><html lang="en"><title>Shop</title>{script}<p>Words.'.encode()]

    def told(self, wanted: int) -> list[PageFact]:
        """What lies in the spool once so many facts are there; beacons leave a second after the first fact."""
        until = time.monotonic() + 8
        while time.monotonic() < until:
            facts = [read_page(fact) for fact in SpoolReader(self.folder).take({}).facts]
            if len(facts) >= wanted:
                return facts
            time.sleep(0.05)
        raise AssertionError(f"{wanted} facts were wanted")


@contextmanager
def serving(application: Application) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application, threaded=True)
    server.log = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    built = Stage(tmp_path / "spool")
    spool = Spool(built.folder, b"i" * 16)
    numbers = iter(range(1, 10_000))
    with serving(built.site) as host:
        built.host = host
        origins = Origins(lambda: [host], clock)
        parts = BeaconParts(spool, Networks(b"n" * 32, ()), origins, clock, lambda: next(numbers).to_bytes(16, "big"))
        with serving(Beacon(parts, built.site)) as engine:
            built.engine = engine
            yield built
    spool.close()


def stored(page: Page) -> int:
    return int(page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length"))


def dispatch(page: Page, name: str, detail: str) -> None:
    page.evaluate(f"document.dispatchEvent(new CustomEvent('parvar:{name}', {{ detail: {detail} }}))")


def test_a_page_view_is_told_and_nothing_is_stored_before_consent(stage: Stage, page: Page) -> None:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.goto(f"{stage.host}/pricing?secret=1")
    (view,) = stage.told(1)
    assert (view.path, view.name, view.visitor, view.identity, view.language) == ("/pricing", "", "", "", "en")
    assert stored(page) == 0
    assert faults == []


def test_the_mails_token_names_the_reader_and_leaves_the_address_bar(stage: Stage, page: Page) -> None:
    page.goto(f"{stage.host}/blog?x=1#pv={TOKEN}")
    (view,) = stage.told(1)
    assert view.identity == TOKEN
    assert page.url == f"{stage.host}/blog?x=1"
    assert stored(page) == 0


def test_after_consent_a_browser_is_known_again_until_it_is_taken_back(
    stage: Stage, page: Page, context: BrowserContext
) -> None:
    page.goto(f"{stage.host}/a#pv={TOKEN}")
    dispatch(page, "consent", "{ given: true }")
    stage.told(1)
    page.goto(f"{stage.host}/b")
    first, second = stage.told(2)
    assert second.identity == TOKEN
    assert len(second.visitor) == 32
    assert first.visitor in ("", second.visitor)
    dispatch(page, "consent", "{ given: false }")
    assert stored(page) == 0
    assert context.cookies() == []
    page.goto(f"{stage.host}/c")
    assert (stage.told(3)[2].visitor, stage.told(3)[2].identity) == ("", "")


def test_somebody_else_in_the_same_browser_is_another_visitor(stage: Stage, page: Page) -> None:
    stage.mark = ' data-consent="given"'
    page.goto(f"{stage.host}/a#pv={TOKEN}")
    stage.told(1)
    page.goto(f"{stage.host}/b#pv={OTHER}")
    first, second = stage.told(2)
    assert (first.identity, second.identity) == (TOKEN, OTHER)
    assert first.visitor != second.visitor


def test_a_page_that_changes_without_loading_is_a_new_view_once(stage: Stage, page: Page) -> None:
    page.goto(f"{stage.host}/one")
    page.evaluate("history.pushState({}, '', '/two'); history.replaceState({}, '', '/two?tab=2')")
    page.evaluate("history.pushState({}, '', '/three'); history.back()")
    views = stage.told(4)
    assert [view.path for view in views] == ["/one", "/two", "/three", "/two"]


def test_events_are_told_with_their_fields_also_while_the_page_is_left(stage: Stage, page: Page) -> None:
    page.goto(f"{stage.host}/cart")
    dispatch(page, "event", "{ name: 'cart_updated', fields: { total: 5, items: ['a'], sure: true } }")
    page.goto("about:blank")
    view, cart = stage.told(2)
    assert (cart.name, dict(cart.fields)) == ("cart_updated", {"total": 5, "items": ["a"], "sure": True})
    assert view.path == cart.path == "/cart"


@pytest.mark.parametrize("signal", ["globalPrivacyControl: { get: () => true }", "doNotTrack: { get: () => '1' }"])
def test_who_asks_not_to_be_tracked_is_not_unless_the_site_says_otherwise(
    stage: Stage, page: Page, signal: str
) -> None:
    page.add_init_script(f"Object.defineProperties(Navigator.prototype, {{ {signal} }})")
    page.goto(f"{stage.host}/quiet")
    page.goto("about:blank")
    stage.mark = ' data-signals="ignore"'
    page.goto(f"{stage.host}/loud")
    assert [view.path for view in stage.told(1)] == ["/loud"]


def test_a_script_loaded_twice_tells_once(stage: Stage, page: Page) -> None:
    stage.mark = f'></script><script defer src="{stage.engine}/site.js"'
    page.goto(f"{stage.host}/twice")
    page.goto(f"{stage.host}/end")
    assert [view.path for view in stage.told(2)] == ["/twice", "/end"]
