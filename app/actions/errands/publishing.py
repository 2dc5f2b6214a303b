"""Publishing: errands that plan what the site's folder, or an earlier release, would change, and apply such a plan.

Owns turning a plan into plain values a page can show in its reader's language. Guards are app.actions.plan's, the
same as on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.actions.errands import Json
from app.actions.errands.bench import Bench, Done, NotDone
from app.actions.folder import folder_of
from app.actions.inspect import Inspection, inspect_folder
from app.actions.plan import CampaignPlan, Named, Plan, Refusal, Shown, StepPlan, Unreadable, make_plan
from app.actions.plan.applying import (
    Applied,
    NoSuchRelease,
    NotConfirmed,
    Order,
    OtherPlan,
    PlanFirst,
    RefusedPlan,
    apply_planned,
    files_of,
)
from app.actions.publish import Authorship, digest_of
from app.core.difference import Change
from app.core.instants import to_datetime
from app.core.problem import Problem
from app.core.text import Place, Text
from app.store import releases

Plain = dict[str, Json]
MOST_PROBLEMS = 50
MOST_STEPS = 30
TONGUES = ("en", "fa")


def plan(bench: Bench) -> Done | NotDone:
    """Say what the folder (or the release that was asked for) would change. Nothing is sent."""
    inspection = _inspected(bench)
    if isinstance(inspection, NotDone):
        return inspection
    made = make_plan(bench.world, bench.shelf, inspection, bench.progress)
    return _unreadable(made.problems) if isinstance(made, Unreadable) else Done(plain(made))


def apply_plan(bench: Bench) -> Done | NotDone:
    """Publish what was planned under a digest, and nothing else."""
    inspection = _inspected(bench)
    if isinstance(inspection, NotDone):
        return inspection
    if bench.claim.number > 1 and (live := _is_live(bench, inspection)) is not None:
        return Done({"release": live, "is_new": True})
    by = Authorship(bench.errand.who, bench.asked("message"), bench.asked("commit"))
    confirmed = bench.asked("confirmed")
    order = Order(by, bench.asked("digest"), int(confirmed) if confirmed.isascii() and confirmed.isdigit() else None)
    done = apply_planned(bench.world, bench.shelf, inspection, order, bench.progress)
    match done:
        case Applied():
            return Done({"release": done.release_id, "is_new": done.is_new})
        case OtherPlan():
            return NotDone("other_plan")
        case PlanFirst():
            return NotDone("plan_first")
        case RefusedPlan():
            return NotDone("refused")
        case NotConfirmed(plan=made):
            return NotDone("not_confirmed", {"mails": made.guard.mails})
        case Unreadable(problems):
            return _unreadable(problems)


def _is_live(bench: Bench, inspection: Inspection) -> int | None:
    """The live release when it is these files: an earlier try got so far before its worker died."""
    with bench.world.transaction("read") as session:
        live = releases.control(session).release_id
        is_same = live is not None and releases.digest_of(session, live) == digest_of(inspection)
    return live if is_same else None


def _inspected(bench: Bench) -> Inspection | NotDone:
    today, folder = to_datetime(bench.world.wall()).date(), folder_of(bench.world.settings)
    wanted = bench.asked("release")
    bench.progress(0, 0)
    if wanted.isascii() and wanted.isdigit() and int(wanted):
        found = files_of(bench.world, int(wanted), today, folder)
        return NotDone("no_release", {"release": int(wanted)}) if isinstance(found, NoSuchRelease) else found
    if folder is None:
        return NotDone("no_folder")
    inspection = inspect_folder(folder, today)
    if inspection.workspace is None or inspection.errors:
        return _unreadable(inspection.errors or inspection.problems)
    return inspection


def _unreadable(problems: Iterable[Problem]) -> NotDone:
    found: list[Json] = [
        {"at": f"{p.file}:{p.line}:{p.column}", "code": p.code, "message": p.message, "fix": p.fix} for p in problems
    ]
    return NotDone("files", {"problems": found[:MOST_PROBLEMS], "number": len(found)})


# ── A plan in plain values ───────────────────────────────────────────────────────────────────────────────────────────


def plain(made: Plan) -> Plain:
    """A plan as JSON knows it: what the page shows, no counts behind it."""
    return {
        "digest": made.digest,
        "live": made.live.id if made.live else 0,
        "at": made.at,
        "people": made.people,
        "decided": made.decided,
        "is_first": made.is_first,
        "is_empty": made.is_empty,
        "is_harmless": made.is_harmless,
        "campaigns": [_campaign(each) for each in made.campaigns],
        "others": [_change(each) for each in made.difference.others],
        "ladder": [
            {"before": m.before, "after": m.after, "people": m.people, "rise": m.is_rise, "example": _named(m.example)}
            for m in made.ladder
        ],
        "overlaps": [
            {"one": o.one, "two": o.two, "people": o.people, "example": _named(o.example)} for o in made.overlaps
        ],
        "service": list(made.service_mails),
        "days": list(made.days),
        "days_before": list(made.days_before),
        "delayed": made.delayed,
        "skipped": made.skipped,
        "refusals": [_refusal(each) for each in made.refusals],
        "peak": made.guard.peak,
        "limit": made.guard.limit,
        "mails": made.guard.mails,
        "is_over": made.guard.is_over,
    }


def _refusal(made: Refusal) -> Plain:
    place = str(made.place) if made.place.line else ""
    return {"code": made.code, "words": _tongues(made.words), "fix": _tongues(made.fix), "at": place}


def _campaign(made: CampaignPlan) -> Plain:
    shown = made.example
    return {
        "sign": made.change.sign.value,
        "key": made.change.key,
        "at": place_of(made.change.place),
        "steps": [_step(each) for each in made.steps[:MOST_STEPS]],
        "more_steps": max(0, len(made.steps) - MOST_STEPS),
        "day": made.mails_day,
        "day_before": made.mails_day_before,
        "week": made.mails_week,
        "week_before": made.mails_week_before,
        "peak": made.peak,
        "ended": [list(each) for each in made.ended],
        "example": _shown(shown) if shown else None,
    }


def _shown(shown: Shown) -> Plain:
    return {"who": _named(shown.who), "mail": shown.mail, "at": shown.at, "was_at": shown.was_at}


def _step(made: StepPlan) -> Plain:
    later: list[Json] = [list(each) for each in made.later]
    return {**_change(made.change), "standing": made.standing, "at_once": made.at_once, "later": later[:3]}


def _change(change: Change) -> Plain:
    return {
        "sign": change.sign.value,
        "sort": change.sort,
        "name": change.name,
        "named": {tongue: change.name_in(tongue) for tongue in TONGUES},
        "words": {tongue: change.words_in(tongue) for tongue in TONGUES},
        "at": place_of(change.place),
    }


def _tongues(text: Text) -> Plain:
    """What both languages need: whoever reads it later may read in either."""
    return {tongue: text.in_locale(tongue) for tongue in TONGUES}


def _named(who: Named | None) -> Plain | None:
    return None if who is None else {"id": who.id, "name": who.name, "address": who.address}


def place_of(place: Place) -> str:
    """`campaigns/ebook.yaml:20`; nothing for nowhere."""
    return f"{place.file}:{place.line}" if place.line else ""
