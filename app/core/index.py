"""The index of a book: its entries and rules by what is asked of them, worked out once for each book.

Owns the look-ups a decision makes about everybody. Must not decide anything: it says no more than the book.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.core.book import Book, Standing
from app.core.campaign import ByBox, ByChange, ByEvent, Campaign, Entry, Once, Yearly
from app.core.conditions import Condition
from app.core.site import Ladder


@dataclass(frozen=True, slots=True)
class Numbered:
    """An entry, its campaign, and its number there."""

    campaign: Campaign
    number: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Changing:
    """An entry by a change of a condition."""

    campaign: Campaign
    entry: Entry
    when: Condition


@dataclass(frozen=True, slots=True)
class Index:
    standings: Mapping[str, Standing]
    """Of every campaign the book or a command names."""
    by_box: tuple[Numbered, ...]
    by_event: Mapping[str, tuple[Numbered, ...]]
    by_change: tuple[Changing, ...]
    by_date: tuple[Numbered, ...]
    has_rivals: bool
    """Whether any campaign, of any version, is exclusive."""
    lapsing: Mapping[str, tuple[Condition, ...]]
    """Stage → the rules of ladder and entries that time alone may change for somebody there; "": no such stage."""
    timed: tuple[Condition, ...]
    """The rules of the ladder that hold something for a time."""

    def standing(self, campaign: str) -> Standing:
        """As the book says; what nobody names is retired."""
        return self.standings.get(campaign, Standing.RETIRED)


@lru_cache(maxsize=16)
def index_of(book: Book) -> Index:
    """The index of this very book."""
    entries = [Numbered(c, number, entry) for c in book.campaigns.values() for number, entry in enumerate(c.entries)]
    by_event: dict[str, tuple[Numbered, ...]] = {}
    for each in entries:
        if isinstance(each.entry.rule, ByEvent):
            by_event[each.entry.rule.event] = (*by_event.get(each.entry.rule.event, ()), each)
    by_change = tuple(
        Changing(e.campaign, e.entry, e.entry.rule.when) for e in entries if isinstance(e.entry.rule, ByChange)
    )
    return Index(
        standings={key: book.standing(key) for key in (*book.campaigns, *book.standings)},
        by_box=tuple(each for each in entries if isinstance(each.entry.rule, ByBox)),
        by_event=by_event,
        by_change=by_change,
        by_date=tuple(each for each in entries if isinstance(each.entry.rule, Yearly | Once)),
        has_rivals=any(campaign.exclusive for campaign in (*book.campaigns.values(), *book.older.values())),
        lapsing={key: _lapsing(book.ladder, key, by_change) for key in ("", *(s.key for s in book.ladder.stages))},
        timed=tuple(rule for rule in all_rules(book.ladder) if rule.names().timers),
    )


def _lapsing(ladder: Ladder, stage: str, entries: tuple[Changing, ...]) -> tuple[Condition, ...]:
    rules = (*standing_rules(ladder, stage), *(entry.when for entry in entries))
    return tuple(rule for rule in rules if rule.lapses)


def standing_rules(ladder: Ladder, stage: str) -> Iterator[Condition]:
    """What time alone may change at this stage: every higher rise with its fall, the own fall, labels."""
    index = max(0, ladder.index(stage))
    for rung in ladder.stages[index:]:
        if rung.rise and rung.key != stage:
            yield rung.rise
        if rung.fall:
            yield rung.fall
    yield from (condition for _, condition in ladder.kinds)
    yield from ladder.segments.values()


def all_rules(ladder: Ladder) -> Iterator[Condition]:
    for stage in ladder.stages:
        yield from (rule for rule in (stage.rise, stage.fall) if rule)
    yield from (condition for _, condition in ladder.kinds)
    yield from ladder.segments.values()
