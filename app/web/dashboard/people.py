"""People: the list of subscribers, found by address, name, stage, kind, tag, segment or campaign.

Owns the list, its questions, and the page before all of a list are changed. Must not change anybody itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.actions.access import May
from app.actions.crowd import Crowd, crowd_of, wanted
from app.actions.errands import HOLD, Json, Sort, Wish
from app.actions.errands.crowds import CHANGES, PAUSES
from app.actions.people import tag_word
from app.core.engagement import score
from app.core.instants import SECOND
from app.core.subscriber import Subscriber
from app.store import reports
from app.store.reports import Listed
from app.web.dashboard.shell import need, need_proof, notify, now, shelved, text_of, visitor
from app.web.dashboard.wording import say
from app.web.dashboard.work import begin, change_words
from app.web.parts import Parts

PAGE = 50
STATES = ("pending", "active", "unsubscribed", "paused")


@dataclass(frozen=True, slots=True)
class Row:
    """One person as the list shows them."""

    listed: Listed
    key: str
    title: str
    score: float


def register(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.get("/people")
    def people() -> ResponseReturnValue:
        crowd = asked_crowd()
        found = _found(parts, crowd, request.args.get("before", type=int))
        more = found.rows[PAGE - 1].id if len(found.rows) > PAGE else None
        return render_template(
            "dashboard/people.html",
            rows=[row_of(each) for each in found.rows[:PAGE]],
            count=found.number,
            cap=reports.COUNT_CAP,
            fault=found.fault,
            more=more,
            wanted=crowd,
            is_first="before" not in request.args,
            stages=stages(),
            kinds=kinds(),
            states=STATES,
            fields=fields(),
            hidden={key: value for key, value in crowd.plain().items() if key in HIDDEN},
        )

    blueprint.add_url_rule("/people/change", "change", lambda: _change(parts))
    blueprint.add_url_rule("/people/change", "begin_change", lambda: _begin(parts), methods=["POST"])


HIDDEN = ("tag", "segment", "campaign", "step", "condition")
"""Questions other pages lead here with; the filters carry them along."""


@dataclass(frozen=True, slots=True)
class _Found:
    rows: list[Listed]
    number: int
    fault: str = ""


def _found(parts: Parts, crowd: Crowd, before: int | None, limit: int = PAGE + 1) -> _Found:
    with parts.world.transaction("read") as session:
        asked = wanted(session, shelved(), crowd, now())
        if isinstance(asked, str):
            return _Found([], 0, asked)
        rows = reports.people(session, asked, before, limit)
        return _Found(rows, reports.count_people(session, asked))


def asked_crowd() -> Crowd:
    """What the address of the page, or a form, asks for. Who may not see addresses cannot search by them either."""
    crowd = crowd_of(request.values)
    return crowd if visitor().may(May.SEE_ADDRESSES) else crowd.without_text()


def fields() -> list[tuple[str, str]]:
    """Attributes one may search by, with their labels."""
    held = shelved()
    known = held.book.site.attributes.values() if held and visitor().may(May.SEE_ADDRESSES) else ()
    return [(each.key, text_of(each.label) or each.key) for each in known]


# ── All of them at once ──────────────────────────────────────────────────────────────────────────────────────────────


def _wish() -> dict[str, Json]:
    """The change that is asked for, as the errand takes it; stops where it is none that is offered."""
    what = request.values.get("what", "")
    if what == "export":
        need(May.EXPORT)
        return {}
    need(May.EDIT_PEOPLE)
    tag, days = tag_word(request.values.get("word", "")), request.values.get("days", 0, type=int)
    if what not in CHANGES or (what == "pause" and days not in PAUSES):
        abort(400)
    return {"what": what, "tag": tag if what in ("tag", "untag") else "", "days": days if what == "pause" else 0}


def _list_of(crowd: Crowd) -> str:
    """The list with the same questions."""
    asked = crowd.plain()
    return url_for("dashboard.people") + (f"?{urlencode(asked)}" if asked else "")


def _change(parts: Parts) -> ResponseReturnValue:
    """Before many are changed: what it does, to how many, and the first of them."""
    asked, crowd = _wish(), asked_crowd()
    if asked.get("what") in ("tag", "untag") and not asked["tag"]:
        notify(say("Nothing changed: a tag is letters, digits and hyphens, once for each person."), "warn")
        return redirect(_list_of(crowd), 303)
    found = _found(parts, crowd, None, SHOWN)
    return render_template(
        "dashboard/change.html",
        asked=asked,
        words=change_words(asked),
        what=request.values["what"],
        rows=[row_of(each) for each in found.rows],
        count=found.number,
        cap=reports.COUNT_CAP,
        fault=found.fault,
        crowd=crowd,
    )


SHOWN = 8


def _begin(parts: Parts) -> ResponseReturnValue:
    asked, crowd = _wish(), asked_crowd()
    is_export = request.form["what"] == "export"
    proof = need_proof() if is_export else None
    if proof is not None:
        return proof
    people: dict[str, Json] = {**crowd.plain()}
    sort = Sort.EXPORT if is_export else Sort.BULK
    number = begin(parts, Wish(sort, {**asked, "people": people}, place=url_for("dashboard.people")))
    if not is_export:
        words = say("It begins in %(n)s seconds; until then nothing has happened.", n=HOLD // SECOND)
        notify(words, undo=url_for("dashboard.cancel_errand", number=number))
    return redirect(_list_of(crowd), 303)


# ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def row_of(listed: Listed) -> Row:
    return Row(listed, listed.public_id.hex(), title_of(listed), score_of(listed))


def title_of(listed: Listed) -> str:
    """What a person is called on pages: the address, or for those who may not see it a short number."""
    if visitor().may(May.SEE_ADDRESSES):
        return listed.address
    return say("Person %(number)s", number=listed.public_id.hex()[:6])


def score_of(listed: Listed) -> float:
    held = shelved()
    if held is None or not listed.weight:
        return 0.0
    person = Subscriber(
        id=listed.id,
        public_id=listed.public_id,
        stage=listed.stage,
        stage_since=0,
        furthest_stage=listed.stage,
        created_at=0,
        weight=listed.weight,
        landmark=listed.landmark,
    )
    return score(person, now(), held.book.ladder.half_life)


def stages() -> list[str]:
    held = shelved()
    return [stage.key for stage in held.book.ladder.stages] if held else []


def kinds() -> list[str]:
    held = shelved()
    return [key for key, _ in held.book.ladder.kinds] if held else []
