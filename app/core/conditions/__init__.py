"""Conditions: the small language in which campaigns ask about a person.

Owns reading (`parse`), asking (`evaluate`), the instant of the next change (`next_change`), checking and saying.
Must not read clocks, files or stores: everything a condition may see is in the `View`.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.core.conditions.change import first_change_of
from app.core.conditions.check import check
from app.core.conditions.condition import Condition, Lines, parse
from app.core.conditions.explain import Seen, Trace, trace_of
from app.core.conditions.needs import Names, Need
from app.core.conditions.sentence import NO_LABELS, Labels, Said, spoken
from app.core.conditions.sentence_en import English
from app.core.conditions.sentence_fa import Persian
from app.core.conditions.timers import timers
from app.core.conditions.view import EVER, Rules, Scope, View
from app.core.conditions.words import ConditionSite, SurveyWords, Words
from app.core.instants import Instant


def evaluate(condition: Condition, view: View) -> bool | None:
    """Whether the condition holds for the person of the view, at its instant; None is unknown. Never raises."""
    return condition.ask(view)


def next_change(condition: Condition, view: View) -> Instant | None:
    """The earliest instant after the view's at which the condition could differ with no new fact; None is never.

    Never late; early only where a rule behind `stage`, `kind` or a segment may change. Timers of `held_for` inside
    the condition count too: at that instant `timers` should be asked again.
    """
    return first_change_of((condition,), view)


def explain(condition: Condition, view: View) -> Trace:
    """What every leaf saw and said. Costs several times an evaluation: for records and people, not for deciding."""
    return trace_of(condition.tree, view)


def sentence(condition: Condition, locale: str, labels: Labels = NO_LABELS) -> str:
    """The condition as words about a person, in Persian for `fa` and its variants, in English for all others."""
    is_persian = locale.partition("-")[0] == "fa"
    return spoken(condition.tree, Persian(labels) if is_persian else English(labels))


def first_change(conditions: Iterable[Condition], view: View) -> Instant | None:
    """The earliest `next_change` of several conditions about one person, at the cost of one look behind them all."""
    return first_change_of([condition for condition in conditions if condition.lapses], view)


__all__ = [
    "EVER",
    "Condition",
    "ConditionSite",
    "Labels",
    "Lines",
    "Names",
    "Need",
    "Rules",
    "Said",
    "Scope",
    "Seen",
    "SurveyWords",
    "Trace",
    "View",
    "Words",
    "check",
    "evaluate",
    "explain",
    "first_change",
    "next_change",
    "parse",
    "sentence",
    "timers",
]
