"""Several relays as one transport: shares by weight, mails only some may take, and another relay when one fails.

Owns the sharing out and the failing over, and the making of transports from settings.
Must not weigh relays by anything but their settings and their faults.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.mail.replies import Stage
from app.mail.smtp import SmtpTransport
from app.mail.smtp_pace import Turns
from app.mail.smtp_token import Ask
from app.mail.smtp_url import FileRelay, Relay, SmtpRelay
from app.mail.transports import (
    Envelope,
    FileTransport,
    HandOverForbidden,
    Hooks,
    MaildirTransport,
    MessageKey,
    NotTried,
    RelayFault,
    Settlement,
    Tally,
    Tallying,
    Transport,
)

_AHEAD: Final = 8  # envelopes that may wait for one relay
_STUCK: Final = 1.0  # seconds without a draw after which the others take its share


def open_transport(
    relays: Sequence[Relay],
    clock: Callable[[], float] = time.monotonic,
    turns: Mapping[str, Turns] | None = None,
    ask: Ask | None = None,
) -> Transport:
    """The transport for the relays of a setting (`parse_relays`); nothing is connected yet. Raises ValueError
    for none. `turns` (by relay name, of `turns_of`) are for transports that share their relays' rates, `ask` is for
    token endpoints.
    """
    if not relays:
        raise ValueError("at least one relay is needed")
    members = [(_open(relay, clock, (turns or {}).get(relay.name), ask), relay.weight) for relay in relays]
    return members[0][0] if len(members) == 1 else RelaySet(members)


def turns_of(relays: Sequence[Relay]) -> dict[str, Turns]:
    """The rates of relays, for all transports over them."""
    return {relay.name: Turns(relay.limits.rate) for relay in relays if isinstance(relay, SmtpRelay)}


def _open(relay: Relay, clock: Callable[[], float], turns: Turns | None, ask: Ask | None) -> Transport:
    if isinstance(relay, FileRelay):
        return (MaildirTransport if relay.is_maildir else FileTransport)(relay.folder, relay.name)
    return SmtpTransport(relay, clock, turns, ask)


@dataclass(frozen=True, slots=True)
class Rest:
    """For how many seconds a relay is left alone yet, 0 for one that works, and after which fault."""

    seconds: float = 0.0
    why: str = ""


def rests_of(transport: Transport) -> dict[str, Rest]:
    """How each relay of a transport stands."""
    if isinstance(transport, RelaySet):
        return {name: rest for member in transport.members for name, rest in rests_of(member).items()}
    return {transport.name: _rest_of(transport) if isinstance(transport, SmtpTransport) else Rest()}


def _rest_of(transport: SmtpTransport) -> Rest:
    seconds = transport.rests_for
    return Rest(seconds, transport.last_fault) if seconds else Rest()


class RelaySet:
    """Sends over several transports at once. A mail that a failing relay certainly did not take goes to another one."""

    def __init__(self, members: Sequence[tuple[Transport, int]], name: str = "relays") -> None:
        self._members = tuple(members)
        self._name = name
        self._is_stopped = False
        self._sharing: _Sharing | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_ready(self) -> bool:
        return not self._is_stopped and any(member.is_ready for member, _ in self._members)

    @property
    def members(self) -> tuple[Transport, ...]:
        return tuple(member for member, _ in self._members)

    @property
    def room(self) -> int:
        return sum(member.room for member, _ in self._members if member.is_ready)

    def send(self, envelopes: Iterable[Envelope], hooks: Hooks) -> Tally:
        counting = Tallying(hooks)
        self._sharing = _Sharing(self._members, iter(envelopes), counting)
        if self._is_stopped:
            self._sharing.end("the transport was stopped")
        self._sharing.run()
        return counting.tally()

    def stop(self, grace: float) -> None:
        self._is_stopped = True
        if self._sharing:
            self._sharing.end("the transport was stopped")
        for member, _ in self._members:
            member.stop(grace)

    def close(self) -> None:
        for member, _ in self._members:
            member.close()


class _Sharing:
    """One `send` shared out: whose turn it is, what waits for whom, and who has dropped out."""

    def __init__(self, members: Sequence[tuple[Transport, int]], source: Iterator[Envelope], hooks: Tallying) -> None:
        self._transports = [transport for transport, _ in members]
        self._weights = [weight for _, weight in members]
        self._credit = [0] * len(members)
        self._waiting: list[deque[Envelope]] = [deque() for _ in members]
        rests = [not transport.is_ready for transport in self._transports]
        self._is_out = rests if not all(rests) else [False] * len(members)
        self._index = {transport.name: i for i, transport in enumerate(self._transports)}
        self._drawn: dict[MessageKey, Envelope] = {}
        self._source = source
        self._is_dry = False
        self.hooks = hooks
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._clock = time.monotonic
        self._drawn_at = [self._clock()] * len(members)
        self._moves: dict[MessageKey, int] = {}
        self._error: BaseException | None = None
        self._over = ""

    def end(self, reason: str) -> None:
        self._over = self._over or reason

    def run(self) -> None:
        """Rounds until nothing is left that anyone could take: a mail may come back after another member has
        finished.
        """
        while not self._over and (indices := self._wanted()):
            threads = [threading.Thread(target=self._serve, args=(index,), daemon=True) for index in indices]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self._settle_rest()
        if self._error:
            raise self._error

    def _wanted(self) -> list[int]:
        return [i for i, out in enumerate(self._is_out) if not out and (self._waiting[i] or not self._is_dry)]

    def _serve(self, index: int) -> None:
        transport = self._transports[index]
        try:
            transport.send(iter(lambda: self._draw(index), None), _MemberHooks(self, index))
        except BaseException as error:  # noqa: BLE001 - raised again by run()
            with self._lock:
                self._error = self._error or error
            self.end(f"{type(error).__name__} in the caller")
        if not transport.is_ready or not self._is_dry:
            self._drop_out(index)

    # ------------------------------------------------------------ drawing

    def _draw(self, index: int) -> Envelope | None:
        """The next mail for this member, or None when there is none."""
        with self._changed:
            envelope = None if self._over else self._pick(index)
            if envelope:
                self._drawn[envelope.key] = envelope
                self._drawn_at[index] = self._clock()
                self._changed.notify_all()
            return envelope

    def _pick(self, index: int) -> Envelope | None:
        mine = self._waiting[index]
        while not mine and not self._is_dry and not self._over:
            envelope = next(self._source, None)
            if envelope is None:
                self._is_dry = True
                break
            if self._is_for(index, envelope):
                return envelope
        return mine.popleft() if mine else None

    def _is_for(self, index: int, envelope: Envelope) -> bool:
        """Whether this member takes it; else it waits for another one, but not for one that drops out meanwhile."""
        allowed = self._allowed(envelope)
        while True:
            target = self._target(envelope)
            if target == index:
                return True
            has_room = self._has_room(target)
            if not has_room and index in allowed:
                return True
            if has_room or not self._is_out[target] or all(self._is_out[i] for i in allowed):
                self._waiting[target].append(envelope)
                return False

    def _allowed(self, envelope: Envelope) -> Sequence[int]:
        """Who may take it: those it names, else anyone."""
        named = [self._index[name] for name in envelope.relays if name in self._index]
        return named or range(len(self._transports))

    def _target(self, envelope: Envelope) -> int:
        """Smooth weighted turns among those that are still in; a mail whose relays are all out waits for the first."""
        allowed = self._allowed(envelope)
        able = [i for i in allowed if not self._is_out[i]]
        if not able:
            return allowed[0]
        for i in able:
            self._credit[i] += self._weights[i]
        chosen = max(able, key=lambda i: self._credit[i])
        self._credit[chosen] -= sum(self._weights[i] for i in able)
        return chosen

    def _has_room(self, index: int) -> bool:
        """Wait for a busy relay to draw; one that has not drawn for a second is stuck, and others take its share."""
        while len(self._waiting[index]) >= _AHEAD and not self._over and not self._is_out[index]:
            if self._clock() - self._drawn_at[index] > _STUCK:
                return False
            self._changed.wait(0.02)
        return not self._is_out[index]

    # ------------------------------------------------------------ failing over

    def settle(self, index: int, settlement: Settlement) -> None:
        """Pass an outcome on, unless another relay may still take the mail."""
        with self._lock:
            envelope = self._drawn.pop(settlement.key, None)
            if envelope and isinstance(settlement.outcome, RelayFault) and self._may_move(envelope):
                other = self._other(index, envelope)
                if other is not None:
                    self._waiting[other].append(envelope)
                    return
            self._moves.pop(settlement.key, None)
        self.hooks.after_reply(settlement)

    def _may_move(self, envelope: Envelope) -> bool:
        moves = self._moves[envelope.key] = self._moves.get(envelope.key, 0) + 1
        return moves < len(self._allowed(envelope))

    def _other(self, index: int, envelope: Envelope) -> int | None:
        return next((i for i in self._allowed(envelope) if i != index and not self._is_out[i]), None)

    def _drop_out(self, index: int) -> None:
        with self._lock:
            self._is_out[index] = True
            for envelope in tuple(self._waiting[index]):
                if (other := self._other(index, envelope)) is not None:
                    self._waiting[index].remove(envelope)
                    self._waiting[other].append(envelope)

    def _settle_rest(self) -> None:
        """What still waits belongs to a relay that is gone, or was overtaken by the end."""
        fault = RelayFault(Stage.CONNECT, "the relay is not taking mails")
        for transport, waiting in zip(self._transports, self._waiting, strict=True):
            for envelope in waiting:
                outcome = NotTried(self._over) if self._over else fault
                self.hooks.after_reply(Settlement(envelope.key, outcome, transport.name, 0))


class _MemberHooks:
    """The hooks a member sees: its slots made distinct from the other members'."""

    def __init__(self, sharing: _Sharing, index: int) -> None:
        self._sharing = sharing
        self._index = index
        self._offset = index * 256

    def before_final_dot(self, key: MessageKey, connection: int) -> None:
        try:
            self._sharing.hooks.before_final_dot(key, self._offset + connection)
        except HandOverForbidden as forbidden:
            if forbidden.is_final:
                self._sharing.end(forbidden.reason)
            raise

    def after_reply(self, settlement: Settlement) -> None:
        slot = self._offset + settlement.connection if settlement.connection else 0
        moved = Settlement(settlement.key, settlement.outcome, settlement.relay, slot)
        self._sharing.settle(self._index, moved)
