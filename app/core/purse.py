"""The purse: what one person is given of offers while time passes in memory.

Owns the rules of a hand-over with an offer, as the store's couriers know them: codes, seats, and her clock. Must not
know how much others take: how far a stock reaches is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from app.core.instants import MINUTE, Instant, Span
from app.core.offering import Zones, end_at_hand_over, is_over
from app.core.offers import CodePool, Offer, SharedCode, WhenEmpty

Turn: TypeAlias = tuple[Instant, int]
"""When something was taken, and by whom: of two at one instant the lower number comes first."""


AGAIN_AFTER: Span = 10 * MINUTE
"""A mail that waits for a code is looked at again after this."""


@dataclass(frozen=True, slots=True)
class Held:
    """The pool is empty: the mail waits for codes."""


@dataclass(frozen=True, slots=True)
class Passed:
    """The mail does not leave, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Promised:
    """It leaves; `ends_at` is the end it tells, None without one."""

    ends_at: Instant | None


Promise: TypeAlias = Promised | Held | Passed


class Purse:
    """One person's. `closes`: stock (see `stocks_of`) → the first turn that gets nothing of it any more."""

    __slots__ = ("_closes", "_number", "taken")

    def __init__(self, number: int = 0, closes: Mapping[str, Turn] | None = None) -> None:
        self._number = number
        self._closes = closes or {}
        self.taken: dict[str, Instant] = {}
        """Offer → when she was first given it."""

    def promise(self, offer: Offer | None, running: Instant | None, now: Instant, zones: Zones) -> Promise:
        """What becomes of a mail with an offer that would leave now. `running`: her end, once it was told."""
        if offer is None:
            return Passed("no_such_offer")
        end = end_at_hand_over(offer, running, now, zones)
        if is_over(end, now):
            return Passed("offer_ended")
        if offer.key not in self.taken and running is None:
            refused = self._refused(offer, now)
            if refused is not None:
                return refused
            self.taken[offer.key] = now
        return Promised(end)

    def _refused(self, offer: Offer, now: Instant) -> Held | Passed | None:
        if self._is_gone(f"seats {offer.key}", now):
            return Passed("sold_out")
        codes = offer.codes
        if not isinstance(codes, CodePool) or isinstance(codes.when_empty, SharedCode):
            return None
        if not self._is_gone(f"codes {codes.pool}", now):
            return None
        return Held() if codes.when_empty is WhenEmpty.HOLD else Passed("no_code")

    def _is_gone(self, stock: str, now: Instant) -> bool:
        closes = self._closes.get(stock)
        return closes is not None and (now, self._number) >= closes


def asked_last(now: Instant, fresh_until: Instant) -> Instant:
    """When a mail held now is looked at for the last time: at the first look after it has grown stale."""
    looks = max(0, fresh_until - now) // AGAIN_AFTER + 1
    return now + looks * AGAIN_AFTER


def stocks_of(offer: Offer) -> tuple[str, ...]:
    """What taking an offer takes from: its seats, and a pool that does not fall back on a shared code."""
    seats = (f"seats {offer.key}",) if offer.seats is not None else ()
    codes = offer.codes
    if isinstance(codes, CodePool) and not isinstance(codes.when_empty, SharedCode):
        return (*seats, f"codes {codes.pool}")
    return seats
