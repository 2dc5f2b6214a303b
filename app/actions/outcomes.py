"""Outcomes: what the end of a hand-over means for the message and its person.

Owns the table from transport outcomes to message states. Must not write anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from app.core.instants import MINUTE, Span
from app.core.person import MessageState
from app.mail.replies import Reply, ReplyClass
from app.mail.transports import Deferred, NotTried, Outcome, Refused, RelayFault, Sent, Uncertain


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state a message ends in, why, and what else follows."""

    state: MessageState
    reason: str
    reply: str = ""
    code: int = 0
    enhanced: str = ""
    stage: str = ""
    retry_in: Span | None = None
    """For `waiting`: how long at the first try; later tries wait twice as long each."""
    counts: bool = True
    """Whether it was an attempt of this message; a relay's own fault is none."""
    suppresses: bool = False
    gives_back: bool = False
    """Nothing was tried: back into the queue as if never taken."""

    @property
    def left_the_house(self) -> bool:
        """Whether the journal has to know: bytes went out, or an answer came."""
        return self.counts and not self.gives_back


RETRY: Span = 10 * MINUTE
RELAY_REST: Span = MINUTE


def verdict_of(outcome: Outcome) -> Verdict:
    """What a transport's outcome means."""
    match outcome:
        case Sent(reply):
            return Verdict(MessageState.SENT, "", reply.text, reply.code, reply.enhanced)
        case Deferred(reply, stage, reply_class):
            words = (reply_class.value, reply.text, reply.code, reply.enhanced, stage.value)
            return Verdict(MessageState.WAITING, *words, retry_in=RETRY)
        case Refused(reply, stage, reply_class):
            return _refused(reply, stage.value, reply_class)
        case RelayFault(stage, text):
            return Verdict(MessageState.WAITING, "relay", text, stage=stage.value, retry_in=RELAY_REST, counts=False)
        case Uncertain(stage, text):
            return Verdict(MessageState.UNCERTAIN, "no_answer", text, stage=stage.value)
        case NotTried(reason, error):
            return _not_tried(reason, error)
        case _:
            assert_never(outcome)


def _refused(reply: Reply, stage: str, reply_class: ReplyClass) -> Verdict:
    """Only a hard answer is about the address; a block is about us and never the subscriber's fault."""
    is_hard = reply_class is ReplyClass.HARD
    words = (reply_class.value, reply.text, reply.code, reply.enhanced, stage)
    return Verdict(MessageState.REFUSED, *words, suppresses=is_hard)


def _not_tried(reason: str, error: Exception | None) -> Verdict:
    """A mail that could not be written is parked and shown; anything else was only not its turn."""
    if error is not None:
        return Verdict(MessageState.PARKED, "not_rendered", f"{type(error).__name__}: {error}", counts=False)
    return Verdict(MessageState.QUEUED, reason[:64], counts=False, gives_back=True)
