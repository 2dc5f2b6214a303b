"""The ladder: how many people stand on each rung, of which kind.

Owns the page. Must not move anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.actions import measure
from app.actions.measure import Cohort, Flows
from app.core.site import Stage
from app.store import reports
from app.store.measures import Share
from app.web.dashboard import drawing, wording
from app.web.dashboard.flow import said
from app.web.dashboard.kept import Kept
from app.web.dashboard.shell import shelved, stage_label
from app.web.parts import Parts


@dataclass(frozen=True, slots=True)
class Rung:
    """One stage: people on it, by kind, and the rules of the file in words."""

    key: str
    number: int
    share: float
    kinds: tuple[tuple[str, int], ...]
    rise: str
    fall: str


Totals = Mapping[tuple[str, str], int]


def totals_of(parts: Parts) -> Kept[Totals]:
    def count() -> Totals:
        with parts.world.transaction("read") as session:
            return reports.stage_totals(session)

    return Kept(count, {}, parts.world.monotonic)


def rungs(totals: Totals) -> list[Rung]:
    """The rungs from the lowest to the highest."""
    held = shelved()
    if held is None:
        return []
    most = max([sum(n for (key, _), n in totals.items() if key == s.key) for s in held.book.ladder.stages] + [1])
    return [_rung(stage, totals, most) for stage in held.book.ladder.stages]


def _rung(stage: Stage, totals: Totals, most: int) -> Rung:
    by_kind = sorted(((kind, n) for (key, kind), n in totals.items() if key == stage.key), key=lambda pair: -pair[1])
    number = sum(n for _, n in by_kind)
    return Rung(
        key=stage.key,
        number=number,
        share=number / most,
        kinds=tuple(by_kind),
        rise=said(stage.rise) if stage.rise else "",
        fall=said(stage.fall) if stage.fall else "",
    )


def register(blueprint: Blueprint, parts: Parts) -> None:
    totals = totals_of(parts)
    flows = {days: _flows(parts, days) for days in STRETCHES}

    @blueprint.get("/ladder")
    def ladder() -> ResponseReturnValue:
        days = stretch()
        flows[days].start()
        counted = totals.get()
        known = counted.value
        moved = flows[days].get()
        found = moved.value
        standing = rungs(known)
        return render_template(
            "dashboard/ladder.html",
            rungs=standing,
            total=sum(known.values()),
            is_known=counted.is_known and moved.is_known,
            flows=found,
            cohorts=[(cohort, _cells(cohort)) for cohort in found.cohorts],
            most=max((step.rose for step in found.steps), default=0) or 1,
            days=days,
            stretches=STRETCHES,
        )


def _flows(parts: Parts, days: int) -> Kept[Flows]:
    def count() -> Flows:
        held = parts.shelved()
        stages = tuple(stage.key for stage in held.book.ladder.stages) if held else ()
        return measure.flows(parts.world, stages, days)

    return Kept(count, Flows((), (), Share(0, 0, 0, 0)), parts.world.monotonic)


def _cells(cohort: Cohort) -> list[drawing.Cell]:
    held = shelved()
    stages = [stage.key for stage in held.book.ladder.stages] if held else []
    return [
        drawing.cell(number, cohort.number, f"{stage_label(stage)}: {wording.number(number)}")
        for stage, number in zip(stages[1:], cohort.reached[1:], strict=False)
    ]


STRETCHES = (7, 30, 90)


def stretch() -> int:
    """How many days the page looks back."""
    wanted = request.args.get("days", 30, type=int)
    return wanted if wanted in STRETCHES else 30
