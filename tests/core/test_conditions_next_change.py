"""The next change of a condition is never late, and where nothing hides behind rules it is exact."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.core.conditions import Condition, Rules, View, evaluate, next_change
from app.core.facts import Fact, FactKind, FactLog
from app.core.instants import DAY, HOUR, MINUTE, Instant
from app.core.subscriber import Subscriber
from tests.core import condition_cases as cases
from tests.core.condition_cases import NOW, condition, later

HORIZON = NOW + 3 * DAY
slowly = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def quiet_until(asked: Condition, view: View) -> Instant:
    change = next_change(asked, view)
    assert change is None or change > view.now
    return HORIZON if change is None else min(change - 1, HORIZON)


@slowly
@given(cases.conditions(cases.run_sources()), cases.views())
def test_up_to_the_next_change_asking_every_minute_gives_the_same_answer(asked: Condition, view: View) -> None:
    now, until = evaluate(asked, view), quiet_until(asked, view)
    for instant in (*range(NOW, until, MINUTE), *cases.edges(view, until), until):
        assert evaluate(asked, later(view, instant)) is now, (instant - NOW) / MINUTE


@slowly
@given(
    cases.conditions(cases.joined(st.one_of(cases.rule_leaves(), cases.held_leaves(), cases.fact_leaves()), size=4)),
    cases.views(with_rules=True),
)
def test_with_kinds_segments_stages_and_timers_behind_it_is_never_late_either(asked: Condition, view: View) -> None:
    never_late(asked, at_rest(asked, view))


@slowly
@given(cases.conditions(cases.rule_leaves()), cases.views(with_rules=True))
def test_a_question_that_other_rules_answer_is_asked_again_before_they_change(asked: Condition, view: View) -> None:
    never_late(asked, at_rest(asked, view))


def never_late(asked: Condition, view: View) -> None:
    now, until = evaluate(asked, view), quiet_until(asked, view)
    for instant in sorted({*range(NOW, until, 9 * MINUTE), *cases.edges(view, until), until}):
        view = cases.asked_again(later(view, instant), asked)
        assert evaluate(asked, view) is now, (instant - NOW) / MINUTE


def at_rest(asked: Condition, view: View) -> View:
    """The person after enough looks that nothing moves any more; people whose rules chase each other are left out."""
    for _ in range(6):
        before, view = view, cases.asked_again(view, asked)
        if before == view:
            break
    assume(cases.asked_again(view, asked) == view)
    return view


@slowly
@given(cases.conditions(st.one_of(cases.fact_leaves(), cases.time_leaves())), cases.views())
def test_a_single_question_changes_exactly_at_its_next_change(asked: Condition, view: View) -> None:
    now, change = evaluate(asked, view), next_change(asked, view)
    if change is None:
        return
    assert evaluate(asked, later(view, change - 1)) is now
    assert evaluate(asked, later(view, change)) is not now


@slowly
@given(cases.conditions(cases.run_sources()), cases.views())
def test_asking_only_at_next_changes_needs_few_looks(asked: Condition, view: View) -> None:
    looks, change = 0, next_change(asked, view)
    while change is not None and change < HORIZON:
        looks, view = looks + 1, later(view, change)
        change = next_change(asked, view)
    assert looks <= 12 * (1 + len(view.facts))


# ── What stands behind stage, kind and segments, one by one ──────────────────────────────────────────────────────────

VISIT = Fact(id=b"visit", kind=FactKind.VISITED, at=NOW - DAY, path="/pricing")
LAPSE = VISIT.at + 3 * DAY
LOOKED = condition("visited('/pricing*', within='3d')")
LEAD = Subscriber(1, b"a" * 16, "lead", NOW - 9 * DAY, "prospect", NOW - 9 * DAY, kind="ready")


def next_of(source: str, rules: Rules, person: Subscriber = LEAD, *facts: Fact) -> Instant | None:
    return next_change(condition(source), View(person, FactLog((VISIT, *facts)), NOW, rules))


def test_a_segment_is_asked_again_when_its_rule_lapses() -> None:
    rules = Rules(segments=MappingProxyType({"keen": LOOKED}))
    assert next_of("in_segment('keen')", rules) == LAPSE
    assert next_of("not in_segment('keen')", rules) == LAPSE
    assert next_of("in_segment('gone')", rules) is None


def test_a_kind_is_asked_again_when_any_kind_lapses() -> None:
    rules = Rules(kinds=(("ready", LOOKED), ("referred", condition("referred"))))
    assert next_of("kind == 'ready'", rules) == LAPSE
    assert next_of("kind in ['referred']", rules) == LAPSE
    assert next_of("known('country')", rules) is None


def test_rules_behind_rules_are_followed_to_the_end() -> None:
    rules = Rules(
        kinds=(("ready", condition("in_segment('warm')")),),
        segments=MappingProxyType({"warm": condition("in_segment('keen')"), "keen": LOOKED}),
        rises=MappingProxyType({"prospect": condition("kind == 'ready'")}),
    )
    for source in ("in_segment('warm')", "kind == 'ready'", "stage == 'lead'", "in_stage_for('20d')"):
        assert next_of(source, rules) is not None, source
        assert next_of(source, rules) == LAPSE, source


def test_a_change_of_stage_ends_every_stay_in_a_stage_also_behind_a_segment() -> None:
    rules = Rules(
        segments=MappingProxyType({"settled": condition("in_stage_for('1d')")}),
        rises=MappingProxyType({"prospect": condition("not visited('/pricing*', within='3d')")}),
    )
    assert next_of("in_segment('settled')", rules) == LAPSE


def test_rules_that_chase_each_other_come_to_an_end() -> None:
    rules = Rules(
        kinds=(("ready", condition("in_segment('kind') or stage == 'lead'")),),
        segments=MappingProxyType({"kind": condition("kind == 'ready' and stage == 'lead'")}),
        falls=MappingProxyType({"lead": condition("kind == 'none' and in_segment('kind')")}),
    )
    assert next_of("kind == 'ready'", rules) is None
    assert next_of("stage == 'lead'", rules) is None


def test_rule_20_a_stage_is_asked_again_a_day_after_a_fall() -> None:
    fallen = replace(LEAD, fell_from=MappingProxyType({"prospect": NOW - 20 * HOUR}))
    assert next_of("stage == 'lead'", Rules(), fallen) == NOW + 4 * HOUR
    assert next_of("stage == 'lead'", Rules()) is None


def test_a_timer_behind_a_rung_is_looked_at_when_it_is_ripe() -> None:
    fall = condition("held_for('2d', referrals < 1)")
    (digest,) = fall.names().timers
    timed = replace(LEAD, timers=MappingProxyType({digest: NOW - DAY}))
    assert next_of("stage == 'lead'", Rules(falls=MappingProxyType({"lead": fall})), timed) == NOW + DAY


def test_a_timer_is_looked_at_even_where_the_rest_makes_the_answer_sure() -> None:
    source = "referred and held_for('9d', visited('/pricing*', within='3d'))"
    assert next_of(source, Rules()) == LAPSE
    assert next_of("referred and visited('/pricing*', within='3d')", Rules()) is None


def test_an_answer_within_a_time_is_asked_again_when_it_is_too_old() -> None:
    answer = Fact(id=b"nps", kind=FactKind.ANSWERED, at=NOW - HOUR, name="nps", fields=MappingProxyType({"answer": 9}))
    assert next_of("answer('nps', within='3h') >= 9", Rules(), LEAD, answer) == NOW + 2 * HOUR
    assert next_of("answer('nps') >= 9", Rules(), LEAD, answer) is None


def test_of_false_parts_the_last_to_change_decides() -> None:
    assert next_of("idle_for('10d') and in_stage_for('11d')", Rules()) == NOW + 2 * DAY
    assert next_of("idle_for('10d') or in_stage_for('11d')", Rules()) == NOW + DAY
    assert next_of("idle_for('10d') and referred", Rules()) is None
