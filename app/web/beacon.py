"""The beacon: takes what a site's script tells, and hands that script out; and its bare WSGI callable.

Owns `POST /e` and `GET /site.js`; what is told is durable in the spool before the reply. Asks no database: which
origins may tell is looked up beside the requests. Must not believe anything it is told, nor judge it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.core.instants import MINUTE, SECOND, Instant
from app.disk.networks import Caller, Networks
from app.disk.spool import Fact, Spool, SpoolError, encode
from app.disk.visits import LONGEST_FIELD, LONGEST_PATH, MOST_FIELDS, PageFact, page_fact
from app.web.edge import Asked, HeaderList, Reply, asked_of, caller_of, told

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PLACE: Final = "/e"
SCRIPT: Final = "/site.js"
LARGEST: Final = 16 * 1024
MOST_FACTS: Final = 20
OLDEST: Final = 30 * MINUTE
LOOK_EVERY: Final = 30 * SECOND
_FILE: Final = Path(__file__).parent / "static" / "site.js"


class Origins:
    """Who may tell us: looked up again every half minute, beside the requests; a failed look keeps what was known."""

    def __init__(self, look: Callable[[], Iterable[str]], wall: Callable[[], Instant]) -> None:
        self._look, self._wall = look, wall
        self._known: frozenset[str] = frozenset()
        self._again_at = 0
        self.refresh()

    def __contains__(self, origin: object) -> bool:
        if self._wall() >= self._again_at:
            self._again_at = self._wall() + LOOK_EVERY
            threading.Thread(target=self.refresh, name="origins", daemon=True).start()
        return origin in self._known

    def refresh(self) -> None:
        self._again_at = self._wall() + LOOK_EVERY
        try:
            self._known = frozenset(self._look())
        except Exception:  # noqa: BLE001 - whatever the database says, those known may go on telling
            return


class Pace:
    """So many beacons of one network a minute; a flood fills no disk. Each process counts, and forgets each minute."""

    def __init__(self, most: int, wall: Callable[[], Instant]) -> None:
        self._most, self._wall = most, wall
        self._minute = 0
        self._counts: dict[str, int] = {}

    def may(self, network: str) -> bool:
        minute = self._wall() // MINUTE
        if minute != self._minute or len(self._counts) > 50_000:
            self._minute, self._counts = minute, {}
        self._counts[network] = self._counts.get(network, 0) + 1
        return self._counts[network] <= self._most


@dataclass(frozen=True, slots=True)
class BeaconParts:
    """What the beacon stands on. `most` is how many beacons a minute one network may send."""

    spool: Spool
    networks: Networks
    origins: Origins
    wall: Callable[[], Instant]
    new_id: Callable[[], bytes]
    most: int = 600


class Tellings:
    """The beacon's answers, without a server: to what is told at `place`, and the script; None for anything else."""

    place: str = PLACE
    largest: int = LARGEST

    def __init__(self, parts: BeaconParts) -> None:
        self._parts = parts
        self._pace = Pace(parts.most, parts.wall)
        self._script = _Script(_FILE.read_bytes())

    def answer(self, asked: Asked, body: bytes | None) -> Reply | None:
        """`body` is None when it is longer than `largest`, or nobody says how long it is."""
        if asked.path == PLACE:
            return self._told(asked, body)
        if asked.path == SCRIPT and asked.method in ("GET", "HEAD"):
            return self._script.answer(asked)
        return None

    def _told(self, asked: Asked, body: bytes | None) -> Reply:
        origin = asked.header("origin") or ""
        if not origin or origin not in self._parts.origins:
            return Reply(403, _headers(""))
        if asked.method == "OPTIONS":
            return Reply(204, _headers(origin))
        if asked.method != "POST":
            return Reply(405, _headers(origin))
        caller = caller_of(self._parts.networks, asked)
        if not self._pace.may(caller.network):
            return Reply(429, _headers(origin))
        if body is None:
            return Reply(413, _headers(origin))
        return self._taken(body, asked, caller, origin)

    def _taken(self, body: bytes, asked: Asked, caller: Caller, origin: str) -> Reply:
        try:
            pages = read_beacon(body, origin)
        except (ValueError, TypeError):
            return Reply(400, _headers(origin))
        agent, now = asked.header("user-agent") or "", self._parts.wall()
        records = [encode(self._fact(now - age, page, agent, caller)) for age, page in pages]
        return Reply(204, _headers(origin), b"", b"".join(records), len(records))

    def _fact(self, at: Instant, page: PageFact, agent: str, caller: Caller) -> Fact:
        whole = page._replace(agent=agent, network=caller.network, label=caller.label)
        return page_fact(at, self._parts.new_id(), whole)


class Beacon:
    """The WSGI callable: the beacon's answers, else the application's. `lost` counts facts not known to be kept."""

    def __init__(self, parts: BeaconParts, application: WSGIApplication) -> None:
        self._tellings = Tellings(parts)
        self._spool = parts.spool
        self._application = application
        self.lost = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = asked_of(environ)
        is_told = asked.path == PLACE and asked.method == "POST"
        reply = self._tellings.answer(asked, _body(environ) if is_told else None)
        if reply is None:
            return self._application(environ, start_response)
        if reply.records:
            try:
                self._spool.put(reply.records)
            except SpoolError:  # a page view that is lost harms nobody; the spool's fault turns health red
                self.lost += reply.facts
        return told(reply, environ, start_response)


def _headers(origin: str) -> HeaderList:
    """Exactly the origin that asked, never a star; no cookie is read or set, so credentials are not allowed."""
    headers = [("Cache-Control", "no-store"), ("Content-Length", "0"), ("Vary", "Origin")]
    if origin:
        headers += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Methods", "POST"),
            ("Access-Control-Allow-Headers", "Content-Type"),
            ("Access-Control-Max-Age", "86400"),
            ("Cross-Origin-Resource-Policy", "cross-origin"),
        ]
    return headers


def _body(environ: WSGIEnvironment) -> bytes | None:
    """The body, None when it is too long or nobody says how long it is."""
    length = environ.get("CONTENT_LENGTH", "")
    if not length.isdigit() or int(length) > LARGEST:
        return None
    body: bytes = environ["wsgi.input"].read(int(length))
    return body


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_beacon(body: bytes, origin: str) -> list[tuple[Instant, PageFact]]:
    """Each fact with its age in microseconds. Raises ValueError or TypeError for what our script does not send.

    `{"v": visitor, "i": token, "l": language, "f": [[age in ms, path, name, [[field, value], …]], …]}`
    """
    plain = json.loads(body.decode())
    if not isinstance(plain, dict) or not isinstance(plain.get("f"), list) or len(plain["f"]) > MOST_FACTS:
        raise ValueError("not a beacon")
    visitor, identity, language = (_word(plain.get(key, ""), most) for key, most in (("v", 64), ("i", 500), ("l", 35)))
    if visitor and not (visitor.isascii() and visitor.isalnum()):
        raise ValueError("not a visitor's id")
    blank = PageFact(origin, "", "", (), identity, visitor, "", "", "", language)
    return [_read(row, blank) for row in plain["f"]]


def _read(row: object, blank: PageFact) -> tuple[Instant, PageFact]:
    match row:
        case [int(age), str(path), str(name), list(fields)] if path.startswith("/") and len(fields) <= MOST_FIELDS:
            told = tuple(map(_field, fields))
            page = blank._replace(path=_word(path[:LONGEST_PATH], LONGEST_PATH), name=_word(name, 64), fields=told)
            return min(max(age, 0) * 1_000, OLDEST), page
        case _:
            raise ValueError("not a fact of a page")


def _field(pair: object) -> tuple[str, str | int | float | bool | list[str]]:
    match pair:
        case [str(key), str(text)]:
            return _word(key, 64), _word(text[:LONGEST_FIELD], LONGEST_FIELD)
        case [str(key), int() | float() as number]:
            return _word(key, 64), number
        case [str(key), list(items)]:
            return _word(key, 64), _listed(items)
        case _:
            raise ValueError("not a field")


def _listed(items: list[object]) -> list[str]:
    return [
        _word(str(item)[:LONGEST_FIELD], LONGEST_FIELD)
        for item in items[:MOST_FIELDS]
        if isinstance(item, str | int | float)
    ]


def _word(value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("not a word")
    value.encode()  # half a character is a ValueError too
    return value


# ── The script ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Script:
    """The site's script without remarks and indents, squeezed once; the same for everybody."""

    def __init__(self, text: bytes) -> None:
        lines = (line.strip() for line in text.decode().splitlines())
        self._plain = "\n".join(line for line in lines if line and not line.startswith("//")).encode()
        self._squeezed = gzip.compress(self._plain, 9, mtime=0)
        self._tag = f'"{hashlib.sha256(self._plain).hexdigest()[:16]}"'

    def answer(self, asked: Asked) -> Reply:
        headers = [
            ("Content-Type", "text/javascript; charset=utf-8"),
            ("Cache-Control", "public, max-age=300"),
            ("ETag", self._tag),
            ("Vary", "Accept-Encoding"),
            ("Access-Control-Allow-Origin", "*"),
            ("Cross-Origin-Resource-Policy", "cross-origin"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        if asked.header("if-none-match") == self._tag:
            return Reply(304, headers)
        is_squeezed = "gzip" in (asked.header("accept-encoding") or "")
        body = self._squeezed if is_squeezed else self._plain
        more = [("Content-Encoding", "gzip")] if is_squeezed else []
        return Reply(200, [*headers, *more, ("Content-Length", str(len(body)))], body)
