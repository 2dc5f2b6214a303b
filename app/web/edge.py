"""The edge: the answers in front of Flask to clicks, opens and the liveness question, and their bare WSGI callable.

Owns those three answers; a fact is durable before its reply, and a reply never depends on the fact.
Must not know the database, judge who clicked, or lead anywhere that was not stored or signed.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.core.instants import Instant
from app.core.location import location
from app.core.verdicts import Request
from app.disk.linkfiles import Destinations, Targets
from app.disk.networks import Caller, Networks
from app.disk.spool import FactKind, Spool, SpoolError
from app.disk.touches import MailTouch, touch_record
from app.links import Links, MailRef

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SPOOL_FAULT: Final = "parvar.spool_fault"  # handed to the application behind, whose /health shows it

HeaderList: TypeAlias = list[tuple[str, str]]

# The smallest transparent GIF: one pixel, 43 bytes.
PIXEL: Final = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_PRIVATE: Final = [
    ("Cache-Control", "no-store, private"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Robots-Tag", "noindex"),
]
_AWAY: Final = [("Content-Length", "0"), *_PRIVATE]
_PIXEL_HEADERS: Final = [("Content-Type", "image/gif"), ("Content-Length", str(len(PIXEL))), *_PRIVATE]
_REQUESTS: Final = {"GET": Request.GET, "HEAD": Request.HEAD, "OPTIONS": Request.OPTIONS}
_PREFETCH: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_ALLOWED: Final = "GET, HEAD, OPTIONS"
LIVE: Final = "/health/live"
_OURS: Final = ("/c/", "/o/", LIVE)
_REMEMBERED: Final = 20_000

_PAGE: Final = (
    '<!doctype html><html lang="{lang}" dir="{dir}"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
    "<title>{title}</title><h1>{title}</h1><p>{text}</p></html>"
)
_NOT_FOUND: Final = {
    "fa": _PAGE.format(
        lang="fa",
        dir="rtl",
        title="این پیوند به جایی نمی‌رسد",
        text="شاید هنگام رونوشت‌برداری ناقص شده باشد. لطفاً پیوند را از خود نامه باز کنید.",
    ).encode(),
    "en": _PAGE.format(
        lang="en",
        dir="ltr",
        title="This link leads nowhere",
        text="It may have been cut short when it was copied. Please open it from the mail itself.",
    ).encode(),
}


@dataclass(frozen=True, slots=True)
class EdgeParts:
    """What the edge stands on. `site_url` is where a click goes when its mail's links are not known yet.

    Pages of the origins in `own` are told whose mail led there: its token stands behind the address as `#pv=…`, where
    no server and no log sees it. An address that has a fragment already is left as it is.
    """

    links: Links
    spool: Spool
    destinations: Destinations
    networks: Networks
    site_url: str
    wall: Callable[[], Instant]
    new_id: Callable[[], bytes]
    own: Container[str] = ()


class Asked(NamedTuple):
    """What an answer looks at of a request, whichever server brought it. Headers are asked for by lower-case name."""

    method: str
    path: str
    remote: str
    header: Callable[[str], str | None]


class Reply(NamedTuple):
    """What to send, and the records of `facts` facts to be durable before it is sent. The lists are shared."""

    status: int
    headers: HeaderList
    body: bytes = b""
    records: bytes = b""
    facts: int = 0


class _Way(NamedTuple):
    """Where one link of a mail version leads; `origin` is '' when the address takes no token behind it."""

    link: int
    where: str
    origin: str
    headers: HeaderList


class NotAtHandError(Exception):
    """The answer needs a link file or the database; ask somebody who may wait."""


class Answers:
    """The edge's three answers, without a server: `/c/…`, `/o/…`, `/health/live`; None for anything else.

    With `may_wait` false nothing is asked that is not in memory: NotAtHandError is raised instead.
    """

    def __init__(self, parts: EdgeParts, *, may_wait: bool = True) -> None:
        self._parts = parts
        self._may_wait = may_wait
        self._read_mail = parts.links.read_mail
        self._ways: dict[tuple[int, str], _Way] = {}

    def answer(self, asked: Asked) -> Reply | None:
        """Whole, body included, also for HEAD."""
        path = asked.path
        if path.startswith("/c/"):
            return self._click(asked)
        if path.startswith("/o/"):
            return self._open(asked)
        return self._live() if path == LIVE else None

    def _click(self, asked: Asked) -> Reply:
        if asked.method not in _REQUESTS:
            return Reply(405, [("Allow", _ALLOWED), ("Content-Length", "0")])
        _, _, token, *rest = asked.path.split("/")
        mail = self._read_mail(token)
        if mail is None or not 1 <= len(rest) <= 2:
            return nowhere(asked)
        way = self._stored(mail.version, rest[0]) if len(rest) == 1 else self._personal(token, rest[0], rest[1])
        if way is None:
            return nowhere(asked)
        records = self._record(FactKind.CLICK, mail, way.link, asked)
        if asked.method == "OPTIONS":
            return Reply(204, [("Allow", _ALLOWED), *_PRIVATE], b"", records, 1)
        headers = way.headers
        if way.origin and way.origin in self._parts.own:  # a page of ours is told whose mail led there
            headers = [("Location", f"{way.where}#pv={token}"), *_AWAY]
        return Reply(302, headers, b"", records, 1)

    def _open(self, asked: Asked) -> Reply:
        """Always the picture: a broken one in a mail helps nobody."""
        mail = self._read_mail(asked.path[3:].removesuffix(".gif"))
        if mail is None or asked.method not in _REQUESTS:
            return Reply(200, _PIXEL_HEADERS, PIXEL)
        return Reply(200, _PIXEL_HEADERS, PIXEL, self._record(FactKind.OPEN, mail, 0, asked), 1)

    def _live(self) -> Reply:
        """Alive is 200 as long as redirects work; a failing spool is said, and is red in the application's /health."""
        body = b'{"live":true,"spool":"ok"}' if self._parts.spool.fault is None else b'{"live":true,"spool":"failing"}'
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        return Reply(200, [*headers, ("Cache-Control", "no-store")], body)

    def _personal(self, token: str, number: str, signed: str) -> _Way | None:
        link = _link_number(number)
        target = None if link is None else self._parts.links.read_target(token, link, signed)
        where = None if target is None else location(target)
        return None if link is None or where is None else _way(link, where)

    def _stored(self, version: int, number: str) -> _Way | None:
        """The stored target; the site while nobody knows the version; None for a link the mail does not have."""
        key = (version, number)
        known = self._ways.get(key)
        if known is not None:
            return known
        link = _link_number(number)
        if link is None:
            return None
        targets = self._targets(version)
        if targets is None:
            return _way(link, self._parts.site_url)
        way = _way_of(targets, link)
        if way is not None:
            if len(self._ways) >= _REMEMBERED:
                self._ways.clear()
            self._ways[key] = way
        return way

    def _targets(self, version: int) -> Targets | None:
        destinations = self._parts.destinations
        if self._may_wait:
            return destinations.find(version)
        known = destinations.at_hand(version)
        if known is None:
            raise NotAtHandError
        return known

    def _record(self, kind: FactKind, mail: MailRef, link: int, asked: Asked) -> bytes:
        parts, header = self._parts, asked.header
        caller = caller_of(parts.networks, asked)
        touch = MailTouch(mail[0], mail[1], link, header("user-agent") or "", caller[0], caller[1], _request(asked))
        return touch_record(kind, parts.wall(), parts.new_id(), touch)


class Edge:
    """The WSGI callable: the edge's answers, else the application's. `lost` counts facts not known to be kept."""

    def __init__(self, parts: EdgeParts, application: "WSGIApplication") -> None:
        self._answers = Answers(parts)
        self._spool = parts.spool
        self._application = application
        self.lost = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        reply = self._answers.answer(asked_of(environ)) if path.startswith(_OURS) else None
        if reply is None:
            environ[SPOOL_FAULT] = self._spool.fault
            return self._application(environ, start_response)
        if reply.records:
            try:
                self._spool.put(reply.records)
            except SpoolError:  # the reader gets her page all the same; the spool's fault turns health red
                self.lost += 1
        return told(reply, environ, start_response)


_STATUS: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_OTHERS: Final = ("accept-language", "accept-encoding", "if-none-match", "origin")
_ENVIRON: Final = {
    name: f"HTTP_{name.upper().replace('-', '_')}" for name in (*_PREFETCH, "x-forwarded-for", "user-agent", *_OTHERS)
}


def asked_of(environ: "WSGIEnvironment") -> Asked:
    """A WSGI request as the answers see it."""

    def header(name: str) -> str | None:
        return environ.get(_ENVIRON[name])

    return Asked(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), environ.get("REMOTE_ADDR", ""), header)


def told(reply: Reply, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Send a reply through WSGI."""
    start_response(_STATUS[reply.status], list(reply.headers))
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else reply.body]


def _way_of(targets: Targets, link: int) -> _Way | None:
    target = targets[link] if link < len(targets) else None
    where = None if target is None else location(target)
    return None if where is None else _way(link, where)


def _way(link: int, where: str) -> _Way:
    return _Way(link, where, "" if "#" in where else _origin(where), [("Location", where), *_AWAY])


def _origin(where: str) -> str:
    scheme, _, rest = where.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}".lower()


def _link_number(text: str) -> int | None:
    """Plain digits without a leading zero, up to 9999: one spelling for each link."""
    plain = text.isascii() and text.isdigit() and len(text) <= 4 and (text == "0" or text[0] != "0")
    return int(text) if plain else None


def caller_of(networks: Networks, asked: Asked) -> Caller:
    """Where a request came from; the forwarded header is looked at only where some proxy is believed."""
    forwarded = asked.header("x-forwarded-for") if networks.believes else None
    return networks.caller(asked.remote, forwarded or "")


def _request(asked: Asked) -> Request:
    header = asked.header
    for name in _PREFETCH:
        purpose = header(name)
        if purpose and ("prefetch" in purpose.lower() or "preview" in purpose.lower()):
            return Request.PREFETCH
    return _REQUESTS[asked.method]


def nowhere(asked: Asked) -> Reply:
    """The 404 page in the reader's language."""
    lang = "fa" if (asked.header("accept-language") or "").lower().startswith("fa") else "en"
    body = _NOT_FOUND[lang]
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Language", lang), ("Vary", "Accept-Language")]
    policy = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    return Reply(404, [*headers, policy, ("Content-Length", str(len(body))), *_PRIVATE], body)
