"""A stage for boxes: Parvar on one port, a foreign site under a strict policy on another, both real servers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from werkzeug.serving import BaseWSGIServer, make_server

from app.core.instants import SECOND
from app.store.engine import open_database
from app.web.application import create_app
from app.web.faces import room
from app.web.scripts import snippets
from tests.services.clock import Clock
from tests.web.desk import Desk
from tests.web.small_site import build_parts, build_world, publish

HEAD = '<!doctype html><html lang="{lang}" dir="{dir}"><head><meta charset="utf-8"><title>A foreign page</title>'
LONG = f"<p>Some words of an article that is long enough to scroll.{'<br>…' * 300}</p>"
VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">'
HOSTILE = (
    "* { color: red !important; font-size: 7px !important; display: inline !important; position: static !important; }"
)


@dataclass
class Stage:
    """`engine` and `host` are the two origins; `put` writes a page of the host and returns its address."""

    desk: Desk
    engine: str
    host: str
    pages: dict[str, str] = field(default_factory=dict)
    policy: str = ""

    def put(self, body: str, path: str = "/blog/one", lang: str = "en") -> str:
        head = HEAD.format(lang=lang, dir="rtl" if lang == "fa" else "ltr")
        self.pages[path] = (
            f'{head}<link rel="stylesheet" href="/hostile.css"></head><body><main>{body}</main></body></html>'
        )
        return f"{self.host}{path}"

    def box(self, key: str, lang: str = "en", around: str = LONG) -> str:
        """A page with a box of its own place amid an article."""
        script = f'<script async src="{self.engine}/b/embed.js"></script>'
        return self.put(f'<h1>Article</h1>{around}<div data-parvar="{key}"></div>{script}{LONG}', lang=lang)

    def kept(self, key: str, lang: str = "en") -> str:
        """A page of good will with a box at its top, as the dashboard's snippet puts it there."""
        shelved = self.desk.parts.shelved()
        assert shelved is not None
        box = shelved.workspace.boxes[key]
        snippet = snippets(self.engine, box, lang, room(box, shelved.book.site)).script
        address = self.put(f"<h1>Article</h1>{snippet}{LONG}", lang=lang)
        path = address.removeprefix(self.host)
        self.pages[path] = self.pages[path].replace('<link rel="stylesheet" href="/hostile.css">', VIEWPORT)
        return address

    def by_itself(self, key: str, lang: str = "en") -> str:
        return self.put(f'<h1>Article</h1>{LONG}<script async src="{self.engine}/b/{key}.js"></script>', lang=lang)

    def a_while_later(self) -> None:
        """The time a person takes to fill in a form."""
        self.desk.clock.advance(5 * SECOND)


def site(stage: Stage) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        kind, body = ("text/css", HOSTILE) if path == "/hostile.css" else ("text/html", stage.pages.get(path, ""))
        headers = [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Security-Policy", stage.policy)]
        start_response("200 OK" if body else "404 Not Found", headers)
        return [body.encode()]

    return answer


class Late:
    """An application known only after its server has a port."""

    application: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.application(environ, start_response)
        return answer


@contextmanager
def serving(application: Any) -> Iterator[BaseWSGIServer]:
    server = make_server("127.0.0.1", 0, application, threaded=True)
    server.log = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def open_stage(database_url: str, folder: Path, clock: Clock) -> Iterator[Stage]:
    database = open_database(database_url)
    late = Late()
    with serving(late) as engine:
        base = f"http://127.0.0.1:{engine.server_port}"
        world = build_world(database, folder, clock, base, demo=True)
        publish(world)
        parts = build_parts(world, folder)
        late.application = create_app(parts)
        stage = Stage(Desk(world, parts, clock, folder), base, "")
        with serving(site(stage)) as host:
            stage.host = f"http://127.0.0.1:{host.server_port}"
            stage.policy = (
                f"default-src 'none'; script-src {base}; connect-src {base}; img-src {base}; style-src 'self'; "
                f"form-action {base}; frame-src {base}"
            )
            yield stage
    parts.spool.close()
    database.dispose()


def faults_of(page: Page) -> list[str]:
    """What a page complains about from now on: errors of scripts and of policies."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    return found


def check_access(page: Page) -> list[str]:
    """What axe finds wrong with our part of a page."""
    results = Axe().run(page, context=None, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in results.response["violations"]
        for node in one["nodes"]
        if any(isinstance(target, list) for target in node["target"]) or "/b/" in page.url
    ]
