"""Deliver: takes what is due, asks permission again, writes it, hands it over, and records how that ended.

Owns the shift of one courier: a clerk claims and records while the transport sends, so that neither waits for the
other. What left the house is in the journal before the database knows. Must not decide whom to mail.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress

import structlog

from app.actions.deliver_handing import Ended, Handing
from app.actions.deliver_recording import Recording, record
from app.actions.deliver_taking import LEASE, CannotTake, Lanes, Load, Post, Taking, take
from app.core.person import MailClass
from app.disk.journal import JournalFull
from app.mail.transports import Envelope, Transport
from app.store.engine import StoreError
from app.store.gate import GateClosedError

__all__ = ["LEASE", "Courier", "Post"]

log = structlog.get_logger()

AGAIN = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between tries to record while the database is away; the last one is repeated for ever."""
RECORD_AT = 48
"""So many outcomes are recorded at once; fewer when there is time."""
IDLE = 0.1
"""Seconds the clerk waits for more outcomes before it records what there is."""
PATIENCE = 2.0
"""Seconds the sending side waits for the clerk."""


class Courier:
    """One pair of hands: some classes of mail over one transport. `first_slot` tells its connections from others'."""

    def __init__(self, post: Post, transport: Transport, classes: Sequence[MailClass], first_slot: int = 0) -> None:
        self.post = post
        self.transport = transport
        self.classes = tuple(classes)
        self.first_slot = first_slot
        self.shift: _Shift | None = None
        self.lanes = Lanes()
        self.gives_up_at: float | None = None

    @property
    def is_stopping(self) -> bool:
        return self.gives_up_at is not None

    def deliver(self) -> int:
        """Hand over what is due until nothing is left. Returns how many were taken. One call at a time."""
        total = 0
        while self._may_go_on():
            self.shift = _Shift(self)
            taken = self.shift.run()
            self.shift = None
            total += taken
            if not taken:
                break
        return total

    def stop(self, grace: float = 10.0) -> None:
        """Take nothing more; what is in flight is finished, and recorded, within the grace."""
        self.gives_up_at = self.post.world.monotonic() + grace
        self.transport.stop(grace)

    def renewed(self, at: float) -> None:
        """The leases of everything under way were renewed, by the monotonic clock at this second."""
        if shift := self.shift:
            shift.renewed(at)

    def _may_go_on(self) -> bool:
        return not self.is_stopping and self.transport.is_ready and not self.post.journal.fault


class _Shift:
    """One stretch of work: loads go in, outcomes come out, until nothing is due or there is a reason to stop.

    The clerk (the calling thread) takes and records; the transport's threads draw and settle. What is claimed and not
    recorded is never more than the setting says.
    """

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._post = courier.post
        self._changed = threading.Condition()
        self._ready: deque[Load] = deque()
        self._loads: list[Load] = []
        self._ended: list[Ended] = []
        self._under_way = 0
        self._being_recorded = 0
        self._is_waited_for = False
        self._is_dry = False
        self._is_sent = False
        self._error: BaseException | None = None
        self._total = 0
        self._handing = Handing(self._post, courier.first_slot, self._settled)

    def run(self) -> int:
        self._take()
        if not self._ready:
            return self._total
        sender = threading.Thread(target=self._send, name=f"send-{self._courier.classes[0].value}", daemon=True)
        sender.start()
        try:
            while not self._is_sent:
                self._serve()
        finally:
            self._end()
            sender.join()
            self._record_rest()
        if self._error is not None:
            raise self._error
        return self._total

    def renewed(self, at: float) -> None:
        for load in list(self._loads):
            load.renewed(at)

    # ── The clerk ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _serve(self) -> None:
        """Wait until there is something to record or to take, and do it."""
        with self._changed:
            self._changed.wait_for(self._has_work, IDLE)
            ended, self._ended = self._ended, []
            self._being_recorded = len(ended)
        if ended and not self._record_and_take(ended):
            self._record(ended)
        if self._may_take():
            self._take()

    def _has_work(self) -> bool:
        most = 1 if self._is_waited_for else RECORD_AT
        return self._is_sent or len(self._ended) >= most or self._may_take()

    def _may_take(self, recorded: int = 0) -> bool:
        return not self._ready and not self._is_dry and self._room(recorded) > 0

    def _room(self, recorded: int = 0) -> int:
        """How many more may be claimed when so many more are recorded; half at a time: taking and sending overlap."""
        most = min(self._post.world.settings.claim, self._courier.transport.room)
        return min(max(most // 2, 1), most - self._under_way + recorded)

    def _take(self) -> None:
        """The next load; none ends the shift."""
        if self._courier.is_stopping:
            self._end()
            return
        try:
            load, taken = take(self._post, self._courier.classes, self._room(), self._courier.lanes)
        except CannotTake as reason:
            log.warning("cannot_take", reason=str(reason))
            load, taken = None, 0
        self._taken(load, taken)

    def _taken(self, load: Load | None, taken: int) -> None:
        self._total += taken
        with self._changed:
            if load is not None:
                self._under_way += len(load.letters)
                self._loads = [each for each in self._loads if not each.is_over] + [load]
                self._ready.append(load)
            self._is_dry = self._is_dry or not taken
            self._changed.notify_all()

    def _record_and_take(self, ended: Sequence[Ended]) -> bool:
        """Both in one transaction, when there is room for a load; False when nothing was done, and recording is due."""
        if self._courier.is_stopping or not self._may_take(len(ended)):
            return False
        recording = Recording(self._post, ended)
        taking = Taking(self._post, self._courier.classes, self._room(len(ended)), self._courier.lanes)
        try:
            if not taking.is_due():
                return False
            with self._post.world.transaction("write") as session:
                recording.write(session)
                load, taken = taking.within(session)
                recording.count(session)
        except (StoreError, GateClosedError) as error:
            log.warning("record_and_take_failed", error=type(error).__name__, waiting=len(ended))
            return False
        recording.done()
        self._recorded(ended)
        self._taken(load, taken)
        return True

    def _record(self, ended: Sequence[Ended]) -> None:
        """Write outcomes down, trying for ever: what left the house must be known. A restart replays the journal."""
        attempt = 0
        while True:
            try:
                record(self._post, ended)
            except (StoreError, GateClosedError) as error:
                log.warning("record_failed", error=type(error).__name__, attempt=attempt, waiting=len(ended))
                if self._gives_up():
                    log.error("left_to_the_journal", waiting=len(ended))
                    return
                time.sleep(AGAIN[min(attempt, len(AGAIN) - 1)])
                attempt += 1
                continue
            break
        self._recorded(ended)

    def _recorded(self, ended: Sequence[Ended]) -> None:
        with suppress(JournalFull):  # only housekeeping: to read it again after a crash changes nothing
            self._post.journal.recorded([each.key for each in ended])
        with self._changed:
            self._under_way -= len(ended)
            self._being_recorded = 0
            self._changed.notify_all()

    def _gives_up(self) -> bool:
        until = self._courier.gives_up_at
        return until is not None and self._post.world.monotonic() > until

    def _record_rest(self) -> None:
        """After the last mail: what was taken and never drawn goes back with the rest."""
        undrawn = [Ended(load, letter, version) for load in self._loads for letter, version in load.undrawn()]
        if ended := [*self._ended, *undrawn]:
            self._ended = []
            self._record(ended)

    def _end(self) -> None:
        with self._changed:
            self._is_dry = True
            self._changed.notify_all()

    # ── The sending side ─────────────────────────────────────────────────────────────────────────────────────────────

    def _send(self) -> None:
        try:
            self._courier.transport.send(self._envelopes(), self._handing)
        except BaseException as error:  # noqa: BLE001 - raised again by run(), after what was sent is recorded
            self._error = error
        with self._changed:
            self._is_sent = True
            self._changed.notify_all()

    def _envelopes(self) -> Iterator[Envelope]:
        while load := self._next_load():
            yield from self._handing.envelopes(load, lambda: self._courier.is_stopping)

    def _next_load(self) -> Load | None:
        """The next load. Replies are not read while this waits: when there is no room, the shift ends."""
        with self._changed:
            self._is_waited_for = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ready or self._is_dry or not self._may_be_room(), PATIENCE)
            self._is_waited_for = False
            self._is_dry = self._is_dry or not self._ready
            return self._ready.popleft() if self._ready and not self._courier.is_stopping else None

    def _may_be_room(self) -> bool:
        """Whether there is room for a load, or will be when what has ended is recorded."""
        return self._room(self._being_recorded + len(self._ended)) > 0

    def _settled(self, ended: Ended) -> None:
        with self._changed:
            self._ended.append(ended)
            if len(self._ended) == RECORD_AT:
                self._changed.notify_all()
