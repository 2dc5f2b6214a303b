"""Learning: what one new fact changes in a subscriber's scalar state.

Owns the fold of facts into `Subscriber`; folding the same facts in any order ends in the same state, except where
the later of two contradicting acts wins. Must not give points (core/engagement) and must not move the stage.
"""

from __future__ import annotations

from app.core.facts import ENGAGEMENT_KINDS, Fact, FactKind
from app.core.instants import Instant
from app.core.replacing import replace
from app.core.subscriber import Subscriber, SubscriberState

SIGNALS = ENGAGEMENT_KINDS | {
    FactKind.SIGNED_UP,
    FactKind.CONFIRMED,
    FactKind.EVENT,
    FactKind.ORDERED,
    FactKind.ANSWERED,
    FactKind.RESUMED,
}
"""Acts of the person herself: they end a silence and wake the dormant."""


def learn(subscriber: Subscriber, fact: Fact) -> Subscriber:
    """The subscriber after one more fact."""
    if fact.kind in SIGNALS and fact.is_human:
        subscriber = _signalled(subscriber, fact.at)
    match fact.kind:
        case FactKind.CONFIRMED:
            return _confirmed(subscriber, fact.at)
        case FactKind.ORDERED:
            return replace(subscriber, orders=subscriber.orders + 1, revenue=subscriber.revenue + fact.value)
        case FactKind.REFUNDED:
            return replace(subscriber, revenue=subscriber.revenue - fact.value)
        case FactKind.REFERRED:
            return replace(subscriber, referrals=subscriber.referrals + 1)
        case FactKind.UNSUBSCRIBED:
            return _left(subscriber, fact.at)
        case FactKind.COMPLAINED:
            return replace(subscriber, is_suppressed=True)
        case FactKind.PAUSED:
            return replace(subscriber, paused_until=fact.value)
        case FactKind.RESUMED:
            return replace(subscriber, paused_until=None)
        case _:
            return subscriber


def _signalled(subscriber: Subscriber, at: Instant) -> Subscriber:
    last = max(at, subscriber.last_signal_at or at)
    is_awake = subscriber.dormant_at is None or at > subscriber.dormant_at
    return replace(subscriber, last_signal_at=last, dormant_at=None if is_awake else subscriber.dormant_at)


def _confirmed(subscriber: Subscriber, at: Instant) -> Subscriber:
    since = min(at, subscriber.confirmed_at if subscriber.confirmed_at is not None else at)
    left_at = subscriber.unsubscribed_at
    comes_back = subscriber.state is SubscriberState.UNSUBSCRIBED and (left_at is None or at > left_at)
    if subscriber.state is SubscriberState.PENDING or comes_back:
        return replace(subscriber, confirmed_at=since, state=SubscriberState.ACTIVE, unsubscribed_at=None)
    return replace(subscriber, confirmed_at=since)


def _left(subscriber: Subscriber, at: Instant) -> Subscriber:
    if subscriber.state is SubscriberState.ERASED:
        return subscriber
    last = max(at, subscriber.unsubscribed_at or at)
    return replace(subscriber, state=SubscriberState.UNSUBSCRIBED, unsubscribed_at=last)
