"""Outlook: the next 30 days as they were last lived ahead, and who is in two campaigns at once.

Owns both pages. Living ahead is an errand; its last result is kept and shown with its date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.actions import errands
from app.actions.errands import Errand, Sort
from app.core.instants import DAY
from app.store import measures
from app.web.dashboard import drawing
from app.web.dashboard.kept import Kept
from app.web.dashboard.shell import campaign_title, shelved
from app.web.dashboard.wording import number, say
from app.web.parts import Parts


def register(blueprint: Blueprint, parts: Parts) -> None:
    pairs: Kept[dict[tuple[str, str], int]] = Kept(lambda: _pairs(parts), {}, parts.world.monotonic)

    @blueprint.get("/campaigns/ahead")
    def ahead() -> ResponseReturnValue:
        last = errands.last_done(parts.world, Sort.FORECAST)
        held = shelved()
        return render_template(
            "dashboard/ahead.html",
            last=last,
            told=last.told if last else {},
            chart=_chart(last) if last else None,
            rows=_campaigns(last) if last else [],
            is_old=bool(last and held and last.told.get("release") != held.release_id),
        )

    @blueprint.get("/campaigns/overlap")
    def overlap() -> ResponseReturnValue:
        counted = pairs.get()
        return render_template("dashboard/overlap.html", matrix=matrix(counted.value), is_known=counted.is_known)


def _pairs(parts: Parts) -> dict[tuple[str, str], int]:
    with parts.world.transaction("read") as session:
        return measures.overlap(session)


# ── Ahead ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _chart(errand: Errand) -> drawing.Lines:
    days, began = errand.told.get("days"), errand.told.get("began")
    values = [each for each in days if isinstance(each, int)] if isinstance(days, list) else []
    first = (began if isinstance(began, int) else 0) // DAY
    return drawing.lines(values, (), first, say("Marketing mails a day"))


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    entered: int
    mails: int
    goals: int
    is_starving: bool


def _campaigns(errand: Errand) -> list[Row]:
    found, starving = errand.told.get("campaigns"), errand.told.get("starving")
    plain = found if isinstance(found, dict) else {}
    hungry = starving if isinstance(starving, list) else []
    rows = [_row(key, each, key in hungry) for key, each in plain.items() if isinstance(each, dict)]
    return sorted((row for row in rows if row.entered or row.mails), key=lambda row: -row.mails)


def _row(key: str, told: Mapping[str, object], is_starving: bool) -> Row:
    entered, mails, goals = (int(str(told.get(name) or 0)) for name in ("entered", "mails", "goals"))
    return Row(key, entered, mails, goals, is_starving)


# ── Overlap ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Matrix:
    """Campaigns that share people, and for each pair the number with its strength from 0 to 1."""

    campaigns: tuple[str, ...]
    cells: Mapping[tuple[str, str], drawing.Cell]
    numbers: tuple[tuple[str, str, int], ...]


MOST = 12


def matrix(pairs: Mapping[tuple[str, str], int]) -> Matrix:
    """The campaigns with the most shared people; the others only as lines below."""
    weight: dict[str, int] = {}
    for (one, other), people in pairs.items():
        weight[one] = weight.get(one, 0) + people
        weight[other] = weight.get(other, 0) + people
    keys = tuple(sorted(weight, key=lambda key: (-weight[key], key))[:MOST])
    most = max(pairs.values(), default=1)
    cells = {}
    for (one, other), people in pairs.items():
        title = f"{campaign_title(one)} + {campaign_title(other)}: {number(people)}"
        cell = drawing.Cell(number(people), round(0.08 + 0.82 * people / most, 2), title)
        cells[one, other] = cells[other, one] = cell
    lines = sorted(((one, other, people) for (one, other), people in pairs.items()), key=lambda pair: -pair[2])
    return Matrix(keys, cells, tuple(lines[:40]))
