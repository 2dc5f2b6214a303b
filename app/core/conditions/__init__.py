"""Conditions: the small language in which campaigns ask about a person.

Owns reading (`parse`), asking (`evaluate`), the instant of the next change (`next_change`), checking and saying.
Must not read clocks, files or stores: everything a condition may see is in the `View`.
"""

from __future__ import annotations

from app.core.conditions.condition import Condition, Lines, parse
from app.core.conditions.evaluate import truth_of
from app.core.conditions.needs import Names, Need
from app.core.conditions.view import EVER, Rules, Scope, View


def evaluate(condition: Condition, view: View) -> bool | None:
    """Whether the condition holds for the person of the view, at its instant; None is unknown. Never raises."""
    return truth_of(condition.tree, view)


__all__ = [
    "EVER",
    "Condition",
    "Lines",
    "Names",
    "Need",
    "Rules",
    "Scope",
    "View",
    "evaluate",
    "parse",
]
