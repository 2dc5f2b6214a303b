"""Home: whether all is well, what happened, and what needs somebody.

Owns the page only; app.actions.measure finds the figures.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import measure
from app.actions.measure import Health, Need, Series
from app.actions.needs import Want, Wanted, dns_wants, wants
from app.store import reports
from app.web.dashboard import drawing, ladder, people
from app.web.dashboard.kept import Kept
from app.web.dashboard.shell import campaign_title, shelved
from app.web.dashboard.wording import compact, money, number, say, say_count
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
    Need.NOTHING_PUBLISHED: "Nothing is published yet: nobody can enter a campaign.",
    Need.KILLED: "The kill switch is on: no mail leaves.",
    Need.NO_WORKER: "No worker gives a sign of life: nothing is decided or sent.",
    Need.BEHIND: "The worker is %(n)s minutes behind.",
    Need.UNCERTAIN: "%(n)s mail may or may not have arrived: decide what becomes of it.",
    Need.PARKED_MAILS: "%(n)s mail could not be written.",
    Need.PARKED_PEOPLE: "Decisions about %(n)s person fail and are tried again.",
    Need.PAUSED: "All campaigns are paused.",
    Need.WEBHOOKS: "Calls of webhooks that wait: %(n)s",
}
"""What needs somebody, when it is one."""
NEEDS_MANY = {
    Need.UNCERTAIN: "%(n)s mails may or may not have arrived: decide what becomes of them.",
    Need.PARKED_MAILS: "%(n)s mails could not be written.",
    Need.PARKED_PEOPLE: "Decisions about %(n)s people fail and are tried again.",
}
HELPS = {Need.NOTHING_PUBLISHED: "dashboard.campaigns"}
"""The page that helps, where it is not that of delivery."""
WANTS = {
    Want.BREAKER: ("“%(name)s” was stopped by a breaker. Look why, mend it, and let it go on.", "dashboard.campaigns"),
    Want.RELAY: (
        "Of the last attempts to hand mails over, %(n)s got no answer: is the relay well?",
        "dashboard.delivery",
    ),
    Want.DNS: ("The DNS record of %(name)s is missing: mailbox providers look for it.", "dashboard.delivery"),
    Want.POOL: ("Codes left in the pool %(name)s: %(n)s", "dashboard.work"),
    Want.UNPUBLISHED: ("Files not published yet: %(n)s", "dashboard.publish"),
}


def register(blueprint: Blueprint, parts: Parts) -> None:
    totals = ladder.totals_of(parts)
    wanted = _wanted(parts)

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
            needs=[*_needs(found), *wanted()],
            series=list(series.values()),
            labels=LABELS,
            written=written,
            sparks={key: drawing.spark(each.values) for key, each in series.items()},
            shown=shown,
            chart=chart_of(shown),
            days=days,
            stretches=ladder.STRETCHES,
            newest=[people.row_of(each) for each in newest],
            shop_url=parts.world.settings.shop_url,
        )


def _needs(found: Health) -> list[tuple[str, str]]:
    """What the health of sending asks for: words, and the address that helps."""
    return [
        (
            say_count(NEEDS[need], NEEDS_MANY.get(need, NEEDS[need]), count),
            url_for(HELPS.get(need, "dashboard.delivery")),
        )
        for need, count in measure.needs(found)
    ]


def _wanted(parts: Parts) -> Callable[[], list[tuple[str, str]]]:
    """What else waits for somebody, found behind the page's back."""
    world = parts.world
    near: Kept[tuple[Wanted, ...]] = Kept(lambda: wants(world, parts.shelf), (), world.monotonic, 5)
    far: Kept[tuple[Wanted, ...]] = Kept(lambda: dns_wants(world, parts.shelf), (), world.monotonic, 3_600)
    return lambda: [_want(each) for each in sorted((*near.get().value, *far.get().value), key=_rank)]


def _rank(wanted: Wanted) -> int:
    return list(Want).index(wanted.want)


def _want(wanted: Wanted) -> tuple[str, str]:
    words, endpoint = WANTS[wanted.want]
    if wanted.want is not Want.BREAKER:
        return say(words, n=wanted.number, name=wanted.name), url_for(endpoint)
    if not wanted.name:
        return say("All campaigns were stopped by a breaker."), url_for("dashboard.delivery")
    return say(words, name=campaign_title(wanted.name)), url_for("dashboard.campaign", key=wanted.name)


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
