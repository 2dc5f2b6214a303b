"""Checking conditions against the declared words, and against where they stand."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from app.core.conditions import Condition, ConditionSite, SurveyWords, Words, check, parse
from app.core.problem import Problem
from app.core.site import Attribute, AttributeType, EventType
from app.core.text import Place, Text
from tests.core.condition_cases import condition

OPTIONS = (("low", Text.plain("Low")), ("high", Text.plain("High")))
ATTRIBUTES = {
    "city": Attribute("city", AttributeType.TEXT),
    "visits": Attribute("visits", AttributeType.NUMBER),
    "budget": Attribute("budget", AttributeType.CHOICE, options=OPTIONS),
    "interests": Attribute("interests", AttributeType.CHOICES, options=OPTIONS),
    "words": Attribute("words", AttributeType.LIST),
    "vip": Attribute("vip", AttributeType.BOOL),
    "delivery": Attribute("delivery", AttributeType.DATE),
    "birthday": Attribute("birthday", AttributeType.DAY),
}
EVENTS = {
    "cart_updated": EventType(
        "cart_updated", "cart_id", (("total", AttributeType.MONEY), ("items", AttributeType.LIST))
    ),
    "asked": EventType("asked"),
}
WORDS = Words(
    stages=("potential", "lead", "prospect"),
    kinds=("ready", "searcher"),
    locales=("fa", "en"),
    attributes=MappingProxyType(ATTRIBUTES),
    events=MappingProxyType(EVENTS),
    surveys=MappingProxyType({"nps": SurveyWords(low=0, high=10), "why": SurveyWords(("price", "time"))}),
    topics=frozenset({"herbs"}),
    segments=frozenset({"big_spenders"}),
    boxes=frozenset({"ebook"}),
    products=frozenset({"basket"}),
    tags=frozenset({"vip"}),
    mails=MappingProxyType({"ebook/story": frozenset({"download"}), "ebook/old": frozenset()}),
    sent=frozenset({"ebook/story"}),
)
CART = replace(WORDS, entered_by=("cart_updated",), run_key="cart_id")


def problems(source: str, site: ConditionSite = ConditionSite.STEP, words: Words = WORDS) -> tuple[Problem, ...]:
    return check(condition(source), words, site)


@pytest.mark.parametrize(
    "source",
    [
        "stage == 'lead' and kind in ['ready', 'none'] and locale == 'fa' and box == 'ebook' and country == 'IR'",
        "attribute('budget') == 'high' or attribute('visits') >= 2.5 or attribute('vip')",
        "'low' in attribute('interests') and 'anything' in attribute('words')",
        "attribute('delivery') >= '2026-11-22' and known('birthday') and attribute('city') < 'م'",
        "answer('nps') >= 9 or answer('why') == 'price' or known(answer('why'))",
        "clicked('ebook/story', link='download', topic='herbs') and did('asked', within='3d')",
        "bought(product='basket', ever=True) and in_segment('big_spenders') and tagged('vip')",
        "score >= 30 and idle_for('3d') and chance('10%', 'trial') and overdue(1.5)",
    ],
)
def test_what_is_declared_may_be_asked(source: str) -> None:
    assert problems(source) == ()


WRONG = [
    ("stage == 'prospct'", "unknown-stage", "`prospect`"),
    ("kind == 'redy'", "unknown-kind", "`ready`"),
    ("locale == 'de'", "unknown-locale", "en, fa"),
    ("box == 'e-book'", "unknown-box", "`ebook`"),
    ("country == 'ir'", "type", "`'IR'`"),
    ("attribute('budgte') == 'high'", "unknown-attribute", "`budget`"),
    ("known('citty')", "unknown-attribute", "`city`"),
    ("attribute('budget') == 'hihg'", "type", "'low', 'high'"),
    ("attribute('budget') in ['low', 'mid']", "type", "'low', 'high'"),
    ("attribute('budget') > 'low'", "type", "attribute('budget') == 'low'"),
    ("attribute('visits') == 'many'", "type", "attribute('visits') >= 10"),
    ("attribute('city') == 5", "type", "attribute('city') == '…'"),
    ("attribute('city')", "type", "compare it"),
    ("attribute('vip') == 'yes'", "type", "`attribute('vip')`"),
    ("attribute('interests') == 'low'", "type", "'low' in attribute('interests')"),
    ("'mid' in attribute('interests')", "type", "'low', 'high'"),
    ("'low' in attribute('budget')", "type", "attribute('budget') == 'low'"),
    ("attribute('delivery') >= '1405-09-01'", "type", "'2026-11-22'"),
    ("attribute('delivery') >= 'soon'", "type", "2026-11-22"),
    ("attribute('birthday') == '05-21'", "type", "known('birthday')"),
    ("answer('npx') > 3", "unknown-survey", "`nps`"),
    ("answer('nps') > 11", "type", "scale"),
    ("answer('nps') == 'good'", "type", "answer('nps') >= 10"),
    ("answer('why') == 'prize'", "type", "'price', 'time'"),
    ("received('ebook/stori')", "unknown-mail", "`ebook/story`"),
    ("clicked('ebook/story', link='downlod')", "unknown-link", "`download`"),
    ("clicked(topic='herb')", "unknown-topic", "`herbs`"),
    ("did('aksed')", "unknown-event", "`asked`"),
    ("bought(product='bascket')", "unknown-product", "`basket`"),
    ("in_segment('big_spender')", "unknown-segment", "`big_spenders`"),
    ("event('total') > 3", "place", "enter: {on: …}"),
    ("did('asked', same='cart_id')", "place", "again: {each: …}"),
    ("held_for('1d', confirmed)", "place", "in_segment"),
]


@pytest.mark.parametrize(("source", "code", "fix"), WRONG, ids=[case[0] for case in WRONG])
def test_what_is_not_there_or_does_not_fit_is_an_error_with_a_fix(source: str, code: str, fix: str) -> None:
    (problem,) = problems(source)
    assert problem.code == f"condition-{code}"
    assert problem.is_error
    assert fix in problem.fix


FINDINGS = [
    ("received('ebook/old')", WORDS, "send the mail"),
    ("tagged('vpi')", WORDS, "`vip`"),
    ("opened('ebook/story')", replace(WORDS, tracks_opens=False), "tracking"),
    ("clicked('ebook/story')", replace(WORDS, tracks_clicks=False), "tracking"),
]


@pytest.mark.parametrize(("source", "words", "fix"), FINDINGS, ids=[case[0] for case in FINDINGS])
def test_what_can_never_change_is_a_finding(source: str, words: Words, fix: str) -> None:
    (problem,) = problems(source, words=words)
    assert (problem.code, problem.is_error) == ("condition-never", False)
    assert fix in problem.fix


def test_the_event_of_a_run_and_its_key_may_be_asked_where_an_event_begins_runs() -> None:
    assert problems("event('total') > 0 and did('cart_updated', same='cart_id')", words=CART) == ()
    assert problems("event('cart_id') == '7'", words=CART, site=ConditionSite.ENTRY) == ()
    (problem,) = problems("event('totla') > 0", words=CART)
    assert "`total`" in problem.fix
    (problem,) = problems("event('total') == 'much'", words=CART)
    assert problem.code == "condition-type"
    (problem,) = problems("did('cart_updated', same='cart')", words=CART)
    assert "`cart_id`" in problem.fix


@pytest.mark.parametrize("site", list(ConditionSite))
def test_rule_18_held_for_stands_only_in_rungs_kinds_and_segments(site: ConditionSite) -> None:
    found = [problem.code for problem in problems("held_for('1d', confirmed)", site)]
    may = site in (ConditionSite.LADDER, ConditionSite.KIND, ConditionSite.SEGMENT)
    assert found == ([] if may else ["condition-place"])


@pytest.mark.parametrize("site", list(ConditionSite))
def test_ever_is_needless_where_facts_count_ever(site: ConditionSite) -> None:
    found = [problem.code for problem in problems("bought(ever=True)", site)]
    in_a_run = site in (ConditionSite.GOAL, ConditionSite.WHILE, ConditionSite.STEP)
    assert found == ([] if in_a_run else ["condition-needless"])


def test_a_kind_is_not_decided_by_the_kind() -> None:
    assert [problem.code for problem in problems("kind == 'ready'", ConditionSite.KIND)] == ["condition-circle"]
    assert [problem.code for problem in problems("fit > 3", ConditionSite.SITE_RULE)] == ["condition-circle"]


def test_words_that_are_not_kept_are_not_checked() -> None:
    free = replace(WORDS, products=None, tags=None, sent=None)
    assert problems("bought(product='x') and tagged('y') and received('ebook/old')", words=free) == ()


def test_lookalikes_in_keys_are_recognised() -> None:
    (problem,) = problems("attribute('b\u0443dget') == 'high'")
    assert "`budget`" in problem.fix


def test_problems_inside_held_for_are_found_too_and_all_in_the_order_written() -> None:
    asked = parse("held_for('1d', did('aksed')) and in_segment('x')", Place("l.yaml", 4, 10))
    assert isinstance(asked, Condition)
    found = check(asked, WORDS, ConditionSite.LADDER)
    assert [(problem.file, problem.line, problem.column) for problem in found] == [("l.yaml", 4, 25), ("l.yaml", 4, 43)]
