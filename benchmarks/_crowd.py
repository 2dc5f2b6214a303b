"""A crowd of made-up people for the benchmarks of the store, and a small book to decide by."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from sqlalchemy import Connection, insert, text

from app.core.book import Book
from app.core.campaign import Again, ByBox, Campaign, CampaignState, Entry, ForSpan, Send, Step, Wait, sealed
from app.core.conditions import Condition, Rules, parse
from app.core.facts import Fact, FactKind
from app.core.instants import DAY, HOUR, MINUTE, SECOND
from app.core.nurture import advance
from app.core.site import Ladder, ScoringRule, Sender, Site, Stage
from app.core.text import Text
from app.store import events
from app.store.base import table_of
from app.store.engine import Database, open_database
from app.store.events import EventRow, fact_row
from app.store.loading import load_people
from app.store.people import AttributeRow, SubscriberRow, TagRow, take_due
from app.store.saving import Context, Decided, save_people
from app.store.tables import metadata

START = 1_772_355_600 * SECOND
ALL = frozenset(FactKind)


def condition(source: str) -> Condition:
    found = parse(source)
    assert isinstance(found, Condition), found
    return found


def small_book() -> Book:
    """Three stages, one score, one campaign of three mails."""
    plain = Text.plain
    mine: list[Step] = [
        Send("a", "book/a"),
        Wait("w1", ForSpan(2 * DAY)),
        Send("b", "book/b"),
        Wait("w2", ForSpan(DAY)),
    ]
    campaign = Campaign(
        "book",
        plain("book"),
        CampaignState.LIVE,
        entries=(Entry(ByBox("book"), again=Again()),),
        sequences={"any": (*mine, Send("c", "book/c"))},
        goal=condition("bought()"),
        while_=(condition("not tagged('no-nurture')"),),
    )
    rises = {"prospect": "score >= 30", "customer": "orders >= 1"}
    stages = (Stage("lead"), *(Stage(key, rise=condition(rise)) for key, rise in rises.items()))
    scoring = (ScoringRule("click", "click", 10, at_most=30), ScoringRule("confirmed", "confirmed", 5))
    ladder = Ladder(stages, engagement=scoring, kinds=(("keen", condition("clicked(times=3, within='7d')")),))
    site = Site(
        plain("shop"),
        plain("slogan"),
        "https://example.com",
        Sender(plain("Ava"), "ava@example.com", ""),
        plain("1 Road"),
        ("en",),
        "Asia/Tehran",
    )
    rules = Rules(
        stages=("lead", "prospect", "customer"),
        kinds=ladder.kinds,
        rises={stage.key: stage.rise for stage in stages if stage.rise},
        secret=b"a secret of benchmarks",
    )
    return Book(site, ladder, rules, {"book": sealed(campaign)}, ladder_digest="1")


def grow(database: Database, people: int, due_at: int | None = START, first: int = 1) -> None:
    """People with two attributes, a tag, and three facts each: signed up, confirmed, clicked."""
    for begin in range(first, first + people, 5_000):
        with database.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection = connection.execution_options(parvar_write=True)
            with connection.begin():
                _grow(connection, range(begin, min(begin + 5_000, first + people)), due_at)


def _grow(connection: Connection, ids: range, due_at: int | None) -> None:
    connection.execute(insert(table_of(SubscriberRow)), [_person(number, due_at) for number in ids])
    values = [
        {"subscriber_id": number, "key": key, "text": text_, "number": amount, "sort": sort, "at": START}
        for number in ids
        for key, text_, amount, sort in (("first_name", f"Ava {number}", None, "text"), ("budget", None, number, "int"))
    ]
    connection.execute(insert(table_of(AttributeRow)), values)
    connection.execute(insert(table_of(TagRow)), [{"subscriber_id": number, "tag": f"t{number % 9}"} for number in ids])
    facts = [events._BLANK | fact_row(number, fact) for number in ids for fact in _facts(number)]
    connection.execute(insert(table_of(EventRow)), facts)


def _person(number: int, due_at: int | None) -> dict[str, object]:
    return {
        "id": number,
        "public_id": number.to_bytes(16, "big"),
        "address": f"person{number}@example.com",
        "address_key": f"person{number}@example.com",
        "state": "active",
        "stage": "lead",
        "stage_since": START - DAY,
        "furthest_stage": "lead",
        "confirmed_at": START - DAY,
        "created_at": START - DAY,
        "due_at": due_at if due_at is None else due_at - number % 997,
    }


def _facts(number: int) -> Iterator[Fact]:
    def name(place: int) -> bytes:
        return (number * 8 + place).to_bytes(16, "big")

    yield Fact(name(0), FactKind.SIGNED_UP, START - DAY, name="book")
    yield Fact(name(1), FactKind.CONFIRMED, START - DAY + MINUTE)
    yield Fact(name(2), FactKind.CLICKED, START - HOUR, name="book/a", link="more")


def tick(database: Database, book: Book, now: int, limit: int = 50) -> tuple[int, list[float]]:
    """One batch as the worker does it. Returns its size and the seconds of loading, deciding and saving."""
    marks = [time.perf_counter()]
    with database.transaction("write") as session:
        ids = take_due(session, now, limit)
        people = load_people(session, ids, ALL)
        marks.append(time.perf_counter())
        decided = [Decided(each, advance(book, each.person, each.news, now)) for each in people]
        marks.append(time.perf_counter())
        rules = {rule.key: rule for rule in book.ladder.engagement}
        save_people(session, decided, Context(now, 1, rules, lambda: os.urandom(16)))
        session.flush()
        marks.append(time.perf_counter())
    marks.append(time.perf_counter())
    return len(ids), [later - sooner for sooner, later in pairwise(marks)]


@contextmanager
def sqlite_database() -> Iterator[Database]:
    """A new file with all tables."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'parvar.db'}")
        metadata().create_all(database.engine)
        yield database
        database.dispose()


@contextmanager
def postgres_database() -> Iterator[Database | None]:
    """A new server with all tables; None where there is no PostgreSQL."""
    from tests.services.postgres import start_server

    server = start_server()
    if server is None:
        yield None
        return
    try:
        database = open_database(server.url())
        metadata().create_all(database.engine)
        yield database
        database.dispose()
    finally:
        server.remove()


def analyze(database: Database) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def timed(work: Callable[[], object], times: int) -> list[float]:
    """Seconds of each call, sorted."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return sorted(found)


def p(sorted_seconds: list[float], share: float) -> float:
    """A percentile in milliseconds."""
    return sorted_seconds[min(len(sorted_seconds) - 1, int(share * len(sorted_seconds)))] * 1e3


def line(name: str, seconds: list[float]) -> str:
    ordered = sorted(seconds)
    shown = f"p50 {p(ordered, 0.5):8.3f}  p99 {p(ordered, 0.99):8.3f}  mean {statistics.mean(ordered) * 1e3:8.3f} ms"
    return f"{name:46} {shown}"
