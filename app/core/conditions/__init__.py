"""Conditions: the small language in which campaigns ask about a person.

Owns reading (`parse`), asking (`evaluate`), the instant of the next change (`next_change`), checking and saying.
Must not read clocks, files or stores: everything a condition may see is in the `View`.
"""

from __future__ import annotations

from app.core.conditions.change import next_change_of
from app.core.conditions.check import check
from app.core.conditions.condition import Condition, Lines, parse
from app.core.conditions.evaluate import truth_of
from app.core.conditions.needs import Names, Need
from app.core.conditions.timers import timers
from app.core.conditions.view import EVER, Rules, Scope, View
from app.core.conditions.words import ConditionSite, SurveyWords, Words
from app.core.instants import Instant


def evaluate(condition: Condition, view: View) -> bool | None:
    """Whether the condition holds for the person of the view, at its instant; None is unknown. Never raises."""
    return truth_of(condition.tree, view)


def next_change(condition: Condition, view: View) -> Instant | None:
    """The earliest instant after the view's at which the condition could differ with no new fact; None is never.

    Never late; early only where a rule behind `stage`, `kind` or a segment may change. Timers of `held_for` inside
    the condition count too: at that instant `timers` should be asked again.
    """
    return next_change_of(condition.tree, view)


__all__ = [
    "EVER",
    "Condition",
    "ConditionSite",
    "Lines",
    "Names",
    "Need",
    "Rules",
    "Scope",
    "SurveyWords",
    "View",
    "Words",
    "check",
    "evaluate",
    "next_change",
    "parse",
    "timers",
]
