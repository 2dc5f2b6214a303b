"""Subscription: confirming, leaving, coming back, and a reader's own page.

Owns the pages behind links of mails. Asking (GET, HEAD) never changes anything; pressing a button (POST) does, once.
"""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue

from app.actions import leaving
from app.actions.confirm import Standing, confirm, look
from app.actions.leaving import FREQUENCIES, PAUSES, Reader, Wishes
from app.actions.shelf import Shelved
from app.core.instants import DAY
from app.links import Expired, Kind, Pass, PersonRef
from app.web.parts import Parts
from app.web.tongue import speak
from app.web.words import say as _

RESEND_FOR = DAY


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("subscription", __name__)
    desk = Desk(parts)
    pages.add_url_rule("/confirm/<token>", "confirm", desk.confirm, methods=["GET", "POST"])
    pages.add_url_rule("/u/<token>", "unsubscribe", desk.unsubscribe, methods=["GET", "POST"])
    pages.add_url_rule("/u/<token>/undo", "undo", desk.undo, methods=["POST"])
    pages.add_url_rule("/p/<token>", "preferences", desk.preferences, methods=["GET", "POST"])
    pages.add_url_rule("/p/<token>/pause", "pause", desk.pause, methods=["POST"])
    pages.add_url_rule("/p/<token>/data.json", "data", desk.data, methods=["POST"])
    pages.add_url_rule("/p/<token>/delete", "delete", desk.delete, methods=["POST"])
    return pages


class Desk:
    """The views of a reader's own pages."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # Confirming.

    def confirm(self, token: str) -> ResponseReturnValue:
        shelved, world = self._shelved(), self._parts.world
        given = world.links.read_confirm(token, world.wall())
        if given is None:
            abort(404)
        if isinstance(given, Expired):
            return self._expired(shelved, given.was)
        seen = confirm(world, shelved, given) if request.method == "POST" else look(world, shelved, given)
        speak(seen.locale)
        if seen.standing is Standing.GONE:
            return self._say(_("This link is over"), _("Please sign up again; it takes a moment only."), 410)
        site = shelved.book.site
        preferences = world.links.preferences_url(seen.person)
        magnet = self._magnet(seen.person, seen.box.key) if seen.box and seen.box.magnet else ""
        page = "confirm" if seen.standing is Standing.OPEN else "confirmed"
        return render_template(
            f"pages/{page}.html", token=token, box=seen.box, site=site, preferences=preferences, magnet=magnet
        )

    def _magnet(self, person: bytes, box: str) -> str:
        world = self._parts.world
        return world.links.magnet_url(Pass(person, 0, box, world.wall() + DAY))

    def _expired(self, shelved: Shelved, was: Pass) -> ResponseReturnValue:
        """The reader may have a new link, by mail, to the address it belongs to."""
        world = self._parts.world
        seen = look(world, shelved, was)
        speak(seen.locale)
        if seen.standing is Standing.CONFIRMED:
            return self._say(_("This address is confirmed already"), _("There is nothing left to do."))
        if seen.standing is Standing.GONE or seen.box is None:
            return self._say(_("This link is over"), _("Please sign up again; it takes a moment only."), 410)
        again = world.links.pass_token(Kind.RESEND, Pass(was.person, was.ref, seen.box.key, world.wall() + RESEND_FOR))
        return render_template("pages/expired.html", again=again), 410

    # Leaving.

    def unsubscribe(self, token: str) -> ResponseReturnValue:
        """RFC 8058: a POST of any form, or empty, unsubscribes; 200, no redirect; an unknown link answers alike."""
        reader = self._parts.world.links.read_unsubscribe(token)
        if request.method == "POST":
            if reader is not None:
                leaving.leave(self._parts.world, reader.person, reader.message)
            return self._left(token, reader)
        self._speak_to(reader)
        return render_template("pages/unsubscribe.html", token=token, preferences=self._preferences(reader))

    def _left(self, token: str, reader: PersonRef | None) -> ResponseReturnValue:
        self._speak_to(reader)
        return render_template("pages/left.html", token=token, preferences=self._preferences(reader))

    def undo(self, token: str) -> ResponseReturnValue:
        reader = self._parts.world.links.read_unsubscribe(token)
        if reader is not None:
            leaving.take_back(self._parts.world, reader.person)
        self._speak_to(reader)
        return self._say(_("Welcome back"), _("You get our mails again, as before."))

    def _preferences(self, reader: PersonRef | None) -> str:
        if reader is None:
            return ""
        return self._parts.world.links.preferences_url(reader.person, reader.message)

    def _speak_to(self, reader: PersonRef | None) -> None:
        shelved = self._parts.shelved()
        known = leaving.read_reader(self._parts.world, shelved.workspace, reader.person) if reader and shelved else None
        if known is not None:
            speak(known.locale)

    # Her own page.

    def preferences(self, token: str) -> ResponseReturnValue:
        ref, reader, shelved = self._reader(token)
        notice = ""
        if request.method == "POST":
            leaving.wish(self._parts.world, shelved.workspace, ref.person, _wishes(shelved))
            ref, reader, shelved = self._reader(token)
            notice = _("Saved. It holds from the next mail on.")
        return self._own_page(token, ref, reader, shelved, notice)

    def pause(self, token: str) -> ResponseReturnValue:
        ref, reader, shelved = self._reader(token)
        days = request.form.get("days", "")
        span = int(days) * DAY if days in {"30", "60", "90"} else 0
        leaving.pause(self._parts.world, ref.person, span)
        ref, reader, shelved = self._reader(token)
        return self._own_page(token, ref, reader, shelved, _("Saved. It holds from the next mail on."))

    def data(self, token: str) -> ResponseReturnValue:
        ref, _reader, _shelved = self._reader(token)
        text = leaving.copy_of(self._parts.world, ref.person) or "{}"
        response = Response(text, mimetype="application/json")
        response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
        return response

    def delete(self, token: str) -> ResponseReturnValue:
        ref, reader, shelved = self._reader(token)
        if not request.form.get("sure"):
            notice = _("Please tick the box first: deleting cannot be undone.")
            return self._own_page(token, ref, reader, shelved, notice), 422
        leaving.erase(self._parts.world, ref.person)
        return self._say(_("Everything is deleted"), _("We keep nothing but a code that keeps us from writing to you."))

    def _reader(self, token: str) -> tuple[PersonRef, Reader, Shelved]:
        shelved = self._shelved()
        ref = self._parts.world.links.read_preferences(token)
        reader = leaving.read_reader(self._parts.world, shelved.workspace, ref.person) if ref else None
        if ref is None or reader is None:
            abort(404)
        speak(reader.locale)
        return ref, reader, shelved

    def _own_page(self, token: str, ref: PersonRef, reader: Reader, shelved: Shelved, notice: str) -> str:
        unsubscribe = self._parts.world.links.unsubscribe_url(ref.person, ref.message)
        return render_template(
            "pages/preferences.html",
            token=token,
            reader=reader,
            site=shelved.book.site,
            unsubscribe=unsubscribe.removeprefix(self._parts.base_url),
            pauses=[span // DAY for span in PAUSES],
            frequencies=FREQUENCIES,
            notice=notice,
        )

    def _shelved(self) -> Shelved:
        shelved = self._parts.shelved()
        if shelved is None:
            abort(404)
        return shelved

    def _say(self, title: str, text: str, status: int = 200) -> ResponseReturnValue:
        return render_template("pages/message.html", title=title, text=text), status


def _wishes(shelved: Shelved) -> Wishes:
    form = request.form
    shown = form.getlist("shown_topic")
    return Wishes(
        topics={tag: tag in form.getlist("topic") for tag in leaving.choices(shelved.workspace) if tag in shown},
        frequency=form.get("frequency"),
        locale=form.get("locale"),
        tracks="tracking" in form if "shown_tracking" in form else None,
    )
