"""Leases by a clock since boot: whoever renews is alive, whatever any calendar says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.actions.deliver import LEASE
from app.actions.sweep import LOOKS, LeaseWatch
from app.core.instants import SECOND
from app.store.leases import Held

LEASE_SECONDS = LEASE / SECOND


def test_a_lease_nobody_renews_is_over_after_its_length() -> None:
    watch = LeaseWatch()
    at = [watch.look([Held(1, 1, 5)], second, LEASE) for second in (0, 30, 60, 90, 119.9)]
    assert at == [[]] * 5
    assert watch.look([Held(1, 1, 5)], 120, LEASE) == [Held(1, 1, 5)]


def test_while_the_database_was_away_nobody_could_renew_so_owners_have_their_turn_first() -> None:
    watch = LeaseWatch()
    watch.look([Held(1, 1, 5)], 0, LEASE)
    assert watch.look([Held(1, 1, 5)], 3_600, LEASE) == []
    assert watch.look([Held(1, 1, 99)], 3_630, LEASE) == [], "it was renewed as soon as the database was back"


@given(st.lists(st.integers(-(10**15), 10**15), min_size=5, max_size=40, unique=True))
def test_whatever_end_an_owner_writes_its_lease_is_kept_as_long_as_it_writes(ends: list[int]) -> None:
    watch = LeaseWatch()
    assert not any(watch.look([Held(1, 1, end)], number * 30, LEASE) for number, end in enumerate(ends))


@given(st.integers(-(10**15), 10**15), st.lists(st.floats(1, 60), min_size=10, max_size=40))
def test_whatever_end_stands_there_it_is_over_when_it_stands_still(end: int, steps: list[float]) -> None:
    watch, second, over_at = LeaseWatch(), 0.0, None
    for number, step in enumerate(steps):
        if over_at is None and watch.look([Held(1, 1, end)], second, LEASE):
            over_at = second
            assert number + 1 >= LOOKS
        second += step
    assert over_at is None or over_at >= LEASE_SECONDS
    assert over_at is not None or second - steps[-1] < LEASE_SECONDS
