"""Stocking: codes and seats that many made-up people take from, though each lives alone.

Owns finding, for each stock, whose turn is the first that gets nothing. Lives are lived as if there were enough; those
who came too late live once more. Whatever the number of processes, the answer is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.instants import Instant
from app.core.offers import Offer
from app.core.purse import Turn, stocks_of
from app.core.simulating import Summary, Town

ROUNDS = 6
"""Lives lived again can take other things than before; after so many rounds it is good enough."""


@dataclass(frozen=True, slots=True)
class Stocked:
    """One stock after the simulation: how much there was, how many wanted of it, and since when it is gone."""

    name: str
    amount: int
    wanted: int
    gone_at: Instant | None


Live = Callable[[Town, Sequence[int]], list[Summary]]
"""Live the parts of these numbers in a town."""


def scarce_offers(offers: Mapping[str, Offer], stock: Mapping[str, int]) -> frozenset[str]:
    """The offers that take from a stock whose amount is known."""
    return frozenset(key for key, offer in offers.items() if any(name in stock for name in stocks_of(offer)))


def live_stocked(town: Town, stock: Mapping[str, int], parts: int, live: Live) -> tuple[list[Summary], list[Stocked]]:
    """Live all parts, and those again in which somebody took what was gone, until nobody does."""
    summaries = live(town, range(parts))
    wanted = {name: len(_turns(town, name, summaries)) for name in stock}
    for _ in range(ROUNDS):
        closes = _closes(town, stock, summaries)
        if closes == town.closes:
            break
        town = replace(town, closes=closes)
        again = [number for number, part in enumerate(summaries) if _has_late(town, part)]
        for number, part in zip(again, live(town, again), strict=True):
            summaries[number] = part
    gone = {name: turn[0] for name, turn in town.closes.items()}
    return summaries, [Stocked(name, stock[name], wanted[name], gone.get(name)) for name in sorted(stock)]


def _turns(town: Town, name: str, summaries: Sequence[Summary]) -> list[Turn]:
    """Who took from a stock, in order."""
    users = [key for key, offer in town.book.offers.items() if name in stocks_of(offer)]
    return sorted(turn for part in summaries for key in users for turn in part.turns.get(key, ()))


def _closes(town: Town, stock: Mapping[str, int], summaries: Sequence[Summary]) -> dict[str, Turn]:
    """The first turn of each stock that gets nothing; it never comes later than in the round before."""
    closes = dict(town.closes)
    for name, amount in stock.items():
        turns = _turns(town, name, summaries)
        if len(turns) > amount:
            closes[name] = min(turns[amount], closes.get(name, turns[amount]))
    return closes


def _has_late(town: Town, part: Summary) -> bool:
    for key, turns in part.turns.items():
        ends = [town.closes[name] for name in stocks_of(town.book.offers[key]) if name in town.closes]
        if ends and max(turns) >= min(ends):
            return True
    return False
