"""Timers of `held_for`: set to the instant of the change, however late somebody looks."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from app.core.conditions import Rules, View, evaluate, next_change, timers
from app.core.facts import Fact, FactKind, FactLog
from app.core.instants import DAY, HOUR, MINUTE, Instant
from app.core.subscriber import Subscriber
from tests.core import condition_cases as cases
from tests.core.condition_cases import NOW, condition

FIRST_SIGHT = NOW - 9 * DAY
BOB = Subscriber(1, b"b" * 16, "lead", FIRST_SIGHT, "lead", FIRST_SIGHT)
GRID = 5 * MINUTE
QUIET = "held_for('3h', score < 20)"


def digest_of(source: str) -> str:
    (digest,) = condition(source).names().timers
    return digest


def click(at: Instant) -> Fact:
    return Fact(id=f"click {at}".encode(), kind=FactKind.CLICKED, at=at, name="a")


def looked(source: str, view: View, not_before: Instant | None = None) -> View:
    """The view after one look that stores what `timers` says."""
    known = dict(view.subscriber.timers)
    for digest, since in timers(condition(source), view, not_before).items():
        known.pop(digest, None)
        if since is not None:
            known[digest] = since
    return replace(view, subscriber=replace(view.subscriber, timers=MappingProxyType(known)))


def test_rule_18_a_late_look_finds_the_instant_the_score_fell() -> None:
    fresh = replace(BOB, weight=40.0, landmark=NOW)
    view = View(fresh, FactLog([click(NOW)]), NOW, Rules(half_life=HOUR))
    assert timers(condition(QUIET), view) == {digest_of(QUIET): None}
    late = looked(QUIET, replace(view, now=NOW + 7 * HOUR))
    assert late.subscriber.timers == {digest_of(QUIET): NOW + HOUR + 1}
    assert evaluate(condition(QUIET), late) is True
    assert evaluate(condition(QUIET), replace(late, now=NOW + 4 * HOUR)) is False


def test_a_timer_runs_on_while_the_part_holds_and_is_cleared_when_it_does_not() -> None:
    low = replace(BOB, weight=10.0, landmark=NOW, timers=MappingProxyType({digest_of(QUIET): NOW - DAY}))
    view = View(low, FactLog(), NOW, Rules())
    assert timers(condition(QUIET), view) == {digest_of(QUIET): NOW - DAY}
    high = replace(view, subscriber=replace(low, weight=30.0))
    assert timers(condition(QUIET), high) == {digest_of(QUIET): None}


def test_a_condition_that_lapsed_and_came_back_unseen_starts_anew() -> None:
    source = "held_for('1d', clicked(within='2h'))"
    known = replace(BOB, timers=MappingProxyType({digest_of(source): NOW - 9 * HOUR}))
    view = View(known, FactLog([click(NOW - 9 * HOUR), click(NOW - HOUR)]), NOW, Rules())
    assert timers(condition(source), view) == {digest_of(source): NOW - HOUR}


def test_a_new_text_starts_no_earlier_than_it_went_live() -> None:
    source = "held_for('1d', not bought())"
    view = View(BOB, FactLog(), NOW, Rules())
    assert timers(condition(source), view, not_before=NOW - HOUR) == {digest_of(source): NOW - HOUR}
    assert timers(condition(source), view) == {digest_of(source): FIRST_SIGHT}


def test_what_only_stands_in_the_row_counts_from_the_newest_fact_that_may_have_changed_it() -> None:
    source = "held_for('1d', tagged('vip'))"
    vip = replace(BOB, tags=frozenset({"vip"}))
    changed = Fact(id=b"c", kind=FactKind.CHANGED, at=NOW - HOUR, name="tag:vip")
    assert timers(condition(source), View(vip, FactLog([changed]), NOW, Rules())) == {digest_of(source): NOW - HOUR}


def test_a_lapsed_kind_is_seen_in_hindsight() -> None:
    source = "held_for('1d', kind == 'none')"
    rules = Rules(kinds=(("ready", condition("visited('/pricing*', within='2h')")),))
    visit = Fact(id=b"v", kind=FactKind.VISITED, at=NOW - 5 * HOUR, path="/pricing")
    view = View(replace(BOB, kind="none"), FactLog([visit]), NOW, rules)
    assert timers(condition(source), view) == {digest_of(source): NOW - 3 * HOUR}


@given(
    cases.joined(cases.fact_leaves(st.sampled_from(cases.SPANS).map("within='{}'".format)), size=3),
    st.lists(st.integers(0, 3 * DAY // MINUTE), max_size=4),
    cases.fact_lists(6),
)
def test_looking_seldom_or_often_gives_the_same_timer(source: str, looks: list[int], facts: list[Fact]) -> None:
    held = f"held_for('1h', {source})"
    seldom = often = View(BOB, FactLog(), NOW - 3 * DAY, Rules())
    moments = sorted({NOW - minutes * MINUTE for minutes in looks} | {NOW})
    for at in moments:
        seldom = looked(held, _with(seldom, facts, at))
    at = NOW - 3 * DAY
    while at <= NOW:
        often = looked(held, _with(often, facts, at))
        arrivals = [fact.at for fact in facts if fact.at > at]
        change = next_change(condition(held), often)
        at = min([*arrivals, *([] if change is None else [change]), NOW if at < NOW else NOW + 1])
    assert seldom.subscriber.timers == often.subscriber.timers


def _with(view: View, facts: list[Fact], at: Instant) -> View:
    return replace(view, now=at, facts=FactLog(fact for fact in facts if fact.at <= at))


@given(
    st.lists(st.integers(0, 2 * DAY // MINUTE - 1), min_size=1, max_size=6, unique=True),
    st.sampled_from(("score < 20", "score >= 15", "score < 20 and not clicked(within='90m')", "not score < 12")),
    st.sampled_from((2 * HOUR, 12 * HOUR)),
)
def test_looking_only_when_facts_arrive_finds_when_the_score_crossed(clicks: list[int], part: str, half: int) -> None:
    source, rules = f"held_for('1h', {part})", Rules(half_life=half)
    arrivals = sorted(NOW - minutes * MINUTE for minutes in clicks)
    person = replace(BOB, landmark=NOW - 2 * DAY, created_at=NOW - 2 * DAY)
    view = View(person, FactLog(), NOW - 2 * DAY, rules)
    for at in (NOW - 2 * DAY, *arrivals, NOW):
        view = looked(source, replace(view, now=at))  # first as it stood before the news
        view = looked(source, _scored(view, arrivals, at))
    plain, since = condition(part), None
    just_before = [at - 1 for at in arrivals]  # where the score is lowest
    for at in sorted({*arrivals, *just_before, *range(NOW - 2 * DAY, NOW, GRID), NOW}):
        holds = evaluate(plain, _scored(view, arrivals, at)) is True
        since = None if not holds else at if since is None else since
    found = view.subscriber.timers.get(digest_of(source))
    assert (found is None) == (since is None)
    assert found is None or since is None or since - GRID < found <= since


def _scored(view: View, arrivals: list[Instant], now: Instant) -> View:
    """Every click is worth 10 points; the weight is what the ladder would have stored."""
    seen, landmark = [at for at in arrivals if at <= now], view.subscriber.landmark
    weight = sum(10 * math.pow(2, (at - landmark) / view.rules.half_life) for at in seen)
    return replace(view, now=now, facts=FactLog(map(click, seen)), subscriber=replace(view.subscriber, weight=weight))
