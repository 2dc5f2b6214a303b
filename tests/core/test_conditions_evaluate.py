"""Asking conditions: three values, and which facts count."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.conditions import EVER, Condition, Rules, Scope, View, evaluate, explain
from app.core.facts import Fact, FactKind, FactLog, RunKey, Value
from app.core.instants import DAY, HOUR, SECOND
from app.core.subscriber import Subscriber
from tests.core import condition_cases as cases
from tests.core.condition_cases import NOW, OTHER_RUN, RUN, condition

RULES = Rules()
ALICE = Subscriber(
    id=1,
    public_id=b"alice-public-id!",
    stage="lead",
    stage_since=NOW - 3 * DAY,
    furthest_stage="prospect",
    created_at=NOW - 9 * DAY,
    confirmed_at=NOW - 9 * DAY,
    locale="fa",
    landmark=NOW,
    weight=20.0,
    fit=5,
    orders=2,
    revenue=900,
    attributes=MappingProxyType({"city": "تهران", "visits": 3, "vip": True, "interests": ("herbs",)}),
    tags=frozenset({"vip"}),
    segments=MappingProxyType({"big": NOW - DAY}),
)


def asked(
    source: str, *facts: Fact, person: Subscriber = ALICE, scope: Scope = EVER, rules: Rules = RULES
) -> bool | None:
    return evaluate(condition(source), View(person, FactLog(facts), NOW, rules, scope))


def fact(kind: FactKind, ago: int = HOUR, name: str = "", **more: object) -> Fact:
    made = Fact(id=f"{kind}{ago}{name}{sorted(more)}".encode(), kind=kind, at=NOW - ago, name=name)
    return replace(made, **more)  # type: ignore[arg-type]


# ── The two laws of three values ─────────────────────────────────────────────────────────────────────────────────────

TRUE, FALSE, UNKNOWN = "confirmed", "referred", "attribute('budget') == 'high'"
SOURCES = {True: TRUE, False: FALSE, None: UNKNOWN}
VALUES = (True, False, None)


@pytest.mark.parametrize("left", VALUES)
@pytest.mark.parametrize("right", VALUES)
def test_and_or_follow_the_tables_of_sql(left: bool | None, right: bool | None) -> None:
    both = (left, right)
    conjunction = False if False in both else None if None in both else True
    disjunction = True if True in both else None if None in both else False
    assert asked(f"{SOURCES[left]} and {SOURCES[right]}") is conjunction
    assert asked(f"{SOURCES[left]} or {SOURCES[right]}") is disjunction


def test_not_unknown_is_unknown() -> None:
    assert asked(f"not {UNKNOWN}") is None


@given(cases.conditions(cases.run_sources()), cases.conditions(cases.run_sources()), cases.views())
def test_de_morgan_holds_for_all_conditions(one: Condition, two: Condition, view: View) -> None:
    for join, other in (("and", "or"), ("or", "and")):
        outside = condition(f"not (({one}) {join} ({two}))")
        inside = condition(f"(not ({one})) {other} (not ({two}))")
        assert evaluate(outside, view) is evaluate(inside, view)


@given(cases.conditions(cases.run_sources()), cases.views())
def test_evaluation_never_raises_and_gives_one_of_three(asked: Condition, view: View) -> None:
    assert evaluate(asked, view) in (True, False, None)


WEIRD: st.SearchStrategy[Value] = st.one_of(
    st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.text()).map(tuple)
)


@given(
    cases.conditions(cases.run_sources()),
    cases.views(),
    st.dictionaries(st.sampled_from(("city", "budget", "visits", "vip", "interests")), WEIRD),
    st.floats(),
)
def test_values_of_the_wrong_sort_are_unknown_and_never_an_error(
    asked: Condition, view: View, attributes: dict[str, Value], weight: float
) -> None:
    person = replace(view.subscriber, attributes=attributes, weight=weight)
    assert evaluate(asked, replace(view, subscriber=person)) in (True, False, None)


@given(cases.conditions(cases.run_sources()), cases.views(), st.randoms(use_true_random=False))
def test_order_and_repetition_of_facts_change_nothing(asked: Condition, view: View, chance: random.Random) -> None:
    facts = [*view.facts, *view.facts]
    chance.shuffle(facts)
    assert evaluate(asked, replace(view, facts=FactLog(facts))) is evaluate(asked, view)


@given(cases.conditions(cases.run_sources()), cases.views())
def test_facts_a_condition_does_not_need_change_nothing(asked: Condition, view: View) -> None:
    kinds = {need.kind for need in asked.needs()}
    needed = FactLog(fact for fact in view.facts if fact.kind in kinds)
    assert evaluate(asked, replace(view, facts=needed)) is evaluate(asked, view)


@given(cases.views())
def test_known_is_never_unknown_and_a_value_is_unknown_exactly_when_it_is_not_known(view: View) -> None:
    is_known = evaluate(condition("known('city')"), view)
    assert is_known is not None
    assert (evaluate(condition("attribute('city') == 'x'"), view) is not None) is is_known


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("source", "truth"),
    [
        ("stage == 'lead'", True),
        ("stage in ['prospect', 'customer']", False),
        ("kind == 'none'", True),
        ("locale == 'fa'", True),
        ("country == 'IR'", None),
        ("known('country')", False),
        ("score >= 20", True),
        ("score > 20", False),
        ("score < 20.5", True),
        ("fit >= 5 and fit < 6", True),
        ("orders == 2", True),
        ("revenue >= 1000", False),
        ("referrals >= 1", False),
        ("confirmed and not referred", True),
        ("attribute('city') == 'تهران'", True),
        ("attribute('city') < 'یزد'", True),
        ("attribute('city') == 5", None),
        ("attribute('visits') >= 2.5", True),
        ("attribute('visits') in [1, 3]", True),
        ("attribute('visits') == 'three'", None),
        ("attribute('vip')", True),
        ("attribute('vip') == 1", None),
        ("attribute('city')", None),
        ("'herbs' in attribute('interests')", True),
        ("'bread' not in attribute('interests')", True),
        ("'x' in attribute('city')", None),
        ("attribute('budget') != 'high'", None),
        ("attribute('budget') not in ['high']", None),
        ("known('city') and not known('budget')", True),
        ("tagged('vip') and not tagged('no-nurture')", True),
        ("in_segment('big') and not in_segment('keen')", True),
        ("in_stage_for('3d') and not in_stage_for('73h')", True),
        ("answer('nps') >= 9", None),
        ("event('total') > 0", None),
    ],
)
def test_alices_values_answer(source: str, truth: bool | None) -> None:
    assert asked(source) is truth


def test_text_is_compared_in_nfc_and_by_code_point() -> None:
    bob = replace(ALICE, attributes=MappingProxyType({"city": "Zu\u0308rich"}))
    assert asked("attribute('city') == 'Z\u00fcrich'", person=bob) is True
    carol = replace(ALICE, attributes=MappingProxyType({"city": "\U00010348"}))
    assert asked("attribute('city') > '\uff5a'", person=carol) is True


def test_arabic_and_persian_ye_are_different_letters() -> None:
    bob = replace(ALICE, attributes=MappingProxyType({"city": "علي"}))
    assert asked("attribute('city') == 'علی'", person=bob) is False


def test_the_score_halves_with_every_half_life() -> None:
    rules = Rules(half_life=DAY)
    later = replace(ALICE, landmark=NOW - DAY)
    assert asked("score >= 10", person=later, rules=rules) is True
    assert asked("score > 10", person=later, rules=rules) is False
    earlier = replace(ALICE, landmark=NOW + DAY)
    assert asked("score >= 40 and not score > 40", person=earlier, rules=rules) is True


def test_a_landmark_ages_ago_overflows_nothing() -> None:
    old = replace(ALICE, landmark=-(10**18), weight=1e300)
    assert asked("score < 1", person=old, rules=Rules(half_life=HOUR)) is True


# ── Which facts count ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fact_counts_while_it_is_younger_than_the_window() -> None:
    assert asked("did('asked', within='1h')", fact(FactKind.EVENT, HOUR - 1, "asked")) is True
    assert asked("did('asked', within='1h')", fact(FactKind.EVENT, HOUR, "asked")) is False


def test_only_what_humans_did_counts() -> None:
    for source, kind in (
        ("opened('a')", FactKind.OPENED),
        ("clicked('a')", FactKind.CLICKED),
        ("replied('a')", FactKind.REPLIED),
    ):
        assert asked(source, fact(kind, name="a", is_human=False)) is False
        assert asked(source, fact(kind, name="a")) is True
    assert asked("visited('/x')", fact(FactKind.VISITED, path="/x", is_human=False)) is False
    assert asked("received('a')", fact(FactKind.RECEIVED, name="a", is_human=False)) is True


def test_times_counts_distinct_facts() -> None:
    one, two = fact(FactKind.CLICKED, 1 * HOUR, "a"), fact(FactKind.CLICKED, 2 * HOUR, "a")
    assert asked("clicked('a', times=2)", one, one, one) is False
    assert asked("clicked('a', times=2)", one, two) is True
    assert asked("clicked('a', times=3)", one, two) is False


def test_link_topic_and_product_narrow() -> None:
    click = fact(FactKind.CLICKED, name="a", link="buy", topic="herbs")
    assert asked("clicked('a', link='buy')", click) is True
    assert asked("clicked('a', link='read')", click) is False
    assert asked("clicked(topic='herbs')", click) is True
    assert asked("clicked(topic='pricing')", click) is False
    order = fact(FactKind.ORDERED, products=("basket", "نعنا"))
    assert asked("bought(product='نعنا')", order) is True
    assert asked("bought(product='bread')", order) is False


@pytest.mark.parametrize(
    ("pattern", "truth"), [("/pricing", False), ("/pricing*", True), ("/pricing/gold", True), ("*", True), ("/", False)]
)
def test_a_star_stands_for_any_end_of_a_path(pattern: str, truth: bool) -> None:
    assert asked(f"visited('{pattern}')", fact(FactKind.VISITED, path="/pricing/gold")) is truth


def began(ago: int, own: Iterable[str] = ()) -> Scope:
    return Scope(since=NOW - ago, run=RUN, own_mails=frozenset(own), event=MappingProxyType({"total": 20}))


def test_rule_14_in_a_run_facts_count_since_it_began() -> None:
    before, after = fact(FactKind.ORDERED, 3 * HOUR), fact(FactKind.ORDERED, HOUR)
    assert asked("bought()", before, scope=began(2 * HOUR)) is False
    assert asked("bought()", after, scope=began(2 * HOUR)) is True
    assert asked("bought(ever=True)", before, scope=began(2 * HOUR)) is True
    assert asked("bought(within='1d')", before, scope=began(2 * HOUR)) is True
    assert asked("bought()", before) is True


def test_rule_14_the_order_that_began_the_run_is_no_second_order() -> None:
    assert asked("bought()", fact(FactKind.ORDERED, HOUR), scope=began(HOUR)) is False


def test_rule_14_own_mails_mean_the_messages_of_this_run() -> None:
    scope = began(2 * HOUR, own=["a"])
    mine, other = fact(FactKind.CLICKED, name="a", run=RUN), fact(FactKind.CLICKED, name="a", run=OTHER_RUN)
    assert asked("clicked('a')", mine, scope=scope) is True
    assert asked("clicked('a')", other, scope=scope) is False
    assert asked("clicked('a', within='1d')", other, scope=scope) is False
    assert asked("clicked('a', ever=True)", other, scope=scope) is True
    assert asked("clicked()", other, scope=scope) is True


def test_rule_14_same_narrows_to_the_key_of_the_run() -> None:
    keyed = Scope(since=NOW - DAY, run=RunKey("cart", "42"))
    same, another = (fact(FactKind.EVENT, name="paid", fields={"order_id": number}) for number in (42, 43))
    assert asked("did('paid', same='order_id')", same, scope=keyed) is True
    assert asked("did('paid', same='order_id')", another, scope=keyed) is False
    assert asked("did('paid', same='order_id')", same) is None


def test_an_answer_is_the_latest_one_within_the_scope() -> None:
    old = fact(FactKind.ANSWERED, 5 * HOUR, "nps", fields={"answer": 3})
    new = fact(FactKind.ANSWERED, 1 * HOUR, "nps", fields={"answer": 9})
    assert asked("answer('nps') == 9", old, new) is True
    assert asked("answer('nps') >= 0", old, scope=began(2 * HOUR)) is None
    assert asked("answer('nps', ever=True) == 3", old, scope=began(2 * HOUR)) is True
    assert asked("known(answer('nps', within='2h'))", old) is False


def test_the_event_that_began_the_run_can_be_asked() -> None:
    assert asked("event('total') >= 20", scope=began(HOUR)) is True
    assert asked("event('lost') >= 20", scope=began(HOUR)) is None


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_idle_holds_from_exactly_its_time_on() -> None:
    assert asked("idle_for('1h')", person=replace(ALICE, last_signal_at=NOW - HOUR)) is True
    assert asked("idle_for('1h')", person=replace(ALICE, last_signal_at=NOW - HOUR + 1)) is False


def test_a_person_who_never_gave_a_sign_is_idle_since_first_sight() -> None:
    assert asked("idle_for('9d')", person=replace(ALICE, last_signal_at=None)) is True
    assert asked("idle_for('10d')", person=replace(ALICE, last_signal_at=None)) is False


def test_held_for_holds_from_exactly_its_time_on_and_only_while_the_part_holds() -> None:
    source = "held_for('1h', tagged('vip'))"
    (digest,) = condition(source).names().timers
    for since, truth in ((NOW - HOUR, True), (NOW - HOUR + 1, False)):
        person = replace(ALICE, timers=MappingProxyType({digest: since}))
        assert asked(source, person=person) is truth
        assert asked(source, person=replace(person, tags=frozenset())) is False
    assert asked(source) is False


def orders(*days: int) -> tuple[Fact, ...]:
    return tuple(fact(FactKind.ORDERED, day * DAY) for day in days)


def test_overdue_measures_by_the_persons_own_median_gap() -> None:
    often = orders(40, 30, 20, 15)  # gaps of 10, 10 and 5 days
    assert asked("overdue(1.5)", *often) is True
    assert asked("overdue(1.6)", *often) is False
    assert asked("overdue(1.5, least='16d')", *often) is False


def test_overdue_uses_the_lists_rhythm_under_two_orders_and_is_false_without_any() -> None:
    rules = Rules(order_gap=10 * DAY)
    assert asked("overdue(1.5)", *orders(15), rules=rules) is True
    assert asked("overdue(1.5)", *orders(14), rules=rules) is False
    assert asked("overdue(1.5)", rules=rules) is False
    assert asked("not overdue(1.5)", rules=rules) is True


def test_chance_is_the_same_for_a_person_in_every_scope() -> None:
    people = [replace(ALICE, public_id=number.to_bytes(16, "big")) for number in range(2_000)]
    rules = Rules(secret=b"s")
    chosen = [asked("chance('10%', 'trial')", person=person, rules=rules) for person in people]
    assert 150 < sum(map(bool, chosen)) < 250
    again = [asked("chance('10%', 'trial')", person=person, rules=rules, scope=began(HOUR)) for person in people]
    assert chosen == again


# ── Explaining ───────────────────────────────────────────────────────────────────────────────────────────────────────


@given(cases.conditions(cases.run_sources()), cases.views())
def test_an_explanation_says_what_evaluation_says(asked: Condition, view: View) -> None:
    trace = explain(asked, view)
    assert trace.truth is evaluate(asked, view)
    for seen in trace.seen:
        assert evaluate(condition(seen.text), view) is seen.truth


def test_an_explanation_shows_the_values_seen() -> None:
    click = fact(FactKind.CLICKED, 2 * HOUR, "a")
    view = View(ALICE, FactLog([click]), NOW, Rules())
    trace = explain(condition("score >= 30 or clicked('a', times=2) or idle_for('1d')"), view)
    assert [(seen.text, seen.truth, seen.value, seen.since) for seen in trace.seen] == [
        ("score >= 30", False, 20.0, None),
        ("clicked('a', times=2)", False, 1, click.at),
        ("idle_for('1d')", True, None, ALICE.created_at),
    ]


def test_a_fact_of_a_clock_that_runs_ahead_counts() -> None:
    ahead = fact(FactKind.EVENT, -SECOND, "asked")
    assert asked("did('asked', within='1h')", ahead) is True
