"""Consent: may this person be mailed, now, with a mail of this class?

Owns the one question both gates ask. Must not know caps, quiet time or campaigns.
"""

from __future__ import annotations

from app.core.instants import Instant
from app.core.person import Code, MailClass
from app.core.subscriber import Subscriber, SubscriberState

CONFIRM_MAIL = "system/confirm"


def refusal(subscriber: Subscriber, mail_class: MailClass, cause_at: Instant) -> Code | None:
    """Why a mail may not go out; None when it may. `cause_at` is when the act that asked for a service mail happened.

    Team mail goes to us, not to the subscriber, and is stopped by erasure only. A service mail may follow an
    unsubscribe only when the act behind it is newer.
    """
    if subscriber.state is SubscriberState.ERASED:
        return Code.UNSUBSCRIBED
    if mail_class is MailClass.TEAM:
        return None
    if subscriber.is_suppressed:
        return Code.SUPPRESSED
    if subscriber.state is SubscriberState.UNSUBSCRIBED:
        return _after_leaving(subscriber, mail_class, cause_at)
    if subscriber.confirmed_at is None:
        return Code.NOT_CONFIRMED
    return None


def _after_leaving(subscriber: Subscriber, mail_class: MailClass, cause_at: Instant) -> Code | None:
    left_at = subscriber.unsubscribed_at
    is_newer = left_at is not None and cause_at > left_at
    return None if mail_class is MailClass.SERVICE and is_newer else Code.UNSUBSCRIBED


def may_be_mailed(subscriber: Subscriber) -> bool:
    """Whether marketing mail may go to this person at all."""
    return refusal(subscriber, MailClass.MARKETING, 0) is None
