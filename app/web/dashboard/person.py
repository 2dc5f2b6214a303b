"""One person: who they are, where they stand, what comes next, and all that happened as one line of time.

Owns the page and what was sent to them, to the letter. Changes are app.actions.people's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app.actions.access import May
from app.core.instants import Instant
from app.core.site import Attribute, AttributeType
from app.store import bodies, dossiers, reports
from app.store.reports import Portrait
from app.web import guard
from app.web.dashboard import people, why
from app.web.dashboard.reasons import MESSAGE_STATES, PERSON_STATES, RESULTS, RUN_STATES
from app.web.dashboard.shell import need, now, shelved, text_of, visitor
from app.web.dashboard.timeline import attribute_label, option_label, timeline
from app.web.parts import Parts

STRETCH = 120
"""Rows of each sort on one page of a timeline."""
LETTER_POLICY = "sandbox%s; default-src 'none'; style-src 'unsafe-inline'; img-src * data:; font-src 'none'"
"""What a mail may do on our pages: show itself. No script ever."""
POPUPS = " allow-popups allow-popups-to-escape-sandbox"
_PIXEL = re.compile(r"<img\b[^>]*\bsrc=[\"'][^\"']*/o/[^\"']*[\"'][^>]*>", re.IGNORECASE)


def register(blueprint: Blueprint, parts: Parts) -> None:
    pages = _Pages(parts)
    blueprint.add_url_rule("/people/<key>", "person", pages.person)
    blueprint.add_url_rule("/people/by-number/<int:number>", "find_person", pages.find)
    blueprint.add_url_rule("/people/<key>/mails/<int:message>", "letter", pages.letter)
    blueprint.add_url_rule("/people/<key>/mails/<int:message>/html", "letter_html", pages.letter_html)


WORDS = {"result": RESULTS, "run": RUN_STATES, "message": MESSAGE_STATES, "person": PERSON_STATES}


@dataclass(frozen=True, slots=True)
class _Pages:
    parts: Parts

    def person(self, key: str) -> ResponseReturnValue:
        before: Instant = request.args.get("before", type=int) or now() + 1
        show = request.args.get("show", "")
        with self.parts.world.transaction("read") as session:
            portrait = portrait_of(session, key)
            history = reports.history(session, portrait.listed.id, before, STRETCH)
            runs = reports.runs(session, portrait.listed.id)
            waiting = reports.open_messages(session, portrait.listed.id)
        subject = request.args.get("why", "")
        answer, projected, receipt = why.asked(self.parts, portrait.listed.public_id, subject)
        return render_template(
            "dashboard/person.html",
            key=key,
            person=portrait,
            row=people.row_of(portrait.listed),
            entries=timeline(history, show),
            older=history.until,
            is_newest="before" not in request.args,
            show=show,
            runs=runs,
            coming=why.coming(waiting, projected),
            subjects=why.subjects(),
            subject=subject,
            answer=answer,
            receipt=list(why.receipt_words(receipt)),
            facts=_facts(portrait),
            attributes=_editable(portrait),
            words=WORDS,
        )

    def find(self, number: int) -> ResponseReturnValue:
        """From a person's number, as plans name an example, to the page."""
        need(May.SEE_ADDRESSES)
        with self.parts.world.transaction("read") as session:
            found = dossiers.card_of(session, number)
        if found is None:
            abort(404)
        return redirect(url_for("dashboard.person", key=found.public_id.hex()), 303)

    def letter(self, key: str, message: int) -> ResponseReturnValue:
        """The page around a mail that was sent."""
        with self.parts.world.transaction("read") as session:
            portrait, row = _sent(session, key, message)
            tries = reports.attempts(session, message)
        listed = people.row_of(portrait.listed)
        return render_template("dashboard/letter.html", key=key, row=listed, message=row, tries=tries)

    def letter_html(self, key: str, message: int) -> ResponseReturnValue:
        with self.parts.world.transaction("read") as session:
            _sent(session, key, message)
            html = bodies.html_of(session, message)
        if html is None:
            abort(404)
        return letter_response(html)


def _sent(session: Session, key: str, message: int) -> tuple[Portrait, object]:
    """A person and a mail of theirs; what was written to them is for those who may know them."""
    need(May.SEE_ADDRESSES)
    portrait, row = portrait_of(session, key), reports.message(session, message)
    if row is None or row.subscriber_id != portrait.listed.id:
        abort(404)
    return portrait, row


def letter_response(html: str, *, is_live: bool = False) -> Response:
    """A mail's HTML for a frame. Looking at it must not count as its reader's opening or clicking: the tracking
    picture is left out and links lead nowhere, except in the inbox for development (`is_live`).
    """
    guard.allow(LETTER_POLICY % (POPUPS if is_live else ""), frames=("'self'",))
    html = html if is_live else _PIXEL.sub("", html)
    at = html.lower().find("<head")
    end = html.find(">", at) + 1 if at >= 0 else 0
    response = make_response(f'{html[:end]}<base target="_blank">{html[end:]}')
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    return response


def portrait_of(session: Session, key: str) -> Portrait:
    try:
        found = reports.portrait(session, bytes.fromhex(key))
    except ValueError:
        found = None
    if found is None:
        abort(404)
    return found


@dataclass(frozen=True, slots=True)
class Editable:
    """One attribute as the form shows it."""

    key: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...]


def _editable(portrait: Portrait) -> list[Editable]:
    """The declared attributes with their present texts, for those who may change them."""
    held = shelved()
    if held is None or not visitor().may(May.EDIT_PEOPLE):
        return []
    return [_field(attribute, portrait.attributes.get(key, "")) for key, attribute in held.book.site.attributes.items()]


def _field(attribute: Attribute, value: object) -> Editable:
    is_one = attribute.type is AttributeType.CHOICE
    options = tuple((key, text_of(label)) for key, label in attribute.options) if is_one else ()
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return Editable(attribute.key, attribute_label(attribute.key), text, options)


def _facts(portrait: Portrait) -> list[tuple[str, str]]:
    """Attributes as label and value; not for those who may not know the person."""
    if not visitor().may(May.SEE_ADDRESSES):
        return []
    known = portrait.attributes.items()
    return [(attribute_label(key), _written(key, value)) for key, value in sorted(known) if value not in ("", ())]


def _written(key: str, value: object) -> str:
    if isinstance(value, tuple):
        return "، ".join(option_label(key, each) for each in value)
    return option_label(key, value)
