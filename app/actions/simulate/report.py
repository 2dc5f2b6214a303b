"""Report: a simulation as one HTML page with charts drawn as SVG, in English or Persian.

Owns the drawing and the words of the page, which loads nothing and runs nothing. Must not count anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from app.actions.simulate import Simulated
from app.core.figures import figures, grouped
from app.core.instants import HOUR

_WIDTH, _HEIGHT = 720, 180
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2rem auto; padding: 0 1rem; color: #1c2520;
  background: #fff }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
table { border-collapse: collapse; width: 100% } td, th { padding: .25rem .5rem; border-bottom: 1px solid #e1e6e3 }
th { text-align: start; font-weight: 600 } .n { text-align: end; font-variant-numeric: tabular-nums }
svg { width: 100%; height: auto; direction: ltr } .bar { fill: #0a7d5a } .grid { stroke: #e1e6e3 }
text { font: 11px system-ui; fill: #55605a }
@media (prefers-color-scheme: dark) { body { background: #151a17; color: #e4ebe7 } td, th { border-color: #2c3530 }
  .bar { fill: #3cc195 } .grid { stroke: #2c3530 } text { fill: #9aa8a1 } }
"""


@dataclass(frozen=True, slots=True)
class _Tongue:
    """How the page speaks: its words, numbers and shares."""

    is_persian: bool

    def says(self, english: str, persian: str) -> str:
        return persian if self.is_persian else english

    def number(self, count: int) -> str:
        return grouped(count) if self.is_persian else f"{count:,}"

    def share(self, share: float, digits: int = 1) -> str:
        said = f"{share:.{digits}%}"
        return figures(said).replace(".", "٫").replace("%", "٪") if self.is_persian else said


def html(done: Simulated, lang: str = "en") -> str:
    """The whole page."""
    summary, wanted, tongue = done.summary, done.wanted, _Tongue(lang == "fa")
    people, days = tongue.number(summary.people), tongue.number(wanted.days)
    title = tongue.says(f"{people} people, {days} days", f"{people} نفر، {days} روز")
    mails, weeks = tongue.says("mails", "ایمیل"), tongue.says("weeks", "هفته")
    parts = [
        f"<h1>{title}</h1><p>{_about(done, tongue)}</p>",
        _figures(done, tongue),
        _heading(tongue, "Marketing mails per day", "ایمیل‌های بازاریابی هر روز"),
        bars([summary.days[day] for day in range(wanted.days)], tongue.says("day", "روز"), lang),
        _heading(tongue, "Funnel", "قیف"),
        _funnel(done, tongue),
        _heading(tongue, "The worst week of each person, in mails", "شلوغ‌ترین هفتهٔ هر نفر، به شمار ایمیل"),
        bars([summary.worst_weeks[count] for count in range(max(summary.worst_weeks, default=0) + 1)], mails, lang),
        _heading(tongue, "The longest silence of each person, in weeks", "بلندترین سکوت برای هر نفر، به هفته"),
        bars([summary.silences[count] for count in range(max(summary.silences, default=0) + 1)], weeks, lang),
        _heading(tongue, "Campaigns", "کارزارها"),
        _campaigns(done, tongue),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    opening = '<html lang="fa" dir="rtl">' if tongue.is_persian else '<html lang="en">'
    return f"<!doctype html>{opening}<head>{head}<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"


def _heading(tongue: _Tongue, english: str, persian: str) -> str:
    return f"<h2>{tongue.says(english, persian)}</h2>"


def _about(done: Simulated, tongue: _Tongue) -> str:
    seed = done.wanted.seed
    return tongue.says(
        f"Seed {seed}. Decided by the real engine, person by person; nobody was mailed.",
        f"بذر {figures(seed)}. موتور واقعی نفر به نفر تصمیم گرفته است؛ ایمیلی برای کسی نرفت.",
    )


def _figures(done: Simulated, tongue: _Tongue) -> str:
    summary, say, number = done.summary, tongue.says, tongue.number
    hours = summary.delays / summary.delayed / HOUR if summary.delayed else 0
    risk = summary.risk
    delayed = number(summary.delayed)
    silence = number(summary.silent[0])
    rows = [
        (say("Marketing mails", "ایمیل‌های بازاریابی"), number(summary.mails)),
        (say("Mails people asked for", "ایمیل‌هایی که خود خواستند"), number(summary.service)),
        (
            say("Delayed by limits or quiet time", "عقب‌افتاده با سقف تماس یا زمان آرام"),
            say(f"{delayed}, by {hours:.0f} h on average", f"{delayed}، میانگین {figures(f'{hours:.0f}')} ساعت"),
        ),
        (say("Given up", "گذشتن از ایمیل"), number(summary.skipped.total())),
        (say("People exhausted", "افراد خسته‌شده"), number(summary.exhausted)),
        (say("Longest silence", "بلندترین سکوت"), say(f"{silence} days", f"{silence} روز")),
        (
            say("Complaints, hard bounces, unsubscribes", "شکایت، برگشت قطعی، لغو اشتراک"),
            " · ".join(tongue.share(risk[name], 2) for name in risk),
        ),
        (say("Orders", "سفارش‌ها"), number(summary.orders)),
    ]
    return _table((), rows)


def _funnel(done: Simulated, tongue: _Tongue) -> str:
    summary, say = done.summary, tongue.says
    rows = []
    for stage in done.stages:
        reached, days = summary.reached[stage], summary.median_days(stage)
        share = tongue.share(reached / max(1, summary.people))
        rows.append((stage, tongue.number(reached), share, "–" if days is None else tongue.number(days)))
    head = say("stage", "مرحله"), say("reached", "رسیده"), say("share", "سهم"), say("median days", "میانهٔ روزها")
    return _table(head, rows)


def _campaigns(done: Simulated, tongue: _Tongue) -> str:
    summary, say, number = done.summary, tongue.says, tongue.number
    notes = say("starving", "گرسنه"), say("nobody came in", "کسی وارد نشد")
    rows = []
    for key in sorted(done.campaigns, key=lambda key: -summary.entered[key]):
        entered = summary.entered[key]
        goal = tongue.share(summary.goals[key] / entered) if entered else "–"
        note = notes[0] if key in summary.starving else "" if entered else notes[1]
        counts = number(entered), number(summary.by_campaign[key]), goal, number(summary.skipped[key])
        rows.append((key, *counts, note))
    counted = say("entered", "ورود"), say("mails", "ایمیل"), say("goal", "هدف"), say("given up", "گذشته")
    return _table((say("campaign", "کارزار"), *counted, ""), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column names, the others count."""
    top = "".join(f"<th{_counts(place)}>{escape(name)}</th>" for place, name in enumerate(head))
    body = "".join(f"<tr>{''.join(_cell(place, cell) for place, cell in enumerate(row))}</tr>" for row in rows)
    return f"<table>{f'<tr>{top}</tr>' if top else ''}{body}</table>"


def _counts(place: int) -> str:
    return " class=n" if place else ""


def _cell(place: int, cell: str) -> str:
    said = escape(cell)
    return f"<td{_counts(place)}>{said if place else f'<bdi>{said}</bdi>'}</td>"


def bars(values: Sequence[int], unit: str, lang: str = "en") -> str:
    """A bar for each value, with a grid line at the top and the first and last place named. Persian runs leftwards."""
    tongue = _Tongue(lang == "fa")
    most = max(values, default=0) or 1
    drawn = "".join(_drawn(values, most, unit, tongue))
    first, last = (_WIDTH, 0) if tongue.is_persian else (0, _WIDTH)
    near, far = ("end", "start") if tongue.is_persian else ("start", "end")
    top = f'<text x="{first}" y="12" text-anchor="{near}">{tongue.number(most)}</text>'
    grid = f'<line class="grid" x1="0" x2="{_WIDTH}" y1="16" y2="16"/>{top}'
    begins = f'<text x="{first}" y="{_HEIGHT + 14}" text-anchor="{near}">{unit} {tongue.number(0)}</text>'
    ends = f'<text x="{last}" y="{_HEIGHT + 14}" text-anchor="{far}">{unit} {tongue.number(len(values) - 1)}</text>'
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT + 20}"'
    return f'<svg {box} role="img" aria-label="{unit}">{grid}{drawn}{begins}{ends}</svg>'


def _drawn(values: Sequence[int], most: int, unit: str, tongue: _Tongue) -> Iterator[str]:
    step = _WIDTH / max(1, len(values))
    width = max(step - 0.5, 0.5)
    for place, value in enumerate(values):
        if value:
            height = value / most * (_HEIGHT - 16)
            x = _WIDTH - place * step - width if tongue.is_persian else place * step
            box = f'x="{x:.2f}" width="{width:.2f}" y="{_HEIGHT - height:.1f}" height="{height:.1f}"'
            title = f"{unit} {tongue.number(place)}: {tongue.number(value)}"
            yield f'<rect class="bar" {box}><title>{title}</title></rect>'
