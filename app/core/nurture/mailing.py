"""Mailing: a mail step's message, from the wish to its hand-over.

Owns when a message is written, re-opened or given up. Must not judge permission or time: that is the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from app.core.campaign import Article, Ask, Campaign, Notify, Send
from app.core.instants import Instant
from app.core.nurture.desk import FINISHES, Desk
from app.core.nurture.gate import Answer, Dropped, Ghostly, Open, Refused, Resting, ask_gate, class_of, make_room
from app.core.person import (
    OPEN_STATES,
    Code,
    Finish,
    MailClass,
    Message,
    MessageKey,
    MessageState,
    Run,
    RunResult,
    RunState,
)
from app.core.replacing import copier, replace

_queued = copier(Run, "state", "reason", "due_at")


@dataclass(frozen=True, slots=True)
class MailDone:
    """The mail of a step needs no more waiting: how it ended, and when."""

    finish: Finish
    at: Instant


def mail_step(desk: Desk, run: Run, campaign: Campaign, step: Send | Ask | Article) -> MailDone | None:
    """Bring a step's mail on its way. None while it is, or when the run ended or rests over it."""
    message = desk.messages.get(MessageKey(run.key, step.id))
    if message and message.state in FINISHES and message.settled_at is not None:
        return MailDone(FINISHES[message.state], message.settled_at)
    if message and message.state in OPEN_STATES | {MessageState.PARKED}:
        desk.stand(run, RunState.WAITING, Code.QUEUED, None)
        return None
    wanted = run.began_at if run.began_at is not None else desk.now
    return _answered(desk, run, step, wanted, ask_gate(desk, run, campaign, step, wanted))


def _answered(desk: Desk, run: Run, step: Send | Ask | Article, wanted: Instant, answer: Answer) -> MailDone | None:
    match answer:
        case Open():
            _queue(desk, run, step, wanted, answer)
            return None
        case Ghostly():
            desk.note(Code.GHOST, run, step.id, mail=step.mail)
            return MailDone(Finish.GHOST, desk.now)
        case Dropped():
            desk.note(answer.code, run, step.id, mail=step.mail, wanted_at=wanted)
            return MailDone(Finish.SKIPPED, desk.now)
        case Refused():
            result = RunResult.SUPPRESSED if answer.code is Code.SUPPRESSED else RunResult.UNSUBSCRIBED
            desk.end(run, result, answer.code, mail=step.mail)
            return None
        case Resting():
            desk.stand(run, RunState.HELD, Code.DORMANT, None, since_at=desk.subscriber.dormant_at)
            return None
        case _:
            assert_never(answer)


def _queue(desk: Desk, run: Run, step: Send | Ask | Article, wanted: Instant, gate: Open) -> None:
    """Write the message, or open a withdrawn one again; there is never a second one for (run, step)."""
    message = Message(
        key=MessageKey(run.key, step.id),
        mail=step.mail,
        state=MessageState.QUEUED,
        mail_class=class_of(desk, step),
        wanted_at=wanted,
        slot_at=gate.at,
        rank=run.rank,
        fresh_until=gate.fresh_until,
    )
    if isinstance(step, Send) and (step.subject or step.offer):
        message = replace(message, subject=step.subject, offer=step.offer)
    known = desk.messages.get(message.key)
    desk.write(replace(message, id=known.id) if known else message)
    code = Code.DELAYED if gate.delayed else Code.QUEUED
    desk.note(code, run, step.id, mail=step.mail, slot_at=gate.at, wanted_at=wanted, because=gate.delayed)
    desk.put(_queued(run, RunState.WAITING, Code.QUEUED, None))
    if message.mail_class is MailClass.MARKETING:
        make_room(desk, message)


def post_team_mail(desk: Desk, run: Run, step: Notify) -> None:
    """A mail to our own people: at once, under no cap, quiet time or suppression of the subscriber."""
    posted = Message(
        key=MessageKey(run.key, step.id),
        mail=step.mail,
        state=MessageState.QUEUED,
        mail_class=MailClass.TEAM,
        wanted_at=desk.now,
        slot_at=desk.now,
        rank=run.rank,
        recipient=step.to,
    )
    desk.write(posted)
