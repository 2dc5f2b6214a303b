"""Errands: long work that somebody asks for on a page, a worker does, and anybody who may finds again later.

Owns what sorts there are, who may ask for them, and how one is asked for, cancelled and taken back.
Must not do any: that is `doing` and the modules beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from app.actions.access import May, Visitor
from app.actions.commands import deed_of
from app.core.instants import DAY, MINUTE, SECOND, Instant, Span
from app.store import accounts, errands
from app.store.errands import ErrandRow, NewErrand
from app.world import World

Json: TypeAlias = "str | int | float | bool | None | list[Json] | dict[str, Json]"
Told: TypeAlias = Mapping[str, Json]

HOLD: Span = 10 * SECOND
"""A change of many people begins only then, so that a slip of the hand is cancelled before anything happened."""
UNDO_FOR: Span = 60 * MINUTE
KEPT_FOR: Span = 7 * DAY
PIECE = 256 * 1024
"""Bytes of one stored piece of a file, before compression."""


class Sort(StrEnum):
    PLAN = "plan"
    APPLY = "apply"
    EXPORT = "export"
    BULK = "bulk"
    UNDO = "undo"
    RECOMPUTE = "recompute"
    CODES = "codes"
    FORECAST = "forecast"
    PROOF = "proof"


ALLOWED: Mapping[Sort, May] = {
    Sort.PLAN: May.STEER,
    Sort.APPLY: May.STEER,
    Sort.EXPORT: May.EXPORT,
    Sort.BULK: May.EDIT_PEOPLE,
    Sort.UNDO: May.EDIT_PEOPLE,
    Sort.RECOMPUTE: May.STEER,
    Sort.CODES: May.STEER,
    Sort.FORECAST: May.STEER,
    Sort.PROOF: May.STEER,
}
"""What one needs to ask for a sort, to cancel it, and to see what it says of people."""
_HELD = frozenset({Sort.BULK})


class State(StrEnum):
    OPEN = "open"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Errand:
    """One errand as pages show it. `done` and `total` count people, lines or mails; total 0: not known yet."""

    id: int
    sort: Sort
    state: State
    asked: Told
    told: Told
    place: str
    who: str
    account_id: int | None
    asked_at: Instant
    due_at: Instant
    ended_at: Instant | None
    done: int
    total: int
    is_unwanted: bool
    file: str
    media: str
    undone_by: int | None

    @property
    def is_under_way(self) -> bool:
        return self.state in (State.OPEN, State.RUNNING)

    @property
    def share(self) -> float | None:
        """How much of it is done, from 0 to 1; None when nobody knows."""
        return min(1.0, self.done / self.total) if self.total else None

    def may_be_undone(self, wall: Instant) -> bool:
        is_change = self.sort is Sort.BULK and self.state is State.DONE and self.undone_by is None
        return is_change and wall <= (self.ended_at or 0) + UNDO_FOR


def of_row(row: ErrandRow) -> Errand:
    return Errand(
        id=row.id,
        sort=Sort(row.sort),
        state=State(row.state),
        asked=json.loads(row.asked),
        told=json.loads(row.told),
        place=row.place,
        who=row.who,
        account_id=row.account_id,
        asked_at=row.asked_at,
        due_at=row.due_at,
        ended_at=row.ended_at,
        done=row.done,
        total=row.total,
        is_unwanted=row.is_unwanted,
        file=row.file,
        media=row.media,
        undone_by=row.undone_by,
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, and the page it is asked for on. `data` is a file the errand takes."""

    sort: Sort
    asked: Told
    place: str = ""
    data: bytes = b""


def ask(world: World, by: Visitor, wish: Wish) -> int:
    """Ask for an errand; its number. Raises PermissionError when the visitor may not."""
    if not by.may(ALLOWED[wish.sort]):
        raise PermissionError(f"{by.role.value} may not ask for {wish.sort.value}")
    wall = world.wall()
    new = NewErrand(
        sort=wish.sort.value,
        asked=json.dumps(wish.asked, ensure_ascii=False),
        who=by.address or by.name,
        at=wall,
        due_at=wall + HOLD if wish.sort in _HELD else wall,
        account_id=by.account_id or None,
        place=wish.place,
    )
    with world.transaction("write") as session:
        number = errands.ask(session, new)
        for piece, start in enumerate(range(0, len(wish.data), PIECE)):
            errands.put_part(session, number, "in", piece, wish.data[start : start + PIECE])
        accounts.note(session, deed_of(world, by, f"ask_{wish.sort.value}", f"work {number}", _summary(wish.asked)))
    return number


def _summary(asked: Told) -> str:
    """What was asked, short enough for a line of the log; whom a search named stays out of it."""
    shown = {key: value for key, value in asked.items() if key != "people" and value not in ("", None, [])}
    return ", ".join(f"{key}: {value}" for key, value in shown.items())[:500]


def cancel(world: World, by: Visitor, errand_id: int) -> bool:
    """Take an errand back. False when it is over, or not the visitor's to take."""
    found = find(world, errand_id)
    if found is None or not by.may(ALLOWED[found.sort]):
        return False
    with world.transaction("write") as session:
        is_cancelled = errands.cancel(session, errand_id, world.wall())
        if is_cancelled:
            accounts.note(session, deed_of(world, by, "cancel_work", f"work {errand_id}"))
    return is_cancelled


def undo(world: World, by: Visitor, errand_id: int) -> int | None:
    """Ask for a change of many people to be taken back; the new errand's number, None when it is too late."""
    found = find(world, errand_id)
    if found is None or not by.may(ALLOWED[found.sort]) or not found.may_be_undone(world.wall()):
        return None
    number = ask(world, by, Wish(Sort.UNDO, {"errand": errand_id, "what": found.asked.get("what")}, found.place))
    with world.transaction("write") as session:
        if not errands.mark_undone(session, errand_id, number):
            errands.cancel(session, number, world.wall())
            return None
    return number


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def find(world: World, errand_id: int) -> Errand | None:
    with world.transaction("read") as session:
        row = errands.errand(session, errand_id)
        return None if row is None else of_row(row)


def listed(world: World, before: int | None, limit: int) -> list[Errand]:
    """The newest errands first."""
    with world.transaction("read") as session:
        return [of_row(row) for row in errands.newest(session, before, limit)]


def last_done(world: World, sort: Sort) -> Errand | None:
    with world.transaction("read") as session:
        row = errands.newest_done(session, sort.value)
        return None if row is None else of_row(row)


SHOWN_FOR: Span = 10 * MINUTE


def at_place(world: World, place: str) -> list[Errand]:
    """What was asked for on a page and is under way, or ended a few minutes ago."""
    with world.transaction("read") as session:
        return [of_row(row) for row in errands.at_place(session, place, world.wall() - SHOWN_FOR)]


def file_of(world: World, errand_id: int, side: str = "out") -> Iterator[bytes]:
    """The pieces of a file, each read in a transaction of its own, so that a slow reader holds nothing."""
    number = 0
    while True:
        with world.transaction("read") as session:
            data = errands.part(session, errand_id, side, number)
        if data is None:
            return
        yield data
        number += 1


def forget(world: World) -> None:
    """Drop what ended a week ago, files included."""
    gone = 1
    while gone:
        with world.transaction("write") as session:
            gone = errands.forget(session, world.wall() - KEPT_FOR)
        world.rest()
