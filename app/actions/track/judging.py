"""Judging: whole deliveries are judged again whenever a fact of theirs, or one near them, falls due.

Owns what a new verdict sets in motion: the engine told of a human's act, counters, and corrections. One judge at a
time. Must not know the rules (core/verdicts) and must not send, enter or un-send anything.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from app.actions.shelf import Shelf, Shelved
from app.actions.track.correcting import correct
from app.actions.track.counting import Seen, judged_counts
from app.actions.track.orders import credit_anew
from app.actions.track.reading import Delivery, deliveries_of, verdicts_of
from app.actions.track.visiting import merge_proven
from app.core.instants import SECOND, Instant
from app.core.tracked import is_late
from app.core.verdicts import CROWD_WINDOW, RULES, Verdict
from app.store import events, tracking
from app.store.events import EventRow, Judged
from app.store.ledgers import StepCount, add_counts
from app.store.people import lock, wake
from app.store.tracking import Near
from app.world import World

log = structlog.get_logger()

BATCH = 200
"""Facts due that one transaction takes up; their deliveries are judged whole."""
MAILS = 200
"""Mails one transaction of a recomputation judges."""
ROWS = 2_000
"""Facts of all mails one transaction judges together, as long as there is more than one mail."""
MANY = 16
"""Facts of a mail from which on it is judged less often: each time costs all of them, and wakes its reader."""
_SLOWEST = 6
MOST_FACTS = 5_000
"""Facts of one mail that are judged together; nobody reads a mail so often, and a flood must not hold up the others."""
FLOOD = "flood"
LATER_FACT, RECOMPUTE = "later_fact", "recompute"


@dataclass(frozen=True, slots=True)
class Change:
    """A fact whose verdict is new or no longer what was stored."""

    row: EventRow
    verdict: str
    reason: str

    @property
    def was_settled(self) -> bool:
        return self.row.verdict != "pending"

    @property
    def became_human(self) -> bool:
        return self.verdict == "human" and self.row.verdict != "human"

    @property
    def was_human(self) -> bool:
        return self.row.verdict == "human" and self.verdict != "human"


def judge_due(world: World, shelf: Shelf, limit: int = BATCH) -> int:
    """Judge what is due. Returns how many facts were looked at; call again while it is `limit`."""
    now = world.now()
    with world.transaction("read") as session:
        if not events.verdicts_due(session, now, 1):
            return 0
    with world.transaction("write") as session:
        tracking.judge_alone(session)
        shelved = shelf.look(session)
        due = events.verdicts_due(session, now, limit) if shelved is not None else ()
        if due and shelved is not None and _Judging(world, session, shelved, now, LATER_FACT).judge(due):
            return limit
        return len(due)


def judge_all(world: World, shelf: Shelf, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Judge until nothing is due at this instant, or somebody asks to stop."""
    total = 0
    while done := judge_due(world, shelf):
        total += done
        if done < BATCH or is_stopping():
            break
    return total


def recompute(world: World, shelf: Shelf, since: Instant, report: Callable[[int], None] = lambda _: None) -> int:
    """Judge every mail touched since an instant again, by the rules of this program. Returns how many verdicts changed.

    `report` is told between two batches how many mails were judged.

    Facts whose verdict changes become quiet: scores, stages and counters are corrected, nobody enters a campaign.
    """
    changed, after, mails = 0, 0, 0
    while True:
        report(mails)
        with world.transaction("write") as session:
            tracking.judge_alone(session)
            shelved = shelf.look(session)
            ids = tracking.next_mails_touched(session, since, after, MAILS) if shelved is not None else []
            if shelved is None or not ids:
                return changed
            changed += len(_Judging(world, session, shelved, world.now(), RECOMPUTE).judge_mails(ids))
            after, mails = ids[-1], mails + len(ids)


def turn_of(mail: int, size: int, due_at: Instant) -> Instant:
    """When a mail with so many facts is judged: at once, but of a mail with many all facts of a while together.

    The while doubles with the size, so that a mail costs the same however often it is touched, and each mail has its
    own turns, so that they do not all come at once.
    """
    if size <= MANY:
        return due_at
    every = 4 * SECOND << min((size // MANY).bit_length() - 1, _SLOWEST)
    shift = mail * 7_919 * SECOND // 1_000 % every
    return -(-(due_at - shift) // every) * every + shift


@dataclass(frozen=True, slots=True)
class _Judging:
    """One transaction's judging."""

    world: World
    session: Session
    shelved: Shelved
    now: Instant
    cause: str

    def judge(self, due: Sequence[EventRow]) -> bool:
        """Judge the deliveries of these facts, and those a click of theirs may make part of a crowd.

        True when some were left for the next transaction.
        """
        mails = {row.message_id for row in due if row.message_id is not None}
        ends = tracking.floods(self.session, mails, MOST_FACTS)
        flood = [row for row in due if row.message_id in ends and row.at > ends[row.message_id]]
        changed = self._condemn(flood)
        rest = [row for row in due if (row.at, row.fact_id) not in changed]
        ripe, is_more = self._ripe(rest)
        now_due = [row for row in rest if row.message_id is None or row.message_id in ripe]
        changed |= self.judge_mails(ripe | self._crowded_with(now_due))
        tracking.put_off(self.session, {(row.at, row.fact_id) for row in now_due} - changed)
        return is_more

    def _ripe(self, due: Sequence[EventRow]) -> tuple[set[int], bool]:
        """Mails to judge now, those with few facts first, and whether some are left for the next transaction.

        Facts of mails with many wait for the turn of their mail.
        """
        by_mail: dict[int, list[EventRow]] = defaultdict(list)
        for row in due:
            if row.message_id is not None:
                by_mail[row.message_id].append(row)
        sizes = tracking.facts_counted(self.session, by_mail, MOST_FACTS)
        ripe: set[int] = set()
        room, is_more = ROWS, False
        for size, mail in sorted((size, mail) for mail, size in sizes.items()):
            rows = by_mail[mail]
            turn = turn_of(mail, size, min(row.at for row in rows) + self.world.settings.grace)
            if turn > self.now:
                tracking.put_back(self.session, [(row.at, row.fact_id) for row in rows], turn)
            elif not ripe or size <= room:
                ripe.add(mail)
                room -= size
            else:
                is_more = True
        return ripe, is_more

    def judge_mails(self, ids: Iterable[int]) -> set[tuple[Instant, bytes]]:
        """Judge whole deliveries and write down what is different. Returns the facts whose verdict changed."""
        every_id = sorted(set(ids))
        ends = tracking.floods(self.session, every_id, MOST_FACTS)
        deliveries = deliveries_of(self.session, every_id, ends)
        lock(self.session, {row.subscriber_id for d in deliveries for row in d.rows if row.subscriber_id is not None})
        verdicts = verdicts_of(self.session, deliveries)
        changes = {d.id: self._changes(d, verdicts[d.id]) for d in deliveries}
        counts: Counter[StepCount] = Counter()
        for delivery in deliveries:
            if changes[delivery.id]:
                counts.update(_count_changes(delivery, changes[delivery.id]))
        every = [change for each in changes.values() for change in each]
        self._write(every, counts)
        return {(change.row.at, change.row.fact_id) for change in every}

    def _condemn(self, rows: Sequence[EventRow]) -> set[tuple[Instant, bytes]]:
        """What comes of a mail after so many facts is no human's, and is not looked at together with the rest."""
        counts: Counter[StepCount] = Counter()
        for row in rows:
            seen = Seen(row.at, row.kind, Verdict.MACHINE.value, FLOOD, None)
            counts.update(judged_counts((row.campaign, row.step, row.arm), [seen]))
        lock(self.session, {row.subscriber_id for row in rows if row.subscriber_id is not None})
        self._write([Change(row, Verdict.MACHINE.value, FLOOD) for row in rows], counts)
        return {(row.at, row.fact_id) for row in rows}

    def _crowded_with(self, due: Sequence[EventRow]) -> set[int]:
        """Other mails of the campaigns clicked from the same networks within a minute, and not by a machine yet."""
        clicks = [row for row in due if row.kind == "clicked" and row.network_hash]
        seen: dict[tuple[str, bytes], list[Instant]] = defaultdict(list)
        for row in clicks:
            seen[row.campaign or f"mail {row.name}", row.network_hash or b""].append(row.at)
        stretches = [Near(row.network_hash or b"", row.at - CROWD_WINDOW, row.at + CROWD_WINDOW) for row in clicks]
        return {
            near.message_id
            for near in tracking.clicks_near(self.session, stretches, standing=True)
            if any(abs(near.at - at) <= CROWD_WINDOW for at in seen.get((near.group, near.network), ()))
        }

    def _changes(self, delivery: Delivery, verdicts: Mapping[bytes, tuple[str, str]]) -> list[Change]:
        """What is to be written: facts that are due for the first time, and those whose verdict is another now."""
        found = []
        for row in delivery.rows:
            verdict, reason = verdicts[row.fact_id]
            is_ripe = row.verdict != "pending" or (row.verdict_due_at or 0) <= self.now
            if is_ripe and (verdict, reason) != (row.verdict, row.verdict_reason):
                found.append(Change(row, verdict, reason))
        return found

    def _write(self, changes: Sequence[Change], counts: Mapping[StepCount, int]) -> None:
        session = self.session
        judged = [Judged(c.row.at, c.row.fact_id, c.verdict, c.reason, RULES) for c in changes]
        events.set_verdicts(session, judged)
        add_counts(session, counts)
        tracking.make_quiet(session, [(c.row.at, c.row.fact_id) for c in changes if self._is_quiet(c)])
        named = [c for c in changes if c.row.subscriber_id is not None]
        correct(self.world, session, self.shelved, self.cause, named)
        fallen = [c.row for c in named if c.was_human and c.row.kind == "clicked"]
        credit_anew(session, {row.message_id for row in fallen if row.message_id is not None})
        self._tell([c for c in named if c.became_human or c.was_human])
        unnamed = [c.row for c in changes if c.row.subscriber_id is None and not c.was_settled]
        tracking.forget_mail(session, [(row.at, row.fact_id) for row in unnamed])
        merge_proven(session, [c.row for c in named if c.became_human], self.now)

    def _is_quiet(self, change: Change) -> bool:
        """Nobody enters by a verdict taken back, by one that came by recomputing, or by what is long past."""
        if change.was_human or (change.became_human and self.cause == RECOMPUTE):
            return True
        return change.became_human and is_late(change.row.at, self.now)

    def _tell(self, changes: Sequence[Change]) -> None:
        """Put facts before the engine: a human's act as news, one taken back so that she is looked at again quietly."""
        people = {change.row.subscriber_id for change in changes if change.row.subscriber_id is not None}
        told = [{"subscriber_id": c.row.subscriber_id, "at": c.row.at, "fact_id": c.row.fact_id} for c in changes]
        events.announce(self.session, told)
        wake(self.session, people, self.now)


def _count_changes(delivery: Delivery, changes: Sequence[Change]) -> Counter[StepCount]:
    """How the counters of one mail move."""
    new = {change.row.fact_id: (change.verdict, change.reason) for change in changes}
    before: dict[tuple[str, str, str], list[Seen]] = defaultdict(list)
    after: dict[tuple[str, str, str], list[Seen]] = defaultdict(list)
    for row in delivery.rows:
        place = (row.campaign, row.step, row.arm)
        is_forgotten = row.subscriber_id is None and row.verdict == "pending"
        mail = None if is_forgotten else delivery.id
        before[place].append(Seen(row.at, row.kind, row.verdict, row.verdict_reason, mail))
        after[place].append(Seen(row.at, row.kind, *new.get(row.fact_id, (row.verdict, row.verdict_reason)), mail))
    counts: Counter[StepCount] = Counter()
    for place, seen in after.items():
        counts.update(judged_counts(place, seen))
        counts.subtract(judged_counts(place, before[place]))
    return counts
