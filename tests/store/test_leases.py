"""Leases: looking at what is held, and calling uncertain what nobody keeps."""

from __future__ import annotations

from app.core.instants import MINUTE
from app.store import claims, leases
from app.store.engine import Database
from tests.services.clock import START
from tests.store.test_claims import ME, OTHER, ids, row_of, take

__all__ = ["ids"]


def test_what_was_renewed_since_the_last_look_is_kept(database: Database, ids: list[int]) -> None:
    take(database)
    with database.transaction() as session:
        seen = leases.held(session)
        assert len(seen) == 3
        assert claims.renew_leases(session, ME, START + 3 * MINUTE) == 3
        assert leases.expire(session, seen, START) == []
        assert len(leases.expire(session, leases.held(session), START)) == 3


def test_an_expired_claim_is_uncertain_never_queued(database: Database, ids: list[int]) -> None:
    taken = take(database)
    with database.transaction() as session:
        lost = leases.expire(session, leases.held(session), START + 3)
        assert leases.held(session) == []
    assert {each.id for each in lost} == {claim.id for claim in taken}
    row = row_of(database, taken[0].id)
    assert (row.state, row.reason, row.settled_at) == ("uncertain", "lease", START + 3)
    assert take(database, OTHER) == []


def test_nothing_held_is_nothing_to_expire(database: Database) -> None:
    with database.transaction() as session:
        assert leases.expire(session, leases.held(session), START) == []
