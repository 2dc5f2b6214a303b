"""Boxes: the hosted page of each box, and the one endpoint both the form and the script send to.

Owns the way from a request to a signup and back. Must not decide who is known: everybody is answered alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

import segno
from flask import Blueprint, Response, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import TooManyRequests, UnsupportedMediaType

from app.actions.answers import Answers, Question, Wrong, looks_like_a_link, questions, read_answers
from app.actions.intake import Intake
from app.actions.limits import TooMany, Work, may_post
from app.actions.referrals import inviter
from app.actions.shelf import Shelved
from app.actions.signup import Accepted, Outcome, Submission, answer_later, page_key, send_again
from app.actions.signup_group import Arrival
from app.core.boxes import EMAIL_FIELD, Box, TrackingConsent
from app.core.instants import SECOND
from app.disk.spool import SpoolError
from app.disk.visits import BoxSeen, box_fact
from app.links import Form, Kind, Pass, Untimely
from app.mail.addresses import Address, Fault, read_address
from app.web import guard, visitors
from app.web.faces import Json, face, inviter_words, label_of, looks_of, tracking_words, wrong_words
from app.web.inboxes import inbox_of
from app.web.parts import Parts
from app.web.tongue import page_locale
from app.web.words import say as _
from app.web.work import challenge, proved

TRAP = "pv_extra"
"""A field nobody sees: whoever fills it in is no person."""
METRICS = frozenset({"draw", "impression", "open", "start", "close"})
Given = Mapping[str, Sequence[str]]


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("boxes", __name__)
    desk = Desk(parts)
    pages.add_url_rule("/b/<key>", "show", desk.show, methods=["GET"], provide_automatic_options=False)
    pages.add_url_rule("/b/<key>", "take", desk.take, methods=["POST"], provide_automatic_options=False)
    for name in ("more", "again", "count"):
        rule = f"/b/<key>/{name}"
        pages.add_url_rule(rule, name, getattr(desk, name), methods=["POST"], provide_automatic_options=False)
    for rule in ("/b/<key>", "/b/<key>/more", "/b/<key>/again", "/b/<key>/count"):
        pages.add_url_rule(rule, "preflight", desk.preflight, methods=["OPTIONS"], provide_automatic_options=False)
    pages.add_url_rule("/b/<key>/face", "face", desk.face, methods=["GET"])
    pages.add_url_rule("/b/<key>/qr.svg", "qr", desk.qr, methods=["GET"])
    pages.add_url_rule("/b/<key>/looks.css", "looks", desk.looks, methods=["GET"])
    pages.add_url_rule("/resend/<token>", "resend", desk.resend, methods=["POST"])
    pages.add_url_rule("/later/<token>", "later", desk.later, methods=["POST"])
    return pages


@dataclass(frozen=True, slots=True)
class Draft:
    """A form under way: what was given, what is wrong, the address probably meant, words above the form."""

    given: Given = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    suggestion: str = ""
    token: str = ""
    notice: str = ""

    def first(self, key: str) -> str:
        texts = self.given.get(key, ())
        return texts[0] if texts else ""


class Desk:
    """The views of boxes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._intake = Intake(parts.world, parts.limits)

    # Showing.

    def show(self, key: str) -> ResponseReturnValue:
        _shelved, box = self._find(key)
        given = {name: [value] for name, value in request.args.items()}
        return self._draw(box, Draft(given))

    def face(self, key: str) -> ResponseReturnValue:
        """What the script draws from; 403 to a page that may not show this box. Anybody may know that there is none."""
        shelved = self._shelved()
        box = shelved.workspace.boxes.get(key)
        if box is None:
            return jsonify(state="none"), 404, {"Access-Control-Allow-Origin": "*"}
        origin = self._origin(box)
        shown: dict[str, Json] = face(box, shelved.book.site, page_locale(self._parts))
        shown["token"] = self._token(box)
        shown["inviter"] = inviter_words(self._inviter(request.args.get("friend", "")))
        shown["site"] = shelved.book.site.name.in_locale(page_locale(self._parts))
        return self._json(shown, origin)

    def looks(self, key: str) -> ResponseReturnValue:
        """The theme as a stylesheet, for pages that allow no style of their own."""
        _shelved, box = self._find(key)
        looks = looks_of(box.theme)
        lines = [f"--accent:{looks.accent}", f"--on-accent:{looks.on_accent}", f"--radius:{looks.radius}"]
        if looks.ground:
            lines += [f"--ground:{looks.ground}", f"--ink:{looks.ink}", *_shades(looks.is_dark)]
        response = Response(f":root{{{';'.join(lines)}}}", mimetype="text/css")
        response.headers["Cache-Control"] = "max-age=60"
        return response

    def qr(self, key: str) -> ResponseReturnValue:
        """A QR code of the hosted page."""
        self._find(key)
        svg = segno.make(f"{self._parts.base_url}/b/{key}?utm_source=qr", micro=False).svg_inline(scale=6, border=2)
        response = Response(
            svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1), mimetype="image/svg+xml"
        )
        response.headers["Cache-Control"] = "max-age=86400"
        return response

    # Taking.

    def take(self, key: str) -> ResponseReturnValue:
        shelved, box = self._find(key)
        origin = self._origin(box)
        reading = _Reading(self._parts, shelved, box, _body())
        if reading.is_trap:
            return self._thank(box, origin, self._blind_ticket(box), None)
        drafted = reading.draft()
        if drafted is not None:
            return self._mend(box, origin, drafted)
        form = self._parts.world.links.read_form(reading.meta("token"), self._parts.world.wall())
        if not isinstance(form, Form) or form.box != box.key:
            return self._untimely(box, origin, reading, form)
        outcome = self._sign_up(shelved, reading, form)
        return self._answer(box, origin, reading, outcome)

    def _sign_up(self, shelved: Shelved, reading: _Reading, form: Form) -> Outcome:
        """All that needs no database is done before the line: the fields, the form's token, the work."""
        return self._intake.take(Arrival(reading.submission(form), shelved.book.ladder.stages[0].key))

    def _answer(self, box: Box, origin: str, reading: _Reading, outcome: Outcome) -> ResponseReturnValue:
        match outcome:
            case Accepted(ticket):
                return self._thank(box, origin, ticket, reading.address)
            case Work(level) if guard.wants_json():
                return self._json({"state": "work", "challenge": challenge(self._parts, box.key, level)}, origin, 428)  # type: ignore[dict-item]
            case TooMany(after) if guard.wants_json():
                return self._json({"state": "many", "after": after}, origin, 429)
            case _:
                raise TooManyRequests

    def _thank(self, box: Box, origin: str, ticket: Pass, address: Address | None) -> ResponseReturnValue:
        token = self._parts.world.links.pass_token(Kind.RESEND, ticket)
        inbox = inbox_of(address.provider) if address is not None else None
        if guard.wants_json():
            who = self._parts.world.links.identity_token(ticket.person, 0, ticket.until)
            shown: dict[str, Json] = {"state": "thanks", "ticket": token, "who": who}
            if inbox is not None:
                shown["inbox"] = [inbox.name, inbox.url]
            return self._json(shown, origin)
        self._frame(box)
        asked = [question for question in self._questions(box) if question.is_after]
        return render_template(
            "pages/thanks.html", box=box, token=token, inbox=inbox, asked=asked, label=label_of, draft=Draft()
        )

    def _mend(self, box: Box, origin: str, draft: Draft) -> ResponseReturnValue:
        if guard.wants_json():
            shown: dict[str, Json] = {"state": "mend", "wrong": dict(draft.wrong)}
            if draft.suggestion:
                shown["suggest"] = draft.suggestion
            return self._json(shown, origin, 422)
        return self._draw(box, draft), 422

    def _untimely(self, box: Box, origin: str, reading: _Reading, form: Form | Untimely | None) -> ResponseReturnValue:
        """Too soon, too old, or a form that never had a token: once more with a press of the button."""
        is_soon = isinstance(form, Untimely) and form.too_soon and form.form.box == box.key
        token = reading.meta("token") if is_soon else self._token(box)
        if guard.wants_json():
            shown: dict[str, Json] = {"state": "early" if is_soon else "late", "token": token}
            return self._json(shown, origin, 425 if is_soon else 410)
        notice = _("Please check it and press the button once more.")
        return self._draw(box, Draft(reading.given, token=token, notice=notice)), 200

    # After the signup.

    def more(self, key: str) -> ResponseReturnValue:
        """Answers to the questions asked once the address is in."""
        shelved, box = self._find(key)
        origin = self._origin(box)
        given = _body()
        ticket = self._ticket(_first(given, "pv_ticket"), box)
        answers = self._later_answers(shelved, box, given)
        if answers.wrong:
            wrong: dict[str, Json] = {name: wrong_words(fault) for name, fault in answers.wrong.items()}
            return self._json({"state": "mend", "wrong": wrong}, origin, 422)
        if ticket is not None and self._may_post():
            answer_later(self._parts.world, ticket, answers.values)
        return self._json({"state": "saved"}, origin)

    def again(self, key: str) -> ResponseReturnValue:
        shelved, box = self._find(key)
        origin = self._origin(box)
        ticket = self._ticket(_first(_body(), "pv_ticket"), box)
        if ticket is not None and self._may_post():
            send_again(self._parts.world, shelved, ticket)
        return self._json({"state": "resent"}, origin)

    def resend(self, token: str) -> ResponseReturnValue:
        """The same from a page without script, and from a confirmation link that is over."""
        shelved = self._shelved()
        given = self._parts.world.links.read_resend(token, self._parts.world.wall())
        if isinstance(given, Pass) and self._may_post():
            send_again(self._parts.world, shelved, given)
        return render_template(
            "pages/message.html",
            title=_("Please look into your inbox"),
            text=_("If it was lost, another one is on its way. Please look into the spam folder too."),
        )

    def later(self, token: str) -> ResponseReturnValue:
        """Later questions from a page without script."""
        shelved = self._shelved()
        given = self._parts.world.links.read_resend(token, self._parts.world.wall())
        box = shelved.workspace.boxes.get(given.name) if isinstance(given, Pass) else None
        if isinstance(given, Pass) and box is not None and self._may_post():
            answer_later(self._parts.world, given, self._later_answers(shelved, box, _body()).values)
        return render_template("pages/message.html", title=_("Thank you."), text=_("Now please look into your inbox."))

    def count(self, key: str) -> ResponseReturnValue:
        """Add one to a counter. The browser does not wait for the answer."""
        _shelved, box = self._find(key)
        self._origin(box)
        try:
            told = json.loads(request.get_data(cache=False) or b"{}")
        except (ValueError, RecursionError):
            abort(400)
        if not isinstance(told, dict) or str(told.get("metric")) not in METRICS:
            abort(400)
        visit = visitors.visit_of(self._parts, {key: str(value) for key, value in told.items()})
        seen = BoxSeen(box.key, told["metric"], visit.arms, page_key(visit.page), visit.source)
        with suppress(SpoolError):  # a count that is lost harms nobody; the spool's fault is shown by /health
            self._parts.spool.append(box_fact(self._parts.world.now(), self._parts.world.new_id(), seen))
        return "", 204

    def preflight(self, key: str) -> ResponseReturnValue:
        """A browser asks whether a page of another origin may send JSON here."""
        _shelved, box = self._find(key)
        response = self._json({}, self._origin(box))
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type"
        response.headers["Access-Control-Max-Age"] = "600"
        return response

    # Small parts.

    def _inviter(self, token: str) -> str:
        """The first name of whom a visitor's link belongs to, if she agreed to be named to friends."""
        person = self._parts.world.links.read_referral(token) if token else None
        return inviter(self._parts.world, person) if person is not None else ""

    def _shelved(self) -> Shelved:
        shelved = self._parts.shelved_lately()
        if shelved is None:
            abort(404)
        return shelved

    def _find(self, key: str) -> tuple[Shelved, Box]:
        shelved = self._shelved()
        box = shelved.workspace.boxes.get(key)
        if box is None:
            abort(404)
        return shelved, box

    def _origin(self, box: Box) -> str:
        """The origin of the page that asks. A form without script may come without one; a wrong one is refused."""
        origin = request.headers.get("Origin", "")
        if origin in ("", "null"):
            return ""
        if not visitors.may_embed(self._parts, box, origin):
            abort(403)
        return origin

    def _json(self, shown: Mapping[str, Json], origin: str, status: int = 200) -> Response:
        response = jsonify(shown)
        response.status_code = status
        response.headers["Vary"] = "Origin, Accept-Language"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if origin:
            response.headers["Access-Control-Allow-Origin"] = origin
        return response

    def _token(self, box: Box) -> str:
        world = self._parts.world
        return world.links.form_token(Form(box.key, world.wall(), world.new_id()))

    def _blind_ticket(self, box: Box) -> Pass:
        return Pass(self._parts.world.new_id(), 0, box.key, self._parts.world.wall() + 3600 * SECOND)

    def _ticket(self, token: str, box: Box) -> Pass | None:
        given = self._parts.world.links.read_resend(token, self._parts.world.wall())
        return given if isinstance(given, Pass) and given.name == box.key else None

    def _may_post(self) -> bool:
        parts = self._parts
        with parts.world.transaction("write") as session:
            return may_post(session, parts.limits, visitors.network(parts), parts.world.wall())

    def _questions(self, box: Box) -> tuple[Question, ...]:
        return questions(box, self._shelved().book.site)

    def _later_answers(self, shelved: Shelved, box: Box, given: Given) -> Answers:
        return read_answers([one for one in questions(box, shelved.book.site) if one.is_after], given)

    def _frame(self, box: Box) -> None:
        """The hosted page may stand in a frame of the box's own sites only."""
        guard.allow(frames=(*box.origins,) if "frame" in request.args else (), referrer="same-origin")

    def _draw(self, box: Box, draft: Draft) -> str:
        self._frame(box)
        return render_template(
            "pages/box.html",
            box=box,
            draft=draft,
            token=draft.token or self._token(box),
            asked=[question for question in self._questions(box) if not question.is_after],
            label=label_of,
            trap=TRAP,
            address=draft.first(EMAIL_FIELD),
            is_framed="frame" in request.args,
            tracking=_tracking(box),
            inviter=inviter_words(self._inviter(draft.first("pv_friend") or draft.first("friend"))),
            action=f"/b/{quote(box.key)}?lang={page_locale(self._parts)}{'&frame' if 'frame' in request.args else ''}",
        )


def _tracking(box: Box) -> str:
    """What tracking is agreed to with; nothing when it is not asked."""
    if box.tracking_consent is TrackingConsent.NONE:
        return ""
    return tracking_words(is_required=box.tracking_consent is TrackingConsent.REQUIRED)


def _shades(is_dark: bool) -> tuple[str, ...]:
    """The lesser colours that go with a ground of the file's own, whatever the visitor's machine prefers."""
    if is_dark:
        return ("--soft:#b6c0ba", "--bad:#ffb4ab", "--tint:#ffffff1a", "--link:#e8ece9", "color-scheme:only dark")
    return ("--soft:#4b544f", "--bad:#b3261e", "--tint:#0000000d", "--link:#1c2421", "color-scheme:only light")


def _first(given: Given, key: str) -> str:
    texts = given.get(key, ())
    return texts[0] if texts else ""


def _body() -> Given:
    """What was sent, as lists of texts, whether as JSON or as a form. Anything else is refused."""
    if request.mimetype == "application/json":
        return _from_json(request.get_json(silent=True))
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data", ""):
        return dict(request.form.lists())
    raise UnsupportedMediaType


def _from_json(plain: object) -> Given:
    if not isinstance(plain, dict) or len(plain) > guard.MOST_FORM_PARTS:
        abort(400)
    return {str(key): _texts(value) for key, value in plain.items()}


def _texts(value: object) -> list[str]:
    if isinstance(value, list):
        return [text for one in value[:100] for text in _texts(one) if not isinstance(one, list)]
    if isinstance(value, bool):
        return ["true" if value else ""]
    return [str(value)] if isinstance(value, str | int | float) else []


class _Reading:
    """One body read by the declaration of its box."""

    def __init__(self, parts: Parts, shelved: Shelved, box: Box, given: Given) -> None:
        self._parts, self.box, self.given = parts, box, given
        asked = [question for question in questions(box, shelved.book.site) if not question.is_after]
        self._answers = read_answers(asked, given)
        self._read = read_address(_first(given, EMAIL_FIELD))

    @property
    def is_trap(self) -> bool:
        return bool(_first(self.given, TRAP))

    @property
    def address(self) -> Address | None:
        return self._read if isinstance(self._read, Address) else None

    def meta(self, name: str) -> str:
        return _first(self.given, f"pv_{name}")

    def draft(self) -> Draft | None:
        """What is to be mended; None when the form can be taken."""
        wrong = {key: wrong_words(fault) for key, fault in self._answers.wrong.items()}
        if isinstance(self._read, Fault):
            wrong[EMAIL_FIELD] = wrong_words(Wrong(self._read.value))
        if not self.meta("consent"):
            wrong["pv_consent"] = _("Please tick this box, so that we may write to you.")
        if self.box.tracking_consent is TrackingConsent.REQUIRED and not self.meta("tracking"):
            wrong["pv_tracking"] = _("Please tick this box, so that we may write to you.")
        suggestion = self._suggestion()
        if not wrong and not suggestion:
            return None
        return Draft(self.given, wrong, suggestion, token=self.meta("token"))

    def _suggestion(self) -> str:
        """The address probably meant, unless the visitor said that this one is right."""
        address = self.address
        return (address.suggestion or "") if address is not None and self.meta("sure") != address.spelled else ""

    def submission(self, form: Form) -> Submission:
        assert isinstance(self._read, Address)
        told = {
            key.removeprefix("pv_"): texts[0] for key, texts in self.given.items() if key.startswith("pv_") and texts
        }
        visit = visitors.visit_of(self._parts, told)
        answers = {key: value for key, value in self._answers.values.items() if not _is_spam(key, value)}
        proof = proved(self._parts, self.box.key, self.meta("work"))
        return Submission(self.box, self._read, answers, form, visit, bool(self.meta("tracking")), proof)


def _is_spam(key: str, value: object) -> bool:
    return key == "first_name" and isinstance(value, str) and looks_like_a_link(value)
