"""What comes back, as one shape: bounces, complaints, replies and providers' webhooks all become this event.

Owns the event and its kinds.
Must not parse anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.core.instants import Instant
from app.mail.replies import ReplyClass


class InboundKind(StrEnum):
    """What happened. `report` is for the operator only (authentication failures, virus notices, not-spam)."""

    BOUNCE = "bounce"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    AUTO_REPLY = "auto_reply"
    REPLY = "reply"
    REPORT = "report"
    OPENED = "opened"
    CLICKED = "clicked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One thing that happened to one mail, whoever told it.

    `event_id` is the same whenever the same thing is told again. `bounce_local` and `unsubscribe_local` are local
    parts as our
    own envelope senders and List-Unsubscribe addresses have them, lower-case, unverified. `message_id` is the original
    mail's,
    with angle brackets. `recipient` may be empty (redacted). `reply_class` says what a bounce means; `diagnosis` is
    the other
    side's text, at most 1,000 characters. `is_gone`: an automatic answer says that the person has left. `raw`: a
    webhook's own JSON.
    """

    kind: InboundKind
    event_id: str
    source: str
    reply_class: ReplyClass = ReplyClass.UNKNOWN
    recipient: str = ""
    message_id: str = ""
    bounce_local: str = ""
    unsubscribe_local: str = ""
    code: int = 0
    status: str = ""
    diagnosis: str = ""
    at: Instant | None = None
    is_gone: bool = False
    raw: str = ""
