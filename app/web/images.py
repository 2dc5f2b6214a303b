"""Images: the pictures of mails, for every mail program and proxy that asks.

Owns `/i/<name>`. A name is the hash of its content, so whoever has fetched it keeps it. Must not serve anything that
was not published with a mail.
"""

from __future__ import annotations

import re
from typing import Final

from flask import Blueprint, Response, abort, request

from app.store import pictures
from app.web.parts import Parts

TYPES: Final = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
_NAME: Final = re.compile(r"[0-9a-f]{24}\.(png|jpg|gif|webp)")
_FOR_EVER: Final = "public, max-age=31536000, immutable"


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("images", __name__)

    def image(name: str) -> Response:
        if not _NAME.fullmatch(name):
            abort(404)
        if request.if_none_match.contains(name):  # RFC 9110 section 13.1.2: nothing has to be read for that
            return _kept(Response(status=304), name)
        with parts.world.transaction("read") as session:
            data = pictures.find(session, name)
        if data is None:
            abort(404)
        return _kept(Response(data, mimetype=TYPES[name.rpartition(".")[2]]), name)

    pages.add_url_rule("/i/<name>", "image", image, methods=["GET"])
    return pages


def _kept(response: Response, name: str) -> Response:
    """Webmail shows pictures on pages of its own: they may be embedded anywhere, and run nothing."""
    response.set_etag(name)
    response.headers["Cache-Control"] = _FOR_EVER
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    return response
