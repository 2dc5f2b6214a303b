"""Outcomes: what the end of a hand-over means for the message and its person.

Owns the table from transport outcomes to message states, and the short word a journal keeps of it. Must not write
anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from app.core.instants import MINUTE, Instant, Span
from app.core.person import MessageState
from app.core.replacing import swift
from app.mail.lanes import Trying, jittered, retry_at
from app.mail.replies import Reply, ReplyClass
from app.mail.transports import Deferred, NotTried, Outcome, Refused, RelayFault, Sent, Uncertain


@swift
@dataclass(frozen=True, slots=True)
class Verdict:
    """The state a message ends in, why, and what else follows."""

    state: MessageState
    reason: str = ""
    reply: str = ""
    code: int = 0
    enhanced: str = ""
    stage: str = ""
    retries: bool = False
    """For `waiting`: whether the timetable says when; else the relay is only left alone for a moment."""
    counts: bool = True
    """Whether it was an attempt of this message; a relay's own fault is none."""
    gives_back: bool = False
    """Nothing was tried: back into the queue as if never taken."""

    @property
    def left_the_house(self) -> bool:
        """Whether the journal has to know: bytes went out, or an answer came."""
        return self.counts and not self.gives_back

    @property
    def suppresses(self) -> bool:
        """A hard answer: the address gets nothing any more."""
        return self.state is MessageState.REFUSED and self.reason == ReplyClass.HARD

    @property
    def is_soft(self) -> bool:
        """Held against the address, but only counted."""
        return self.state is MessageState.REFUSED and self.reason in (ReplyClass.SOFT, ReplyClass.UNKNOWN)

    @property
    def slows(self) -> bool:
        """The lane has to be slower."""
        return self.reason == ReplyClass.THROTTLE

    @property
    def word(self) -> str:
        """What the journal keeps: the state and why, at most 32 ASCII characters."""
        return f"{self.state}:{self.reason}"[:32]


RELAY_REST: Span = MINUTE


def verdict_of(outcome: Outcome) -> Verdict:
    """What a transport's outcome means."""
    match outcome:
        case Sent():  # the usual one: its field is read without matching it
            reply = outcome.reply
            return Verdict(MessageState.SENT, "", reply.text, reply.code, reply.enhanced)
        case Deferred(reply, stage, reply_class):
            return _answered(MessageState.WAITING, reply, stage.value, reply_class)
        case Refused(reply, stage, reply_class):
            return _answered(MessageState.REFUSED, reply, stage.value, reply_class)
        case RelayFault(stage, text):
            return Verdict(MessageState.WAITING, "relay", text, stage=stage.value, counts=False)
        case Uncertain(stage, text):
            return Verdict(MessageState.UNCERTAIN, "no_answer", text, stage=stage.value)
        case NotTried(reason, error):
            return _not_tried(reason, error)
        case _:
            assert_never(outcome)


def _answered(state: MessageState, reply: Reply, stage: str, reply_class: ReplyClass) -> Verdict:
    """Only a hard answer is about the address; a block is about us and never the subscriber's fault."""
    words = (reply_class.value, reply.text, reply.code, reply.enhanced, stage)
    return Verdict(state, *words, retries=state is MessageState.WAITING)


def _not_tried(reason: str, error: Exception | None) -> Verdict:
    """A mail that could not be written is parked and shown; anything else was only not its turn."""
    if error is not None:
        return Verdict(MessageState.PARKED, "not_rendered", f"{type(error).__name__}: {error}", counts=False)
    return Verdict(MessageState.QUEUED, reason[:64], counts=False, gives_back=True)


def verdict_of_word(word: str, reply: str) -> Verdict:
    """What a journal kept of an outcome, as a verdict again. Raises ValueError for a word that is none."""
    state, _, reason = word.partition(":")
    found = MessageState(state)
    return Verdict(found, reason, reply, retries=found is MessageState.WAITING)


def again_at(verdict: Verdict, trying: Trying, now: Instant, chance: float) -> Instant | None:
    """When a waiting message is tried again; None when that would be too late to be welcome."""
    if verdict.retries:
        return retry_at(trying, verdict.reply, now, chance)
    return now + jittered(RELAY_REST, chance)
