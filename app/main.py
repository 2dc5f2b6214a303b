"""The roof: the only wiring. Builds the World and the web application from settings.

Owns which real clock, database, keys and folders the house is given. Nothing below imports it, but the command line.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import structlog
from structlog.typing import Processor

from app.actions.limits import Limits
from app.actions.shelf import Shelf
from app.core.instants import Instant, Span
from app.links import Key, Links
from app.mail.lanes_file import lanes_of
from app.settings import Settings, read
from app.store import releases
from app.store.engine import Database, open_database
from app.world import World

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from app.web.beacon import BeaconParts
    from app.web.edge import EdgeParts
    from app.web.edge_rsgi import AsyncEdge


EXAMPLES = Path(__file__).parents[1]
"""Below here stand the example campaigns and mails."""


def build_world(settings: Settings) -> World:
    """The world as it is: the machine's clock, the configured database, keys made of the secret."""
    database = open_database(settings.database_url)
    return World(
        settings=settings,
        database=database,
        links=build_links(settings),
        now=DemoClock(database, wall) if settings.demo else wall,
        wall=wall,
        new_id=lambda: secrets.token_bytes(16),
        monotonic=since_boot,
        rest=lambda: time.sleep(0.001),
        secret=derived(settings.secret, "experiments"),
        lanes=lanes_of(settings.lanes),
    )


def build_links(settings: Settings) -> Links:
    """Signed links: the present secret signs, former ones still verify. Keys are numbered from the oldest, 1."""
    every = (*reversed(settings.old_secrets), settings.secret)
    keys = tuple(Key(number, derived(secret, "links")) for number, secret in enumerate(every, 1))
    return Links(tuple(reversed(keys)), settings.base_url, settings.tracking_base)


def derived(secret: str, purpose: str) -> bytes:
    """A key of its own for each purpose, so that one that leaks opens nothing else (BLAKE2b, RFC 7693)."""
    return hashlib.blake2b(purpose.encode(), key=hashlib.sha512(secret.encode()).digest(), digest_size=32).digest()


_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def since_boot() -> float:
    """Seconds since boot, asleep ones included where the system counts them: a lease runs out while we sleep, too."""
    return time.clock_gettime(_BOOT)


def wall() -> Instant:
    return time.time_ns() // 1_000


@dataclass
class DemoClock:
    """The demo's clock: the machine's, moved forward by what the control row says. Read at most four times a second."""

    database: Database
    wall: Callable[[], Instant]
    _offset: Span = 0
    _read_at: float = -1.0

    def __call__(self) -> Instant:
        if time.monotonic() - self._read_at > 0.25:
            with self.database.transaction("read") as session:
                self._offset = releases.control(session).demo_offset
            self._read_at = time.monotonic()
        return self.wall() + self._offset


def create_app(world: World, limits: Limits | None = None) -> WSGIApplication:
    """The web side of one process as a plain WSGI callable: the edge and the beacon in front of the pages."""
    from app.web.beacon import Beacon
    from app.web.edge import Edge

    front = _front(world, limits)
    return Edge(front.edge, Beacon(front.beacon, front.pages))


def create_server(world: World, limits: Limits | None = None) -> AsyncEdge:
    """The same for the server that `parvar run` starts: redirects hold no thread, pages have threads of their own."""
    from app.web.beacon import Tellings
    from app.web.edge import SPOOL_FAULT
    from app.web.edge_rsgi import AsyncEdge
    from app.web.rsgi import Behind

    front = _front(world, limits)
    behind = Behind(front.pages, world.settings.web_threads, SPOOL_FAULT)
    return AsyncEdge(front.edge, Tellings(front.beacon), behind)


class _Front(NamedTuple):
    """What stands in front of the pages, and the pages."""

    edge: EdgeParts
    beacon: BeaconParts
    pages: WSGIApplication


def _front(world: World, limits: Limits | None) -> _Front:
    from app.disk.linkfiles import Destinations, ShopDestinations
    from app.disk.networks import NetworkLists, Networks
    from app.disk.spool import Spool
    from app.web.application import create_app as create_pages
    from app.web.beacon import BeaconParts, Origins
    from app.web.edge import EdgeParts
    from app.web.hosts import PagesElsewhere, has_own_host
    from app.web.parts import Parts

    settings, new_id = world.settings, DrawnIds()
    lists = NetworkLists(settings.data / "networks", world.wall)
    networks = Networks(derived(settings.secret, "networks"), settings.trusted_proxies, lists)
    spool = Spool(settings.data / "spool", world.new_id())
    shelf = Shelf(world.secret)
    magnets = (settings.data / "magnets", settings.campaigns / "magnets", EXAMPLES / "campaigns" / "magnets")
    pages: WSGIApplication = create_pages(Parts(world, shelf, networks, spool, limits or Limits(), magnets))
    if has_own_host(settings.tracking_url, settings.base_url):
        pages = PagesElsewhere(pages, settings.tracking_url)
    destinations = Destinations(settings.data / "links", lambda version: _targets(world, version), world.wall)
    if settings.shop_url:
        destinations = ShopDestinations(destinations, _site_url(world, shelf), settings.shop_url)
    origins = Origins(lambda: _origins(world, shelf), world.wall)
    site = _site_url(world, shelf)
    edge = EdgeParts(world.links, spool, destinations, networks, site, world.wall, new_id, origins)
    return _Front(edge, BeaconParts(spool, networks, origins, world.wall, new_id), pages)


class DrawnIds:
    """Random ids of 16 bytes, 256 drawn at once: one question to the system for many facts. Made after the fork."""

    def __init__(self) -> None:
        self._ids: list[bytes] = []

    def __call__(self) -> bytes:
        while True:
            try:
                return self._ids.pop()
            except IndexError:
                drawn = secrets.token_bytes(16 * 256)
                self._ids.extend(drawn[start : start + 16] for start in range(0, len(drawn), 16))


def _origins(world: World, shelf: Shelf) -> set[str]:
    """The sites that may tell us of visits: the site itself, those that show a box, and the demo's shop."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
    boxes = shelved.workspace.boxes.values() if shelved else ()
    known = {origin for box in boxes for origin in box.origins} | {world.settings.shop_url}
    site = urlsplit(shelved.book.site.url) if shelved else urlsplit(world.settings.base_url)
    return (known | {f"{site.scheme}://{site.netloc}"}) - {""}


def _targets(world: World, version: int) -> tuple[str | None, ...] | None:
    from app.store.tracking import targets_of_version

    with world.transaction("read") as session:
        return targets_of_version(session, version)


def _site_url(world: World, shelf: Shelf) -> str:
    """Where a click leads while nobody knows its mail; our own address before anything was published."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
    return shelved.book.site.url if shelved else world.settings.base_url


def serve() -> AsyncEdge:
    """What the web server's processes load: everything from the environment."""
    settings = settings_from_environment()
    set_up_logs(settings.log_format)
    return create_server(build_world(settings))


def set_up_logs(form: str) -> None:
    """A line for each event, `console` for people or `json` for tools. A traceback shows code and never the values in
    it, for those are people's addresses and our secrets.
    """
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, colors=sys.stdout.isatty())
    as_json = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    structlog.configure(processors=[*common, *(as_json if form == "json" else [plain])])


def today() -> date:
    """The machine's date, for checks of files."""
    return datetime.fromtimestamp(wall() / 1_000_000, tz=UTC).date()


def settings_from_environment() -> Settings:
    return read(os.environ)
