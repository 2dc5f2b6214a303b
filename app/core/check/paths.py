"""The ways through a sequence: every branch taken once, as far as the number of ways stays small.

Owns walking. Must not judge what it walks over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from app.core.campaign import (
    Ask,
    Campaign,
    End,
    ForDays,
    ForSpan,
    Send,
    Step,
    Steps,
    Wait,
    branches,
)
from app.core.instants import DAY, Span

MOST_WAYS: Final = 200
"""More ways than this are not walked: what is wrong shows on one of the first."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way from the beginning of a sequence to its end, blocks opened. `sequence` is its name."""

    sequence: str
    steps: Steps


def ways_of(campaign: Campaign) -> Iterator[Way]:
    """Up to MOST_WAYS ways of each sequence."""
    for name, steps in campaign.sequences.items():
        for way in islice(_ways(steps), MOST_WAYS):
            yield Way(name, way)


def _ways(steps: Steps) -> Iterator[Steps]:
    if not steps:
        yield ()
        return
    first, rest = steps[0], steps[1:]
    for block in _blocks(first):
        if isinstance(first, End):
            yield (first,)
            return
        for inner in _ways(block):
            if inner and isinstance(inner[-1], End):
                yield (first, *inner)
                continue
            for after in _ways(rest):
                yield (first, *inner, *after)


def _blocks(step: Step) -> tuple[Steps, ...]:
    """The blocks one of which is taken; one empty block for a step without any."""
    blocks = tuple(block for _, block in branches(step))
    return blocks or ((),)


def least_pause(step: Step) -> Span | None:
    """The shortest time a step surely takes; None for a wait whose length nobody knows."""
    match step:
        case Wait(rule=ForSpan(span)):
            return span
        case Wait(rule=ForDays(days)):
            return days * DAY
        case Wait() | Ask():
            return None
        case _:
            return 0


def is_mail(step: Step) -> bool:
    """Whether the subscriber gets a mail by it."""
    return isinstance(step, Send | Ask)
