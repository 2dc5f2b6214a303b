"""Replay: lives a stored life again, out of facts and hand-overs alone, and says where it ends otherwise.

Owns rebuilding stage, score and runs by deciding everything once more, by the release that decided then, and comparing
with what is stored. Also what another version would have done. Must not write, and must not copy the stored stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.actions.inspect import Inspection
from app.actions.plan.ahead import book_ahead
from app.actions.shelf import Shelf, Shelved, book_of, workspace_of
from app.core.asking import kinds_asked
from app.core.book import Book, Standing
from app.core.explaining import Reason
from app.core.facts import Fact
from app.core.instants import DAY, Instant
from app.core.nurture import advance
from app.core.person import Code, MailClass, MessageState, Person, apply
from app.core.projection import Passage
from app.core.subscriber import Subscriber
from app.store import chronicle as store
from app.store import dossiers, plans, releases
from app.store.chronicle import Chronicle, Handed
from app.store.loading import load_people
from app.world import World

NEAR = 1e-6
"""Scores differ by less than this share when only the order of adding did."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Differs:
    """One thing that came out otherwise: what, as stored, as rebuilt."""

    what: str
    stored: str
    rebuilt: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """One life lived again. Without differences it is proved."""

    subscriber_id: int
    address: str
    decisions: int
    differences: tuple[Differs, ...]


def replay(world: World, shelf: Shelf, address: str) -> Replayed | None:
    """One person, by address. None when nobody has it, or nothing is published."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        card = dossiers.find(session, address)
        if shelved is None or card is None:
            return None
        return _replayed(session, _Books(session, shelved, world.secret), card.id)


def replay_all(world: World, shelf: Shelf, progress: Progress | None = None) -> Iterator[Replayed]:
    """Everybody who was ever decided about, one after the other."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        total = plans.count_people(session)
    after = done = 0
    while shelved is not None:
        with world.transaction("read") as session:
            ids = store.people_from(session, after, 100)
            books = _Books(session, shelved, world.secret)
            lives = [_replayed(session, books, each) for each in ids]
        yield from lives
        if not ids:
            return
        after, done = ids[-1], done + len(ids)
        if progress:
            progress(done, total)


class _Books:
    """The book of each release, read once."""

    def __init__(self, session: Session, shelved: Shelved, secret: bytes) -> None:
        self._session = session
        self._secret = secret
        self.live = shelved
        self._books: dict[int, Book] = {}

    def of(self, release: int) -> Book:
        if not release or release == self.live.release_id:
            return self.live.book
        if release not in self._books:
            workspace = workspace_of(releases.sources_of(self._session, release))
            made = book_of(workspace, self._secret)
            live = self.live.book
            older = {**live.older, **{(key, c.digest): c for key, c in live.campaigns.items()}}
            self._books[release] = replace(made, mails=live.mails, since=live.since, older=older)
        return self._books[release]


def _replayed(session: Session, books: _Books, subscriber_id: int) -> Replayed:
    (loaded,) = load_people(session, [subscriber_id], books.live.kinds)
    life = _Life(books, store.chronicle(session, subscriber_id), loaded.person.subscriber)
    life.run(None)
    waits_for_news = bool(loaded.news)
    found = tuple(life.differences(loaded.person)) if not waits_for_news else ()
    return Replayed(subscriber_id, loaded.address, len(life.chronicle.decided), found)


# ── Living it again ──────────────────────────────────────────────────────────────────────────────────────────────────


class _Life:
    """One life from its first day. It looks at the instants at which something was decided then."""

    def __init__(self, books: _Books, chronicle: Chronicle, now: Subscriber) -> None:
        self.books = books
        self.chronicle = chronicle
        self.person = Person(_newborn(chronicle, now))
        self.made: list[tuple[Instant, str, str, str]] = []
        self._facts = list(chronicle.facts)
        self._handed = list(chronicle.handed)
        self._standings: dict[str, Standing] = {}

    def run(self, until: Instant | None) -> None:
        """Decide at every instant something was decided, up to one if given."""
        by_instant: dict[Instant, list[Reason]] = {}
        for reason in self.chronicle.decided:
            by_instant.setdefault(reason.at, []).append(reason)
        for at, reasons in sorted(by_instant.items()):
            if until is not None and at > until:
                return
            self._relive(at, reasons)

    def _relive(self, at: Instant, reasons: list[Reason]) -> None:
        """One instant may have held several decisions: go on until nothing new is decided."""
        self._steer(reasons)
        book = replace(
            self.books.of(reasons[-1].release), standings={**self.books.live.book.standings, **self._standings}
        )
        for handed, news in self._turns(at):
            for each in handed:
                self._settle(each)
            self._decide(book, news, at)
        for _ in range(20):
            if not self._decide(book, (), at):
                return

    def _turns(self, at: Instant) -> Iterator[tuple[list[Handed], tuple[Fact, ...]]]:
        """What had happened by then: hand-overs before facts of the same instant."""
        handed = [each for each in self._handed if each.settled.at <= at]
        self._handed = self._handed[len(handed) :]
        news = tuple(fact for fact in self._facts if fact.at <= at)
        self._facts = self._facts[len(news) :]
        earlier = [each for each in handed if each.settled.at < at]
        yield earlier, news
        later = [each for each in handed if each.settled.at == at]
        if later:
            yield later, ()

    def _decide(self, book: Book, news: tuple[Fact, ...], at: Instant) -> int:
        self._change(news)
        answer = advance(book, self.person, news, at)
        self.made += [(d.at, d.code.value, d.run.campaign if d.run else "", d.step) for d in answer.decisions]
        live = tuple(run for run in answer.person.runs if run.is_live)
        self.person = replace(answer.person, runs=live)
        return len(answer.decisions)

    def _change(self, news: tuple[Fact, ...]) -> None:
        """Tags given from outside are there from their fact on."""
        tags = {fact.name.removeprefix("tag:") for fact in news if fact.name.startswith("tag:")}
        if tags:
            subscriber = self.person.subscriber
            self.person = replace(self.person, subscriber=replace(subscriber, tags=subscriber.tags | tags))

    def _settle(self, handed: Handed) -> None:
        if handed.settled.state in (MessageState.WITHDRAWN, MessageState.PARKED):
            return
        self.person = apply(self.person, handed.settled)
        if handed.received:
            self.person = replace(self.person, facts=self.person.facts.plus((handed.received,)))
        if handed.settled.state is MessageState.REFUSED:
            subscriber = replace(self.person.subscriber, is_suppressed=True)
            self.person = replace(self.person, subscriber=subscriber)

    def _steer(self, reasons: list[Reason]) -> None:
        """Commands left their mark on what was decided: a campaign was paused, went on, was stopped."""
        for reason in reasons:
            if reason.code == Code.PAUSED_CAMPAIGN:
                self._standings[reason.campaign] = Standing.PAUSED
            elif reason.code == Code.RESUMED:
                self._standings[reason.campaign] = Standing.LIVE

    # ── Comparing ────────────────────────────────────────────────────────────────────────────────────────────────────

    def differences(self, stored: Person) -> Iterator[Differs]:
        yield from self._decisions()
        yield from self._labels(stored.subscriber)
        yield from self._runs(stored)

    def _decisions(self) -> Iterator[Differs]:
        """The first decision that came out otherwise; what follows from it would only repeat it."""
        runs = self.chronicle.runs
        then = [(r.at, r.code, runs[r.run].campaign if r.run in runs else "", r.step) for r in self.chronicle.decided]
        for at in sorted({each[0] for each in (*then, *self.made)}):
            was = Counter(each for each in then if each[0] == at)
            now = Counter(each for each in self.made if each[0] == at)
            if was != now:
                yield Differs("decision", _said(was - now), _said(now - was), at)
                return

    def _labels(self, stored: Subscriber) -> Iterator[Differs]:
        rebuilt = self.person.subscriber
        for name in ("stage", "stage_since", "furthest_stage", "kind", "orders", "revenue", "referrals", "state"):
            was, now = getattr(stored, name), getattr(rebuilt, name)
            if was != now:
                yield Differs(name, str(was), str(now))
        weight = rebuilt.weight * 2.0 ** ((rebuilt.landmark - stored.landmark) / self.books.live.book.rules.half_life)
        if abs(weight - stored.weight) > NEAR * max(1.0, abs(stored.weight)):
            yield Differs("score", f"{stored.weight:.6f}", f"{weight:.6f}")

    def _runs(self, stored: Person) -> Iterator[Differs]:
        was = {run.key: (run.state.value, run.sequence, run.cursors.get(run.sequence)) for run in stored.runs}
        now = {run.key: (run.state.value, run.sequence, run.cursors.get(run.sequence)) for run in self.person.runs}
        for key in sorted(was.keys() | now.keys()):
            if was.get(key) != now.get(key):
                yield Differs(f"run {key.campaign} {key.key}".rstrip(), str(was.get(key)), str(now.get(key)))


def _said(found: Counter[tuple[Instant, str, str, str]]) -> str:
    return ", ".join(" ".join(filter(None, each[1:])) for each in sorted(found)) or "nothing"


def _newborn(chronicle: Chronicle, now: Subscriber) -> Subscriber:
    """Her as she was first seen: what facts and decisions brought is taken away, what forms and imports said stays."""
    given = {fact.name.removeprefix("tag:") for fact in chronicle.facts if fact.name.startswith("tag:")}
    by_step = {r.step.removeprefix("tag ") for r in chronicle.decided if r.code == Code.EFFECT and "tag " in r.step}
    blank = Subscriber(
        id=now.id,
        public_id=now.public_id,
        stage=chronicle.first_stage or now.stage,
        stage_since=now.created_at,
        furthest_stage=chronicle.first_stage or now.stage,
        created_at=now.created_at,
    )
    kept = ("locale", "timezone", "country", "source", "box", "is_referred", "attributes", "offer_ends")
    return replace(blank, tags=now.tags - given - by_step, **{name: getattr(now, name) for name in kept})


# ── What another version would have done ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Mails of a stretch of the past: as they went, and as these files would have sent them. Nobody is mailed.

    What people did is taken as it was, so a click on a mail the other version never sent counts all the same.
    """

    people: int
    since: Instant
    went: Counter[str]
    would: Counter[str]
    ended: Counter[tuple[str, str]]
    """(campaign, result) under the other version"""


def counterfactual(
    world: World, shelf: Shelf, inspection: Inspection, days: int, progress: Progress | None = None
) -> Counterfactual | None:
    """The last `days` once more under these files, from where everybody stood then."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        ids = plans.everybody(session) if shelved else []
    if shelved is None:
        return None
    now = world.now()
    other = book_ahead(world, shelved, inspection)
    made = Counterfactual(len(ids), now - days * DAY, Counter(), Counter(), Counter())
    for done, subscriber_id in enumerate(ids, 1):
        with world.transaction("read") as session:
            _once_more(session, _Books(session, shelved, world.secret), other, (subscriber_id, now), made)
        if progress and done % 50 == 0:
            progress(done, len(ids))
    return made


def _once_more(session: Session, books: _Books, other: Book, whom: tuple[int, Instant], made: Counterfactual) -> None:
    subscriber_id, now = whom
    (loaded,) = load_people(session, [subscriber_id], books.live.kinds)
    chronicle = store.chronicle(session, subscriber_id)
    life = _Life(books, chronicle, loaded.person.subscriber)
    life.run(made.since)
    began = max(made.since, loaded.person.subscriber.created_at)
    passage = Passage(replace(other, since=dict.fromkeys(other.since, 0)), life.person, began, kinds_asked(other))
    for fact in (fact for fact in chronicle.facts if fact.at > made.since):
        passage.run_to(fact.at)
        passage.happen(fact)
        passage.work()
    passage.run_to(now)
    for left in passage.left:
        if left.message.mail_class is not MailClass.TEAM and left.message.key.run:
            made.would[left.message.mail] += 1
    for handed in chronicle.handed:
        if handed.received and handed.settled.key.run and handed.settled.at > made.since:
            made.went[handed.received.name] += 1
    for decision in passage.decisions:
        if decision.code in (Code.GOAL, Code.WHILE, Code.LISTENED) and decision.run:
            made.ended[decision.run.campaign, decision.code.value] += 1


__all__ = ["Counterfactual", "Differs", "Replayed", "counterfactual", "replay", "replay_all"]
