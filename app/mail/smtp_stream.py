"""Mails over one session: chained where the server pipelines, command by command where it does not.

Owns the order of bytes and replies: body n and envelope n+1 travel in one write, mail n+1 is made before the replies
of n are read.
Must not reconnect, retry or choose relays; it hands back what it could not send.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from app.mail.replies import Reply, ReplyClass, Stage, classify_reply, is_relay_fault, parse_reply
from app.mail.smtp_session import Session, refusal, xtext
from app.mail.smtp_wire import WireGarbage, WireLost
from app.mail.transports import (
    Deferred,
    Envelope,
    HandOverForbidden,
    NotTried,
    Outcome,
    Refused,
    RelayFault,
    Sent,
    Uncertain,
)


@dataclass(slots=True)
class Item:
    """A drawn mail: its envelope, its body, and how often a connection was lost under it before its final dot."""

    envelope: Envelope
    body: bytes
    losses: int = 0


class Work(Protocol):
    """Where a stream gets its mails and tells what became of them. None of these raises, but HandOverForbidden
    where said.
    """

    def take(self) -> Item | None: ...

    def give_back(self, item: Item) -> None: ...

    def allow(self, item: Item) -> None:
        """Raises HandOverForbidden."""

    def settle(self, item: Item, outcome: Outcome) -> None: ...

    def relay_failed(self, fault: RelayFault) -> None: ...


class Stream:
    """Sends what `work` gives over one session until there is no more, or the session has an end."""

    def __init__(self, session: Session, work: Work, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._wire = session.wire
        self._timeouts = session.relay.timeouts
        self._work = work
        self._clock = clock
        self._in_flight: Item | None = None  # its dot is out, its reply is not here
        self._current: Item | None = None  # its envelope is out or about to be
        self._following: Item | None = None  # made, nothing of it is out
        self._skip = 0  # replies to clean-up commands still to come

    def run(self) -> bool:
        """True when the session may be kept for later."""
        try:
            if self._session.may_chain:
                self._chain()
            else:
                self._one_by_one()
        except WireLost as lost:
            self._lost(lost)
            return False
        except _SessionOver:
            self._return_unsent()
            return False
        self._session.used = self._clock()
        return not self._session.is_used_up(self._session.used)

    # ------------------------------------------------------------ chained

    def _chain(self) -> None:
        self._current = self._next()
        if self._current:
            self._wire.send(self._timeouts.command, self._opening(self._current))
        while self._current:
            self._following = self._next()
            self._read_final()
            refused = self._read_answers()
            self._send_on(refused)
        self._read_final()
        self._read_skipped()

    def _send_on(self, refused: bool) -> None:
        """Body and final dot of the current mail, or the clean-up after its refusal; then the next envelope, all in one
        write.
        """
        item, following = self._must(), self._following
        pieces = (self._clean_up,) if refused else self._body_of(item)
        opening = self._opening(following) if following else b""
        if not refused:
            self._in_flight = item
        self._current, self._following = following, None
        try:
            self._wire.send(self._timeouts.body, *pieces, opening)
        except WireLost as lost:
            if not refused and lost.sent < sum(map(len, pieces)):
                self._in_flight = None
                self._give_back(item, lost)
            raise

    def _read_answers(self) -> bool:
        """Read the replies to MAIL, RCPT and DATA of the current mail. True when it is settled as refused."""
        if not self._skip and self._wire.take_if(*_GO_ON):
            return False
        self._read_skipped()
        mail = self._reply(self._timeouts.command, Stage.MAIL)
        rcpt = self._reply(self._timeouts.command, Stage.RCPT) if not _closes(mail) else mail
        data = self._reply(self._timeouts.data, Stage.DATA) if not _closes(rcpt) else rcpt
        outcome = _first_fault(mail, rcpt, data)
        if outcome is None:
            return False
        self._clean_up = b".\r\nRSET\r\n" if data.code == 354 else b"RSET\r\n"
        self._skip = 2 if data.code == 354 else 1
        self._refuse(outcome)
        return True

    # ------------------------------------------------------------ one by one

    def _one_by_one(self) -> None:
        while item := self._next():
            self._current = item
            if self._ask_for_data(item):
                body = self._body_of(item)
                self._in_flight, self._current = item, None
                self._send_alone(item, body)
                self._read_final()
            else:
                self._current = None

    def _ask_for_data(self, item: Item) -> bool:
        commands = self._opening(item).splitlines(keepends=True)
        for stage, command in zip((Stage.MAIL, Stage.RCPT, Stage.DATA), commands, strict=True):
            self._wire.send(self._timeouts.command, command)
            reply = self._reply(self._timeouts.data if stage is Stage.DATA else self._timeouts.command, stage)
            if fault := _fault(reply, stage):
                self._refuse(fault)
                self._wire.send(self._timeouts.command, b"RSET\r\n")
                self._skip = 1
                self._read_skipped()
                return False
        return True

    def _send_alone(self, item: Item, pieces: tuple[bytes, ...]) -> None:
        try:
            self._wire.send(self._timeouts.body, *pieces)
        except WireLost as lost:
            if lost.sent < sum(map(len, pieces)):
                self._in_flight = None
                self._give_back(item, lost)
            raise

    # ------------------------------------------------------------ pieces

    def _next(self) -> Item | None:
        """The next mail this server can be offered; what it cannot take is settled at once."""
        if self._session.taken and self._session.is_used_up(self._clock()):
            return None
        while item := self._work.take():
            fault = refusal(self._session.offer, item.envelope.sender, item.envelope.recipient, item.body)
            if fault is None:
                self._session.taken += 1
                return item
            self._work.settle(item, Refused(fault, Stage.MAIL, ReplyClass.BLOCK, is_ours=True))
        return None

    def _opening(self, item: Item) -> bytes:
        """MAIL, RCPT and DATA with the parameters this server knows."""
        offer, envelope = self._session.offer, item.envelope
        mail = f" SIZE={len(item.body)}" if offer.has_size else ""
        rcpt = ""
        if offer.eightbit and not envelope.is_wire_ready and not item.body.isascii():
            mail += " BODY=8BITMIME"
        if offer.dsn and (wanted := self._session.relay.dsn):
            envid = f" ENVID={xtext(envelope.envelope_id)}" if envelope.envelope_id else ""
            mail += f" RET=HDRS{envid}"
            rcpt = f" NOTIFY={wanted} ORCPT=rfc822;{xtext(envelope.recipient)}"
        text = f"MAIL FROM:<{envelope.sender}>{mail}\r\nRCPT TO:<{envelope.recipient}>{rcpt}\r\nDATA\r\n"
        return text.encode("ascii")

    def _body_of(self, item: Item) -> tuple[bytes, bytes]:
        """The bytes after 354. Asks for leave first; without it the connection must be cut, for a 354 can't be
        unsaid.
        """
        try:
            self._work.allow(item)
        except HandOverForbidden as forbidden:
            self._current = None
            self._work.settle(item, NotTried(forbidden.reason))
            raise _SessionOver from forbidden
        return (item.body, _DOT) if item.envelope.is_wire_ready else wire_form(item.body)

    def _reply(self, timeout: float, stage: Stage) -> Reply:
        lines = self._wire.read_reply(timeout)
        if len(lines) == 1 and (quick := _USUAL.get(lines[0][:3])) and stage is not Stage.FINAL:
            return quick
        try:
            return parse_reply(lines)
        except ValueError as fault:
            raise WireGarbage(str(fault)) from fault

    def _read_final(self) -> None:
        item = self._in_flight
        if item is None:
            return
        reply = self._reply(self._timeouts.final, Stage.FINAL)
        self._in_flight = None
        self._session.answered += 1
        if reply.is_positive:
            self._session.sent += 1
            self._work.settle(item, Sent(reply))
            return
        outcome = _final_outcome(reply)
        self._settle(item, outcome)
        if _closes(reply) or isinstance(outcome, (Uncertain, RelayFault)):
            raise _SessionOver

    def _refuse(self, outcome: Outcome) -> None:
        """Settle the current mail before its body. A 421 after other mails only says that this connection is
        used up.
        """
        item = self._must()
        is_closing = isinstance(outcome, Deferred) and outcome.reply.code == 421
        if is_closing and self._session.answered and not item.losses:
            self._give_back(item, WireLost("the server ended the connection"))
        else:
            self._settle(item, outcome)
            self._session.answered += 1
        if is_closing or isinstance(outcome, RelayFault):
            self._current = None
            raise _SessionOver

    def _settle(self, item: Item, outcome: Outcome) -> None:
        self._work.settle(item, outcome)
        if isinstance(outcome, RelayFault):
            self._work.relay_failed(outcome)

    def _read_skipped(self) -> None:
        while self._skip:
            reply = self._reply(self._timeouts.command, Stage.MAIL)
            self._skip -= 1
            if reply.code == 421:
                raise _SessionOver

    def _must(self) -> Item:
        if self._current is None:
            raise AssertionError("no mail is being offered")
        return self._current

    # ------------------------------------------------------------ the connection is gone

    def _lost(self, lost: WireLost) -> None:
        if self._in_flight:
            self._salvage(self._in_flight, lost)
        self._return_unsent(lost)

    def _salvage(self, item: Item, lost: WireLost) -> None:
        """The reply may already lie in our buffer though writing failed; only when it does not is the mail
        uncertain.
        """
        try:
            if isinstance(lost, WireGarbage):
                raise lost
            reply = self._reply(_SALVAGE, Stage.FINAL)
        except WireLost:
            self._work.settle(item, Uncertain(Stage.FINAL, str(lost)))
            return
        self._settle(item, _final_outcome(reply))

    def _return_unsent(self, lost: WireLost | None = None) -> None:
        """What is in hand goes back; only a mail whose envelope met a broken connection carries that along."""
        if self._current and lost:
            self._give_back(self._current, lost)
        elif self._current:
            self._work.give_back(self._current)
        if self._following:
            self._work.give_back(self._following)

    def _give_back(self, item: Item, lost: WireLost) -> None:
        """Nothing of it can have been taken: it goes to another connection, but not for ever."""
        item.losses += 1
        if item.losses > _MAX_LOSSES:
            self._settle(item, RelayFault(Stage.BODY, str(lost)))
        else:
            self._work.give_back(item)

    _clean_up = b""


class _SessionOver(Exception):
    """The server, or an order from above, ends this session."""


_MAX_LOSSES: Final = 2
_SALVAGE: Final = 0.05
_USUAL: Final = {b"250": Reply(250, "", ""), b"354": Reply(354, "", "")}
_GO_ON: Final = (b"250 ", b"250 ", b"354 ")
"""How the answers to MAIL, RCPT and DATA begin when all is well, which is nearly always."""


def _closes(reply: Reply) -> bool:
    return reply.code == 421


def _final_outcome(reply: Reply) -> Outcome:
    if reply.is_positive:
        return Sent(reply)
    return _fault(reply, Stage.FINAL) or Uncertain(Stage.FINAL, f"an answer that is none: {reply}")


def _first_fault(mail: Reply, rcpt: Reply, data: Reply) -> Outcome | None:
    for reply, stage in ((mail, Stage.MAIL), (rcpt, Stage.RCPT), (data, Stage.DATA)):
        if fault := _fault(reply, stage):
            return fault
    return None


def _fault(reply: Reply, stage: Stage) -> Outcome | None:
    """The outcome a reply stands for; None when it lets us go on (or, after the final dot, when it means nothing)."""
    if (reply.code == 354) if stage is Stage.DATA else reply.is_positive:
        return None
    if reply.is_transient:
        return Deferred(reply, stage, classify_reply(reply, stage))
    if not reply.is_permanent:
        return None if stage is Stage.FINAL else _out_of_step(reply, stage)
    if is_relay_fault(reply):
        return RelayFault(stage, str(reply), reply)
    return Refused(reply, stage, classify_reply(reply, stage))


def _out_of_step(reply: Reply, stage: Stage) -> Outcome:
    raise WireGarbage(f"{reply.code} in answer to {stage.value.upper()}")


def wire_form(body: bytes) -> tuple[bytes, bytes]:
    """The body and the end as they go over the wire (RFC 5321 §4.5.2): CRLF line ends only, leading dots doubled.

    A bare CR or LF is made a CRLF: some servers take `LF . LF` for an end, and what follows for a second mail.
    """
    ends = body.count(b"\n")
    if ends != body.count(b"\r\n") or ends != body.count(b"\r"):
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if b"\n." in body:
        body = body.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body, _DOT if not body or body.endswith(b"\r\n") else b"\r\n.\r\n"


_DOT: Final = b".\r\n"
