"""Resolve: our own people decide about mails whose fate is unknown: send them again, or take them as sent.

Owns both ways, each with a line of the log. Must not guess: what is not chosen stays uncertain.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.actions.access import Visitor
from app.actions.commands import deed_of
from app.store import accounts, claims, measures, people
from app.world import World


def send_again(world: World, by: Visitor, ids: Sequence[int]) -> int:
    """Queue uncertain mails again, under their old Message-ID, so that a second copy is known as one."""
    with world.transaction("write") as session:
        done = claims.requeue_uncertain(session, ids, world.now())
        accounts.note(session, deed_of(world, by, "resend", detail=_listed(done)))
    return len(done)


def take_as_sent(world: World, by: Visitor, ids: Sequence[int]) -> int:
    """Take uncertain mails as delivered; their people go on."""
    with world.transaction("write") as session:
        woken = measures.settle_as_sent(session, ids, world.now())
        people.wake(session, woken, world.now())
        accounts.note(session, deed_of(world, by, "settle", detail=_listed(ids)))
    return len(woken)


def _listed(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids[:100]))
