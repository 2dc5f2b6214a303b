"""Crowds: errands about many people: a change of all whom a search finds, taking one back, and a list as a file.

Owns going through people by id in short transactions, and keeping what has to be known to go back.
Must not decide what follows from a change: everybody changed is woken.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.actions.crowd import Crowd, crowd_of, wanted
from app.actions.errands.bench import Bench, Done, NotDone
from app.actions.people import tag_word
from app.core.facts import Fact, FactKind, Value
from app.core.instants import DAY, Instant, to_datetime
from app.core.person import MailClass
from app.store import crowds, errands, messages, reports
from app.store.events import record_facts
from app.store.people import wake
from app.store.reports import Listed, Wanted

CHUNK = 200
EVERYBODY = 1 << 40
PAUSES = (30, 60, 90)
CHANGES = ("tag", "untag", "pause", "suppress")
_CLASSES = (MailClass.MARKETING, MailClass.SERVICE)


def change_many(bench: Bench) -> Done | NotDone:
    """Tag, untag, pause or suppress all whom a search finds."""
    what = bench.asked("what")
    change = _Change(bench, what, tag_word(bench.asked("tag")), int(bench.asked("days") or 0), _until(bench))
    if what not in CHANGES or (what in ("tag", "untag") and not change.word) or (what == "pause" and not change.until):
        return NotDone("asked")
    crowd = crowd_of(_people(bench))
    total, after, changed = _count(bench, crowd), 0, 0
    if isinstance(total, str):
        return NotDone("condition", {"fault": total})
    looked_at = 0
    while True:
        bench.progress(looked_at, total)
        step = _step(bench, crowd, change, after)
        if not step.ids:
            return Done({"changed": changed, "looked_at": looked_at, "until": change.until})
        after, looked_at, changed = step.ids[-1], looked_at + len(step.ids), changed + step.changed


def _people(bench: Bench) -> dict[str, object]:
    found = bench.errand.asked.get("people")
    return dict(found) if isinstance(found, dict) else {}


def _until(bench: Bench) -> Instant:
    """The end of a pause, counted from when it was asked for, so that a second try means the same."""
    days = int(bench.asked("days") or 0)
    if days not in PAUSES:
        return 0
    return bench.world.now() - (bench.world.wall() - bench.errand.asked_at) + days * DAY


@dataclass(frozen=True, slots=True)
class _Change:
    bench: Bench
    what: str
    word: str
    days: int
    until: Instant

    def of(self, session: Session, ids: Sequence[int]) -> dict[int, Instant | None]:
        """Do it to some people; whom it changed, for a pause with the one they had."""
        match self.what:
            case "tag":
                return dict.fromkeys(crowds.tag(session, ids, self.word))
            case "untag":
                return dict.fromkeys(crowds.untag(session, ids, self.word))
            case "pause":
                return self._pause(session, ids)
            case _:
                return self._suppress(session, ids)

    def _pause(self, session: Session, ids: Sequence[int]) -> dict[int, Instant | None]:
        former = crowds.pause(session, ids, self.until)
        now, new_id = self.bench.world.now(), self.bench.world.new_id
        for each in sorted(former):
            record_facts(session, each, (Fact(new_id(), FactKind.PAUSED, now, value=self.until),), now)
        return former

    def _suppress(self, session: Session, ids: Sequence[int]) -> dict[int, Instant | None]:
        world = self.bench.world
        changed = crowds.suppress_people(session, ids, world.secret, world.now())
        for each in changed:
            messages.withdraw(session, each, "suppressed", _CLASSES)
        return dict.fromkeys(changed)


@dataclass(frozen=True, slots=True)
class _Step:
    ids: list[int]
    changed: int = 0


def _step(bench: Bench, crowd: Crowd, change: _Change, after: int) -> _Step:
    """The next people by id, changed, noted for the way back, and woken, in one transaction."""
    world = bench.world
    with world.transaction("read") as session:
        asked = wanted(session, bench.shelf.look(session), crowd, world.now())
        ids = reports.next_ids(session, asked, after, CHUNK) if isinstance(asked, Wanted) else []
    if not ids:
        return _Step([])
    with world.transaction("write") as session:
        changed = change.of(session, ids)
        if changed:
            number = crowds.next_number(session, bench.claim.errand_id, "back")
            back = json.dumps(sorted(changed.items())).encode()
            errands.put_part(session, bench.claim.errand_id, "back", number, back)
            wake(session, changed, world.now())
    world.rest()
    return _Step(ids, len(changed))


def _count(bench: Bench, crowd: Crowd) -> int | str:
    with bench.world.transaction("read") as session:
        asked = wanted(session, bench.shelf.look(session), crowd, bench.world.now())
        return asked if isinstance(asked, str) else reports.count_people(session, asked, EVERYBODY)


# ── Back ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def take_back(bench: Bench) -> Done | NotDone:
    """Undo a change of many: exactly those it changed, and only where nobody changed it since."""
    world, first = bench.world, int(bench.asked("errand") or 0)
    with world.transaction("read") as session:
        row = errands.errand(session, first)
        asked, told = (json.loads(row.asked), json.loads(row.told)) if row else ({}, {})
        parts = crowds.next_number(session, first, "back") - 1 if row else 0
    if row is None:
        return NotDone("gone")
    changed = 0
    for number in range(1, parts + 1):
        bench.progress(number - 1, parts)
        with world.transaction("write") as session:
            part = errands.part(session, first, "back", number)
            former = {int(key): value for key, value in json.loads(part or b"[]")}
            ids = _back(bench, session, asked, former, int(told.get("until") or 0))
            wake(session, ids, world.now())
        changed += len(ids)
        world.rest()
    return Done({"changed": changed})


def _back(
    bench: Bench, session: Session, asked: Mapping[str, object], former: dict[int, Instant | None], until: Instant
) -> list[int]:
    world, ids = bench.world, sorted(former)
    match asked.get("what"):
        case "tag":
            return crowds.untag(session, ids, tag_word(str(asked.get("tag"))))
        case "untag":
            return crowds.tag(session, ids, tag_word(str(asked.get("tag"))))
        case "pause":
            back = crowds.unpause(session, former, until)
            for each in back:
                before = former[each]
                kind = FactKind.RESUMED if before is None else FactKind.PAUSED
                record_facts(session, each, (Fact(world.new_id(), kind, world.now(), value=before or 0),), world.now())
            return back
        case _:
            return crowds.release_people(session, ids, world.secret)


# ── A list as a file ─────────────────────────────────────────────────────────────────────────────────────────────────

COLUMNS = (
    "address",
    "state",
    "stage",
    "kind",
    "orders",
    "revenue",
    "first_seen",
    "last_sign_of_life",
    "gets_nothing",
    "tags",
)


def export_many(bench: Bench) -> Done | NotDone:
    """All whom a search finds, as CSV in UTF-8 with a mark at its begin, which spreadsheets need for Persian."""
    crowd = crowd_of(_people(bench))
    total = _count(bench, crowd)
    if isinstance(total, str):
        return NotDone("condition", {"fault": total})
    with bench.world.transaction("read") as session:
        shelved = bench.shelf.look(session)
    keys = sorted(shelved.book.site.attributes) if shelved else []
    bench.begin_file()
    bench.write("\ufeff".encode() + _line([*COLUMNS, *keys]))
    written = 0
    for rows in _pages(bench, crowd, keys):
        bench.write(b"".join(_line(row) for row in rows))
        written += len(rows)
        bench.progress(written, total)
    bench.end_file()
    return Done({"people": written}, "subscribers.csv", "text/csv; charset=utf-8")


def _pages(bench: Bench, crowd: Crowd, keys: Sequence[str]) -> Iterator[list[list[str]]]:
    before: int | None = None
    while True:
        with bench.world.transaction("read") as session:
            asked = wanted(session, bench.shelf.look(session), crowd, bench.world.now())
            found = reports.people(session, asked, before, CHUNK) if isinstance(asked, Wanted) else []
            ids = [each.id for each in found]
            tags, values = crowds.tags_of(session, ids), crowds.attributes_of(session, ids)
        if not found:
            return
        before = found[-1].id
        yield [_row(each, tags.get(each.id, []), values.get(each.id, {}), keys) for each in found]


def _row(one: Listed, tags: list[str], values: Mapping[str, Value], keys: Sequence[str]) -> list[str]:
    fixed = [
        one.address,
        one.state,
        one.stage,
        one.kind,
        str(one.orders),
        str(one.revenue),
        _day(one.created_at),
        _day(one.last_signal_at),
        "yes" if one.is_suppressed else "",
        " ".join(tags),
    ]
    return [*fixed, *(_written(values.get(key, "")) for key in keys)]


def _written(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _day(at: Instant | None) -> str:
    return "" if at is None else to_datetime(at).isoformat(timespec="seconds")


def _line(cells: Sequence[str]) -> bytes:
    """One line of CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    kept = io.StringIO()
    csv.writer(kept).writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells])
    return kept.getvalue().encode()
