"""Offers at the gate and in waits: the end of an offer decides, once its clock runs."""

from __future__ import annotations

from dataclasses import replace

from app.core.instants import DAY, HOUR
from app.core.offers import CodePool, FixedEnd, FreeShipping, Offer, PersonalEnd
from app.core.person import Code, Finish
from app.core.text import Text
from app.core.windows import Clock
from tests.core.nurture.life import START, Life, book, welcome

FILE = "offer: spring\ntitle: Spring\ngives: {free_shipping: true}\ncodes: {pool: spring}\nends: {days: 5, at: '21:00'}"
STEPS = "sequences:\n  any: [{send: a, offer: spring}, {wait: {date: offer.ends, before: 24h}}, {send: b}]"
TWICE = "sequences:\n  any: [{send: a, offer: spring}, {wait: 6d}, {send: b, offer: spring}, {send: c}]"


def life(steps: str, ends: PersonalEnd | FixedEnd) -> Life:
    spring = Offer("spring", Text.plain("Spring"), FreeShipping(), CodePool("spring"), ends)
    return Life(replace(book(welcome(steps), FILE), offers={"spring": spring}))


def start_clock(alice: Life, ends_at: int) -> None:
    """What the hand-over writes down."""
    subscriber = replace(alice.person.subscriber, offer_ends={"spring": ends_at})
    alice.person = replace(alice.person, subscriber=subscriber)


def test_a_wait_ends_so_long_before_the_end_of_the_offer() -> None:
    alice = life(STEPS, PersonalEnd(5, Clock(21, 0)))
    start_clock(alice, START + 5 * DAY)
    alice.sign_up()
    alice.pass_time(4 * DAY - HOUR)
    assert alice.mails == ["a"]
    alice.pass_time(2 * HOUR)
    assert alice.mails == ["a", "b"]


def test_a_mail_that_would_arrive_after_the_end_is_skipped_with_its_reason_and_the_run_goes_on() -> None:
    alice = life(TWICE, PersonalEnd(5, Clock(21, 0)))
    alice.sign_up()
    start_clock(alice, START + 5 * DAY)
    alice.pass_time(7 * DAY)
    assert alice.run("welcome").finished["b"].finish is Finish.SKIPPED
    assert Code.OFFER_ENDED in alice.codes("welcome")
    assert alice.mails == ["a", "c"]


def test_a_fixed_end_needs_no_clock() -> None:
    alice = life(TWICE, FixedEnd("2026-10-01", Clock(21, 0)))
    alice.sign_up()
    alice.pass_time(7 * DAY)
    assert alice.mails == ["c"], "the offer was over before the story began"


def test_before_its_clock_runs_a_personal_end_stops_nothing() -> None:
    alice = life(TWICE, PersonalEnd(0, Clock(0, 0)))
    alice.sign_up()
    alice.pass_time(7 * DAY)
    assert alice.mails == ["a", "b", "c"]
