"""One relay as a transport: a few connections, each with its own session, drawing mails from one source.

Owns the connections, the pool of idle sessions, the pace and the orderly stop.
Must not know what a mail is for; everything that becomes of one goes through the hooks.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from functools import cached_property
from ssl import SSLContext
from typing import Final
from weakref import WeakSet

from app.mail.smtp_hub import Hub
from app.mail.smtp_pace import Held, Turns
from app.mail.smtp_session import Session, SessionFault, open_session, tls_context
from app.mail.smtp_stream import Item, Stream
from app.mail.smtp_token import Ask, Tokens
from app.mail.smtp_url import SmtpRelay, Tls
from app.mail.smtp_wire import Wire
from app.mail.transports import (
    NO_LIMIT,
    Envelope,
    HandOverForbidden,
    Hooks,
    NotTried,
    Outcome,
    RelayFault,
    Settlement,
    Tally,
    Tallying,
    make_body,
)

FIRST_REST: Final = 15.0
LONGEST_REST: Final = 600.0
HORIZON: Final = 10.0
"""Seconds: nothing is claimed that would leave later than this."""
_POLL: Final = 0.01
_NAP: Final = 0.05
_STOPPED: Final = "the transport was stopped"

Clock = Callable[[], float]


class SmtpTransport:
    """Sends over one SMTP relay. `clock` gives monotonic seconds. One `send` at a time; sessions stay open
    between sends. `turns` is handed in where another transport goes over the same relay.
    """

    def __init__(
        self, relay: SmtpRelay, clock: Clock = time.monotonic, turns: Turns | None = None, ask: Ask | None = None
    ) -> None:
        self.relay = relay
        self.clock = clock
        self.turns = turns or Turns(relay.limits.rate)
        self._tokens = Tokens(relay, clock, ask)
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._wires: WeakSet[Wire] = WeakSet()
        self._stopped = threading.Event()
        self._shift: _Shift | None = None
        self._rests_until = 0.0
        self._rest = 0.0
        self.last_fault = ""
        """What the relay rests for, or rested for last."""

    @property
    def name(self) -> str:
        return self.relay.name

    @property
    def is_ready(self) -> bool:
        return self.clock() >= self._rests_until and not self._stopped.is_set()

    @property
    def rests_for(self) -> float:
        """Seconds this relay is left alone yet."""
        return max(0.0, self._rests_until - self.clock())

    @property
    def room(self) -> int:
        rate = self.relay.limits.rate
        return max(1, int(rate * HORIZON)) if rate else NO_LIMIT

    def send(self, envelopes: Iterable[Envelope], hooks: Hooks) -> Tally:
        shift = self._shift = _Shift(self, iter(envelopes), Tallying(hooks))
        if self._stopped.is_set():
            shift.end(_STOPPED)
        shift.run()
        return shift.hooks.tally()

    def warm(self) -> bool:
        """Open one session ahead of need, so that the next mail finds it. False when the relay cannot be reached."""
        session = self.obtain()
        if isinstance(session, RelayFault):
            self.rest(session)
            return False
        self.release(session, may_keep=True)
        return True

    def stop(self, grace: float) -> None:
        self._stopped.set()
        if self._shift:
            self._shift.end(_STOPPED)
        timer = threading.Timer(grace, self._cut)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.quit()

    # ------------------------------------------------------------ sessions

    def obtain(self) -> Session | RelayFault:
        """An idle session that still lives, or a new one; a fault when the relay gives none."""
        while session := self._pop_idle():
            if session.is_alive(self.clock()):
                return session
            session.wire.close()
        try:
            return open_session(self.relay, self._tls, self.clock, self._watch, self._tokens)
        except SessionFault as fault:
            return RelayFault(fault.stage, fault.text, fault.reply)

    def release(self, session: Session, *, may_keep: bool) -> None:
        if session.sent:
            self._rest, self._rests_until = 0.0, 0.0
        if may_keep and not self._stopped.is_set():
            session.wire.attend(None)
            with self._lock:
                self._idle.append(session)
        elif may_keep:
            session.quit()
        else:
            session.wire.close()

    def rest(self, fault: RelayFault) -> None:
        """After a fault the relay is left alone, longer each time."""
        self.last_fault = f"{fault.stage.value}: {fault.text}"
        self._rest = min(max(self._rest * 2, FIRST_REST), LONGEST_REST)
        self._rests_until = self.clock() + self._rest

    @property
    def has_idle(self) -> bool:
        with self._lock:
            return bool(self._idle)

    @cached_property
    def _tls(self) -> SSLContext | None:
        return None if self.relay.tls is Tls.NEVER else tls_context(self.relay)

    def _pop_idle(self) -> Session | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _watch(self, wire: Wire) -> None:
        with self._lock:
            self._wires.add(wire)

    def _cut(self) -> None:
        with self._lock:
            wires = tuple(self._wires)
        for wire in wires:
            wire.wake()


class Leaving(Enum):
    """What a worker without work is told."""

    STAY = auto()
    GO = auto()
    LAST = auto()


class _Shift:
    """One call of `send`: the source, the workers, and the reason to stop when there is one. All on one thread."""

    def __init__(self, transport: SmtpTransport, source: Iterator[Envelope], hooks: Tallying) -> None:
        self.transport = transport
        self.hooks = hooks
        self._source = source
        self.hub = Hub()
        self._returned: deque[Item] = deque()
        self._slots = 0
        self._working = 0
        self._is_dry = False
        self.over = ""
        """Why no more is drawn, or empty."""
        self._error: BaseException | None = None
        self.fault: RelayFault | None = None
        self._most = transport.relay.limits.connections
        self._turns = transport.turns
        self._held = Held(self._most)

    def run(self) -> None:
        """Work until the source is dry or there is a reason to stop; then raise what a hook or the source raised."""
        self._add_worker()
        try:
            self.hub.run()
        except BaseException:
            self.end("interrupted")
            self.hub.run()
            raise
        if self._error:
            raise self._error

    def end(self, reason: str) -> None:
        """The first reason counts. Called from other threads too, and from signals."""
        self.over = self.over or reason

    def fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self.over = self.over or f"{type(error).__name__} in the caller"

    # ------------------------------------------------------------ workers

    def _add_worker(self) -> None:
        if self._slots < self._most and not self._is_dry and not self.over:
            self._slots += 1
            self._working += 1
            self.hub.spawn(_Worker(self, self._slots).run)

    def leave(self, fault: RelayFault | None) -> Leaving:
        """May a worker go home? Not while something was given back that it has a session for."""
        is_alone = self._working == 1
        if self._returned and not self.over and (fault is None or (is_alone and self.transport.has_idle)):
            return Leaving.STAY
        self._working -= 1
        return Leaving.LAST if is_alone else Leaving.GO

    # ------------------------------------------------------------ items

    def take(self, slot: int, *, may_wait: bool) -> Item | Envelope | None:
        """The next mail for a connection. Without `may_wait` also None while it must wait: replies first."""
        while not self.over:
            if self._returned:
                item = self._returned.popleft()
                self._held.begin(slot, item.envelope, anyway=True)
                return item
            envelope = self._held.next_for(slot) or self._draw()
            if envelope is None and not (may_wait and len(self._held)):
                return None
            if envelope is not None and (mine := self._begin(slot, envelope, may_wait=may_wait)):
                return mine
            if not may_wait and self._held.is_full:
                return None
            if envelope is None or self._held.is_full:
                self.hub.sleep(_POLL)
            elif not may_wait and self._turns.gap:
                return None
        return None

    def _begin(self, slot: int, envelope: Envelope, *, may_wait: bool) -> Envelope | None:
        """The mail, when this connection may carry it and its turn has come; else it is held."""
        if not self._held.begin(slot, envelope):
            self._held.hold(envelope)
            return None
        if self._turns.take_now():
            return envelope
        if may_wait:
            self._sleep(self._turns.reserve())
            if not self.over:
                return envelope
        self.end_of(slot, envelope)
        self._held.hold(envelope, first=True)
        return None

    def end_of(self, slot: int, envelope: Envelope) -> None:
        """This connection does not carry it any more."""
        self._held.end(slot, envelope)

    def _draw(self) -> Envelope | None:
        if self._held.is_full:
            return None
        if self._is_dry or self.over:
            return None
        try:
            envelope = next(self._source, None)
        except Exception as error:  # noqa: BLE001 - raised again by run(), after the others have finished
            self.fail(error)
            return None
        self._is_dry = envelope is None
        self._add_worker()
        return envelope

    def _sleep(self, seconds: float) -> None:
        """Not for longer than there is work."""
        until = time.monotonic() + seconds
        while not self.over and (left := until - time.monotonic()) > 0:
            self.hub.sleep(min(left, _NAP))

    def give_back(self, item: Item) -> None:
        self._returned.append(item)

    def returned(self) -> tuple[Item, ...]:
        items = tuple(self._returned)
        self._returned.clear()
        return items + tuple(Item(envelope, b"") for envelope in self._held.all())


class _Worker:
    """One connection: a session at a time; what a stream needs (`Work`)."""

    def __init__(self, shift: _Shift, slot: int) -> None:
        self._shift = shift
        self._slot = slot
        self._relay = shift.transport.name
        self._first: Item | None = None

    def run(self) -> None:
        leaving, fault = Leaving.STAY, None
        while leaving is Leaving.STAY:
            try:
                fault = self._work()
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that called send()
                self._shift.fail(error)
            if self._first:
                self.give_back(self._first)
                self._first = None
            leaving = self._shift.leave(fault)
        if leaving is Leaving.LAST:
            self._clear_up(fault)

    def _work(self) -> RelayFault | None:
        """Session after session until there is no more to do, or no session to be had."""
        fault: RelayFault | None = None
        while fault is None and (item := self._next(may_wait=True)):
            self._first = item
            fault = self._serve()
        return fault

    def _serve(self) -> RelayFault | None:
        """One session's worth of mails; the fault when there is no session to be had."""
        transport = self._shift.transport
        session = self._shift.hub.call(transport.obtain)
        if isinstance(session, RelayFault):
            return session
        may_keep = False
        session.wire.attend(self._shift.hub)
        try:
            may_keep = Stream(session, self, transport.clock).run()
        finally:
            transport.release(session, may_keep=may_keep)
        return None

    def _clear_up(self, fault: RelayFault | None) -> None:
        """Others may have had sessions: only the last one out can say that the relay is at fault."""
        items = self._shift.returned()
        if fault and items:
            self.relay_failed(fault)
        for item in items:
            self.settle(item, self._shift.fault or NotTried(self._shift.over or "the transport stopped"))

    # ------------------------------------------------------------ Work

    def take(self) -> Item | None:
        if self._first:
            item, self._first = self._first, None
            return item
        return self._next(may_wait=False)

    def _next(self, *, may_wait: bool) -> Item | None:
        while drawn := self._shift.take(self._slot, may_wait=may_wait):
            if isinstance(drawn, Item):
                return drawn
            try:
                body = make_body(drawn)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that called send()
                self._shift.fail(error)
                self.settle(Item(drawn, b""), NotTried(self._shift.over))
                return None
            if not isinstance(body, NotTried):
                return Item(drawn, body)
            self.settle(Item(drawn, b""), body)
        return None

    def give_back(self, item: Item) -> None:
        self._shift.end_of(self._slot, item.envelope)
        self._shift.give_back(item)

    def allow(self, item: Item) -> None:
        try:
            self._shift.hooks.before_final_dot(item.envelope.key, self._slot)
        except HandOverForbidden as forbidden:
            if forbidden.is_final:
                self._shift.end(forbidden.reason)
            raise
        except Exception as error:  # a fault in the caller's hook must not let the mail go
            self._shift.fail(error)
            raise HandOverForbidden(f"{type(error).__name__} before the final dot") from error

    def settle(self, item: Item, outcome: Outcome) -> None:
        self._shift.end_of(self._slot, item.envelope)
        slot = 0 if isinstance(outcome, NotTried) else self._slot
        settlement = Settlement(item.envelope.key, outcome, self._relay, slot)
        try:
            self._shift.hooks.after_reply(settlement)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that called send()
            self._shift.fail(error)

    def relay_failed(self, fault: RelayFault) -> None:
        self._shift.transport.rest(fault)
        self._shift.fault = self._shift.fault or fault
        self._shift.end(f"the relay failed at {fault.stage.value}: {fault.text}")
