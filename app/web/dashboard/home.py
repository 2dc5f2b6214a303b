"""Home: whether all is well, what happened, and what needs somebody.

Owns the page only; app.actions.measure finds the figures.
"""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.actions import measure
from app.actions.measure import Need, Series
from app.store import reports
from app.web.dashboard import drawing, ladder, people
from app.web.dashboard.shell import shelved
from app.web.dashboard.wording import compact, money, number, say
from app.web.parts import Parts

LABELS = {
    "signups": "Signups",
    "confirmed": "Confirmed",
    "sent": "Campaign mails sent",
    "clicks": "People who clicked",
    "rises": "Steps up the ladder",
    "revenue": "Revenue",
}
NEEDS = {
    Need.NOTHING_PUBLISHED: ("Nothing is published yet: nobody can enter a campaign.", "dashboard.campaigns"),
    Need.KILLED: ("The kill switch is on: no mail leaves.", "dashboard.delivery"),
    Need.NO_WORKER: ("No worker gives a sign of life: nothing is decided or sent.", "dashboard.delivery"),
    Need.BEHIND: ("The worker is %(n)s minutes behind.", "dashboard.delivery"),
    Need.UNCERTAIN: ("%(n)s mails may or may not have arrived: decide what becomes of them.", "dashboard.delivery"),
    Need.PARKED_MAILS: ("%(n)s mails could not be written.", "dashboard.delivery"),
    Need.PARKED_PEOPLE: ("Decisions about %(n)s people fail and are tried again.", "dashboard.delivery"),
    Need.PAUSED: ("All campaigns are paused.", "dashboard.delivery"),
    Need.WEBHOOKS: ("%(n)s calls of webhooks wait.", "dashboard.delivery"),
}


def register(blueprint: Blueprint, parts: Parts) -> None:
    totals = ladder.totals_of(parts)

    @blueprint.get("/")
    def home() -> ResponseReturnValue:
        found = measure.health(parts.world)
        days = ladder.stretch()
        held = shelved()
        stages = tuple(stage.key for stage in held.book.ladder.stages) if held else ()
        series = measure.happened(parts.world, stages, days)
        chosen = request.args.get("figure", "signups")
        shown = series.get(chosen, series["signups"])
        counted = totals.get()
        known = counted.value
        with parts.world.transaction("read") as session:
            newest = reports.newest(session, 6)
        return render_template(
            "dashboard/home.html",
            rungs=ladder.rungs(known),
            total=sum(known.values()),
            is_known=counted.is_known,
            health=found,
            needs=[(say(NEEDS[need][0], n=count), NEEDS[need][1]) for need, count in measure.needs(found)],
            series=list(series.values()),
            labels=LABELS,
            written=written,
            sparks={key: drawing.spark(each.values) for key, each in series.items()},
            shown=shown,
            chart=chart_of(shown),
            days=days,
            stretches=ladder.STRETCHES,
            newest=[people.row_of(each) for each in newest],
        )


def written(series: Series, value: int) -> str:
    """A figure of home; large amounts shortened, for the list is narrow."""
    if series.key != "revenue":
        return number(value)
    held = shelved()
    site = held.book.site if held else None
    if site is None or site.currency_shown != "toman" or value < 10_000_000:
        return money(value, site)
    return f"{compact(value // 10)} {money(0, site).split(' ', 1)[1]}"


def chart_of(series: Series) -> drawing.Lines:
    label = say(LABELS[series.key])
    scale = 10 if series.key == "revenue" and _is_toman() else 1
    values, before = ([value // scale for value in part] for part in (series.values, series.before))
    return drawing.lines(values, before, series.first, label)


def _is_toman() -> bool:
    held = shelved()
    return held is not None and held.book.site.currency_shown == "toman"
