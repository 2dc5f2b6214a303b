"""Plans as lines: for a terminal, and as Markdown for a pull request.

Owns how a plan is laid out. Must not compute any number.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.actions.plan import CampaignPlan, Plan, StepPlan
from app.cli import plans_persian
from app.core.difference import Change, Sign
from app.core.explaining.dates import Dates
from app.core.explaining.english import at_line
from app.core.instants import Instant
from app.core.windows import zone_of

_WIDTH = 76


def lines(plan: Plan, zone: str, lang: str = "en") -> Iterator[str]:
    """The whole plan, line by line."""
    return plans_persian.lines(plan, zone) if lang == "fa" else _english(plan, zone)


def _english(plan: Plan, zone: str) -> Iterator[str]:
    dates = Dates(zone_of(zone, "UTC"), plan.at)
    yield _against(plan, dates)
    if plan.is_empty:
        yield "Nothing changes."
        return
    for campaign in plan.campaigns:
        yield from _campaign(campaign, dates)
    if plan.delayed or plan.skipped:
        skipped = f"{plan.skipped:,} skipped" if plan.skipped else "none skipped"
        yield f"limits   {plan.delayed:,} more mails meet a limit: delayed, {skipped}"
    yield from _others(plan)
    yield from _ladder(plan)
    yield from _overlaps(plan)
    if plan.service_mails:
        yield f"service  {', '.join(plan.service_mails)} skip limits, quiet time and holdout"
    for refusal in plan.refusals:
        yield f"✗ {refusal.words.in_locale('en')}".ljust(_WIDTH) + f" {at_line(refusal.place)}"
        yield f"    write  {refusal.fix.in_locale('en')}"
    yield _sum(plan)


def _against(plan: Plan, dates: Dates) -> str:
    live = f"against live version {plan.live.id} ({_by(plan, dates)})" if plan.live else "the first version"
    return f"{live} · looked at {plan.people:,} {'person' if plan.people == 1 else 'people'} · nothing is sent"


def _by(plan: Plan, dates: Dates) -> str:
    if plan.live is None:
        return ""
    author = f", {plan.live.author}" if plan.live.author else ""
    return f"{_day(dates.english(plan.live.at))}{author}"


def _day(text: str) -> str:
    return text.rpartition(" ")[0]


# ── Campaigns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _campaign(campaign: CampaignPlan, dates: Dates) -> Iterator[str]:
    change = campaign.change
    yield _placed(f"{change.sign.value} {change.key}", at_line(change.place) if change.sign is not Sign.CHANGED else "")
    shown = campaign.steps if change.sign is Sign.CHANGED else campaign.steps[:3]
    for step in shown:
        yield from _step(step, dates)
    if len(campaign.steps) > len(shown):
        yield f"    … {len(campaign.steps) - len(shown)} more steps"
    if change.sign is Sign.ADDED:
        yield "    enters nobody who is here already; parvar backfill does"
    yield from _mails(campaign, dates)


def _step(step: StepPlan, dates: Dates) -> Iterator[str]:
    change = step.change
    yield _placed(f"    {change.sign.value} {change.name:<26} {change.words}", at_line(change.place))
    if step.standing:
        yield f"      {_standing(step, dates)}"


def _standing(step: StepPlan, dates: Dates) -> str:
    parts = [f"{step.at_once:,} become due at once"] if step.at_once else []
    parts += [f"{count:,} on {dates.english(at)}" for at, count in step.later[:3]]
    rest = sum(count for _, count in step.later[3:])
    parts += [f"{rest:,} later"] if rest else []
    return f"{step.standing:,} stand here{': ' if parts else ''}{', '.join(parts)}"


def _placed(text: str, place: str) -> str:
    return f"{text:<{_WIDTH}} {place}".rstrip()


def _mails(campaign: CampaignPlan, dates: Dates) -> Iterator[str]:
    if campaign.mails_week or campaign.mails_week_before:
        day = f"next 24 h {campaign.mails_day:,} (was {campaign.mails_day_before:,})"
        week = f"next 7 days {campaign.mails_week:,} (was {campaign.mails_week_before:,})"
        yield f"    mails    {day}   {week}   peak {campaign.peak:,} an hour"
    for result, count in campaign.ended:
        yield f"    ends     {count:,} runs ({result.replace('_', ' ')})"
    if campaign.example:
        who = campaign.example.who
        moved = f"{_when(campaign.example.at, dates)}, was {_when(campaign.example.was_at, dates)}"
        hint = f"parvar explain {who.address} --planned"
        yield f"    example  {who.name or who.address}  {campaign.example.mail} {moved}".ljust(_WIDTH) + f" {hint}"


def _when(at: Instant | None, dates: Dates) -> str:
    return "not at all" if at is None else dates.english(at)


# ── The rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _others(plan: Plan) -> Iterator[str]:
    changes = plan.difference.others
    mails = [change for change in changes if change.sort == "mail"]
    for change in changes:
        if change.sort != "mail":
            yield _placed(f"{change.sign.value} {_titled(change)}", at_line(change.place))
    for change in mails if len(mails) <= 8 else mails[:5]:
        yield _placed(f"{change.sign.value} mail {change.name}", at_line(change.place))
    if len(mails) > 8:
        yield f"  … {len(mails) - 5} more mails"


def _titled(change: Change) -> str:
    words = change.words
    return f"{change.sort} {change.name}{f'   {words}' if words else ''}"


def _ladder(plan: Plan) -> Iterator[str]:
    for move in plan.ladder:
        way = "rise" if move.is_rise else "fall"
        who = f"   {move.example.name or move.example.address} for one" if move.example else ""
        yield f"ladder   {move.people:,} {way} from {move.before} to {move.after}, quietly: it enters nobody{who}"


def _overlaps(plan: Plan) -> Iterator[str]:
    for overlap in plan.overlaps[:5]:
        who = overlap.example.name or overlap.example.address
        yield f"overlap  {overlap.one} and {overlap.two} share {overlap.people:,} people, {who} for one"


def _sum(plan: Plan) -> str:
    changed = len(plan.campaigns) + sum(change.sort != "mail" for change in plan.difference.others)
    mails = sum(change.sort == "mail" for change in plan.difference.others)
    parts = [f"{changed} changed", *([f"{mails} mails"] if mails else [])]
    if plan.refusals:
        return f"{' · '.join(parts)} · refused: {len(plan.refusals)} to mend first"
    parts.append("no one gets a mail twice")
    if plan.guard.is_over:
        parts.append(f"over the guard ({plan.guard.peak:,} an hour, limit {plan.guard.limit:,})")
        return f"{' · '.join(parts)}   parvar apply {plan.digest} --confirm {plan.guard.mails}"
    parts.append(f"under the guard ({plan.guard.limit:,} an hour)")
    return f"{' · '.join(parts)}   parvar apply {plan.digest}"


# ── For a pull request ───────────────────────────────────────────────────────────────────────────────────────────────


def markdown(plan: Plan, zone: str) -> Iterator[str]:
    """The plan as a comment: a heading, what changes as a table, the whole below."""
    state = "refused" if plan.refusals else "over the guard" if plan.guard.is_over else "ready"
    yield f"### Parvar plan `{plan.digest}`: {state}"
    yield ""
    if plan.campaigns:
        yield "| campaign | change | people here | due at once | mails 24 h (was) | mails 7 d (was) |"
        yield "|---|---|--:|--:|--:|--:|"
    for campaign in plan.campaigns:
        standing, at_once = (sum(getattr(step, name) for step in campaign.steps) for name in ("standing", "at_once"))
        words = "<br>".join(
            _escaped(f"{s.change.sign.value} {s.change.name}: {s.change.words}") for s in campaign.steps[:5]
        )
        day = f"{campaign.mails_day} ({campaign.mails_day_before})"
        week = f"{campaign.mails_week} ({campaign.mails_week_before})"
        yield f"| {campaign.change.key} | {words} | {standing} | {at_once} | {day} | {week} |"
    yield ""
    for refusal in plan.refusals:
        words, fix = refusal.words.in_locale("en"), refusal.fix.in_locale("en")
        yield f"- **refused** {words} (`{at_line(refusal.place)}`): `{fix}`"
    yield "<details><summary>The whole plan</summary>"
    yield ""
    yield "```"
    yield from lines(plan, zone)
    yield "```"
    yield "</details>"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
