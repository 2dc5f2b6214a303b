"""Explaining: why a person got a mail, did not, or when she will, out of the decisions that were stored.

Owns the order of the checks and which one stopped her. Must not derive the past anew: a reason is read, never guessed.
"""

from __future__ import annotations

from app.core.explaining.checking import Case, checks_of, way_come
from app.core.explaining.value import (
    Check,
    Explanation,
    Mark,
    Projected,
    Reason,
    Receipt,
    ReceiptLine,
    Slot,
    Topic,
    Verdict,
    Who,
)
from app.core.explaining.words import detail, lines

__all__ = [
    "Case",
    "Check",
    "Explanation",
    "Mark",
    "Projected",
    "Reason",
    "Receipt",
    "ReceiptLine",
    "Slot",
    "Topic",
    "Verdict",
    "Who",
    "checks_of",
    "detail",
    "lines",
    "way_come",
]
