"""Deliver: takes what is due, asks permission again, writes it, hands it over, and records how that ended.

Owns the shift of one courier: between two loads, one transaction records the last and takes the next. What left the
house is in the journal before the database knows. Must not decide whom to mail.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress

import structlog

from app.actions.deliver_handing import Ended, Handing
from app.actions.deliver_recording import Recording
from app.actions.deliver_taking import LEASE, Lanes, Load, Post, Taking
from app.core.person import MailClass
from app.disk.journal import JournalFull
from app.mail.transports import Envelope, Transport
from app.store.engine import StoreError
from app.store.gate import GateClosedError

__all__ = ["LEASE", "Courier", "Post"]

log = structlog.get_logger()

AGAIN = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between tries to record while the database is away; the last one is repeated for ever."""
IDLE = 0.1
"""Seconds after which the clerk looks whether outcomes lie about that nobody has recorded."""
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

    The sending side keeps the books itself whenever it comes for a load. A load may take long: then the clerk, a thread
    beside it, records what has ended. What is claimed and not recorded is never more than the setting says.
    """

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._post = courier.post
        self._books = threading.Lock()  # whoever holds it records and takes
        self._ready: deque[Load] = deque()
        self._loads: list[Load] = []
        self._ended: deque[Ended] = deque()
        self._under_way = 0
        self._entries = 0
        self._is_dry = False
        self._is_sent = threading.Event()
        self._total = 0
        self._handing = Handing(self._post, courier.first_slot, self._ended.append)

    def run(self) -> int:
        self._look_for_load()
        if not self._ready:
            return self._total
        clerk = threading.Thread(target=self._look_after, name="clerk", daemon=True)
        clerk.start()
        try:
            self._courier.transport.send(self._envelopes(), self._handing)
        finally:
            self._is_sent.set()
            clerk.join()
            self._record_rest()
        return self._total

    def renewed(self, at: float) -> None:
        for load in list(self._loads):
            load.renewed(at)

    # ── The sending side ─────────────────────────────────────────────────────────────────────────────────────────────

    def _envelopes(self) -> Iterator[Envelope]:
        while load := self._next_load():
            yield from self._handing.envelopes(load, lambda: self._courier.is_stopping)

    def _next_load(self) -> Load | None:
        """The next load. Replies are not read while this takes its time; without a load the shift ends."""
        if not self._ready and not self._is_dry and self._books.acquire(timeout=PATIENCE):
            try:
                self._look_for_load()
            finally:
                self._books.release()
        self._is_dry = not self._ready
        return self._ready.popleft() if self._ready and not self._courier.is_stopping else None

    def _look_for_load(self) -> None:
        """Until there is one or nothing is due: of what was claimed perhaps nothing may leave."""
        before = -1
        while not self._ready and self._total > before:
            before = self._total
            self._keep_books()

    # ── The books ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _keep_books(self, *, may_take: bool = True) -> bool:
        """Record what has ended and take a load, in one transaction. False when the database did not let us."""
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        try:
            self._enter(ended, self._taking(len(ended)) if may_take else None)
        except (StoreError, GateClosedError) as error:
            log.warning("books_not_kept", error=type(error).__name__, waiting=len(ended))
            self._ended.extendleft(reversed(ended))
            return False
        return True

    def _taking(self, recorded: int) -> Taking | None:
        """What may be taken when so many are recorded; None for nothing."""
        room = self._room(recorded)
        if self._courier.is_stopping or room <= 0:
            return None
        taking = Taking(self._post, self._courier.classes, room, self._courier.lanes)
        return taking if taking.is_due() else None

    def _room(self, recorded: int) -> int:
        return min(self._post.world.settings.claim, self._courier.transport.room) - self._under_way + recorded

    def _enter(self, ended: Sequence[Ended], taking: Taking | None) -> None:
        if not ended and taking is None:
            return
        recording = Recording(self._post, ended)
        load, taken = None, 0
        with self._post.world.transaction("write") as session:
            if ended:
                recording.write(session)
            if taking is not None:
                load, taken = taking.within(session)
            if ended:
                recording.count(session)
        recording.done()
        self._recorded(ended)
        self._taken(load, taken)

    def _taken(self, load: Load | None, taken: int) -> None:
        self._total += taken
        if load is not None:
            self._under_way += len(load.letters)
            self._loads = [each for each in self._loads if not each.is_over] + [load]
            self._ready.append(load)

    def _recorded(self, ended: Sequence[Ended]) -> None:
        with suppress(JournalFull):  # only housekeeping: to read it again after a crash changes nothing
            self._post.journal.recorded([each.key for each in ended])
        self._under_way -= len(ended)
        self._entries += 1

    # ── The clerk ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _look_after(self) -> None:
        """Record what has ended when nobody has done so for a while."""
        seen, failures = -1, 0
        while not self._is_sent.wait(AGAIN[min(failures, len(AGAIN)) - 1] if failures else IDLE):
            if self._ended and self._entries == seen and self._books.acquire(blocking=False):
                try:
                    failures = 0 if self._keep_books(may_take=False) else failures + 1
                finally:
                    self._books.release()
            seen = self._entries

    def _record_rest(self) -> None:
        """After the last mail: what was taken and never drawn goes back with the rest.

        Tried for ever: what left the house must be known. A restart replays the journal.
        """
        self._ended += [Ended(load, letter, version) for load in self._loads for letter, version in load.undrawn()]
        attempt = 0
        while self._ended and not self._keep_books(may_take=False):
            if self._gives_up():
                log.error("left_to_the_journal", waiting=len(self._ended))
                return
            time.sleep(AGAIN[min(attempt, len(AGAIN) - 1)])
            attempt += 1

    def _gives_up(self) -> bool:
        until = self._courier.gives_up_at
        return until is not None and self._post.world.monotonic() > until
