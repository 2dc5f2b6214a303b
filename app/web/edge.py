"""The edge: the bare WSGI callable in front of Flask that answers clicks, opens and the liveness question.

Owns those three answers; a fact is durable before its reply, and a reply never depends on the fact.
Must not know the database, judge who clicked, or lead anywhere that was not stored or signed.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.instants import Instant
from app.core.verdicts import Request
from app.disk.linkfiles import Destinations
from app.disk.networks import Networks
from app.disk.spool import Fact, FactKind, Spool, SpoolError
from app.disk.touches import MailTouch, touch_fact
from app.links import Links, MailRef, location

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SPOOL_FAULT: Final = "parvar.spool_fault"  # handed to the application behind, whose /health shows it

# The smallest transparent GIF: one pixel, 43 bytes.
PIXEL: Final = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_PRIVATE: Final = [
    ("Cache-Control", "no-store, private"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Robots-Tag", "noindex"),
]
_PIXEL_HEADERS: Final = [("Content-Type", "image/gif"), ("Content-Length", str(len(PIXEL))), *_PRIVATE]
_REQUESTS: Final = {"GET": Request.GET, "HEAD": Request.HEAD, "OPTIONS": Request.OPTIONS}
_PREFETCH: Final = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
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
    """What the edge looks at of a request, whichever server brought it; missing headers are ''."""

    method: str
    path: str
    remote: str
    forwarded: str
    agent: str
    language: str
    purposes: str  # the prefetch headers, one after another


class Reply(NamedTuple):
    """What to send, and the fact to be durable before it is sent (None: nothing happened)."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    fact: Fact | None = None


class Answers:
    """The edge's three answers, without a server: `/c/…`, `/o/…`, `/health/live`; None for anything else."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        self._read_mail = parts.links.read_mail
        self._locations: dict[tuple[int, int], str | None] = {}

    def answer(self, asked: Asked) -> Reply | None:
        """Whole, body included, also for HEAD."""
        if asked.path.startswith("/c/"):
            return self._click(asked)
        if asked.path.startswith("/o/"):
            return self._open(asked)
        return self._live() if asked.path == LIVE else None

    def _click(self, asked: Asked) -> Reply:
        if asked.method not in _REQUESTS:
            return Reply("405 Method Not Allowed", [("Allow", _ALLOWED), ("Content-Length", "0")], b"")
        _, _, token, *rest = asked.path.split("/")
        mail = self._read_mail(token)
        link = _link_number(rest[0]) if mail is not None and 1 <= len(rest) <= 2 else None
        if mail is None or link is None:
            return nowhere(asked)
        where = self._personal(token, link, rest[1]) if len(rest) == 2 else self._stored(mail, link)
        if where is None:
            return nowhere(asked)
        fact = self._fact(FactKind.CLICK, mail, link, asked)
        if asked.method == "OPTIONS":
            return Reply("204 No Content", [("Allow", _ALLOWED), *_PRIVATE], b"", fact)
        return Reply(
            "302 Found", [("Location", self._told_apart(where, token)), ("Content-Length", "0"), *_PRIVATE], b"", fact
        )

    def _told_apart(self, where: str, token: str) -> str:
        """The address with the mail's token behind it, when it leads to a page of ours."""
        return f"{where}#pv={token}" if "#" not in where and _origin(where) in self._parts.own else where

    def _open(self, asked: Asked) -> Reply:
        """Always the picture: a broken one in a mail helps nobody."""
        mail = self._read_mail(asked.path[3:].removesuffix(".gif"))
        counts = mail is not None and asked.method in _REQUESTS
        fact = self._fact(FactKind.OPEN, mail, 0, asked) if counts and mail is not None else None
        return Reply("200 OK", list(_PIXEL_HEADERS), PIXEL, fact)

    def _live(self) -> Reply:
        """Alive is 200 as long as redirects work; a failing spool is said, and is red in the application's /health."""
        body = b'{"live":true,"spool":"ok"}' if self._parts.spool.fault is None else b'{"live":true,"spool":"failing"}'
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        return Reply("200 OK", [*headers, ("Cache-Control", "no-store")], body)

    def _personal(self, token: str, link: int, signed: str) -> str | None:
        target = self._parts.links.read_target(token, link, signed)
        return None if target is None else location(target)

    def _stored(self, mail: MailRef, link: int) -> str | None:
        """The stored target; the site while nobody knows the version; None for a link the mail does not have."""
        key = (mail.version, link)
        if key in self._locations:
            return self._locations[key]
        targets = self._parts.destinations.find(mail.version)
        if targets is None:
            return self._parts.site_url
        target = targets[link] if link < len(targets) else None
        if len(self._locations) >= _REMEMBERED:
            self._locations.clear()
        where = self._locations[key] = None if target is None else location(target)
        return where

    def _fact(self, kind: FactKind, mail: MailRef, link: int, asked: Asked) -> Fact:
        parts = self._parts
        caller = parts.networks.caller(asked.remote, asked.forwarded)
        touch = MailTouch(mail.message, mail.version, link, asked.agent, caller.network, caller.label, _request(asked))
        return touch_fact(kind, parts.wall(), parts.new_id(), touch)


class Edge:
    """The WSGI callable: the edge's answers, else the application's. `lost` counts facts not known to be kept."""

    def __init__(self, parts: EdgeParts, application: "WSGIApplication") -> None:
        self._answers = Answers(parts)
        self._spool = parts.spool
        self._application = application
        self.lost = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        reply = self._answers.answer(_asked(path, environ)) if path.startswith(_OURS) else None
        if reply is None:
            environ[SPOOL_FAULT] = self._spool.fault
            return self._application(environ, start_response)
        if reply.fact is not None:
            try:
                self._spool.append(reply.fact)
            except SpoolError:  # the reader gets her page all the same; the spool's fault turns health red
                self.lost += 1
        start_response(reply.status, reply.headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else reply.body]


def _asked(path: str, environ: "WSGIEnvironment") -> Asked:
    get = environ.get
    return Asked(
        environ["REQUEST_METHOD"],
        path,
        get("REMOTE_ADDR", ""),
        get("HTTP_X_FORWARDED_FOR", ""),
        get("HTTP_USER_AGENT", ""),
        get("HTTP_ACCEPT_LANGUAGE", ""),
        "".join([get(header, "") for header in _PREFETCH]),
    )


def _origin(where: str) -> str:
    scheme, _, rest = where.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}".lower()


def _link_number(text: str) -> int | None:
    """Plain digits without a leading zero, up to 9999: one spelling for each link."""
    plain = text.isascii() and text.isdigit() and len(text) <= 4 and (text == "0" or text[0] != "0")
    return int(text) if plain else None


def _request(asked: Asked) -> Request:
    if asked.purposes:
        purposes = asked.purposes.lower()
        if "prefetch" in purposes or "preview" in purposes:
            return Request.PREFETCH
    return _REQUESTS[asked.method]


def nowhere(asked: Asked) -> Reply:
    """The 404 page in the reader's language."""
    lang = "fa" if asked.language.lower().startswith("fa") else "en"
    body = _NOT_FOUND[lang]
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Language", lang), ("Vary", "Accept-Language")]
    policy = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    return Reply("404 Not Found", [*headers, policy, ("Content-Length", str(len(body))), *_PRIVATE], body)
