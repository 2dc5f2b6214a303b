"""The edge: the bare WSGI callable in front of Flask that answers clicks, opens and the liveness question.

Owns those three answers; a fact is durable before its reply, and a reply never depends on the fact.
Must not know the database, judge who clicked, or lead anywhere that was not stored or signed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.instants import Instant
from app.core.verdicts import Request
from app.disk.linkfiles import Destinations
from app.disk.networks import Networks
from app.disk.spool import FactKind, Spool, SpoolError
from app.disk.touches import MailTouch, touch_fact
from app.links import Links, MailRef, location

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Answer: TypeAlias = Iterable[bytes]

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
    """What the edge stands on. `site_url` is where a click goes when its mail's links are not known yet."""

    links: Links
    spool: Spool
    destinations: Destinations
    networks: Networks
    site_url: str
    wall: Callable[[], Instant]
    new_id: Callable[[], bytes]


class Edge:
    """`/c/…`, `/o/…` and `/health/live`; everything else is the application's. `lost` counts facts not written."""

    def __init__(self, parts: EdgeParts, application: "WSGIApplication") -> None:
        self._parts = parts
        self._application = application
        self._read_mail = parts.links.read_mail
        self._locations: dict[tuple[int, int], str | None] = {}
        self.lost = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Answer:
        path: str = environ.get("PATH_INFO", "")
        if path.startswith("/c/"):
            return self._click(path, environ, start_response)
        if path.startswith("/o/"):
            return self._open(path, environ, start_response)
        if path == "/health/live":
            return self._live(environ, start_response)
        environ[SPOOL_FAULT] = self._parts.spool.fault
        return self._application(environ, start_response)

    def _click(self, path: str, environ: "WSGIEnvironment", start_response: "StartResponse") -> Answer:
        method: str = environ["REQUEST_METHOD"]
        if method not in _REQUESTS:
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD, OPTIONS"), ("Content-Length", "0")])
            return [b""]
        _, _, token, *rest = path.split("/")
        mail = self._read_mail(token)
        link = _link_number(rest[0]) if mail is not None and 1 <= len(rest) <= 2 else None
        if mail is None or link is None:
            return _not_found(environ, start_response)
        where = self._personal(token, link, rest[1]) if len(rest) == 2 else self._stored(mail, link)
        if where is None:
            return _not_found(environ, start_response)
        self._record(FactKind.CLICK, mail, link, environ)
        if method == "OPTIONS":
            start_response("204 No Content", [("Allow", "GET, HEAD, OPTIONS"), *_PRIVATE])
        else:
            start_response("302 Found", [("Location", where), ("Content-Length", "0"), *_PRIVATE])
        return [b""]

    def _open(self, path: str, environ: "WSGIEnvironment", start_response: "StartResponse") -> Answer:
        """Always the picture: a broken one in a mail helps nobody."""
        mail = self._read_mail(path[3:].removesuffix(".gif"))
        method: str = environ["REQUEST_METHOD"]
        if mail is not None and method in _REQUESTS:
            self._record(FactKind.OPEN, mail, 0, environ)
        start_response("200 OK", list(_PIXEL_HEADERS))
        return [b"" if method == "HEAD" else PIXEL]

    def _live(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Answer:
        """Alive is 200 as long as redirects work; a failing spool is said, and is red in the application's /health."""
        body = b'{"live":true,"spool":"ok"}' if self._parts.spool.fault is None else b'{"live":true,"spool":"failing"}'
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", [*headers, ("Cache-Control", "no-store")])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

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

    def _record(self, kind: FactKind, mail: MailRef, link: int, environ: "WSGIEnvironment") -> None:
        parts = self._parts
        caller = parts.networks.caller(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""))
        agent = environ.get("HTTP_USER_AGENT", "")
        touch = MailTouch(mail.message, mail.version, link, agent, caller.network, caller.label, _request(environ))
        try:
            parts.spool.append(touch_fact(kind, parts.wall(), parts.new_id(), touch))
        except SpoolError:  # the reader gets her page all the same; the spool's fault turns health red
            self.lost += 1


def _link_number(text: str) -> int | None:
    """Plain digits without a leading zero, up to 9999: one spelling for each link."""
    plain = text.isascii() and text.isdigit() and len(text) <= 4 and (text == "0" or text[0] != "0")
    return int(text) if plain else None


def _request(environ: "WSGIEnvironment") -> Request:
    for header in _PREFETCH:
        value: str = environ.get(header, "")
        if value and ("prefetch" in value.lower() or "preview" in value.lower()):
            return Request.PREFETCH
    return _REQUESTS[environ["REQUEST_METHOD"]]


def _not_found(environ: "WSGIEnvironment", start_response: "StartResponse") -> Answer:
    accepted: str = environ.get("HTTP_ACCEPT_LANGUAGE", "")
    lang = "fa" if accepted.lower().startswith("fa") else "en"
    body = _NOT_FOUND[lang]
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Language", lang), ("Vary", "Accept-Language")]
    policy = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    start_response("404 Not Found", [*headers, policy, ("Content-Length", str(len(body))), *_PRIVATE])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]
