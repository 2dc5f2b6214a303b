"""Coming in, staying in, going over: entries, `while`, hand-overs, and what an `else` catches.

Owns these findings. Must not look at mails.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from app.core.campaign import (
    ANY,
    Campaign,
    CampaignState,
    Choose,
    ForDate,
    HandOver,
    If,
    Once,
    Start,
    Step,
    Wait,
    walk,
)
from app.core.check.finding import error, finding
from app.core.conditions import Condition
from app.core.conditions.needs import leaves, operand_of
from app.core.conditions.tree import AnswerTo, AttributeOf, EventField, Happened, Known, Name, Named, Operand
from app.core.instants import format_span
from app.core.problem import Problem
from app.core.site import Ladder
from app.core.text import Place
from app.core.windows import MIDNIGHT, at_local, zone_of
from app.core.workspace import Workspace

_UNSURE: Final = frozenset({Name.COUNTRY, Name.SOURCE})


def entering_findings(workspace: Workspace, today: date) -> Iterator[Problem]:
    """Findings about how people come into campaigns, stay in them and go over into others."""
    targets = _targets(workspace)
    for campaign in workspace.campaigns.values():
        yield from _lapsing(campaign, workspace.ladder)
        yield from _no_way_in(campaign, targets)
        yield from _past_entries(campaign, today, workspace)
        for name, steps in campaign.sequences.items():
            for step in walk(steps):
                yield from _refusing(step, name, campaign, workspace)
        for step in campaign.steps():
            yield from _unknown_else(step)
            yield from _past_wait(step, today)


# ── While ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lapsing(campaign: Campaign, ladder: Ladder) -> Iterator[Problem]:
    for condition in campaign.while_:
        what = lapsing_part(condition, ladder)
        if what is not None and condition.place.file == campaign.place.file:
            message = f"a fact that lapses by itself stands in `while`: {what}"
            fix = "Remove it from `while`; ask it where people enter (`where` or `when`)"
            yield finding("lapsing-while", condition.place, message, fix)


def lapsing_part(condition: Condition, ladder: Ladder) -> str | None:
    """What in a condition ceases to hold without anything happening, in words; None when nothing does."""
    for leaf in leaves(condition.tree):
        if isinstance(leaf, Happened) and leaf.within is not None:
            return f"{leaf.deed} within {format_span(leaf.within)}"
        if isinstance(operand := operand_of(leaf), Named):
            if operand.name is Name.SCORE:
                return "the score, which fades"
            if operand.name is Name.KIND and any(kind.names().lapses for _, kind in ladder.kinds):
                return "the kind, which changes when its facts grow old"
    for segment in sorted(condition.names().segments):
        behind = ladder.segments.get(segment)
        if behind is not None and behind.names().lapses:
            return f"the segment '{segment}', which people leave as time goes by"
    return None


# ── Entries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _targets(workspace: Workspace) -> frozenset[str]:
    """Campaigns some other one leads to."""
    steps = (step for campaign in workspace.campaigns.values() for step in campaign.steps())
    return frozenset(step.campaign for step in steps if isinstance(step, HandOver | Start))


def _no_way_in(campaign: Campaign, targets: frozenset[str]) -> Iterator[Problem]:
    if campaign.state is CampaignState.LIVE and not campaign.entries and campaign.key not in targets:
        yield finding(
            "no-way-in",
            campaign.place,
            "nobody comes in: `enter` is empty, and no campaign leads here",
            "Add: enter: {box: ebook}",
        )


def _past_entries(campaign: Campaign, today: date, workspace: Workspace) -> Iterator[Problem]:
    if campaign.state is not CampaignState.LIVE:
        return
    now = at_local(today, MIDNIGHT, zone_of(workspace.site.timezone, "UTC"))
    for entry in campaign.entries:
        is_over = isinstance(entry.rule, Once) and date.fromisoformat(entry.rule.date) < today - timedelta(days=1)
        if is_over or (entry.until_at is not None and entry.until_at < now):
            yield finding(
                "entry-over", entry.place, "nobody enters here any more: the date is past", "Set: state: retired"
            )
    if campaign.stream is None:
        return
    for articles in campaign.stream.articles.values():
        for article in articles:
            if article.until_at is not None and article.until_at < now:
                yield finding("article-over", article.place, f"'{article.mail}' is past its `until`", "Remove it")


def _past_wait(step: Step, today: date) -> Iterator[Problem]:
    if not (isinstance(step, Wait) and isinstance(step.rule, ForDate) and step.rule.date):
        return
    if date.fromisoformat(step.rule.date) + timedelta(days=step.rule.days) < today:
        yield finding("date-over", step.place, "this date is past", "Set a later date, or remove the wait")


# ── Going over ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _refusing(step: Step, sequence: str, campaign: Campaign, workspace: Workspace) -> Iterator[Problem]:
    if not isinstance(step, HandOver | Start) or step.campaign not in workspace.campaigns:
        return
    target = workspace.campaigns[step.campaign]
    if target.key == campaign.key:
        message = f"'{target.key}' is this very campaign: it refuses, for this run is live"
        yield error("hand-over-self", step.place, message, "Name another campaign")
        return
    reason = _refusal(target, sequence, campaign, workspace)
    if reason is not None and campaign.state is CampaignState.LIVE:
        yield finding("hand-over-refused", step.place, f"'{target.key}' refuses: {reason}", _remedy(reason, target))


def _refusal(target: Campaign, sequence: str, campaign: Campaign, workspace: Workspace) -> str | None:
    if target.state in (CampaignState.DRAFT, CampaignState.RETIRED):
        return f"it is a {target.state}" if target.state is CampaignState.DRAFT else "it is retired"
    stages = [stage.key for stage in workspace.ladder.stages]
    if sequence == ANY:
        own = campaign.sequences
        stages = [stage for stage in stages if stage not in own]
    elif sequence in stages:
        stages = [sequence]
    if stages and all(target.sequence_for(stage) is None for stage in stages):
        return f"it has no sequence for the stage {', '.join(stages)}"
    return None


def _remedy(reason: str, target: Campaign) -> str:
    if "sequence" in reason:
        return f"Add a sequence for it, or `any`, in {target.place.file}"
    return f"Write: state: live, in {target.place.file}"


# ── Else ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _unknown_else(step: Step) -> Iterator[Problem]:
    match step:
        case If(condition=condition, otherwise=otherwise) if otherwise:
            yield from _catches_unknown((condition,), step.place)
        case Choose(options=options, otherwise=otherwise) if otherwise:
            yield from _catches_unknown(tuple(option.when for option in options), step.place)
        case _:
            return


def _catches_unknown(conditions: tuple[Condition, ...], place: Place) -> Iterator[Problem]:
    asked: dict[str, None] = {}
    guarded: set[str] = set()
    for condition in conditions:
        for leaf in leaves(condition.tree):
            operand = operand_of(leaf)
            name = _may_be_unknown(operand) if operand is not None else None
            if name is not None and isinstance(leaf, Known):
                guarded.add(name)
            elif name is not None:
                asked.setdefault(name)
    unsure = [name for name in asked if name not in guarded]
    if unsure:
        message = f"`else` also takes everybody of whom {unsure[0]} is not known"
        fix = f"Ask first: not known({unsure[0]!r}), or allow it with a reason"
        yield finding("else-unknown", place, message, fix)


def _may_be_unknown(operand: Operand) -> str | None:
    match operand:
        case AttributeOf(key):
            return key
        case AnswerTo(survey):
            return survey
        case Named(name) if name in _UNSURE:
            return str(name)
        case EventField() | Named():
            return None
