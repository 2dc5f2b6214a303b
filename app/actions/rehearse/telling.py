"""Telling: what happened in a story as lines of time, which of them it turned on, why, and what to change.

Owns the choice of the lines and the words for why, in both languages. Must not judge: that it failed is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from app.actions.rehearse import Rehearsal
from app.actions.rehearse.lines import more_of, what_of
from app.core.campaign import Campaign
from app.core.conditions import Condition, parse
from app.core.figures import figures, isolated
from app.core.instants import Instant
from app.core.person import Code
from app.core.text import NO_TEXT, NOWHERE, Place, Text
from app.store.stories import Told

_SILENT = frozenset({Code.QUEUED, Code.WAITED, Code.VERSION})
"""Said by the line that follows them."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One line: when, what, more of it, the rule's place, and whether the story turned here."""

    at: Instant
    what: Text
    more: Text
    place: Place
    is_turn: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """A failed story told: its last lines, why it went so, and what to write instead (both may be empty)."""

    lines: tuple[Happened, ...]
    why: Text
    fix: Text


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
        return Account(lines, NO_TEXT, NO_TEXT)
    why, fix = hint(turn, _place(turn, campaigns))
    return Account(lines, why, fix)


def _matters(line: Told, meant: frozenset[str]) -> bool:
    """Who did not enter another campaign is no part of this story."""
    return (not line.code.startswith("entry_") and line.code != Code.ENTRY_GOAL) or line.campaign in meant


def _meant(rehearsal: Rehearsal, campaigns: Mapping[str, Campaign]) -> frozenset[str]:
    """The campaigns the failed line is about: those it names, or whose mail it names."""
    wanted = rehearsal.failure.wanted if rehearsal.failure else NO_TEXT
    words = set(wanted.in_locale("en").split())
    return frozenset(key for key, c in campaigns.items() if key in words or words & c.own_mails)


def _turn(told: list[Told], meant: frozenset[str]) -> Told | None:
    """The last decision about a campaign meant that kept something from happening."""
    turning = [line for line in told if line.code in _HINTS]
    about = [line for line in turning if not meant or line.campaign in meant]
    return about[-1] if about else None


# ── One line ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _line(line: Told, campaigns: Mapping[str, Campaign], *, is_turn: bool) -> Happened:
    return Happened(line.at, what_of(line), more_of(line), _place(line, campaigns), is_turn)


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

_Hint = Callable[[Told, Place], tuple[Text, Text]]


def _while(line: Told, place: Place) -> tuple[Text, Text]:
    condition = parse(str(line.seen.get("condition", "")))
    number = figures(place.line)
    if isinstance(condition, Condition) and condition.lapses:
        why = Text.said(
            "a fact that lapses by itself stands in `while`",
            f"در {isolated('while')} چیزی هست که با گذشت زمان خودبه‌خود از میان می‌رود",
        )
        fix = f"remove line {place.line}, or widen its window"
        return why, Text.said(fix, f"خط {number} را بردارید، یا بازه‌اش را بازتر کنید")
    why = Text.said("`while` stopped holding, which ends the run", "شرط ماندن دیگر برقرار نبود و دور پایان یافت")
    fix = f"look at line {place.line}: should that end the run?"
    return why, Text.said(fix, f"خط {number} را ببینید: آیا باید به دور پایان دهد؟")


def _fixed(why: Text, fix: Text, _told: Told, place: Place) -> tuple[Text, Text]:
    in_persian = fix.in_locale("fa").format(line=figures(place.line))
    return why, Text.said(fix.in_locale("en").format(line=place.line), in_persian)


def _hint(why: tuple[str, str], fix: tuple[str, str]) -> _Hint:
    """English and Persian of both; what stands between `‹` and `›` is the files' own."""
    set_apart = tuple(text.replace("‹", "\u2068").replace("›", "\u2069") for text in (why[1], fix[1]))
    return partial(_fixed, Text.said(why[0], set_apart[0]), Text.said(fix[0], set_apart[1]))


_HINTS: Mapping[str, _Hint] = {
    Code.WHILE: _while,
    Code.GOAL: _hint(
        ("the goal was reached, which ends the run", "به هدف رسید و دور پایان یافت"),
        (
            "expect it before the goal, or change line {line}",
            "پیش از هدف انتظارش را داشته باشید، یا خط {line} را عوض کنید",
        ),
    ),
    Code.NO_SEQUENCE: _hint(
        ("the campaign has no mails for her new stage", "کارزار برای مرحلهٔ تازهٔ او ایمیلی ندارد"),
        ("give it a sequence for it, or `any: []`", "برای آن دنباله‌ای بنویسید، یا ‹any: []›"),
    ),
    Code.SKIPPED_LIMIT: _hint(
        ("no place under the limits in time", "زیر سقف تماس به‌هنگام جایی نبود"),
        (
            "raise `delay_up_to`, or a limit, in site.yaml",
            "در ‹site.yaml› مقدار ‹delay_up_to› یا یکی از سقف‌ها را بالا ببرید",
        ),
    ),
    Code.SKIPPED_STALE: _hint(
        ("it came too late to be worth sending", "چنان دیر شد که دیگر به فرستادن نمی‌ارزید"),
        ("raise `fresh_for` or `skip_older_than`", "مقدار ‹fresh_for› یا ‹skip_older_than› را بالا ببرید"),
    ),
    Code.DELAYED: _hint(
        ("limits or quiet time moved it", "سقف تماس یا زمان آرام آن را عقب انداخت"),
        ("expect it later, or in another hour", "دیرتر، یا در ساعتی دیگر انتظارش را داشته باشید"),
    ),
    Code.PAUSED_EXCLUSIVE: _hint(
        ("another campaign of the group goes first", "کارزار دیگری از همین گروه جلوتر است"),
        ("`only: [...]` isolates one", "با ‹only: [...]› تنها یکی در داستان می‌ماند"),
    ),
    Code.ENTRY_AGAIN: _hint(
        ("she was in this campaign before", "پیش‌تر در این کارزار بوده است"),
        ("`again: {{after: 90d}}` lets her in once more", "با ‹again: {{after: 90d}}› دوباره وارد می‌شود"),
    ),
    Code.ENTRY_WHERE: _hint(
        ("the entry's own condition was not true", "شرط خود ورود برقرار نبود"),
        ("make it true earlier in the story", "پیش‌تر در داستان برقرارش کنید"),
    ),
    Code.ENTRY_GOAL: _hint(
        ("the goal was true before she could enter", "پیش از ورود به هدف رسیده بود"),
        ("a goal about an act, not about a state", "هدف را یک کنش بگیرید، نه یک وضعیت"),
    ),
    Code.ENTRY_NO_SEQUENCE: _hint(
        ("the campaign has nothing for her stage", "کارزار برای مرحلهٔ او چیزی ندارد"),
        ("bring her to the stage first", "نخست او را به آن مرحله برسانید"),
    ),
    Code.ENTRY_CLOSED: _hint(
        ("the campaign takes no entries", "کارزار کسی را نمی‌پذیرد"),
        (
            "`state: live`, and name it in `only` if there is one",
            "بنویسید ‹state: live›، و اگر ‹only› هست نامش را در آن بیاورید",
        ),
    ),
    Code.ENTRY_NOT_ALLOWED: _hint(
        ("she may not be mailed", "اجازهٔ فرستادن ایمیل به او نیست"),
        ("let her confirm first: `- confirm`", "نخست نشانی‌اش را تأیید کند: ‹- confirm›"),
    ),
    Code.REMOVED: _hint(
        ("the step she stood at is gone", "گامی که در آن بود دیگر نیست"),
        (
            "`moved:` or `removed:` in the campaign says where she goes",
            "با ‹moved:› یا ‹removed:› در کارزار بگویید کجا برود",
        ),
    ),
    Code.GHOST: _hint(
        ("she is held out", "در گروه گواه است"),
        ("leave out `holdout: true` in the story", "خط ‹holdout: true› را از داستان بردارید"),
    ),
}
