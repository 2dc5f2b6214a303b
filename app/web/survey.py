"""Survey: the page behind an answer in a mail, with that answer chosen and a button that records it.

Owns `/s/`. Scanners fetch every answer's link: asking (GET, HEAD) never records anything, the button (POST) does.
"""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from app.actions import surveys
from app.actions.surveys import Seen, Standing
from app.core.surveying import LONGEST_COMMENT, option, options
from app.links import MailRef
from app.web.parts import Parts
from app.web.tongue import page_locale, speak
from app.web.words import say as _


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("survey", __name__)
    desk = Desk(parts)
    pages.add_url_rule("/s/<token>/<answer>", "answer", desk.answer, methods=["GET", "POST"])
    return pages


class Desk:
    """The views of questions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def answer(self, token: str, answer: str) -> ResponseReturnValue:
        ref = self._parts.world.links.read_survey(token)
        shelved = self._parts.shelved()
        if ref is None or shelved is None:
            abort(404)
        seen = surveys.look(self._parts.world, shelved, ref)
        speak(seen.locale)
        if seen.survey is not None and option(seen.survey, answer) is None:
            abort(404)
        if request.method == "POST" and seen.standing is Standing.OPEN:
            return self._posted(token, answer, ref)
        return self._page(token, answer, seen)

    def _posted(self, token: str, answer: str, ref: MailRef) -> ResponseReturnValue:
        """The answer chosen on the page counts, whichever link led to it."""
        shelved = self._parts.shelved()
        if shelved is None:
            abort(404)
        chosen = request.form.get("answer", answer)
        seen = surveys.answer(self._parts.world, shelved, ref, chosen, request.form.get("comment", ""))
        return self._page(token, chosen if seen.is_kept else answer, seen, 200 if seen.is_kept else 422)

    def _page(self, token: str, answer: str, seen: Seen, status: int = 200) -> ResponseReturnValue:
        if seen.survey is None or seen.standing is Standing.GONE:
            return self._say(_("This question is over"), _("Thank you for looking in. Nothing was recorded."))
        if seen.standing is Standing.CLOSED:
            return self._closed(seen)
        locale = page_locale(self._parts)
        survey = seen.survey
        labels = [
            (each.key, each.label.in_locale(locale) or each.key, each.number is not None) for each in options(survey)
        ]
        page = render_template(
            "pages/survey.html",
            token=token,
            answer=answer,
            survey=survey,
            question=survey.question.in_locale(locale),
            labels=labels,
            ends=(survey.low_label.in_locale(locale), survey.high_label.in_locale(locale)),
            thanks=survey.thanks.in_locale(locale),
            seen=seen,
            longest=LONGEST_COMMENT,
        )
        return page, status

    def _closed(self, seen: Seen) -> ResponseReturnValue:
        if seen.given is not None:
            return self._say(_("Thank you, we have your answer"), _("The time to change it is over."))
        return self._say(
            _("This question is closed"), _("If you would like to tell us something, simply reply to any mail of ours.")
        )

    def _say(self, title: str, text: str) -> ResponseReturnValue:
        return render_template("pages/message.html", title=title, text=text), 410
