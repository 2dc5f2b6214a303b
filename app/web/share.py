"""Share: a reader's own page of invitations: her link for friends, ways to send it, and what became of it.

Owns `/share/`. Nothing is sent in anybody's name: the page hands over words, the reader sends them herself.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from app.actions import referrals
from app.actions.referrals import Inviting
from app.actions.shelf import Shelved
from app.web import guard
from app.web.parts import Parts
from app.web.tongue import page_locale, speak
from app.web.words import say as _

POLICY = guard.STRICT + "; script-src 'self'"
"""Copying to the clipboard needs a script, our own; without one the link can be selected by hand."""


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("share", __name__)
    desk = Desk(parts)
    pages.add_url_rule("/share/<token>", "share", desk.share, methods=["GET"])
    pages.add_url_rule("/share/<token>/name", "name", desk.name, methods=["POST"])
    return pages


class Desk:
    """The views of invitations."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def share(self, token: str) -> ResponseReturnValue:
        found, shelved = self._found(token)
        return self._page(token, found, shelved)

    def name(self, token: str) -> ResponseReturnValue:
        """May friends see who invited them? Only when she says so."""
        found, shelved = self._found(token)
        wants = request.form.get("named") == "1"
        referrals.be_named(self._parts.world, found.person, wants=wants, wording=_consent())
        found, shelved = self._found(token)
        return self._page(token, found, shelved, _("Saved."))

    def _found(self, token: str) -> tuple[Inviting, Shelved]:
        ref = self._parts.world.links.read_share(token)
        shelved = self._parts.shelved()
        found = referrals.inviting(self._parts.world, ref.person) if ref is not None else None
        if found is None or shelved is None:
            abort(404)
        speak(found.locale)
        return found, shelved

    def _page(self, token: str, found: Inviting, shelved: Shelved, notice: str = "") -> str:
        guard.allow(POLICY)
        link = self._parts.world.links.referral_url(found.person)
        site = shelved.book.site.name.in_locale(page_locale(self._parts))
        words = _("I get my mails from %(site)s and like them. Have a look:", site=site)
        return render_template(
            "pages/share.html",
            token=token,
            link=link,
            site=site,
            found=found,
            ways=_ways(words, link, site),
            notice=notice,
            consent=_consent(),
            can_be_named=bool(found.name),
        )


def _consent() -> str:
    return _("Friends who open my link may see my first name.")


def _ways(words: str, link: str, subject: str) -> list[tuple[str, str]]:
    """Ways to pass the link on: a name and an address that opens the program with the words in it."""
    both = f"{words} {link}"
    return [
        (_("By mail"), f"mailto:?{urlencode({'subject': subject, 'body': both}, quote_via=quote)}"),
        ("WhatsApp", f"https://wa.me/?{urlencode({'text': both}, quote_via=quote)}"),
        ("Telegram", f"https://t.me/share/url?{urlencode({'url': link, 'text': words}, quote_via=quote)}"),
        (_("By text message"), f"sms:?&body={quote(both)}"),
    ]
