"""The seam between whoever has mails to send and whatever carries them, and the carriers that write files.

Owns the envelope, the outcomes, the two hooks a journal needs, and the file and Maildir transports.
Must not know of messages' rows, claims' leases or who may be mailed: it carries what it is given.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias

from app.core.replacing import swift
from app.mail.replies import Reply, ReplyClass, Stage


class MessageKey(NamedTuple):
    """Names one attempt: the message's id and the number of the claim it is sent under."""

    message: int
    claim: int


@swift
@dataclass(frozen=True, slots=True)
class Envelope:
    """One mail for one recipient.

    `sender` is empty for the null sender. `body` gives the finished mail as bytes, headers included; it is called
    on the sending thread before any command for this mail is written, and again if the mail moves to another relay.
    `relays` names those that may take it, empty: any. Of one `lane` no more than `at_once` connections of a relay carry
    mails at a time (0: no limit). `is_wire_ready`: whoever made the body vouches that it is ASCII, that its line ends
    are CRLF only, the last one included, and that no line begins with a dot; then it is not looked through again, which
    halves the work.
    """

    key: MessageKey
    sender: str
    recipient: str
    body: Callable[[], bytes]
    relays: tuple[str, ...] = ()
    envelope_id: str = ""
    is_wire_ready: bool = False
    lane: str = ""
    at_once: int = 0


# ---------------------------------------------------------------- outcomes


@swift
@dataclass(frozen=True, slots=True)
class Sent:
    """The server took it: a 2xx to the final dot."""

    reply: Reply


@swift
@dataclass(frozen=True, slots=True)
class Deferred:
    """A 4xx: try again later. `reply_class` says whether to slow the lane (`throttle`)."""

    reply: Reply
    stage: Stage
    reply_class: ReplyClass


@swift
@dataclass(frozen=True, slots=True)
class Refused:
    """A 5xx: this mail will not be taken. `reply_class` says whose fault it is; `is_ours` when it was refused before
    any server was asked.
    """

    reply: Reply
    stage: Stage
    reply_class: ReplyClass
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class RelayFault:
    """The relay is at fault (connection, TLS, login, garbage): nothing left the house, no attempt counts."""

    stage: Stage
    text: str
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The final dot may have arrived and no answer came back: it was sent or it was not."""

    stage: Stage
    text: str


@dataclass(frozen=True, slots=True)
class NotTried:
    """Nothing left the house and the relay is not to blame; `error` is set when making the body failed."""

    reason: str
    error: Exception | None = None


Outcome: TypeAlias = Sent | Deferred | Refused | RelayFault | Uncertain | NotTried


@swift
@dataclass(frozen=True, slots=True)
class Settlement:
    """How one envelope ended, at which relay and on which connection slot (from 1; 0 when there was none)."""

    key: MessageKey
    outcome: Outcome
    relay: str
    connection: int


class HandOverForbidden(Exception):
    """Raised by `before_final_dot`: this mail must not leave. With `is_final` the transport draws no further
    envelopes.
    """

    def __init__(self, reason: str, *, is_final: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class NoBody(Exception):
    """Raised by an envelope's `body`: it was decided at the last moment that this mail does not leave."""


class Hooks(Protocol):
    """What the caller does around the hand-over. Called on sending threads: of several relays several at once."""

    def before_final_dot(self, key: MessageKey, connection: int) -> None:
        """Called before the bytes that hold the final dot are written; may raise HandOverForbidden."""

    def after_reply(self, settlement: Settlement) -> None:
        """Called exactly once for every envelope that was drawn, before this connection's next `before_final_dot`."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many envelopes of one `send` ended how."""

    sent: int = 0
    deferred: int = 0
    refused: int = 0
    relay_fault: int = 0
    uncertain: int = 0
    not_tried: int = 0

    @property
    def drawn(self) -> int:
        return self.sent + self.deferred + self.refused + self.relay_fault + self.uncertain + self.not_tried


NO_LIMIT: Final = 1 << 30


class Transport(Protocol):
    """Carries envelopes. `send` draws lazily (at most two ahead per connection), so an endless generator is welcome.

    Every drawn envelope is settled through the hooks before `send` returns; when it stops early (relay down, `stop`, a
    final
    HandOverForbidden) the rest is simply not drawn. An exception of a hook is raised again after the others have
    finished.
    """

    @property
    def name(self) -> str: ...

    @property
    def is_ready(self) -> bool:
        """False while a relay rests after a fault: better claim nothing for it."""

    @property
    def room(self) -> int:
        """How many mails can leave within ten seconds, as far as limits of rate say."""

    def send(self, envelopes: Iterable[Envelope], hooks: Hooks) -> Tally: ...

    def stop(self, grace: float) -> None:
        """Draw no more; what is in flight has `grace` seconds. Called from another thread."""

    def close(self) -> None:
        """Say goodbye to idle connections."""


_TALLY_NAME: dict[type, str] = {
    Sent: "sent",
    Deferred: "deferred",
    Refused: "refused",
    RelayFault: "relay_fault",
    Uncertain: "uncertain",
    NotTried: "not_tried",
}


class Tallying:
    """Hooks that pass everything on to others and count the outcomes; without a lock, for many threads come by."""

    def __init__(self, hooks: Hooks) -> None:
        self._pass_on = hooks.after_reply
        self._counts = {kind: count() for kind in _TALLY_NAME}
        self.before_final_dot = hooks.before_final_dot

    def after_reply(self, settlement: Settlement) -> None:
        next(self._counts[type(settlement.outcome)])
        self._pass_on(settlement)

    def tally(self) -> Tally:
        """The counts; to be asked once, at the end."""
        return Tally(**{_TALLY_NAME[kind]: next(counted) for kind, counted in self._counts.items()})


@dataclass(slots=True)
class Collected:
    """Hooks for small callers: no journal, outcomes kept by key."""

    outcomes: dict[MessageKey, Outcome] = field(default_factory=dict)
    settlements: list[Settlement] = field(default_factory=list)

    def before_final_dot(self, key: MessageKey, connection: int) -> None:
        """Nothing is asked."""

    def after_reply(self, settlement: Settlement) -> None:
        self.outcomes[settlement.key] = settlement.outcome
        self.settlements.append(settlement)


def send_all(transport: Transport, envelopes: Iterable[Envelope]) -> dict[MessageKey, Outcome]:
    """Send a few mails without a journal and return what became of each; what was not drawn is NotTried."""
    kept = tuple(envelopes)
    collected = Collected()
    transport.send(kept, collected)
    return {one.key: collected.outcomes.get(one.key, NotTried("the transport stopped early")) for one in kept}


# ---------------------------------------------------------------- making the body


def make_body(envelope: Envelope) -> bytes | NotTried:
    """The envelope's bytes, or why there are none. A mail that cannot be made never takes the others with it.

    Raises MemoryError: that no mail can be made for want of memory is not the fault of this one.
    """
    try:
        return envelope.body()
    except NoBody as decided:
        return NotTried(str(decided))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - rendering runs other people's templates; the error travels on in the outcome
        return NotTried(f"{type(error).__name__}: {error}", error)


# ---------------------------------------------------------------- files


class FileTransport:
    """Writes each mail into a folder as `<message>.<claim>.eml`: for demos, for tests, for looking at.

    The same attempt written twice is one file. The envelope goes on top as Return-Path and Delivered-To, as a mail
    store does.
    """

    def __init__(self, folder: Path, name: str = "files") -> None:
        self._folder = folder
        self._name = name
        self._is_stopped = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_ready(self) -> bool:
        return True

    @property
    def room(self) -> int:
        return NO_LIMIT

    def stop(self, grace: float) -> None:  # noqa: ARG002 - a file is written at once
        self._is_stopped = True

    def close(self) -> None:
        """Nothing is held open."""

    def send(self, envelopes: Iterable[Envelope], hooks: Hooks) -> Tally:
        counting = Tallying(hooks)
        source = iter(envelopes)
        while not self._is_stopped and (envelope := next(source, None)):
            outcome = self._write(envelope, counting)
            counting.after_reply(Settlement(envelope.key, outcome, self._name, 0))
            if isinstance(outcome, RelayFault):
                break
        return counting.tally()

    def _write(self, envelope: Envelope, hooks: Tallying) -> Outcome:
        body = make_body(envelope)
        if isinstance(body, NotTried):
            return body
        try:
            hooks.before_final_dot(envelope.key, 0)
        except HandOverForbidden as forbidden:
            self._is_stopped = forbidden.is_final
            return NotTried(forbidden.reason)
        try:
            return Sent(Reply(250, "2.0.0", f"written as {self._store(envelope, body).name}"))
        except OSError as fault:
            return RelayFault(Stage.BODY, f"could not write the file: {fault.strerror or fault}")

    def _store(self, envelope: Envelope, body: bytes) -> Path:
        place = self._place(f"{envelope.key.message}.{envelope.key.claim}")
        top = f"Return-Path: <{envelope.sender}>\r\nDelivered-To: {envelope.recipient}\r\n"
        return write_whole(place, top.encode("utf-8", "replace") + body)

    def _place(self, stem: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{stem}.eml"


class MaildirTransport(FileTransport):
    """Delivers into a Maildir (`tmp`, `new`, `cur`), which any mail program can open."""

    def __init__(self, folder: Path, name: str = "maildir") -> None:
        super().__init__(folder, name)

    def _place(self, stem: str) -> Path:
        for part in ("tmp", "new", "cur"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        return self._folder / "new" / f"{stem}.parvar"


def write_whole(place: Path, content: bytes) -> Path:
    """The file is there in full or not at all, also after a crash in the middle."""
    parent = place.parent.parent / "tmp" if place.parent.name == "new" else place.parent
    draft = parent / f".{place.name}.{os.getpid()}.{threading.get_ident()}.part"
    try:
        draft.write_bytes(content)
        return draft.replace(place)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
