"""Made-up people take codes and seats from each other, clocks of offers run, and breakers are told of."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest

from app.actions.inspect import Inspection, inspect
from app.actions.shelf import Shelf
from app.actions.simulate import SECRET, forecast, simulate, town_of
from app.actions.simulate.stopping import stops_of
from app.cli.simulating import lines, plain
from app.core.figures import grouped
from app.core.instants import DAY
from app.core.offering import Zones
from app.core.offers import CodePool, FreeShipping, Offer, PersonalEnd, SharedCode, WhenEmpty
from app.core.purse import Held, Passed, Promised, Purse
from app.core.simulating import Life
from app.core.site import Guards
from app.core.text import Text
from app.core.windows import Clock, zone_of
from app.store import stories
from tests.actions.small_site import SITE, people_on, play, sources_of
from tests.actions.test_simulate import _plain, _retell, wanted

SPRING = """
offer: spring
title: Spring
gives: {percent: 15%}
codes: {pool: spring, when_empty: hold}
ends: {days: 3, at: "21:00"}
"""
SALE = """
campaign: sale
title: Sale
state: live
enter: {box: book}
sequences:
  any:
    - send: a
    - wait: 26h
    - send: b
      offer: spring
      fresh_for: 3h
    - wait: {date: offer.ends, before: 6h}
    - send: c
      offer: spring
"""
UTC = zone_of("UTC", "UTC")


@pytest.fixture(scope="module")
def files() -> Inspection:
    site = SITE.replace('  quiet_hours: "21:00-08:00"\n', "")
    sources = {**sources_of({"sale": SALE}, site=site), "campaigns/offers/spring.yaml": SPRING}
    found = inspect(sources, date(2026, 11, 1))
    assert found.workspace is not None, found.problems
    assert not found.errors, [str(error) for error in found.errors]
    return found


def test_a_pool_reaches_as_far_as_its_codes_whatever_the_number_of_processes(files: Inspection) -> None:
    free = simulate(files, wanted(50, days=12)).summary.given["spring"]
    assert free > 12
    one = simulate(files, wanted(50, days=12, stock={"spring": 10}))
    two = simulate(files, wanted(50, days=12, stock={"spring": 10}, processes=2))
    assert plain(one) == plain(two)
    assert one.summary.given["spring"] == 10
    (stocked,) = one.stocked
    assert (stocked.name, stocked.amount, stocked.wanted) == ("codes spring", 10, free)
    assert stocked.gone_at is not None
    said = "\n".join(lines(one))
    assert "codes spring" in said
    assert f"{free} wanted of 10   gone on" in said
    in_persian = "\n".join(lines(one, lang="fa"))
    assert f"کدهای \u2068spring\u2069: {grouped(free)} خواهان از ۱۰، " in in_persian


def test_lives_with_an_offer_leave_the_same_trace_in_the_store_and_the_first_to_come_are_served(
    files: Inspection,
) -> None:
    town = town_of(files, wanted(10, days=6))
    free = [Life(town, number, keeps=True) for number in range(1, 11)]
    for life in free:
        life.run()
    turns = sorted((life.account.taken["spring"], life.number) for life in free if life.account.taken)
    codes = len(turns) - 2
    assert codes > 1
    town = replace(town, closes={"codes spring": turns[codes]})
    lives = [Life(town, number, keeps=True) for number in range(1, 11)]
    for life in lives:
        life.run()
    assert Counter(mail for life in lives for _, mail in life.mails)["b"] == codes
    stage = play(files)
    stage.shelf = Shelf(SECRET)  # type: ignore[assignment]
    stage.clock = town.began
    stage.leave_codes("spring", codes)
    _retell(stage, lives, town.ends)
    with stage.world.transaction("read") as session:
        for life in lives:
            told = stories.told(session, life.stored_id) if hasattr(life, "stored_id") else ()
            real = [(t.at, t.code, t.step, _plain(dict(t.seen))) for t in told]
            assert [(d.at, d.code.value, d.step, _plain(dict(d.seen))) for d in life.decisions] == real
    mine = sorted((at, mail) for life in lives for at, mail in life.mails)
    assert mine == sorted((letter.at, letter.mail) for letter in stage.inbox)
    stage.world.database.dispose()


def test_a_clock_starts_with_the_first_mail_so_that_the_last_day_is_reached(files: Inspection) -> None:
    summary = simulate(files, wanted(20, days=12)).summary
    assert 0 < summary.by_mail["c"] <= summary.by_mail["b"]


def test_the_forecast_knows_how_many_codes_are_left(files: Inspection) -> None:
    stage = play(files)
    people_on(stage)
    stage.leave_codes("spring", 0)
    done = forecast(stage.world, stage.shelf, files, wanted(0, days=30))
    assert done is not None
    assert done.summary.by_mail["b"] == 0
    assert [(each.amount, each.wanted) for each in done.stocked] == [(0, 1)]
    stage.leave_codes("spring", 5)
    again = forecast(stage.world, stage.shelf, files, wanted(0, days=30))
    assert again is not None
    assert again.summary.by_mail["b"] == 1
    stage.world.database.dispose()


def test_the_first_day_a_breaker_would_have_stopped_a_campaign_is_told() -> None:
    harm = Counter({("sent", "sale", 5): 1_000, ("complaints", "sale", 5): 1, ("sent", "sale", 6): 900})
    assert list(stops_of(harm, Guards())) == []
    harm |= Counter({("complaints", "sale", 6): 2, ("sent", "sale", 9): 100, ("complaints", "sale", 9): 2})
    (stop,) = stops_of(harm, Guards())
    assert (stop.campaign, stop.what, stop.day, stop.number, stop.sent, stop.days) == (
        "sale",
        "complaints",
        6,
        2,
        900,
        2,
    )


# ── The purse ──


def offer(when_empty: WhenEmpty | SharedCode = WhenEmpty.HOLD, seats: int | None = None) -> Offer:
    codes = CodePool("spring", 0, when_empty)
    return Offer("spring", Text.plain("x"), FreeShipping(), codes, PersonalEnd(3, Clock(21, 0)), seats)


@pytest.mark.parametrize(
    ("kind", "closed", "answer"),
    [
        (offer(), "codes spring", Held()),
        (offer(WhenEmpty.SKIP), "codes spring", Passed("no_code")),
        (offer(seats=3), "seats spring", Passed("sold_out")),
    ],
)
def test_what_is_gone_is_promised_to_nobody_from_that_turn_on(kind: Offer, closed: str, answer: object) -> None:
    zones, closes = Zones(UTC, UTC), {closed: (10 * DAY, 7)}
    assert isinstance(Purse(6, closes).promise(kind, None, 10 * DAY, zones), Promised)
    assert Purse(7, closes).promise(kind, None, 10 * DAY, zones) == answer
    hers = Purse(7, closes)
    first = hers.promise(kind, None, 9 * DAY, zones)
    assert isinstance(first, Promised)
    assert hers.promise(kind, first.ends_at, 11 * DAY, zones) == first
    assert hers.promise(kind, first.ends_at, 13 * DAY, zones) == Passed("offer_ended")


def test_a_pool_that_falls_back_on_a_shared_code_never_ends() -> None:
    shared = offer(SharedCode("SPRING"))
    closes = {"codes spring": (0, 0)}
    assert isinstance(Purse(7, closes).promise(shared, None, DAY, Zones(UTC, UTC)), Promised)
