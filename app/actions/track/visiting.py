"""Visiting: what an anonymous browser did becomes a person's once she proves who she is, and can be given back.

Owns merging and its undoing. A browser's own id alone proves nothing: a followed link of a mail does, or a typed
address that was confirmed afterwards. Merged facts are quiet. Must not judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from app.actions.shelf import Shelf
from app.actions.track.correcting import take_away
from app.core.instants import DAY, Instant
from app.store import events, tracking, visitors
from app.store.events import EventRow
from app.store.people import lock, wake
from app.store.visitors import BY_MAIL, PROVEN, Linked
from app.world import World

LOOKS_BACK = 30 * DAY
"""So much of what a browser did before becomes the person's."""


def merge_proven(session: Session, rows: Iterable[EventRow], now: Instant) -> None:
    """A human came to a page by a mail's link, in a browser that agreed to be remembered: that proves whose it is."""
    links = [_link(row) for row in rows if row.anonymous_id and row.message_id and row.subscriber_id]
    proven = visitors.link_visitors(session, links)
    _merge(session, proven, now)


def merge_confirmed(world: World, limit: int = 100) -> int:
    """Claims whose address was confirmed since. Returns how many browsers were merged."""
    with world.transaction("write") as session:
        proven = visitors.confirmed_claims(session, limit)
        _merge(session, proven, world.now())
        return len(proven)


def _link(row: EventRow) -> Linked:
    return Linked(row.anonymous_id, row.subscriber_id or 0, BY_MAIL, PROVEN, row.at, row.message_id)


def _merge(session: Session, ids: Sequence[str], now: Instant) -> None:
    for anonymous_id, browser in visitors.find_visitors(session, ids).items():
        facts = visitors.facts_of_visitor(session, anonymous_id, browser.at - LOOKS_BACK)
        strange = [row for row in facts if row.subscriber_id is None]
        visitors.give_facts(session, strange, browser.subscriber_id)
        visitors.set_merged(session, anonymous_id, now)
        told = [row for row in strange if row.verdict in ("", "human")]
        if told:
            lock(session, (browser.subscriber_id,))
            events.announce(session, [_news(row, browser.subscriber_id) for row in told])
            wake(session, (browser.subscriber_id,), now)


def _news(row: EventRow, subscriber_id: int) -> dict[str, object]:
    return {"subscriber_id": subscriber_id, "at": row.at, "fact_id": row.fact_id}


def undo_merge(world: World, shelf: Shelf, anonymous_id: str) -> int:
    """Take a browser and all it did away from the person, points included. Returns how many facts went.

    The browser is never merged again; what is done behind a new link of a mail is the reader's as before.
    """
    with world.transaction("write") as session:
        tracking.judge_alone(session)
        browser = visitors.find_visitors(session, (anonymous_id,)).get(anonymous_id)
        shelved = shelf.look(session)
        if browser is None or shelved is None:
            return 0
        lock(session, (browser.subscriber_id,))
        facts = visitors.facts_of_visitor(session, anonymous_id, browser.at - LOOKS_BACK)
        hers = [row for row in facts if row.subscriber_id == browser.subscriber_id]
        visitors.give_facts(session, hers, None)
        events.forget_news(session, [(row.at, row.fact_id) for row in hers], browser.subscriber_id)
        take_away(world, session, shelved, browser.subscriber_id, [row for row in hers if row.verdict in ("", "human")])
        visitors.set_state(session, anonymous_id, visitors.UNDONE)
        wake(session, (browser.subscriber_id,), world.now())
        return len(hers)
