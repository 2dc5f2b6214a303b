"""Simulate: a year of made-up people under the real engine, person by person, in several processes. Nobody is mailed.

Owns building the town out of checked files, or out of the real list, and sharing the work. Must not decide anything.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.actions.inspect import Inspection
from app.actions.plan.ahead import book_ahead
from app.actions.shelf import Shelf, Shelved, book_of
from app.actions.simulate.stocking import Stocked, live_stocked, scarce_offers
from app.actions.simulate.stopping import Stop, stops_of
from app.core.asking import kinds_asked
from app.core.book import Book, MailKnown
from app.core.campaign import Ask
from app.core.facts import FactKind, Value
from app.core.instants import DAY, Instant
from app.core.offers import CodePool, NumberScale, Survey
from app.core.simulating import Behaviour, Life, Summary, Town
from app.core.simulating.life import Listed, resumed
from app.core.simulating.summary import total
from app.core.workspace import Workspace
from app.store import offers, plans
from app.store.loading import load_people
from app.world import World

__all__ = ["Simulated", "Wanted", "forecast", "simulate", "town_of"]

CHUNK = 50
SECRET = b"simulated draws are always the same"
BEGIN: Instant = 1_767_225_600_000_000
"""1 January 2026 UTC: a simulation with no other begin is the same on every day it is run."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is simulated. Behaviours are by sort; arrivals are spread over the first half of the days."""

    days: int
    audience: int
    seed: int
    behaviours: tuple[tuple[str, Behaviour], ...]
    began: Instant = BEGIN
    processes: int = 1
    stock: Mapping[str, int] = field(default_factory=dict)
    """Codes there are, by pool; a pool that is not named never runs out. Seats stand in the files."""


@dataclass(frozen=True, slots=True)
class Simulated:
    wanted: Wanted
    summary: Summary
    stages: tuple[str, ...]
    campaigns: tuple[str, ...]
    stocked: tuple[Stocked, ...] = ()
    stops: tuple[Stop, ...] = ()


def town_of(inspection: Inspection, wanted: Wanted, book: Book | None = None) -> Town:
    """The town these files make. Raises ValueError when the files cannot be read."""
    workspace = inspection.workspace
    if workspace is None:
        raise ValueError("files with errors cannot be simulated")
    if book is None:
        mails = {key: MailKnown(key, mail.is_service) for (key, _), mail in inspection.mails.items()}
        book = replace(book_of(workspace, SECRET), mails=mails)
    return Town(
        book=book,
        kinds=kinds_asked(book) | {FactKind.SIGNED_UP},
        boxes=workspace.boxes,
        links=dict(_links(inspection, workspace)),
        surveys=dict(_surveys(workspace)),
        behaviours=wanted.behaviours,
        seed=wanted.seed,
        began=wanted.began,
        ends=wanted.began + wanted.days * DAY,
        arrivals=wanted.days * DAY // 2,
    )


def _links(inspection: Inspection, workspace: Workspace) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for (key, _), mail in sorted(inspection.mails.items(), reverse=True):
        named = tuple((link.name, link.topic or _topic(workspace, link.url)) for link in mail.links if link.name)
        yield key, named


def _topic(workspace: Workspace, url: str | None) -> str:
    path = (url or "").partition("://")[2].partition("/")[2]
    return workspace.site.topic_of(f"/{path}".partition("?")[0])


def _surveys(workspace: Workspace) -> Iterator[tuple[str, tuple[str, tuple[Value, ...]]]]:
    for campaign in workspace.campaigns.values():
        for step in campaign.steps():
            if isinstance(step, Ask) and step.survey in workspace.surveys:
                yield step.mail, (step.survey, _choices(workspace.surveys[step.survey]))


def _choices(survey: Survey) -> tuple[Value, ...]:
    if isinstance(survey.scale, NumberScale):
        return tuple(range(survey.scale.low, survey.scale.high + 1))
    return tuple(key for key, _ in survey.scale.options)


# ── Living many lives ────────────────────────────────────────────────────────────────────────────────────────────────


def simulate(inspection: Inspection, wanted: Wanted, progress: Progress | None = None) -> Simulated:
    """A made-up audience. The same seed gives the same answer, whatever the number of processes."""
    town = town_of(inspection, wanted)
    numbers = range(1, wanted.audience + 1)
    parts = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    stock = stock_of(town.book, wanted.stock)
    scarce = scarce_offers(town.book.offers, stock)

    def live(where: Town, which: Sequence[int]) -> list[Summary]:
        return _shared(_Work(where, scarce), [parts[number] for number in which], wanted.processes, progress)

    return _told(town, wanted, *live_stocked(town, stock, len(parts), live))


def stock_of(book: Book, codes: Mapping[str, int], elsewhere: Mapping[str, int] | None = None) -> dict[str, int]:
    """What there is of each stock: the seats of the files less what went already, and the codes of pools."""
    gone = elsewhere or {}
    seated = {key: offer.seats for key, offer in book.offers.items() if offer.seats is not None}
    seats = {f"seats {key}": max(0, count - gone.get(key, 0)) for key, count in seated.items()}
    return seats | {f"codes {pool}": count for pool, count in codes.items()}


def _told(town: Town, wanted: Wanted, summaries: list[Summary], stocked: list[Stocked]) -> Simulated:
    summary = total(summaries)
    stops = tuple(stops_of(summary.harm, town.book.site.guards))
    return Simulated(wanted, summary, _stages(town), tuple(town.book.campaigns), tuple(stocked), stops)


def forecast(
    world: World, shelf: Shelf, inspection: Inspection, wanted: Wanted, progress: Progress | None = None
) -> Simulated | None:
    """The real list from today on, as stored, under these files. Nobody is mailed. None when nothing is published."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        ids = plans.everybody(session) if shelved else []
    if shelved is None:
        return None
    wanted = replace(wanted, began=world.now(), audience=len(ids))
    town = town_of(inspection, wanted, book_ahead(world, shelved, inspection))
    parts = list(plans.chunks(ids, CHUNK))
    stock = _stock_today(world, town.book)
    scarce, done = scarce_offers(town.book.offers, stock), 0

    def live(where: Town, which: Sequence[int]) -> list[Summary]:
        nonlocal done
        summaries = []
        for number in which:
            summaries.append(_live_on(world, where, shelved, parts[number], scarce))
            done = min(done + len(parts[number]), len(ids))
            if progress:
                progress(done, len(ids))
        return summaries

    return _told(town, wanted, *live_stocked(town, stock, len(parts), live))


def _stock_today(world: World, book: Book) -> dict[str, int]:
    """What is left today; a pool nobody has filled has nothing."""
    with world.transaction("read") as session:
        free = {pool.pool: pool.free for pool in offers.pools(session)}
        gone = {key: given + elsewhere for key, (given, elsewhere) in offers.stocks(session).items()}
    pools = {offer.codes.pool for offer in book.offers.values() if isinstance(offer.codes, CodePool)}
    return stock_of(book, {pool: free.get(pool, 0) for pool in sorted(pools)}, gone)


def _live_on(world: World, town: Town, shelved: Shelved, ids: Sequence[int], scarce: frozenset[str]) -> Summary:
    with world.transaction("read") as session:
        people = load_people(session, list(ids), shelved.kinds | town.kinds)
        due = plans.due_of(session, ids)
    summary = Summary(scarce=scarce)
    for loaded in people:
        number = loaded.person.subscriber.id
        life = resumed(town, Listed(number, loaded.person, loaded.news, due.get(number)))
        summary.add(number, life.go_on(), town.began)
    return summary


def _stages(town: Town) -> tuple[str, ...]:
    return tuple(stage.key for stage in town.book.ladder.stages)


@dataclass(frozen=True, slots=True)
class _Work:
    town: Town
    scarce: frozenset[str] = frozenset()


_given: _Work | None = None


def _shared(work: _Work, parts: Sequence[range], processes: int, progress: Progress | None) -> list[Summary]:
    """Children are forked with the town in hand; parts come back in order, so all is the same every time."""
    global _given  # noqa: PLW0603 (what forked children inherit)
    _given = work
    people, done, summaries = sum(map(len, parts)), 0, []
    try:
        for summary in _lived(parts, processes):
            summaries.append(summary)
            done += summary.people
            if progress:
                progress(done, people)
    finally:
        _given = None
    return summaries


def _lived(parts: Sequence[range], processes: int) -> Iterator[Summary]:
    if processes < 2 or len(parts) < 2:
        yield from map(_part, parts)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(_part, parts)


def _part(numbers: range) -> Summary:
    if _given is None:
        raise RuntimeError("a child of a simulation has no town")
    summary = Summary(scarce=_given.scarce)
    for number in numbers:
        summary.add(number, Life(_given.town, number).run(), _given.town.began)
    return summary
