"""Exchangers: looks up where the mail of people's domains is taken in, and brings what waits into the lane of that.

Owns the pace of it: a round a minute, few domains in each, those with most people first. Nobody who signs up, decides
or sends waits for an answer; without any DNS everything stays as names tell it, and nothing is said but once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from app.actions.laning import is_asking
from app.core.exchangers import MOST_HOSTS, Told, ask_after, is_reserved
from app.core.instants import MINUTE, Instant, Span
from app.net import names
from app.net.names import PATIENCE, NoAnswer
from app.store import exchangers as store
from app.store.exchangers import Domain, Place
from app.world import World

log = structlog.get_logger()
_T = TypeVar("_T")

MOST = 100
"""Domains asked about in one round."""
TAKEN: Span = 15 * MINUTE
"""What a worker took that died over it is due again after this."""
SILENCE = 3
"""So many in a row that nobody answered: there is no DNS, and asking rests."""
FAILURES = 10
"""So many in a row that told nothing, whatever was answered: asking rests too."""
COUNT_EVERY = 24 * 3600.0
"""Seconds between two counts of everybody; who is new meanwhile is looked at in each round."""
_FIRST_REST, _LONGEST_REST = 300.0, 6 * 3600.0
_PEOPLE, _WRITTEN, _WAITING = 2_000, 500, 500
"""Rows in one read, in one write, and mails looked at in one step of moving."""
_DEAREST = 20
"""What waits is looked through again after so many times what the last look took."""

IsStopping = Callable[[], bool]


class Exchangers:
    """What one worker remembers of its rounds. The table is what counts: a new worker counts and compares anew."""

    def __init__(self, world: World, most: int = MOST, patience: float = PATIENCE) -> None:
        self._world, self._most, self._patience = world, most, patience
        self._seen = 0
        self._count_at = 0.0
        self._rest, self._rests_until = 0.0, 0.0
        self._moving: dict[str, tuple[str, str]] = {}
        self._move_at = 0.0

    def round(self, is_stopping: IsStopping = lambda: False) -> int:
        """Count who is there, ask what is due, move what has another lane now. Returns how many were asked about."""
        if not is_asking(self._world):
            self._forget(is_stopping)
            return 0
        if self._world.monotonic() >= self._count_at:
            self._count(is_stopping)
        self._welcome(is_stopping)
        asked = self._ask(is_stopping)
        self._move(is_stopping)
        return asked

    # ── Who is there ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _count(self, is_stopping: IsStopping) -> None:
        """Everybody, a page at a time; then the table is made to say so. Domains nobody has any more are forgotten."""
        people: Counter[str] = Counter()
        self._seen = 0
        for seen, found in self._people(0):
            people.update(found)
            self._seen = seen
            if is_stopping():
                return
        changed, gone = self._compared(people)
        self._put([*changed, *(self._new(domain, number) for domain, number in people.items())], store.put)
        for batch in _batches(gone, _WRITTEN):
            self._write(batch, store.drop)
        self._count_at = self._world.monotonic() + COUNT_EVERY

    def _compared(self, people: Counter[str]) -> tuple[list[Domain], list[str]]:
        """Rows that have to be written and domains to forget; takes out of `people` whoever has a row."""
        changed: list[Domain] = []
        gone: list[str] = []
        for row in self._rows():
            number = people.pop(row.domain, 0)
            if not number:
                gone.append(row.domain)
                continue
            due_at = self._due_at(row.domain, row.due_at)
            if (number, due_at) != (row.people, row.due_at):
                changed.append(replace(row, people=number, due_at=due_at))
            self._note(row)
        return changed, gone

    def _welcome(self, is_stopping: IsStopping) -> None:
        """Domains of people who came since the last round."""
        for seen, found in self._people(self._seen):
            self._put([self._new(domain, number) for domain, number in found.items()], store.put_new)
            self._seen = seen
            if is_stopping():
                return

    def _new(self, domain: str, people: int) -> Domain:
        return Domain(domain, people, self._world.lanes.of(domain).name, due_at=self._due_at(domain, None))

    def _due_at(self, domain: str, due_at: Instant | None) -> Instant | None:
        """Nobody is asked about a domain whose name says enough, or is not meant for the net."""
        if self._world.lanes.named(domain) is not None or is_reserved(domain):
            return None
        return self._world.wall() if due_at is None else due_at

    def _people(self, seen: int) -> Iterator[tuple[int, Counter[str]]]:
        while True:
            with self._world.transaction("read") as session:
                last, found = store.people_after(session, seen, _PEOPLE)
            if not last:
                return
            yield last, found
            seen = last
            self._world.rest()

    def _rows(self) -> Iterator[Domain]:
        domain = ""
        while True:
            with self._world.transaction("read") as session:
                rows = store.after(session, domain, _PEOPLE)
            if not rows:
                return
            yield from rows
            domain = rows[-1].domain
            self._world.rest()

    def _put(self, domains: Sequence[Domain], put: Callable[..., None]) -> None:
        for batch in _batches(sorted(domains, key=lambda each: each.domain), _WRITTEN):
            self._write(batch, put)

    def _write(self, batch: object, write: Callable[..., None]) -> None:
        with self._world.transaction("write") as session:
            write(session, batch)
        self._world.rest()

    def _forget(self, is_stopping: IsStopping) -> None:
        """Where nobody is to be asked, nothing is kept either."""
        while True:
            with self._world.transaction("read") as session:
                rows = store.after(session, "", _WRITTEN)
            if not rows or is_stopping():
                return
            self._write([row.domain for row in rows], store.drop)

    # ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, is_stopping: IsStopping) -> int:
        if self._world.monotonic() < self._rests_until:
            return 0
        due = self._taken()
        answers: list[Domain] = []
        silent = failing = 0
        for row in due:
            if is_stopping():
                break
            answer, is_silent = self._asked(row)
            answers.append(answer)
            silent = silent + 1 if is_silent else 0
            failing = failing + 1 if answer.failures else 0
            self._rest = self._rest if answer.failures else 0.0
            if silent == SILENCE or failing == FAILURES:
                self._rest_now(answer.fault)
                break
        if due:  # whom nobody was asked about stands as before
            self._write([*answers, *due[len(answers) :]], store.record)
        for answer in answers:
            self._note(answer)
        return len(answers)

    def _taken(self) -> list[Domain]:
        """Who is due, looked for outside of the lock; another worker may have been quicker."""
        now = self._world.wall()
        with self._world.transaction("read") as session:
            due = store.due(session, now, self._most)
        if not due:
            return []
        with self._world.transaction("write") as session:
            mine = store.take(session, [row.domain for row in due], now, now + TAKEN)
        return [row for row in due if row.domain in mine]

    def _asked(self, row: Domain) -> tuple[Domain, bool]:
        """What became of asking about one domain, and whether nobody answered. A failure keeps what was told."""
        try:
            told, hosts = self._told(row.domain)
        except NoAnswer as fault:
            words = str(fault).rpartition(": ")[2]
            failed = replace(row, failures=row.failures + 1, fault=words)
            return self._asked_now(failed), fault.is_silent
        answer = replace(row, told=told, hosts=hosts, told_at=self._world.wall(), failures=0, fault="")
        return self._asked_now(answer), False

    def _asked_now(self, row: Domain) -> Domain:
        chance = int.from_bytes(self._world.new_id()[:4], "big") / 2**32
        now = self._world.wall()
        return replace(row, asked_at=now, due_at=now + ask_after(row.failures, chance))

    def _told(self, domain: str) -> tuple[Told, tuple[str, ...]]:
        """The answer; hosts no lane knows are asked once more, for their own names may be aliases. Raises NoAnswer."""
        server = self._world.settings.mx or ""
        found = names.exchangers(domain, server, self._patience)
        if self._world.lanes.hosted(found.hosts) is not None:
            return found.told, found.hosts
        return found.told, tuple(dict.fromkeys((*found.hosts, *self._aliases(found.hosts, server))))[: 2 * MOST_HOSTS]

    def _aliases(self, hosts: Iterable[str], server: str) -> Iterator[str]:
        for host in hosts:
            try:
                yield names.canonical(host, server, self._patience)
            except NoAnswer:
                return

    def _rest_now(self, fault: str) -> None:
        """Said once, until somebody answered again: a machine without a way out is not reminded of it."""
        if not self._rest:
            log.info("mx_lookups_rest", fault=fault)
        self._rest = min(2 * self._rest or _FIRST_REST, _LONGEST_REST)
        self._rests_until = self._world.monotonic() + self._rest

    # ── Moving ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _note(self, row: Domain) -> None:
        """What waits for this domain is in another lane than it should be in."""
        lane = self._world.lanes.of(row.domain, row.hosts).name
        if lane != row.lane:
            self._moving[row.domain] = row.lane, lane
        else:
            self._moving.pop(row.domain, None)

    def _move(self, is_stopping: IsStopping) -> None:
        """Look once through each lane that somebody leaves. Claimed mails go the way they are on."""
        began = self._world.monotonic()
        if not self._moving or began < self._move_at:
            return
        moved = 0
        for lane in sorted({before for before, _ in self._moving.values()}):
            for step in self._steps(lane):
                moved += step
                if is_stopping():
                    return
        self._write({domain: after for domain, (_, after) in self._moving.items()}, store.brought)
        log.info("lanes_changed", domains=len(self._moving), moved=moved)
        self._moving.clear()
        self._move_at = self._world.monotonic() + _DEAREST * (self._world.monotonic() - began)

    def _steps(self, lane: str) -> Iterator[int]:
        """How many came along, step by step."""
        place: Place | None = None
        while True:
            with self._world.transaction("read") as session:
                found = list(store.waiting_after(session, lane, place, _WAITING))
            if not found:
                return
            place = found[-1][0]
            yield self._moved(lane, found)
            self._world.rest()

    def _moved(self, lane: str, found: Sequence[tuple[Place, str]]) -> int:
        to: dict[str, list[int]] = {}
        for (_, _, message), domain in found:
            before, after = self._moving.get(domain, ("", ""))
            if before == lane:
                to.setdefault(after, []).append(message)
        if not to:
            return 0
        with self._world.transaction("write") as session:
            return sum(store.move(session, ids, lane, after) for after, ids in to.items())


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
