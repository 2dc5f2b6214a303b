"""Report: a simulation as one HTML page with charts drawn as SVG. It loads nothing and runs nothing.

Owns the drawing. Must not count anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from app.actions.simulate import Simulated
from app.core.instants import HOUR

_WIDTH, _HEIGHT = 720, 180
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2rem auto; padding: 0 1rem; color: #1c2520;
  background: #fff }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
table { border-collapse: collapse; width: 100% } td, th { padding: .25rem .5rem; border-bottom: 1px solid #e1e6e3 }
th { text-align: start; font-weight: 600 } td.n { text-align: end; font-variant-numeric: tabular-nums }
svg { width: 100%; height: auto } .bar { fill: #0a7d5a } .grid { stroke: #e1e6e3 }
text { font: 11px system-ui; fill: #55605a }
@media (prefers-color-scheme: dark) { body { background: #151a17; color: #e4ebe7 } td, th { border-color: #2c3530 }
  .bar { fill: #3cc195 } .grid { stroke: #2c3530 } text { fill: #9aa8a1 } }
"""


def html(done: Simulated) -> str:
    """The whole page."""
    summary, wanted = done.summary, done.wanted
    title = f"{summary.people:,} people, {wanted.days} days"
    parts = [
        f"<h1>{title}</h1><p>Seed {wanted.seed}. Decided by the real engine, person by person; nobody was mailed.</p>",
        _figures(done),
        "<h2>Marketing mails per day</h2>",
        bars([summary.days[day] for day in range(wanted.days)], "day"),
        "<h2>Funnel</h2>",
        _funnel(done),
        "<h2>The worst week of each person, in mails</h2>",
        bars([summary.worst_weeks[count] for count in range(max(summary.worst_weeks, default=0) + 1)], "mails"),
        "<h2>The longest silence of each person, in weeks</h2>",
        bars([summary.silences[count] for count in range(max(summary.silences, default=0) + 1)], "weeks"),
        "<h2>Campaigns</h2>",
        _campaigns(done),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "".join(parts)
    return f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>\n'


def _figures(done: Simulated) -> str:
    summary = done.summary
    hours = summary.delays / summary.delayed / HOUR if summary.delayed else 0
    risk = summary.risk
    rows = [
        ("Marketing mails", f"{summary.mails:,}"),
        ("Mails people asked for", f"{summary.service:,}"),
        ("Delayed by limits or quiet time", f"{summary.delayed:,}, by {hours:.0f} h on average"),
        ("Given up", f"{summary.skipped.total():,}"),
        ("People exhausted", f"{summary.exhausted:,}"),
        ("Longest silence", f"{summary.silent[0]} days"),
        ("Complaints, hard bounces, unsubscribes", " · ".join(f"{risk[name]:.2%}" for name in risk)),
        ("Orders", f"{summary.orders:,}"),
    ]
    return _table((), rows)


def _funnel(done: Simulated) -> str:
    summary = done.summary
    rows = []
    for stage in done.stages:
        reached, days = summary.reached[stage], summary.median_days(stage)
        share = f"{reached / max(1, summary.people):.1%}"
        rows.append((stage, f"{reached:,}", share, "–" if days is None else f"{days}"))
    return _table(("stage", "reached", "share", "median days"), rows)


def _campaigns(done: Simulated) -> str:
    summary = done.summary
    rows = []
    for key in sorted(done.campaigns, key=lambda key: -summary.entered[key]):
        entered = summary.entered[key]
        goal = f"{summary.goals[key] / entered:.1%}" if entered else "–"
        note = "starving" if key in summary.starving else "nobody came in" if not entered else ""
        rows.append((key, f"{entered:,}", f"{summary.by_campaign[key]:,}", goal, f"{summary.skipped[key]:,}", note))
    return _table(("campaign", "entered", "mails", "goal", "given up", ""), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>" if head else ""
    body = "".join(
        "<tr>"
        + "".join(f"<td{'' if not place else ' class=n'}>{escape(cell)}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table>{top}{body}</table>"


def bars(values: Sequence[int], unit: str) -> str:
    """A bar for each value, with a grid line at the top and the first and last place named."""
    most = max(values, default=0) or 1
    step = _WIDTH / max(1, len(values))
    drawn = "".join(_bar(place, value, value / most, step, unit) for place, value in enumerate(values) if value)
    grid = f'<line class="grid" x1="0" x2="{_WIDTH}" y1="16" y2="16"/><text x="0" y="12">{most:,}</text>'
    last = f'<text x="{_WIDTH}" y="{_HEIGHT + 14}" text-anchor="end">{unit} {len(values) - 1}</text>'
    ends = f'<text x="0" y="{_HEIGHT + 14}">{unit} 0</text>{last}'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 20}" role="img" aria-label="{unit}">{grid}{drawn}{ends}</svg>'


def _bar(place: int, value: int, share: float, step: float, unit: str) -> str:
    height = share * (_HEIGHT - 16)
    box = f'x="{place * step:.2f}" width="{max(step - 0.5, 0.5):.2f}" y="{_HEIGHT - height:.1f}" height="{height:.1f}"'
    return f'<rect class="bar" {box}><title>{unit} {place}: {value:,}</title></rect>'
