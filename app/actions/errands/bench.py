"""The bench: what whoever does an errand stands at: the world, what was asked, progress, and a file to write into.

Owns how often a sign of life is written, and that a cancelled errand stops at its next step. Must not know any sort.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from app.actions.errands import PIECE, Errand, Told, file_of
from app.actions.shelf import Shelf
from app.core.instants import MINUTE, Span
from app.store import errands
from app.store.errands import Claim
from app.world import World

LEASE: Span = 2 * MINUTE
"""A worker that gave no sign of life for so long is taken for dead; its errand is begun anew."""
EVERY = 0.5
"""Seconds between two signs of life."""


class CancelledError(Exception):
    """Somebody does not want it any more."""


class SetAsideError(Exception):
    """This worker stops, or another one has the errand by now; whoever comes next begins it anew."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: words and numbers for the page, and the name and media type of the file that was written."""

    told: Told = field(default_factory=dict)
    file: str = ""
    media: str = ""


@dataclass(frozen=True, slots=True)
class NotDone:
    """Why it could not be done: a code the page has words for, and what belongs to it."""

    why: str
    told: Told = field(default_factory=dict)


@dataclass(slots=True)
class Bench:
    """Hand `progress` to whatever counts. What is written becomes the errand's file, kept in pieces."""

    world: World
    shelf: Shelf
    errand: Errand
    claim: Claim
    is_stopping: Callable[[], bool] = lambda: False
    _told_at: float = -1.0
    _piece: bytearray = field(default_factory=bytearray)
    _numbers: dict[str, int] = field(default_factory=dict)

    def asked(self, name: str) -> str:
        """A word of what was asked; "" when it was left out."""
        value = self.errand.asked.get(name)
        return "" if value is None else str(value)

    def progress(self, done: int, total: int) -> None:
        """Say how far it is, at most twice a second. Raises CancelledError or SetAsideError."""
        if self.is_stopping():
            raise SetAsideError
        now = self.world.monotonic()
        if self._told_at >= 0 and now - self._told_at < EVERY and done < total:
            return
        self._told_at = now
        with self.world.transaction("write") as session:
            goes_on = errands.report(session, self.claim, done, total, self.world.wall() + LEASE)
        if goes_on is None:
            raise SetAsideError
        if not goes_on:
            raise CancelledError
        self.world.rest()

    def begin_file(self) -> None:
        """Forget what an earlier, interrupted try wrote."""
        with self.world.transaction("write") as session:
            errands.drop_parts(session, self.claim.errand_id, "out")

    def write(self, data: bytes) -> None:
        self._piece += data
        if len(self._piece) >= PIECE:
            self.end_file()

    def end_file(self) -> None:
        """Put away what was written so far."""
        if self._piece:
            with self.world.transaction("write") as session:
                number = self._numbers.get("out", 0)
                errands.put_part(session, self.claim.errand_id, "out", number, bytes(self._piece))
            self._numbers["out"] = number + 1
            self._piece.clear()

    def given(self, side: str = "in", errand_id: int = 0) -> bytes:
        """The file the errand was given, or another errand's."""
        return b"".join(file_of(self.world, errand_id or self.claim.errand_id, side))


Doer = Callable[[Bench], Done | NotDone]
