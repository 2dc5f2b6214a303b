"""A person with something of everything, and the way from her to the tables and back."""

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import Session

from app.core.facts import Fact, FactKind, FactLog, RunKey
from app.core.instants import DAY, HOUR, MINUTE
from app.core.nurture import Advance
from app.core.person import (
    Candidate,
    Cursor,
    Finish,
    Finished,
    MailClass,
    Message,
    MessageKey,
    MessageState,
    PastRun,
    PausedBy,
    Person,
    Run,
    RunResult,
    RunState,
)
from app.core.site import ScoringRule
from app.core.subscriber import Subscriber, SubscriberState
from app.store.loading import Loaded, load_people
from app.store.saving import Context, Decided, save_people
from tests.services.clock import START
from tests.store.cast import new_id

ALL = frozenset(FactKind)
RULES = {"open": ScoringRule("open", "open", 5, at_most=8), "signup": ScoringRule("signup", "signup", 10)}
EBOOK, CART, ENDED = RunKey("ebook"), RunKey("cart", "سفارش ۱"), RunKey("welcome", turn=2)


def load(session: Session, *ids: int, kinds: Iterable[FactKind] = ALL) -> list[Loaded]:
    return load_people(session, sorted(ids), kinds)


def save(session: Session, *decided: Decided, now: int = START, rules: Any = RULES) -> None:
    save_people(session, decided, Context(now, None, dict(rules), new_id))


def changed(loaded: Loaded, person: Person, look_again_at: int | None = None) -> Decided:
    return Decided(loaded, Advance(person, look_again_at=look_again_at))


def grown(subscriber: Subscriber) -> Subscriber:
    """Every field that a decision may change, changed."""
    return replace(
        subscriber,
        state=SubscriberState.ACTIVE,
        stage="prospect",
        stage_since=START - DAY,
        furthest_stage="customer",
        kind="ready",
        weight=12.5,
        landmark=START - 9 * DAY,
        fit=-3,
        orders=2,
        revenue=7_000_000_000_000,
        referrals=1,
        confirmed_at=START - HOUR,
        unsubscribed_at=START - 2 * HOUR,
        dormant_at=START - 3 * HOUR,
        looked_at=START,
        ladder_digest="0123456789abcdef",
        last_signal_at=START - MINUTE,
        paused_until=START + DAY,
        is_suppressed=True,
        fell_from=MappingProxyType({"customer": START - 5 * DAY}),
        attributes=MappingProxyType(
            {
                "city": "شیراز",
                "visits": 3,
                "big": 2**60 + 1,
                "share": 19.99,
                "vip": True,
                "no": False,
                "interests": ("herbs", "نعنا, «تازه»", ""),
                "empty": "",
            }
        ),
        tags=frozenset({"vip", "علاقه‌مند"}),
        segments=MappingProxyType({"big": START - DAY, "keen": START}),
        timers=MappingProxyType({"d1": START - DAY, "d2": START}),
    )


def runs() -> tuple[Run, ...]:
    """A run in the middle of a block, and a keyed one that is paused."""
    cursor = Cursor((("if", "then"), ("split", "a")), "ebook/story", "ebook/one")
    walked = Run(
        EBOOK,
        "v1",
        START - DAY,
        state=RunState.WAITING,
        sequence="lead",
        cursors={"lead": cursor, "any": Cursor()},
        finished={"ebook/one": Finished(Finish.DONE, START - HOUR), "split": Finished(Finish.DONE, START, "a")},
        began_at=START - HOUR,
        until=START + DAY,
        due_at=START + DAY,
        reason="waits",
        rank=3,
        event={"total": 20, "name": "آوا"},
    )
    paused = Run(
        CART,
        "v7",
        START,
        state=RunState.PAUSED,
        is_ghost=True,
        sequence="any",
        paused_by=PausedBy.EXCLUSIVE,
        paused_at=START,
        rested_at=START - MINUTE,
        attempts=2,
        error="odd",
    )
    return walked, paused


def messages() -> tuple[Message, ...]:
    sent = Message(
        MessageKey(EBOOK, "ebook/one"),
        "ebook/one",
        MessageState.SENT,
        MailClass.MARKETING,
        START - 2 * HOUR,
        START - HOUR,
        rank=3,
        fresh_until=START + DAY,
        settled_at=START - HOUR,
        subject="b",
        offer="nowruz",
        reason="250",
    )
    team = Message(
        MessageKey(CART, "notify"),
        "team/lead",
        MessageState.QUEUED,
        MailClass.TEAM,
        START,
        START,
        recipient="sales@example.com",
    )
    return sent, team


def whole(person: Person) -> Person:
    """The same person with something of everything."""
    ended = Run(ENDED, "v1", START - 9 * DAY, state=RunState.ENDED, result=RunResult.GOAL, ended_at=START - DAY)
    return replace(
        person,
        subscriber=grown(person.subscriber),
        runs=(*runs(), ended),
        messages=messages(),
        candidates=(Candidate("cart", 1, "k9", START + MINUTE, {"cart_id": "k9"}),),
        buckets={("open", 7): ((START, b"o" * 16), (START + 1, b"p" * 16)), ("signup", 7): ((START, b"s" * 16),)},
    )


def facts() -> list[Fact]:
    click = Fact(b"c" * 16, FactKind.CLICKED, START - 5, name="ebook/one", link="download", topic="herbs")
    order = Fact(b"d" * 16, FactKind.ORDERED, START - 4, value=90, products=("نعنا",), fields={"order_id": "k1"})
    return [click, order]


def as_loaded(person: Person) -> Person:
    """What loading gives for a saved person: ended runs are past ones, mails that left are facts, rows have ids."""
    ended = [run for run in person.runs if not run.is_live]
    past = tuple(PastRun(run.key, run.ended_at or run.entered_at, run.rested_at) for run in ended)
    return replace(
        person,
        facts=FactLog(fact for fact in person.facts if fact.kind is not FactKind.RECEIVED),
        runs=tuple(replace(run, id=0) for run in person.runs if run.is_live),
        past=(*person.past, *past),
        messages=tuple(replace(message, id=0) for message in person.messages),
        buckets={},
    )
