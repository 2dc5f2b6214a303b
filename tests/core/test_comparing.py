"""Comparing shares: intervals that hold however often one looks."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from app.core.comparing import DOUBT, Call, Tally, compare

counts = st.integers(0, 100_000).flatmap(lambda tried: st.tuples(st.just(tried), st.integers(0, tried)))


@given(counts, counts)
def test_the_interval_holds_the_difference_and_the_call_agrees_with_it(a: tuple[int, int], b: tuple[int, int]) -> None:
    (found,) = compare((Tally("a", *a), Tally("b", *b)), against="a")
    assert -1 <= found.low <= found.difference <= found.high <= 1
    if found.call is Call.BETTER:
        assert found.low > 0
    if found.call is Call.WORSE:
        assert found.high < 0


@given(counts, counts)
def test_what_is_better_one_way_round_is_worse_the_other(a: tuple[int, int], b: tuple[int, int]) -> None:
    sides = (Tally("a", *a), Tally("b", *b))
    (one,), (other,) = compare(sides, "a"), compare(sides, "b")
    assert (one.low, one.high) == (-other.high, -other.low)
    opposite = {Call.BETTER: Call.WORSE, Call.WORSE: Call.BETTER}
    assert other.call is opposite.get(one.call, one.call)


def test_whoever_looks_all_the_time_is_wrong_no_oftener_than_promised() -> None:
    """Two sides that are the same, looked at after every fifty page views."""
    random, wrong, tests = Random(7), 0, 200
    for _test in range(tests):
        won = [0, 0]
        for look in range(1, 61):
            for side in (0, 1):
                won[side] += sum(random.random() < 0.05 for _ in range(50))
            found = compare((Tally("a", look * 50, won[0]), Tally("b", look * 50, won[1])), "a")[0]
            if found.call in (Call.BETTER, Call.WORSE):
                wrong += 1
                break
    assert wrong / tests <= DOUBT


def test_a_box_that_works_is_seen_to_beat_no_box() -> None:
    (found,) = compare((Tally("control", 1_000, 0), Tally("a", 9_000, 180)), "control")
    assert found.call is Call.BETTER
    assert found.low > 0.005


def test_a_handful_of_signups_calls_nothing() -> None:
    (few,) = compare((Tally("control", 150, 0), Tally("a", 150, 60)), "control")
    assert few.call is Call.TOO_FEW
    (fewer,) = compare((Tally("a", 5_000, 3), Tally("b", 5_000, 20)), "a")
    assert fewer.call is Call.TOO_FEW


def test_more_sides_ask_for_more_evidence() -> None:
    two = compare((Tally("a", 4_000, 80), Tally("b", 4_000, 120)), "a")[0]
    four = compare((Tally("a", 4_000, 80), Tally("b", 4_000, 120), Tally("c", 4_000, 80), Tally("d", 4_000, 80)), "a")[
        0
    ]
    assert four.high - four.low > two.high - two.low


def test_nothing_is_compared_with_a_side_that_is_not_there() -> None:
    assert compare((Tally("a", 1, 1),), "control") == ()
