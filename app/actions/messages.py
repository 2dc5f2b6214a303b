"""Messages that need a decision, for the command line: listed, tried again, taken as sent.

Owns both lists as one. Every change is a line of the log. Must not guess: what is not chosen stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from app.actions import resolve
from app.actions.access import Role, Visitor
from app.store import accounts, claims, measures, troubles
from app.store.accounts import Deed
from app.store.measures import Troubled
from app.store.troubles import Mail, Sought
from app.world import World

OPERATOR = Visitor("cli", Role.OWNER)
PAGE = 200
CHUNK = 500
"""So many mails are changed in one transaction."""


def troubled(world: World, limit: int = PAGE) -> list[Troubled]:
    """Uncertain mails, then those that could not be written, oldest first."""
    with world.transaction("read") as session:
        return [one for state in ("uncertain", "parked") for one in measures.troubled(session, state, 0, limit)]


def retry(world: World, ids: Sequence[int]) -> int:
    """Queue parked mails again. Returns how many were parked."""
    with world.transaction("write") as session:
        done = claims.requeue_parked(session, ids, world.now())
        listed = " ".join(map(str, done[:100]))
        accounts.note(session, Deed(world.wall(), OPERATOR.name, "retry", detail=listed))
    return len(done)


def resend(world: World, ids: Sequence[int]) -> int:
    """Send uncertain mails again, under the same Message-ID."""
    return resolve.send_again(world, OPERATOR, ids)


def take_as_sent(world: World, ids: Sequence[int]) -> int:
    """Take uncertain mails as delivered."""
    return resolve.take_as_sent(world, OPERATOR, ids)


# ── Many at once ─────────────────────────────────────────────────────────────────────────────────────────────────────


def found(world: World, sought: Sought, limit: int = PAGE) -> list[Mail]:
    """The mails that are meant, at most so many, in the order they were queued."""
    return listed(world, sought, limit)[0]


MOST_COUNTED = 10_000


def listed(world: World, sought: Sought, limit: int = PAGE) -> tuple[list[Mail], int]:
    """The same, and how many more there are: when it is MOST_COUNTED, as many or more."""
    with world.transaction("read") as session:
        return troubles.find(session, sought, limit, MOST_COUNTED)


def counted(world: World, sought: Sought) -> Counter[tuple[str, str, str]]:
    """(state, campaign, mail) → how many are meant."""
    with world.transaction("read") as session:
        return troubles.count(session, sought)


def others(world: World, sought: Sought) -> dict[int, str]:
    """Of the ids that are named, those that are in another state, with it; "" for one nobody knows."""
    with world.transaction("read") as session:
        states = troubles.states_of(session, sought.ids)
    return {id_: states.get(id_, "") for id_ in sought.ids if states.get(id_) not in sought.states}


def for_all(world: World, sought: Sought, change: Callable[[World, Sequence[int]], int]) -> int:
    """Do one of the above to everything that is meant, in chunks. Returns how many were changed."""
    return sum(change(world, ids) for ids in _chunks(world, sought))


def _chunks(world: World, sought: Sought) -> Iterator[list[int]]:
    """Ids in ascending order; what is changed meanwhile is not met again."""
    named = [sought.ids[start : start + CHUNK] for start in range(0, len(sought.ids), CHUNK)] or [()]
    for part in named:
        last = 0
        while True:
            with world.transaction("read") as session:
                ids = troubles.ids_of(session, replace(sought, ids=part), last, CHUNK)
            if not ids:
                break
            yield ids
            last = ids[-1]
