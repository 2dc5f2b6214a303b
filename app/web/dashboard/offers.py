"""Offers: how full the pools are, who used codes otherwise than meant, what was answered, and which friends came.

Owns the page "Offers and answers". The numbers are kept ones; what must be looked at stands first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.actions import results
from app.actions.promises import gives_words
from app.actions.results import Board, SurveyResult
from app.actions.surveys import asking_mails
from app.core.offering import known_end
from app.core.offers import Offer, PersonalEnd
from app.core.surveying import DETRACTOR, PROMOTER, Option, Result, is_promoter_scale, options
from app.core.windows import Zone, at_local, zone_of
from app.store import surveys as store
from app.web.dashboard.kept import Kept
from app.web.dashboard.shell import clock, shelved, text_of
from app.web.dashboard.wording import is_persian, number, say, tongue
from app.web.parts import Parts

VERDICTS = {
    "again": "Used twice",
    "late": "After its end",
    "stranger": "By somebody else",
    "withdrawn": "Taken back before",
    "not_given": "Never handed out",
    "unknown": "None of ours",
}
REASONS = {
    "self": "The same mailbox under another spelling",
    "disposable": "A throw-away address",
    "same_network": "Too many from one place",
    "burst": "Too many at once",
    "gone": "Left within the day",
    "complained": "Called our mail spam",
    "referrer_gone": "Who invited is gone",
}
COLUMN, GROUND, TOP = 30, 84, 12
"""Of the picture of a scale: the width of a column, where the columns stand, and room for the figures above."""


@dataclass(frozen=True, slots=True)
class Column:
    """One answer of a scale as it is drawn: its place and size, its words, and what it says of the one who gave it."""

    x: int
    y: float
    height: float
    label: str
    count: int
    tone: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the page shows it."""

    result: SurveyResult
    sent: int | None
    """How many were asked; None while that is being counted."""
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, int, float], ...]
    """Of a choice: the answer's words, how many, and its share."""
    width: int


def register(blueprint: Blueprint, parts: Parts) -> None:
    sent: Kept[dict[str, int]] = Kept(lambda: _sent(parts), {}, parts.world.monotonic)

    @blueprint.get("/offers")
    def offers() -> ResponseReturnValue:
        held = shelved()
        if held is None:
            return render_template("dashboard/offers.html", board=None)
        board = results.board(parts.world, held)
        figures = sent.get()
        site, found = held.book.site, board.surveys
        return render_template(
            "dashboard/offers.html",
            board=board,
            questions=[
                _asked(each, figures.value.get(each.survey.key, 0) if figures.is_known else None) for each in found
            ],
            troubles=_troubles(board),
            gives=lambda offer: gives_words(offer.gives, site, tongue()),
            ends=lambda offer: _ends(offer, zone_of("", site.timezone)),
            verdicts=VERDICTS,
            reasons=REASONS,
            answer_words=_answer_words,
        )


def _sent(parts: Parts) -> dict[str, int]:
    """How many people were asked each question: a count over mails, made behind the page's back."""
    found: dict[str, int] = {}
    held = parts.shelved()
    with parts.world.transaction("read") as session:
        for key in held.workspace.surveys if held else ():
            found[key] = store.asked_count(session, asking_mails(held, key) if held else ())
    return found


def _troubles(board: Board) -> list[tuple[str, str]]:
    """What somebody has to do something about: (tone, text)."""
    empty = [report for report in board.pools if report.offers and not report.pool.free]
    low = [report for report in board.pools if report.is_low and report.pool.free]
    return [
        *(("bad", say("The pool %(pool)s is empty: mails wait for codes.", pool=one.pool.pool)) for one in empty),
        *(("warn", say("The pool %(pool)s runs low: %(n)s left.", pool=one.pool.pool, n=one.pool.free)) for one in low),
    ]


def _ends(offer: Offer, zone: Zone) -> str:
    """When an offer ends, in words."""
    if isinstance(offer.ends, PersonalEnd):
        at = clock().time(at_local(date(2026, 1, 1), offer.ends.at, zone))
        return say("%(n)s days after the first mail, at %(at)s", n=offer.ends.days, at=at)
    end = known_end(offer, {}, zone)
    return say("Without an end") if end is None else clock().when(end)


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(found: SurveyResult, sent: int | None) -> Asked:
    known = options(found.survey)
    counts = dict(found.all.counts)
    is_scale = known[0].number is not None
    return Asked(
        found,
        sent,
        _columns(found, known, counts) if is_scale else (),
        () if is_scale else tuple(_row(each, counts, found.all) for each in known),
        COLUMN * len(known),
    )


def _columns(found: SurveyResult, known: tuple[Option, ...], counts: dict[str, int]) -> tuple[Column, ...]:
    """The first answer stands where one begins to read."""
    top = max(1, *counts.values())
    is_promoter = is_promoter_scale(found.survey)
    drawn = []
    for place, option in enumerate(known):
        height = (GROUND - TOP) * counts[option.key] / top
        x = COLUMN * (len(known) - 1 - place if is_persian() else place)
        tone = _tone(option.number or 0) if is_promoter else "mid"
        drawn.append(Column(x, GROUND - height, height, number(option.number or 0), counts[option.key], tone))
    return tuple(drawn)


def _tone(answer: int) -> str:
    return "high" if answer >= PROMOTER else "low" if answer <= DETRACTOR else "mid"


def _row(option: Option, counts: dict[str, int], all_: Result) -> tuple[str, int, float]:
    count = counts[option.key]
    return text_of(option.label), count, count / all_.total if all_.total else 0.0


def _answer_words(found: SurveyResult, answer: str) -> str:
    option = next((each for each in options(found.survey) if each.key == answer), None)
    if option is None:
        return answer
    return number(option.number) if option.number is not None else text_of(option.label)
