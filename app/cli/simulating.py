"""`parvar simulate`: a year of made-up people, or the real list ahead, with a summary, JSON and an HTML report.

Owns the words of the summary. Must not count anything itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.actions.inspect import Inspection, inspect_folder
from app.actions.simulate import Simulated, Wanted, forecast
from app.actions.simulate import simulate as run
from app.actions.simulate.report import html
from app.cli import simulating_persian
from app.cli.files import print_problems
from app.cli.tongues import lang_option
from app.core.figures import figures, isolated
from app.core.instants import DAY, HOUR, to_datetime
from app.core.simulating import BEHAVIOURS, Behaviour, BehaviourFault, behaviours_of
from app.core.site import Site
from app.main import today


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, 3650), help="How long.")
@click.option("--audience", default=10_000, show_default=True, type=click.IntRange(1), help="How many people.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same year.")
@click.option("--behaviours", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML: rates by sort.")
@click.option("--processes", default=0, help="How many at once; all cores when not given.")
@click.option("--codes", multiple=True, metavar="POOL=COUNT", help="Codes there are; other pools never run out.")
@click.option("--from-database", is_flag=True, help="The real list from today on, nobody mailed; --days 30 is usual.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML report with charts.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@lang_option
def simulate(  # noqa: PLR0913 (one option, one argument)
    folder: Path,
    days: int,
    audience: int,
    seed: int,
    behaviours: Path | None,
    processes: int,
    codes: tuple[str, ...],
    from_database: bool,
    report: Path | None,
    as_json: bool,
    lang: str,
) -> None:
    """Let a made-up audience live with the campaigns below FOLDER, under the real engine. Nobody is mailed.

    Exit code 1 when the files have errors.
    """
    inspection = inspect_folder(folder, today())
    if inspection.workspace is None or inspection.errors:
        print_problems(inspection.errors or inspection.problems)
        sys.exit(1)
    sorts = tuple(_behaviours(behaviours).items())
    wanted = Wanted(days, audience, seed, sorts, processes=processes or os.cpu_count() or 1, stock=_codes(codes))
    began = time.perf_counter()
    done = _run(inspection, wanted, from_database=from_database, is_quiet=as_json)
    if done is None:
        raise click.ClickException(_NOTHING[lang])
    if report:
        report.write_text(html(done, lang), "utf-8")
    if as_json:
        click.echo(json.dumps(plain(done), ensure_ascii=False, indent=1))
        return
    click.echo("\n".join(lines(done, inspection.workspace.site, lang)))
    click.echo(_took(time.perf_counter() - began, report, lang))


def _took(seconds: float, report: Path | None, lang: str) -> str:
    if lang == "fa":
        where = f" · {isolated(report)}" if report else ""
        return f"زمان: {figures(f'{seconds:.1f}').replace('.', '٫')} ثانیه{where}"
    return f"{seconds:.1f} s{f' · {report}' if report else ''}"


_NOTHING = {
    "en": "nothing is published yet, so there is no list to look ahead for",
    "fa": "هنوز چیزی منتشر نشده است، پس فهرستی نیست که آینده‌اش دیده شود",
}


def _codes(given: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for each in given:
        pool, _, count = each.partition("=")
        if not pool or not count.isdecimal():
            raise click.ClickException(f"--codes {each}: write a pool and how many codes it holds, such as spring=500")
        found[pool] = int(count)
    return found


def _behaviours(path: Path | None) -> dict[str, Behaviour]:
    if path is None:
        return dict(BEHAVIOURS)
    try:
        return behaviours_of(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, BehaviourFault) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _run(inspection: Inspection, wanted: Wanted, *, from_database: bool, is_quiet: bool) -> Simulated | None:
    columns = (TextColumn("living"), MofNCompleteColumn(), TextColumn("lives"), BarColumn(), TimeRemainingColumn())
    hidden = is_quiet or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if not from_database:
            return run(inspection, wanted, show)
        from app.actions.shelf import Shelf
        from app.cli.running import settings_or_exit
        from app.main import build_world

        world = build_world(settings_or_exit())
        return forecast(world, Shelf(world.secret), inspection, wanted, show)


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def lines(done: Simulated, site: Site | None = None, lang: str = "en") -> Iterator[str]:
    """The summary for a terminal."""
    return simulating_persian.lines(done, site) if lang == "fa" else _english(done, site)


def _english(done: Simulated, site: Site | None) -> Iterator[str]:
    summary, wanted = done.summary, done.wanted
    mails = summary.mails
    busiest = max(summary.days.values(), default=0)
    yield f"{summary.people:,} people · {wanted.days} days · seed {wanted.seed} · nobody was mailed"
    daily = f"{mails / wanted.days:,.0f} a day, {busiest:,} on the busiest"
    yield f"mails     {mails:,} marketing, {summary.service:,} asked for · {daily}"
    hours = summary.delays / summary.delayed / HOUR if summary.delayed else 0
    given_up = summary.skipped.total()
    yield f"limits    {summary.delayed:,} mails delayed, by {hours:.0f} h on average · {given_up:,} given up"
    for rule, times in summary.capped.most_common(3):
        yield f"          {times:,} by {rule}"
    half = summary.half_of_worst_weeks
    yield f"inboxes   worst week {summary.worst[0]} mails · half of all people at most {half} in any week"
    yield f"          longest silence {summary.silent[0]} days · {summary.exhausted:,} people exhausted"
    yield from _funnel(done)
    yield from _campaigns(done)
    yield from _offers(done)
    risk = summary.risk
    guards = f"complaints {risk['complaints']:.2%} · hard bounces {risk['hard_bounces']:.2%}"
    yield f"delivery  {guards} · unsubscribes {risk['unsubscribes']:.2%} of marketing mails"
    for stop in done.stops:
        what = stop.what.replace("_", " ")
        day = _day(stop.day)
        more = f", and on {stop.days - 1} more days" if stop.days > 1 else ""
        share = f"{stop.number} {what} of {stop.sent} mails"
        yield f"          {stop.campaign} would have been stopped on {day}: {share}{more}"
    yield f"orders    {summary.orders:,}, {_money(summary.revenue, site)}"


def _money(amount: int, site: Site | None) -> str:
    """An amount as people of the site say it."""
    if site is not None and site.currency_shown == "toman":
        return f"{amount // 10:,} tomans"
    return f"{amount:,} in the smallest unit{f' of {site.currency}' if site else ''}"


def _offers(done: Simulated) -> Iterator[str]:
    """What was given of each offer, and what ran out."""
    head = "offers"
    for offer, count in sorted(done.summary.given.items()):
        yield f"{head:<10}{offer:<22} {count:>8,} given"
        head = ""
    for stock in done.stocked:
        gone = f"gone on {_day(stock.gone_at // DAY)}" if stock.gone_at is not None else "enough"
        yield f"{head:<10}{stock.name:<22} {stock.wanted:>8,} wanted of {stock.amount:,}   {gone}"
        head = ""


def _day(day: int) -> str:
    """A day counted from 1970, as people write it."""
    return f"{to_datetime(day * DAY):%-d %b %Y}"


def _funnel(done: Simulated) -> Iterator[str]:
    summary = done.summary
    for place, stage in enumerate(done.stages):
        reached = summary.reached[stage]
        days = summary.median_days(stage)
        took = f", half of them within {days} days" if place and days is not None else ""
        share = reached / max(1, summary.people)
        yield f"{'funnel' if not place else '':<10}{stage:<12} {reached:>8,}  {share:>6.1%}{took}"


def _campaigns(done: Simulated) -> Iterator[str]:
    summary = done.summary
    for key in sorted(done.campaigns, key=lambda key: -summary.entered[key]):
        if not summary.entered[key]:
            continue
        goal = f"{summary.goals[key] / summary.entered[key]:.1%} goal"
        starving = "   starving: it waits or gives up more often than it mails" if key in summary.starving else ""
        yield f"  {key:<22} {summary.entered[key]:>8,} in  {summary.by_campaign[key]:>8,} mails  {goal:>10}{starving}"
    unused = [key for key in done.campaigns if not summary.entered[key]]
    if unused:
        yield f"  nobody came into {', '.join(unused)}"


def plain(done: Simulated) -> dict[str, object]:
    """The summary as JSON knows it. `trace` names every decision of every life."""
    import hashlib

    summary, wanted = done.summary, done.wanted
    counted = {name: dict(getattr(summary, name)) for name in ("by_campaign", "by_mail", "entered", "goals", "ghosts")}
    return {
        "people": summary.people,
        "days": wanted.days,
        "seed": wanted.seed,
        "mails_per_day": [summary.days[day] for day in range(wanted.days)],
        "service_mails": summary.service,
        "delayed": summary.delayed,
        "mean_delay_hours": summary.delays / summary.delayed / HOUR if summary.delayed else 0,
        "capped_by": dict(summary.capped),
        "skipped": dict(summary.skipped),
        "worst_week": summary.worst[0],
        "worst_weeks": dict(sorted(summary.worst_weeks.items())),
        "longest_silence_days": summary.silent[0],
        "exhausted": summary.exhausted,
        "funnel": {
            stage: {"reached": summary.reached[stage], "median_days": summary.median_days(stage)}
            for stage in done.stages
        },
        "starving": list(summary.starving),
        "risk": summary.risk,
        "given": dict(sorted(summary.given.items())),
        "stock": [asdict(stock) for stock in done.stocked],
        "stops": [asdict(stop) for stop in done.stops],
        "orders": summary.orders,
        "revenue": summary.revenue,
        "began": wanted.began // DAY,
        "trace": hashlib.sha256("".join(summary.digests).encode()).hexdigest(),
        **counted,
    }
