"""Words: an explanation as lines of a language, Persian for `fa`, English for all others.

Owns the choice of the language. Must not know either.
"""

from __future__ import annotations

from app.core.conditions.sentence import NO_LABELS
from app.core.explaining import english, persian
from app.core.explaining.dates import Dates
from app.core.explaining.value import Check, Explanation
from app.core.windows import zone_of


def lines(told: Explanation, locale: str) -> list[str]:
    """What `parvar explain` prints, and a page may show."""
    dates = _dates(told, locale)
    return persian.lines(told, dates) if _is_persian(locale) else english.lines(told, dates)


def detail(told: Explanation, check: Check, locale: str) -> str:
    """What one check of an explanation saw."""
    dates = _dates(told, locale)
    return persian.detail(check, dates) if _is_persian(locale) else english.detail(check, dates)


def _dates(told: Explanation, locale: str) -> Dates:
    labels = told.labels.get("fa" if _is_persian(locale) else "en", NO_LABELS)
    return Dates(zone_of(told.who.zone, "UTC"), told.now, labels)


def _is_persian(locale: str) -> bool:
    return locale.partition("-")[0] == "fa"
