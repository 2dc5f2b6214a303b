"""Hosts: a tracking host of its own answers what mails ask for, and shows no page, box or dashboard.

Owns which requests came by that host. Must not answer a click or an open: the edge in front of it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.web.edge import asked_of, nowhere, told

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_PORTS = {"http": ":80", "https": ":443"}


class PagesElsewhere:
    """The WSGI callable: the page for dead links to whoever came by the tracking host, else the application's answer.

    Believes the `Host` header: a proxy in front has to hand it on (nginx: `proxy_set_header Host $host`).
    """

    def __init__(self, application: WSGIApplication, tracking_url: str) -> None:
        self._application = application
        parts = urlsplit(tracking_url)
        usual = _PORTS.get(parts.scheme, "")
        host = parts.netloc.lower().removesuffix(usual)
        self._named = {host, host + usual}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_HOST", "").lower() in self._named:
            return told(nowhere(asked_of(environ)), environ, start_response)
        return self._application(environ, start_response)


def has_own_host(tracking_url: str, base_url: str) -> bool:
    """Whether clicks and opens have a host that pages do not have."""
    return bool(tracking_url) and urlsplit(tracking_url).netloc.lower() != urlsplit(base_url).netloc.lower()
