"""Downloads: files for readers by personal link, a mail in the browser, and the way in by a friend's link.

Owns the signed addresses `/m/`, `/v/` and `/r/`. Must not serve any file but those a box names.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Blueprint, Response, abort, redirect, render_template, request, send_file
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from app.actions.downloads import reach, reissue, shown_mail
from app.links import Expired, Pass
from app.web import guard
from app.web.parts import Parts
from app.web.words import say as _

MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; base-uri 'none'; form-action 'none'"
)
"""A mail carries its style inside; it may show pictures, and run nothing. It stands in an opaque origin of its own."""


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("downloads", __name__)
    desk = Desk(parts)
    pages.add_url_rule("/m/<token>", "magnet", desk.magnet, methods=["GET"])
    pages.add_url_rule("/m/<token>", "renew", desk.renew, methods=["POST"])
    pages.add_url_rule("/v/<token>", "view", desk.view, methods=["GET"])
    pages.add_url_rule("/r/<token>", "friend", desk.friend, methods=["GET"])
    pages.add_url_rule("/b/<key>/image", "image", desk.image, methods=["GET"])
    return pages


class Desk:
    """The views of files and mails."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def magnet(self, token: str) -> ResponseReturnValue:
        """The file, whole or in ranges (RFC 9110 section 14). Counted once per first request of it."""
        given = self._parts.world.links.read_magnet(token, self._parts.world.wall())
        if given is None:
            abort(404)
        if isinstance(given, Expired):
            return render_template("pages/renew.html", token=token), 410
        path = self._file(given.name)
        if request.method == "GET" and _is_beginning():
            reach(self._parts.world, given)
        response = send_file(path, conditional=True, as_attachment=False, download_name=path.name, max_age=0)
        response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def renew(self, token: str) -> ResponseReturnValue:
        """A link that is over: the file is sent again, by mail, to the address it belongs to."""
        world = self._parts.world
        given = world.links.read_magnet(token, world.wall())
        shelved = self._parts.shelved()
        was = given.was if isinstance(given, Expired) else given
        if isinstance(was, Pass) and shelved is not None:
            reissue(world, shelved, was)
        title, text = _("A new link is on its way"), _("Please look into your inbox in a minute.")
        return render_template("pages/message.html", title=title, text=text)

    def view(self, token: str) -> ResponseReturnValue:
        """Exactly what was sent."""
        mail = self._parts.world.links.read_view(token)
        html = shown_mail(self._parts.world, mail.message) if mail is not None else None
        if html is None:
            abort(404)
        guard.allow(f"{MAIL_POLICY}; sandbox allow-popups allow-popups-to-escape-sandbox")
        return Response(html, mimetype="text/html")

    def friend(self, token: str) -> ResponseReturnValue:
        """On to the site, with the friend's token, which its boxes hand in again. Nothing is stored here."""
        person = self._parts.world.links.read_referral(token)
        shelved = self._parts.shelved()
        if person is None or shelved is None:
            abort(404)
        split = urlsplit(shelved.book.site.url)
        where = urlunsplit((split.scheme, split.netloc, split.path or "/", urlencode({"pv_friend": token}), ""))
        return redirect(where, 302)

    def image(self, key: str) -> ResponseReturnValue:
        """The picture of a box's theme."""
        shelved = self._parts.shelved()
        box = shelved.workspace.boxes.get(key) if shelved else None
        if box is None or not box.theme.image:
            abort(404)
        response = send_file(self._place(box.theme.image), conditional=True, max_age=3600)
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    def _file(self, box_key: str) -> Path:
        shelved = self._parts.shelved()
        box = shelved.workspace.boxes.get(box_key) if shelved else None
        if box is None or box.magnet is None:
            abort(404)
        return self._place(box.magnet.file)

    def _place(self, name: str) -> Path:
        """The file of this name in the first folder that has it; a name is one part, never a path."""
        for folder in self._parts.magnets:
            path = folder / name
            if Path(name).name == name and path.is_file():
                return path.resolve()
        raise NotFound


def _is_beginning() -> bool:
    """Whether this request asks for the file from its start: later ranges are the same download going on."""
    wanted = request.headers.get("Range", "")
    return not wanted or wanted.replace(" ", "").startswith("bytes=0-")
