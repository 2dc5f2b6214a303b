"""What a condition leans on: the words it names, the kinds of fact that can change it, the facts it must see.

Owns `Names` and `Need`. Must not ask a condition of anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from app.core.conditions.tree import (
    And,
    AnswerTo,
    AttributeOf,
    Chance,
    Compare,
    Contains,
    Deed,
    EventField,
    Happened,
    HeldFor,
    IdleFor,
    InSegment,
    InStageFor,
    Known,
    Leaf,
    Name,
    Named,
    Node,
    Not,
    OneOf,
    Operand,
    Or,
    Overdue,
    Tagged,
    Truth,
)
from app.core.facts import ENGAGEMENT_KINDS, FactKind
from app.core.instants import Span

KIND_OF: Final = {
    Deed.RECEIVED: FactKind.RECEIVED,
    Deed.OPENED: FactKind.OPENED,
    Deed.CLICKED: FactKind.CLICKED,
    Deed.REPLIED: FactKind.REPLIED,
    Deed.VISITED: FactKind.VISITED,
    Deed.DID: FactKind.EVENT,
    Deed.BOUGHT: FactKind.ORDERED,
}
MAIL_DEEDS: Final = frozenset({Deed.RECEIVED, Deed.OPENED, Deed.CLICKED, Deed.REPLIED})
SIGNALS: Final = frozenset(
    {
        FactKind.SIGNED_UP,
        FactKind.CONFIRMED,
        FactKind.EVENT,
        FactKind.ORDERED,
        FactKind.REFERRED,
        FactKind.ANSWERED,
        *ENGAGEMENT_KINDS,
    }
)
"""Kinds of fact that show a living person, when a human did them; they also may score."""
_ABOUT_PERSON: Final = frozenset({FactKind.CHANGED, FactKind.SIGNED_UP})
_CHANGED_BY: Final = {
    Name.STAGE: SIGNALS | _ABOUT_PERSON | {FactKind.REFUNDED},
    Name.KIND: SIGNALS | _ABOUT_PERSON | {FactKind.REFUNDED},
    Name.SCORE: SIGNALS,
    Name.FIT: _ABOUT_PERSON | {FactKind.ANSWERED},
    Name.LOCALE: _ABOUT_PERSON,
    Name.COUNTRY: _ABOUT_PERSON,
    Name.SOURCE: _ABOUT_PERSON,
    Name.BOX: _ABOUT_PERSON,
    Name.CONFIRMED: frozenset({FactKind.CONFIRMED, FactKind.SIGNED_UP}),
    Name.ORDERS: frozenset({FactKind.ORDERED, FactKind.REFUNDED}),
    Name.REVENUE: frozenset({FactKind.ORDERED, FactKind.REFUNDED}),
    Name.REFERRALS: frozenset({FactKind.REFERRED}),
    Name.REFERRED: frozenset({FactKind.SIGNED_UP, FactKind.CONFIRMED}),
}


@dataclass(frozen=True, slots=True)
class Names:
    """Every word a condition uses. `kinds` are the sorts of fact whose arrival can change it."""

    kinds: frozenset[FactKind] = frozenset()
    names: frozenset[Name] = frozenset()
    attributes: frozenset[str] = frozenset()
    event_fields: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    surveys: frozenset[str] = frozenset()
    mails: frozenset[str] = frozenset()
    links: frozenset[tuple[str, str]] = frozenset()
    """(mail, link)"""
    topics: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    timers: frozenset[str] = frozenset()
    """Digests of the conditions inside `held_for`."""
    uses_run: bool = False
    """Asks for the run's event or key, so that it makes sense only within a run or at its entry."""
    lapses: bool = False
    """Time alone, without a new fact, can change it, not counting `stage`, `kind` and segments."""

    @property
    def uses_stage(self) -> bool:
        return Name.STAGE in self.names

    @property
    def uses_kind(self) -> bool:
        return Name.KIND in self.names

    @property
    def uses_score(self) -> bool:
        return Name.SCORE in self.names


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """Facts one leaf must see: the newest `times` that match (0: all of them), no older than `within` (None: ever).

    Empty words match anything; `what` is a mail, an event, a survey, a product or a path (with `*` at its end).
    Engagement counts only with a human verdict. Within a run, a named mail of its own campaign is this run's message.
    """

    kind: FactKind
    what: str = ""
    link: str = ""
    topic: str = ""
    times: int = 1
    within: Span | None = None
    same: str = ""


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, in the order written, the inside of `held_for` included."""
    yield node
    match node:
        case Or(parts) | And(parts):
            for part in parts:
                yield from walk(part)
        case Not(part) | HeldFor(part=part):
            yield from walk(part)
        case _:
            pass


def leaves(node: Node) -> Iterator[Leaf]:
    """The leaves in the order written; `held_for` is one leaf."""
    match node:
        case Or(parts) | And(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield node


def operand_of(leaf: Leaf) -> Operand | None:
    """Where a leaf takes its value from, when it does."""
    match leaf:
        case Compare(operand=operand) | OneOf(operand=operand) | Contains(operand=operand):
            return operand
        case Truth(operand) | Known(operand):
            return operand
        case _:
            return None


class _Found:
    """Collects the words of a tree."""

    def __init__(self) -> None:
        self.kinds: set[FactKind] = set()
        self.names: set[Name] = set()
        self.attributes: set[str] = set()
        self.event_fields: set[str] = set()
        self.tags: set[str] = set()
        self.segments: set[str] = set()
        self.surveys: set[str] = set()
        self.timers: set[str] = set()
        self.happened: list[Happened] = []
        self.uses_run = False
        self.lapses = False

    def leaf(self, leaf: Leaf) -> None:
        match leaf:
            case Compare() | OneOf() | Contains() | Truth() | Known():
                self._operand(leaf.operand)
            case Tagged(tag):
                self.tags.add(tag)
                self.kinds.add(FactKind.CHANGED)
            case InSegment(segment):
                self.segments.add(segment)
                self.kinds.update(_CHANGED_BY[Name.STAGE])
            case Happened():
                self._happened(leaf)
            case IdleFor():
                self._lapse(SIGNALS)
            case InStageFor():
                self.names.add(Name.STAGE)
                self._lapse(_CHANGED_BY[Name.STAGE])
            case HeldFor(digest=digest):
                self.timers.add(digest)
                self._lapse(frozenset())
            case Overdue():
                self._lapse(frozenset({FactKind.ORDERED}))
            case Chance():
                pass
            case _:
                assert_never(leaf)

    def _lapse(self, kinds: frozenset[FactKind]) -> None:
        self.kinds.update(kinds)
        self.lapses = True

    def _operand(self, operand: Operand) -> None:
        match operand:
            case Named(name):
                self.names.add(name)
                self.kinds.update(_CHANGED_BY[name])
                self.lapses |= name is Name.SCORE
            case AttributeOf(key):
                self.attributes.add(key)
                self.kinds.update(_ABOUT_PERSON)
            case AnswerTo(survey, within):
                self.surveys.add(survey)
                self.kinds.add(FactKind.ANSWERED)
                self.lapses |= within is not None
            case EventField(field):
                self.event_fields.add(field)
                self.uses_run = True
            case _:
                assert_never(operand)

    def _happened(self, leaf: Happened) -> None:
        self.happened.append(leaf)
        self.kinds.add(KIND_OF[leaf.deed])
        self.uses_run |= bool(leaf.same)
        self.lapses |= leaf.within is not None

    def what(self, deeds: frozenset[Deed]) -> frozenset[str]:
        return frozenset(leaf.what for leaf in self.happened if leaf.what and leaf.deed in deeds)


def names_of(node: Node) -> Names:
    """Every word of the tree, the inside of `held_for` included."""
    found = _Found()
    for part in walk(node):
        if not isinstance(part, Or | And | Not):
            found.leaf(part)
    return Names(
        kinds=frozenset(found.kinds),
        names=frozenset(found.names),
        attributes=frozenset(found.attributes),
        event_fields=frozenset(found.event_fields),
        tags=frozenset(found.tags),
        segments=frozenset(found.segments),
        surveys=frozenset(found.surveys),
        mails=found.what(MAIL_DEEDS),
        links=frozenset((leaf.what, leaf.link) for leaf in found.happened if leaf.link),
        topics=frozenset(leaf.topic for leaf in found.happened if leaf.topic),
        events=found.what(frozenset({Deed.DID})),
        paths=found.what(frozenset({Deed.VISITED})),
        products=found.what(frozenset({Deed.BOUGHT})),
        timers=frozenset(found.timers),
        uses_run=found.uses_run,
        lapses=found.lapses,
    )


def needs_of(node: Node) -> tuple[Need, ...]:
    """The facts the tree must see, each once, in a fixed order."""
    needs = set(_asked(node))
    for part in walk(node):
        if isinstance(part, HeldFor):
            needs.update(Need(kind) for kind in names_of(part.part).kinds)
    return tuple(sorted(needs, key=repr))


def _asked(node: Node) -> Iterator[Need]:
    for part in walk(node):
        match part:
            case Happened(deed, what, link, topic, times, within, _, same):
                yield Need(KIND_OF[deed], what, link, topic, times, within, same)
            case Overdue():
                yield Need(FactKind.ORDERED, times=0)
            case Compare(AnswerTo() as answer) | OneOf(AnswerTo() as answer) | Contains(AnswerTo() as answer):
                yield Need(FactKind.ANSWERED, answer.survey, within=answer.within)
            case Truth(AnswerTo() as answer) | Known(AnswerTo() as answer):
                yield Need(FactKind.ANSWERED, answer.survey, within=answer.within)
            case _:
                pass
