"""Messages that need a decision, for the command line: listed, tried again, taken as sent.

Owns both lists as one. Every change is a line of the log. Must not guess: what is not chosen stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.actions import resolve
from app.actions.access import Role, Visitor
from app.store import accounts, claims, measures
from app.store.accounts import Deed
from app.store.measures import Troubled
from app.world import World

OPERATOR = Visitor("cli", Role.OWNER)
PAGE = 200


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
