"""The next change of a condition is never late, and where nothing hides behind rules it is exact."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.core.conditions import Condition, View, evaluate, next_change
from app.core.instants import DAY, MINUTE, Instant
from tests.core import condition_cases as cases
from tests.core.condition_cases import NOW, later

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
    settled = at_rest(asked, view)
    now, until = evaluate(asked, settled), quiet_until(asked, settled)
    seen = settled
    for instant in sorted({*range(NOW, until, 9 * MINUTE), *cases.edges(settled, until), until}):
        seen = cases.asked_again(later(seen, instant), asked)
        assert evaluate(asked, seen) is now, (instant - NOW) / MINUTE


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
