"""Behaviour: how likely a sort of person is to open, click, visit, buy, complain or leave.

Owns the defaults and the reading of others from plain values. Rates are per mail or as named.

The mean over the default sorts lies near what is published for all accounts of a large provider: unique opens 22.7 %,
unique clicks 2.9 %, hard bounces 0.40 %, unsubscribes 0.25 % of delivered mails (Mailchimp, "Email Marketing Statistics
and Benchmarks by Industry", October 2019), complaints under 0.1 %. People who asked for a book and confirmed read more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One sort of person. All numbers are shares from 0 to 1 unless they say otherwise."""

    share: float
    """Of the audience; shares are weights, their sum need not be 1."""
    confirms: float = 0.75
    opens: float = 0.23
    clicks: float = 0.03
    """Per mail, not per open."""
    answers: float = 0.02
    """Answers a survey or replies, per mail."""
    scanned: float = 0.15
    """People whose mail is fetched by a machine before they see it."""
    visits_per_30d: float = 0.5
    """Visits of her own accord, besides those that follow a click."""
    looks_at_prices: float = 0.15
    """Per visit."""
    buys: float = 0.02
    """Per visit."""
    orders_again_days: float = 60.0
    """Mean days between orders of one who has bought."""
    keeps_buying: float = 0.5
    """Whether an order is followed by another one."""
    asks_for_advice: float = 0.01
    """Per visit: the events a site declares without a key."""
    unsubscribes: float = 0.0025
    complains: float = 0.0003
    bounces: float = 0.001
    """Per mail: her server refuses for good."""
    basket: int = 5_000_000
    """An order's mean amount, in the currency's smallest unit."""


BEHAVIOURS: Mapping[str, Behaviour] = {
    "searcher": Behaviour(share=0.40, opens=0.25, clicks=0.03, visits_per_30d=1.0, buys=0.005),
    "interested": Behaviour(share=0.22, opens=0.38, clicks=0.07, visits_per_30d=1.5, buys=0.03, asks_for_advice=0.04),
    "ready": Behaviour(share=0.06, opens=0.45, clicks=0.10, visits_per_30d=3.0, looks_at_prices=0.6, buys=0.12),
    "returning": Behaviour(share=0.07, opens=0.40, clicks=0.08, visits_per_30d=2.0, buys=0.10, keeps_buying=0.8),
    "silent": Behaviour(share=0.25, confirms=0.55, opens=0.04, clicks=0.002, visits_per_30d=0.05, buys=0.0),
}


class BehaviourFault(ValueError):
    """The file names a number that is none, or a key there is not."""


def behaviours_of(plain: Mapping[str, Mapping[str, object]]) -> dict[str, Behaviour]:
    """Sorts of people from plain values: `{sort: {key: number}}`. A known sort is changed, a new one is added."""
    known = {field.name for field in fields(Behaviour)}
    found = dict(BEHAVIOURS)
    for sort, values in plain.items():
        wrong = sorted(set(values) - known)
        if wrong:
            raise BehaviourFault(f"{sort}: there is no {wrong[0]!r}; there are {', '.join(sorted(known))}")
        numbers = {key: _number(sort, key, value) for key, value in values.items()}
        found[sort] = replace(found.get(sort, Behaviour(share=0.1)), **numbers)  # type: ignore[arg-type]
    return found


def _number(sort: str, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BehaviourFault(f"{sort}: {key} must be a number from 0 on")
    return int(value) if key == "basket" else float(value)
