"""Telling: what happened in a story as lines of time, which of them it turned on, why, and what to change.

Owns the words for a failed story. Must not judge: that it failed is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.actions.rehearse import Rehearsal
from app.core.campaign import Campaign
from app.core.conditions import Condition, parse
from app.core.instants import Instant
from app.core.person import Code
from app.core.text import NOWHERE, Place
from app.store.stories import Told

_SILENT = frozenset({Code.QUEUED, Code.WAITED, Code.VERSION})
"""Said by the line that follows them."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One line: when, what, more of it, the rule's place, and whether the story turned here."""

    at: Instant
    what: str
    more: str
    place: Place
    is_turn: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """A failed story told: its last lines, why it went so, and what to write instead (both may be empty)."""

    lines: tuple[Happened, ...]
    why: str
    fix: str


def account(rehearsal: Rehearsal, campaigns: Mapping[str, Campaign], most: int = 10) -> Account:
    """The last lines of a story that failed, with the turn marked."""
    meant = _meant(rehearsal, campaigns)
    told = [line for line in rehearsal.told if line.code not in _SILENT and _matters(line, meant)]
    turn = _turn(told, meant)
    shown = told[-most:]
    if turn is not None and turn not in shown:
        shown = [turn, *shown[1:]]
    lines = tuple(_line(line, campaigns, is_turn=line is turn) for line in shown)
    hint = _HINTS.get(turn.code) if turn else None
    if turn is None or hint is None:
        return Account(lines, "", "")
    why, fix = hint(turn, _place(turn, campaigns))
    return Account(lines, why, fix)


def _matters(line: Told, meant: frozenset[str]) -> bool:
    """Who did not enter another campaign is no part of this story."""
    return (not line.code.startswith("entry_") and line.code != Code.ENTRY_GOAL) or line.campaign in meant


def _meant(rehearsal: Rehearsal, campaigns: Mapping[str, Campaign]) -> frozenset[str]:
    """The campaigns the failed line is about: those it names, or whose mail it names."""
    wanted = rehearsal.failure.wanted if rehearsal.failure else ""
    words = set(wanted.split())
    return frozenset(key for key, c in campaigns.items() if key in words or words & c.own_mails)


def _turn(told: list[Told], meant: frozenset[str]) -> Told | None:
    """The last decision about a campaign meant that kept something from happening."""
    turning = [line for line in told if line.code in _HINTS]
    about = [line for line in turning if not meant or line.campaign in meant]
    return about[-1] if about else None


# ── One line ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _line(line: Told, campaigns: Mapping[str, Campaign], *, is_turn: bool) -> Happened:
    say = _SAID.get(line.code)
    what = say(line) if say else f"{line.campaign} {line.step} {line.code.replace('_', ' ')}".strip()
    return Happened(line.at, what, _more(line), _place(line, campaigns), is_turn)


def _more(line: Told) -> str:
    shown = ("offer", "because", "score", "condition", "branch", "holder")
    parts = (f"{name} {_short(line.seen[name])}" for name in shown if line.seen.get(name) not in (None, ""))
    return ", ".join(parts) if line.code not in (Code.WHILE, Code.GOAL, Code.BRANCH) else ""


def _short(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)


_SAID: Mapping[str, Callable[[Told], str]] = {
    Code.SENT: lambda t: f"mail {t.seen.get('mail', t.step)}",
    Code.STAGE: lambda t: f"stage {t.seen.get('before')} → {t.seen.get('after')}",
    Code.KIND: lambda t: f"kind {t.seen.get('before')} → {t.seen.get('after')}",
    Code.ENTERED: lambda t: f"entered {t.campaign}{' (held out)' if t.seen.get('is_ghost') else ''}",
    Code.WHILE: lambda t: f'run of {t.campaign} left: while "{t.seen.get("condition")}" no longer holds',
    Code.GOAL: lambda t: f'run of {t.campaign} left: goal "{t.seen.get("condition")}"',
    Code.BRANCH: lambda t: f"{t.step}: {t.seen.get('branch')}",
    Code.WAITS: lambda t: f"waits at {t.step}",
    Code.DELAYED: lambda t: f"mail {t.seen.get('mail', t.step)} delayed",
    Code.RESTS: lambda t: f"{t.campaign} rests at its end",
    Code.PAUSED_EXCLUSIVE: lambda t: f"{t.campaign} waits for {t.seen.get('holder')}",
    Code.WITHDRAWN: lambda t: f"took back {t.step}",
    Code.SEQUENCE: lambda t: f"{t.campaign} goes from {t.seen.get('before')} to {t.seen.get('after')}",
}


def _place(line: Told, campaigns: Mapping[str, Campaign]) -> Place:
    campaign = campaigns.get(line.campaign)
    if campaign is None:
        return NOWHERE
    if line.code == Code.GOAL and campaign.goal:
        return campaign.goal.place
    if line.code == Code.WHILE:
        source = line.seen.get("condition")
        return next((rule.place for rule in campaign.while_ if rule.source == source), campaign.place)
    return next((step.place for step in campaign.steps() if step.id == line.step), NOWHERE)


# ── Why, and what to change ──────────────────────────────────────────────────────────────────────────────────────────

_Hint = Callable[[Told, Place], tuple[str, str]]


def _while(line: Told, place: Place) -> tuple[str, str]:
    condition = parse(str(line.seen.get("condition", "")))
    if isinstance(condition, Condition) and condition.lapses:
        return "a fact that lapses by itself stands in `while`", f"remove line {place.line}, or widen its window"
    return "`while` stopped holding, which ends the run", f"look at line {place.line}: should that end the run?"


def _fixed(why: str, fix: str) -> _Hint:
    return lambda _line, place: (why, fix.format(line=place.line))


_HINTS: Mapping[str, _Hint] = {
    Code.WHILE: _while,
    Code.GOAL: _fixed("the goal was reached, which ends the run", "expect it before the goal, or change line {line}"),
    Code.NO_SEQUENCE: _fixed("the campaign has no mails for her new stage", "give it a sequence for it, or `any: []`"),
    Code.SKIPPED_LIMIT: _fixed("no place under the limits in time", "raise `delay_up_to`, or a limit, in site.yaml"),
    Code.SKIPPED_STALE: _fixed("it came too late to be worth sending", "raise `fresh_for` or `skip_older_than`"),
    Code.DELAYED: _fixed("limits or quiet time moved it", "expect it later, or in another hour"),
    Code.PAUSED_EXCLUSIVE: _fixed("another campaign of the group goes first", "`only: [...]` isolates one"),
    Code.ENTRY_AGAIN: _fixed("she was in this campaign before", "`again: {{after: 90d}}` lets her in once more"),
    Code.ENTRY_WHERE: _fixed("the entry's own condition was not true", "make it true earlier in the story"),
    Code.ENTRY_GOAL: _fixed("the goal was true before she could enter", "a goal about an act, not about a state"),
    Code.ENTRY_NO_SEQUENCE: _fixed("the campaign has nothing for her stage", "bring her to the stage first"),
    Code.ENTRY_CLOSED: _fixed("the campaign takes no entries", "`state: live`, and name it in `only` if there is one"),
    Code.ENTRY_NOT_ALLOWED: _fixed("she may not be mailed", "let her confirm first: `- confirm`"),
    Code.REMOVED: _fixed("the step she stood at is gone", "`moved:` or `removed:` in the campaign says where she goes"),
    Code.GHOST: _fixed("she is held out", "leave out `holdout: true` in the story"),
}
