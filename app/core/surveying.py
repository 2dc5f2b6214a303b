"""Surveying: the answers a question allows, and what many answers say together.

Owns scales and their statistics (Net Promoter Score with its interval). Must not record anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt

from app.core.campaign import Ask, Campaign
from app.core.facts import Value
from app.core.offers import NumberScale, Survey
from app.core.text import NO_TEXT, Text

LONGEST_COMMENT = 2_000
PROMOTER, DETRACTOR = 9, 6
"""Net Promoter Score: 9 and 10 promote, 0 to 6 detract, on a scale from 0 to 10."""
_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Option:
    """One possible answer: its key in addresses and facts, and its words (none for a number)."""

    key: str
    label: Text = NO_TEXT
    number: int | None = None

    @property
    def value(self) -> Value:
        """As conditions see it: a number of a scale, or an option's key."""
        return self.key if self.number is None else self.number


def options(survey: Survey) -> tuple[Option, ...]:
    """Every answer a survey allows, in order."""
    scale = survey.scale
    if isinstance(scale, NumberScale):
        return tuple(Option(str(number), number=number) for number in range(scale.low, scale.high + 1))
    return tuple(Option(key, label) for key, label in scale.options)


def option(survey: Survey, key: str) -> Option | None:
    """The answer of this key; None when it is not on the scale."""
    return next((each for each in options(survey) if each.key == key), None)


def ask_of(campaign: Campaign | None, step: str) -> Ask | None:
    """The question a step asks."""
    steps = campaign.steps() if campaign else ()
    return next((each for each in steps if isinstance(each, Ask) and each.id == step), None)


def is_promoter_scale(survey: Survey) -> bool:
    return survey.scale == NumberScale(0, 10)


@dataclass(frozen=True, slots=True)
class Score:
    """A Net Promoter Score from -100 to 100 with its 95 % interval, and of how many answers it is made."""

    score: float
    low: float
    high: float
    answers: int


def promoter_score(answers: Mapping[int, int]) -> Score | None:
    """The score of so many answers of each number; None without any.

    The mean of +1, 0 and -1 with a normal interval, after adding one imagined answer of each end and two of the middle
    (the adjusted Wald interval of Agresti and Min, 2005, for differences of proportions): honest for few answers.
    """
    total = sum(answers.values())
    if total == 0:
        return None
    good = sum(count for number, count in answers.items() if number >= PROMOTER)
    bad = sum(count for number, count in answers.items() if number <= DETRACTOR)
    wide, up, down = total + 4, (good + 1) / (total + 4), (bad + 1) / (total + 4)
    middle, spread = up - down, _95 * sqrt((up + down - (up - down) ** 2) / wide)
    score = (good - bad) / total
    low, high = max(-1.0, min(score, middle - spread)), min(1.0, max(score, middle + spread))
    return Score(100 * score, 100 * low, 100 * high, total)


@dataclass(frozen=True, slots=True)
class Result:
    """The answers of one group: how often each, and on the promoter scale its score."""

    name: str
    counts: tuple[tuple[str, int], ...]
    total: int
    score: Score | None


def result(name: str, survey: Survey, answers: Iterable[tuple[str, int]]) -> Result:
    """A group's distribution over all options, those nobody chose included; answers off the scale are left out."""
    counted = {each.key: 0 for each in options(survey)}
    for key, count in answers:
        if key in counted:
            counted[key] += count
    numbers = {int(key): count for key, count in counted.items()} if is_promoter_scale(survey) else {}
    score = promoter_score(numbers) if numbers else None
    return Result(name, tuple(counted.items()), sum(counted.values()), score)
