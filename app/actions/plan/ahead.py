"""Ahead: the book as it would be, and the people of a plan run ahead under both books, in chunks and processes.

Owns who is looked at and how the work is split. Must not write anything.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.actions.inspect import Inspection
from app.actions.plan.tally import AHEAD, Tally, merged
from app.actions.shelf import Shelved, book_of
from app.core.audience import effect, may_differ
from app.core.book import Book, MailKnown
from app.core.campaign import ByChange, Campaign, Once, Yearly
from app.core.difference import Difference
from app.core.facts import FactKind
from app.core.instants import Instant
from app.core.projection import Start
from app.store import plans
from app.store.engine import Database, open_database
from app.store.loading import load_people
from app.world import World

CHUNK = 1_000
APART = 4_000
"""From so many people on the work is shared among processes."""

Progress = Callable[[int, int], None]
"""(people done, people in all)"""


def book_ahead(world: World, shelved: Shelved | None, inspection: Inspection) -> Book:
    """The book these files make once published: today's standings stay, versions people follow are kept."""
    if inspection.workspace is None:
        raise ValueError("files with errors make no book")
    book = book_of(inspection.workspace, world.secret, "ahead")
    mails = {key: MailKnown(key, mail.is_service) for (key, _), mail in inspection.mails.items()}
    if shelved is None:
        return replace(book, mails=mails)
    now = world.now()
    live = shelved.book
    return replace(
        book,
        older={**live.older, **{(key, campaign.digest): campaign for key, campaign in live.campaigns.items()}},
        standings=live.standings,
        since={key: live.since.get(key, now) for key in book.campaigns},
        mails=mails,
        is_paused=live.is_paused,
        policies=live.policies,
    )


# ── Who is looked at ─────────────────────────────────────────────────────────────────────────────────────────────────


def concerns_all(difference: Difference) -> bool:
    """Whether a rule changed that holds for everybody: the ladder's, or the site's."""
    return difference.has("stage", "kind", "segment", "scoring", "site")


def concerns_everybody(difference: Difference, old: Book, new: Book) -> bool:
    """Whether a change may move people who are in no changed campaign: rules of the ladder, of contact, and entries
    that time alone may bring."""
    if concerns_all(difference):
        return True
    return any(_by_time(old.campaigns.get(key)) != _by_time(new.campaigns.get(key)) for key in _keys(difference))


def _keys(difference: Difference) -> frozenset[str]:
    return difference.changed_campaigns()


def _by_time(campaign: Campaign | None) -> tuple[object, ...]:
    if campaign is None:
        return ()
    timed = tuple(entry for entry in campaign.entries if isinstance(entry.rule, ByChange | Yearly | Once))
    return (*timed, campaign.state) if timed else ()


def concerned(session: Session, difference: Difference, old: Book, new: Book) -> list[int]:
    """The ids of all people whose future may differ."""
    if concerns_everybody(difference, old, new):
        return plans.everybody(session)
    found = plans.places(session, _keys(difference))
    differing = [
        place
        for place in found
        if may_differ(
            old.version(place.campaign, place.version), new.campaigns.get(place.campaign), place.sequence, place.cursor
        )
    ]
    return plans.people_at(session, differing)


# ── Running them ahead ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Task:
    """What every process is given before it is forked: two books and an instant."""

    old: Book
    new: Book
    kinds: frozenset[FactKind]
    now: Instant


def run_ahead(world: World, task: Task, ids: Sequence[int], progress: Progress, processes: int = 1) -> Tally:
    """Both futures of these people. Deterministic: however the work is split, the counts are the same."""
    parts = list(plans.chunks(ids, CHUNK))
    if processes < 2 or len(ids) < APART or not _can_share(world.database):
        return _in_turn(world, task, parts, progress, len(ids))
    return _apart(world, task, parts, progress, processes)


def _can_share(database: Database) -> bool:
    return not (database.is_sqlite and database.engine.url.database in (None, "", ":memory:"))


def _in_turn(world: World, task: Task, parts: list[Sequence[int]], progress: Progress, total: int) -> Tally:
    done, tallies = 0, []
    for part in parts:
        with world.transaction("read") as session:
            tallies.append(_chunk(session, task, part))
        done += len(part)
        progress(done, total)
    return merged(tallies)


def _chunk(session: Session, task: Task, ids: Sequence[int]) -> Tally:
    tally = Tally()
    due = plans.due_of(session, ids)
    for loaded in load_people(session, list(ids), task.kinds):
        start = Start(loaded.person, loaded.news, due.get(loaded.person.subscriber.id))
        tally.add(effect(task.old, task.new, start, task.now, AHEAD), task.now)
    return tally


_given: tuple[Task, str] | None = None
_database: Database | None = None


def _apart(world: World, task: Task, parts: list[Sequence[int]], progress: Progress, processes: int) -> Tally:
    """Books do not travel between processes: the children are forked with them in hand, and open the database anew."""
    global _given  # noqa: PLW0603 (what forked children inherit)
    _given = task, world.settings.database_url
    total, done, tallies = sum(map(len, parts)), 0, []
    try:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            for part, tally in zip(parts, pool.imap(_forked, parts), strict=True):
                tallies.append(tally)
                done += len(part)
                progress(done, total)
    finally:
        _given = None
    return merged(tallies)


def _forked(ids: Sequence[int]) -> Tally:
    global _database  # noqa: PLW0603 (one connection for all chunks of a child)
    if _given is None:
        raise RuntimeError("a child of a plan has no task")
    task, url = _given
    _database = _database or open_database(url)
    with _database.transaction("read") as session:
        return _chunk(session, task, ids)
