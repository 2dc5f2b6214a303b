"""Facts: what happened to one person, as the engine sees it.

Owns the value `Fact` and the ordered `FactLog` that conditions are asked over.
Must not decide anything, and must not know where a fact came from or is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from app.core.instants import Instant
from app.core.replacing import swift

Value: TypeAlias = str | int | float | bool | tuple[str, ...]
"""What an attribute, answer or event field may hold. Money is an int in the site's smallest unit."""

Fields: TypeAlias = Mapping[str, Value]
NO_FIELDS: Fields = MappingProxyType({})


class FactKind(StrEnum):
    """What sort of thing happened. The names are the ones stored in `event.kind`."""

    SIGNED_UP = "signed_up"  # name: the box
    CONFIRMED = "confirmed"
    RECEIVED = "received"  # name: the mail; read from messages handed over, uncertain ones included
    OPENED = "opened"  # name: the mail
    CLICKED = "clicked"  # name: the mail, link, topic
    REPLIED = "replied"  # name: the mail
    VISITED = "visited"  # path, topic
    EVENT = "event"  # name: a declared event
    ORDERED = "ordered"  # value: the amount
    REFUNDED = "refunded"  # value: the amount
    REFERRED = "referred"  # a friend of this person confirmed
    ANSWERED = "answered"  # name: the survey, value or text in fields["answer"]
    CHANGED = "changed"  # attribute or tag changed from outside; name: `attribute:<key>` or `tag:<key>`
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINED = "complained"
    BOUNCED = "bounced"
    PAUSED = "paused"
    RESUMED = "resumed"


ENGAGEMENT_KINDS = frozenset({FactKind.OPENED, FactKind.CLICKED, FactKind.REPLIED, FactKind.VISITED})
"""Kinds that only count when a human did them."""


@swift
@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """Names one run of one person: the campaign, the key value (an order id or ""), and the pass."""

    campaign: str
    key: str = ""
    turn: int = 1


@swift
@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened. Facts are ordered by (at, id); the id is 16 bytes and never repeats."""

    id: bytes
    kind: FactKind
    at: Instant
    name: str = ""
    link: str = ""
    topic: str = ""
    path: str = ""
    run: RunKey | None = None
    value: int = 0
    products: tuple[str, ...] = ()
    fields: Fields = field(default_factory=lambda: NO_FIELDS)
    is_human: bool = True
    is_quiet: bool = False
    """True for imports and facts that came too late: they move the ladder, and enter no campaign."""


class FactLog:
    """All facts of one person that the live rules may ask for, oldest first, by kind. Immutable."""

    __slots__ = ("_by_kind",)

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        by_kind: dict[FactKind, dict[bytes, Fact]] = {}
        for fact in facts:
            by_kind.setdefault(fact.kind, {}).setdefault(fact.id, fact)
        self._by_kind = {kind: tuple(sorted(known.values(), key=_order)) for kind, known in by_kind.items()}

    def of(self, kind: FactKind) -> tuple[Fact, ...]:
        """The facts of one kind, oldest first."""
        return self._by_kind.get(kind, ())

    def __iter__(self) -> Iterator[Fact]:
        return iter(sorted((fact for facts in self._by_kind.values() for fact in facts), key=_order))

    def __len__(self) -> int:
        return sum(map(len, self._by_kind.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FactLog) and self._by_kind == other._by_kind

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._by_kind)))

    def after(self, instant: Instant) -> Iterator[Fact]:
        """The facts later than an instant, in no order."""
        for facts in self._by_kind.values():
            for fact in reversed(facts):
                if fact.at <= instant:
                    break
                yield fact

    def only(self, kinds: frozenset[FactKind]) -> FactLog:
        """This log without the kinds nobody asks for; the log itself when it has no others."""
        if self._by_kind.keys() <= kinds:
            return self
        fewer = FactLog()
        fewer._by_kind = {kind: facts for kind, facts in self._by_kind.items() if kind in kinds}
        return fewer

    def plus(self, facts: Iterable[Fact]) -> FactLog:
        """This log and more facts; a fact already known (same id) changes nothing."""
        grouped: dict[FactKind, list[Fact]] = {}
        for fact in facts:
            grouped.setdefault(fact.kind, []).append(fact)
        longer = FactLog()
        longer._by_kind = dict(self._by_kind)
        for kind, new in grouped.items():
            longer._by_kind[kind] = _merged(self.of(kind), new)
        return longer


def _order(fact: Fact) -> tuple[Instant, bytes]:
    return fact.at, fact.id


def _merged(old: tuple[Fact, ...], new: list[Fact]) -> tuple[Fact, ...]:
    if len(new) == 1 and (not old or _order(old[-1]) < _order(new[0])):
        return old if any(fact.id == new[0].id for fact in old) else (*old, new[0])
    known = {fact.id for fact in old}
    fresh = {fact.id: fact for fact in reversed(new) if fact.id not in known}
    return tuple(sorted((*old, *fresh.values()), key=_order))
