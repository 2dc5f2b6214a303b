"""Offers: a deadline that is real, stock that is true, and codes that are used once."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.instants import DAY, HOUR, MINUTE, Instant
from app.core.offering import (
    Handed,
    Redeemed,
    Zones,
    code_key,
    end_at_hand_over,
    end_from,
    is_over,
    judge,
    known_end,
    left,
)
from app.core.offers import FixedEnd, FreeShipping, Offer, PersonalEnd
from app.core.text import Text
from app.core.windows import Clock, local, zone_of
from tests.services.clock import START

TEHRAN, VIENNA = zone_of("Asia/Tehran", "UTC"), zone_of("Europe/Vienna", "UTC")
ZONES = Zones(person=VIENNA, site=TEHRAN)


def offer(ends: PersonalEnd | FixedEnd | None) -> Offer:
    return Offer("spring", Text.plain("Free delivery"), FreeShipping(), ends=ends)


FIVE_DAYS = offer(PersonalEnd(5, Clock(21, 0)))


def test_a_personal_end_is_so_many_days_later_on_her_own_clock() -> None:
    end = end_from(FIVE_DAYS, START, ZONES)
    assert end is not None
    assert f"{local(end, VIENNA):%Y-%m-%d %H:%M}" == "2026-03-06 21:00"


def test_a_fixed_end_is_on_the_clock_of_the_site() -> None:
    end = end_from(offer(FixedEnd("2026-03-20", Clock(21, 0))), START, ZONES)
    assert end is not None
    assert f"{local(end, TEHRAN):%Y-%m-%d %H:%M}" == "2026-03-20 21:00"


def test_an_offer_without_an_end_is_never_over() -> None:
    assert end_from(offer(None), START, ZONES) is None
    assert not is_over(None, START + 10_000 * DAY)


def test_the_end_itself_is_too_late() -> None:
    assert not is_over(START, START - 1)
    assert is_over(START, START)


@given(st.lists(st.integers(0, 400 * DAY), min_size=1, max_size=8), st.integers(0, 30))
def test_a_clock_that_runs_is_never_set_again(gaps: list[int], days: int) -> None:
    spring = offer(PersonalEnd(days, Clock(21, 0)))
    now: Instant = START
    first = end_at_hand_over(spring, None, now, ZONES)
    for gap in gaps:
        now += gap
        assert end_at_hand_over(spring, first, now, ZONES) == first
    assert first is not None
    assert known_end(spring, {"spring": first}, TEHRAN) == first


@given(st.integers(START, START + 500 * DAY), st.integers(0, 60 * DAY))
def test_whoever_starts_later_never_has_an_earlier_end(at: Instant, later: int) -> None:
    one, other = end_from(FIVE_DAYS, at, ZONES), end_from(FIVE_DAYS, at + later, ZONES)
    assert one is not None
    assert other is not None
    assert one <= other
    assert 4 * DAY < one - at < 6 * DAY + 2 * HOUR


@given(st.integers(0, 500), st.integers(0, 600), st.integers(0, 600))
def test_what_is_left_is_the_truth_and_never_less_than_nothing(seats: int, taken: int, elsewhere: int) -> None:
    shown = left(seats, taken, elsewhere)
    assert shown >= 0
    assert shown >= seats - taken - elsewhere
    assert shown == 0 or shown + taken + elsewhere == seats


HERS = Handed(1, START + DAY, frozenset())


def test_a_code_is_good_for_one_order() -> None:
    assert judge(HERS, 1, "o-1", START) is Redeemed.GOOD
    used = Handed(1, START + DAY, frozenset({"o-1"}))
    assert judge(used, 1, "o-2", START) is Redeemed.AGAIN
    assert judge(used, 1, "o-1", START) is Redeemed.GOOD, "the same order told again is the same order"


def test_a_code_is_late_from_its_end_on() -> None:
    assert judge(HERS, 1, "o-1", START + DAY - MINUTE) is Redeemed.GOOD
    assert judge(HERS, 1, "o-1", START + DAY) is Redeemed.LATE


def test_a_code_of_somebody_else_is_noticed_and_an_unknown_buyer_is_not_accused() -> None:
    assert judge(HERS, 2, "o-1", START) is Redeemed.STRANGER
    assert judge(HERS, None, "o-1", START) is Redeemed.GOOD


def test_a_shared_code_is_for_everybody_as_often_as_they_like() -> None:
    shared = Handed(0, None, frozenset({"o-1", "o-2"}), is_shared=True)
    assert judge(shared, 7, "o-3", START) is Redeemed.GOOD


def test_codes_are_compared_without_blanks_and_in_capitals() -> None:
    assert code_key(" sp-4f2k ") == "SP-4F2K"
