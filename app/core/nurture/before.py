"""Before: a person as she was before news that pages and programs wrote into her row together with the fact.

Owns this one look back, which entries by change compare with. Must not change what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.core.facts import Fact, FactKind
from app.core.replacing import replace
from app.core.subscriber import Subscriber


def as_it_was(subscriber: Subscriber, news: Iterable[Fact]) -> Subscriber:
    """Without what these facts tell: an address confirmed just now was not, a tag put on was off and the other way
    round, an attribute just changed had a value nobody remembers: it counts as unknown.
    """
    for fact in news:
        match fact.kind:
            case FactKind.CONFIRMED if subscriber.confirmed_at == fact.at:
                subscriber = replace(subscriber, confirmed_at=None)
            case FactKind.CHANGED:
                subscriber = _unchanged(subscriber, fact.name)
            case _:
                pass
    return subscriber


def _unchanged(subscriber: Subscriber, name: str) -> Subscriber:
    sort, _, key = name.partition(":")
    if sort == "tag":
        return replace(subscriber, tags=subscriber.tags ^ {key})
    if sort == "attribute" and key in subscriber.attributes:
        others = {known: value for known, value in subscriber.attributes.items() if known != key}
        return replace(subscriber, attributes=others)
    return subscriber
