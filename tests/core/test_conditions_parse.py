"""Reading conditions: what is right is read one way, what is wrong is explained at its place."""

from __future__ import annotations

import pickle
import re
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.conditions import Condition, parse
from app.core.conditions.functions import FUNCTIONS
from app.core.conditions.tree import And, Compare, Deed, Happened, Name, Named, Not, OneOf, Op, Or, Tagged
from app.core.facts import FactKind
from app.core.instants import DAY
from app.core.text import Place
from tests.core import condition_cases as cases
from tests.core.condition_cases import condition


def test_not_binds_tighter_than_and_and_and_tighter_than_or() -> None:
    tree = condition("not tagged('a') and tagged('b') or tagged('c')").tree
    assert tree == Or((And((Not(Tagged("a")), Tagged("b"))), Tagged("c")))


def test_brackets_of_the_same_word_are_one_join() -> None:
    assert condition("tagged('a') and (tagged('b') and tagged('c'))").tree == And(
        (Tagged("a"), Tagged("b"), Tagged("c"))
    )


def test_a_constant_on_the_left_is_turned_round() -> None:
    assert condition("30 <= score").tree == Compare(Named(Name.SCORE), Op.GE, 30)


def test_not_in_is_the_denial_of_in() -> None:
    assert condition("stage not in ['lead', 'loyal']").tree == Not(OneOf(Named(Name.STAGE), ("lead", "loyal")))


def test_all_options_of_a_counting_function_are_read() -> None:
    tree = condition("clicked('ebook/story', link='download', topic='herbs', times=3, within='1w')").tree
    assert tree == Happened(Deed.CLICKED, "ebook/story", "download", "herbs", times=3, within=7 * DAY)


def test_text_is_kept_in_nfc() -> None:
    assert condition("attribute('city') == 'Zu\u0308rich'") == condition("attribute('city') == 'Z\u00fcrich'")


def test_persian_text_with_a_zero_width_non_joiner_is_text_like_any_other() -> None:
    assert condition("tagged('علاقه‌مند')").tree == Tagged("علاقه‌مند")


def test_spacing_and_places_make_no_other_condition() -> None:
    one, two = condition("score>=30   and confirmed"), parse("score >= 30 and\n confirmed", Place("x.yaml", 3, 9))
    assert one == two
    assert hash(one) == hash(two)
    assert isinstance(two, Condition)
    assert one.digest == two.digest
    assert repr(one) == repr(two) == "Condition('score >= 30 and confirmed')"


def test_a_condition_survives_pickling_with_its_digest() -> None:
    asked = condition("held_for('14d', score < 20)")
    assert pickle.loads(pickle.dumps(asked)) == asked


@given(cases.conditions(st.one_of(cases.run_sources(), cases.held_leaves())))
def test_the_canonical_text_reads_back_to_the_same_tree(asked: Condition) -> None:
    again = condition(str(asked))
    assert again.tree == asked.tree
    assert again.digest == asked.digest
    assert str(again) == str(asked)


WRONG = [
    ("", 1, "condition-empty", "`confirmed`"),
    ("stage = 'lead'", 7, "condition-assignment", "`==`"),
    ("score", 1, "condition-type", "score >= 30"),
    ("10 <= score < 30", 13, "condition-chain", "`10 <= score and score < 30`"),
    ("confirmed == True", 14, "condition-type", "`confirmed`"),
    ("attribute('vip') != true", 21, "condition-type", "`not attribute('vip')`"),
    ("attribute('budget') == None", 24, "condition-type", "`not known(…)`"),
    ("clicked('a') > 2", 1, "condition-type", "times="),
    ("confirmed && referred", 11, "condition-sign", "`and`"),
    ("confirmed AND referred", 11, "condition-word", "`and`"),
    ("!confirmed", 1, "condition-sign", "`not`"),
    ("score => 30", 7, "condition-sign", "`>=`"),
    ("score ≥ 30", 7, "condition-sign", "`>=`"),
    ("stage == “lead”", 10, "condition-sign", "`'`"),
    ("stage == «lead»", 10, "condition-sign", "`'`"),
    ("stage == lead", 10, "condition-type", "`'lead'`"),
    ("stage == 'lead", 10, "condition-quote", "`'`"),
    ("stage > 'lead'", 1, "condition-type", "stage in"),
    ("score == 30", 1, "condition-type", "`>=`"),
    ("score == 'high'", 10, "condition-type", "score >= 30"),
    ("orders in ['one']", 11, "condition-type", "orders >= 1"),
    ("scor >= 30", 1, "condition-name", "`score`"),
    ("budget == 'high'", 1, "condition-name", "attribute('budget')"),
    ("bougth()", 1, "condition-function", "bought("),
    ("score() >= 3", 1, "condition-function", "`score`"),
    ("bought", 1, "condition-name", "bought(product='herbs')"),
    ("did('x', wihtin='3d')", 10, "condition-argument", "`within=`"),
    ("did()", 1, "condition-argument", "did('demo_requested')"),
    ("did('x', times=1, times=2)", 19, "condition-argument", "remove one"),
    ("did('x', times=0)", 16, "condition-argument", "times=3"),
    ("did('x', within='3d', ever=True)", 28, "condition-argument", "keep one"),
    ("did('x', ever=False)", 15, "condition-argument", "`ever=True`"),
    ("received(mail='x')", 10, "condition-argument", "first, without a name"),
    ("clicked(link='x')", 14, "condition-argument", "clicked('mail', link='…')"),
    ("bought('herbs')", 8, "condition-argument", "product="),
    ("visited('/a*b')", 9, "condition-path", "`'/a*'`"),
    ("visited('pricing')", 9, "condition-path", "`'/pricing'`"),
    ("idle_for('60 d')", 10, "condition-duration", "`'60d'`"),
    ("idle_for('۶۰d')", 10, "condition-duration", "`'60d'`"),
    ("idle_for(60d)", 10, "condition-number", "`'60d'`"),
    ("idle_for('0d')", 10, "condition-duration", "1s"),
    ("chance('0.1', 'x')", 8, "condition-share", "'10%'"),
    ("chance('150%', 'x')", 8, "condition-share", "'10%'"),
    ("overdue('1.5')", 9, "condition-argument", "1.5"),
    ("held_for('1d', held_for('2d', confirmed))", 16, "condition-argument", "added up"),
    ("known('score')", 7, "condition-argument", "remove"),
    ("revenue >= 5_000_000", 12, "condition-number", "`5000000`"),
    ("revenue >= ۵۰۰", 12, "condition-letters", "`500`"),
    ("revenue >= 1e9", 12, "condition-number", "digits"),
    ("st\u0430ge == 'lead'", 3, "condition-letters", "`stage`"),
    ("score\u200c >= 3", 6, "condition-letters", "`score`"),
    ("امتیاز >= 3", 1, "condition-letters", "Latin"),
    ("score \u202e>= 3", 7, "condition-hidden", "remove"),
    ("tagged('a\u2066b')", 10, "condition-hidden", "remove"),
    ("tagged('a\\n')", 10, "condition-escape", "backslash"),
    ("tagged('')", 8, "condition-argument", "key"),
    ("(confirmed", 1, "condition-bracket", "`)`"),
    ("confirmed)", 10, "condition-bracket", "remove"),
    ("confirmed referred", 11, "condition-unexpected", "`and`"),
    ("confirmed and", 14, "condition-unfinished", "missing"),
    ("1 == 1", 1, "condition-type", "name"),
    ("stage in []", 10, "condition-list", "values"),
    ("stage in 'lead'", 10, "condition-type", "`in ['lead']`"),
    ("'x' in stage", 8, "condition-type", "=="),
    ("attribute('a') == attribute('b')", 19, "condition-type", "constant"),
    ("[1]", 1, "condition-type", "`stage in [...]`"),
    ("__import__('os')", 1, "condition-function", "there are"),
    ("stage.upper() == 'x'", 6, "condition-sign", "remove"),
]


@pytest.mark.parametrize(("source", "column", "code", "fix"), WRONG, ids=[case[0][:30] or "empty" for case in WRONG])
def test_a_wrong_condition_is_explained_at_its_place(source: str, column: int, code: str, fix: str) -> None:
    problems = parse(source, Place("a.yaml", 7, 1))
    assert not isinstance(problems, Condition)
    first = problems[0]
    assert (first.file, first.line, first.column, first.code) == ("a.yaml", 7, column, code)
    assert fix in first.fix


def test_all_problems_of_the_parts_are_told_at_once() -> None:
    problems = parse("scor > 1 or (stage and did()) or confirmed")
    assert not isinstance(problems, Condition)
    assert [problem.column for problem in problems] == [0, 13, 23]


def test_columns_of_a_text_over_several_lines_are_counted_from_its_lines() -> None:
    source = "confirmed and scor > 1"
    problems = parse(source, Place("a.yaml", 2, 5), lines=((14, Place("a.yaml", 3, 9)),))
    assert not isinstance(problems, Condition)
    assert (problems[0].line, problems[0].column) == (3, 9)


HOSTILE = [
    "(" * 10_000,
    "(" * 1_900 + ")" * 1_900,
    "not " * 900 + "confirmed",
    "[" * 2_000,
    "did(" * 900,
    "held_for('1d', " * 200 + "confirmed" + ")" * 200,
    "score > " + "9" * 3_000,
    "score > 0." + "9" * 3_000,
    "a" * 3_999,
    "'" + "a" * 3_900 + "' == stage",
    "-" * 3_000 + "1 < score",
    "attribute('" + "\u0430" * 3_000 + "')",
    "\u200c" * 3_000,
    "۹" * 3_000,
    "é" * 100_000,
    "stage in [" + "'a'," * 900 + "]",
    "x" + "\u0301" * 3_000,
    "\x00",
    "\ud800",
    "1 < 2 " * 600,
    "clicked(" + "times=1," * 400 + ")",
]


@pytest.mark.parametrize("source", HOSTILE, ids=[case[:12] + f"…{len(case)}" for case in HOSTILE])
def test_hostile_text_is_a_problem_and_quickly_told(source: str) -> None:
    started = time.perf_counter()
    problems = parse(source)
    assert time.perf_counter() - started < 0.5
    assert not isinstance(problems, Condition)
    assert all(len(problem.message) < 300 and len(problem.fix) < 400 for problem in problems)


def test_a_long_but_honest_condition_is_read_quickly() -> None:
    source = " or ".join(f"tagged('tag{number}')" for number in range(200))
    started = time.perf_counter()
    assert isinstance(parse(source), Condition)
    assert time.perf_counter() - started < 0.5


PIECES = (
    "and or not in ( ) [ ] , = == != < <= >= - 1 2.5 'a' \"b\" score stage confirmed did known True held_for times "
    "within ever attribute clicked visited '7d' '10%' chance . \u0430 ی \u200c ۱ \\ * % # \n"
)
WORDS = st.sampled_from(PIECES.split(" "))


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=25).map(" ".join), st.lists(WORDS).map("".join)))
def test_any_text_is_a_condition_or_a_problem_with_a_place_and_a_fix(source: str) -> None:
    result = parse(source, Place("a.yaml", 1, 1))
    if isinstance(result, Condition):
        assert condition(str(result)).tree == result.tree
        return
    assert result
    for problem in result:
        assert 1 <= problem.column <= len(source) + 1
        assert problem.message
        assert problem.fix
        assert problem.code.startswith("condition-")


def test_names_tell_what_a_condition_leans_on() -> None:
    names = condition(
        "clicked('ebook/story', link='buy') and did('asked', within='3d') and attribute('budget') == 'high'"
        " and in_segment('big') and answer('nps') > 8 and visited('/p*') and kind == 'ready' and tagged('x')"
    ).names()
    assert names.mails == {"ebook/story"}
    assert names.links == {("ebook/story", "buy")}
    assert names.events == {"asked"}
    assert names.attributes == {"budget"}
    assert names.segments == {"big"}
    assert names.surveys == {"nps"}
    assert names.paths == {"/p*"}
    assert names.tags == {"x"}
    assert names.uses_kind
    assert not names.uses_stage
    assert not names.uses_score
    assert names.lapses
    assert {FactKind.CLICKED, FactKind.EVENT, FactKind.CHANGED, FactKind.ANSWERED} <= names.kinds


def test_a_condition_about_orders_alone_is_changed_by_orders_alone() -> None:
    names = condition("bought(times=2)").names()
    assert names.kinds == {FactKind.ORDERED}
    assert not names.lapses


def test_needs_ask_for_the_newest_facts_that_can_matter_and_no_others() -> None:
    needs = condition("clicked('a', times=2, within='3d') or overdue(1.5) or tagged('x')").needs()
    asked = {(need.kind, need.what, need.times, need.within) for need in needs}
    assert asked == {(FactKind.CLICKED, "a", 2, 3 * DAY), (FactKind.ORDERED, "", 0, None)}


@given(cases.conditions(cases.run_sources()))
def test_texts_of_a_tree_are_in_nfc(asked: Condition) -> None:
    assert unicodedata.is_normalized("NFC", str(asked))


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "conditions.md"


def test_the_reference_page_names_every_name_function_option_and_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for function in FUNCTIONS:
        assert re.search(rf"`{function}\(", page), function
    for word in (*Name, *(f"{option}=" for each in FUNCTIONS.values() for option in each.options)):
        assert re.search(rf"[`( ]{word}", page), word
    for code in {code for _, _, code, _ in WRONG}:
        assert f"`{code.removeprefix('condition-')}`" in page, code


def test_the_examples_given_with_errors_are_right_themselves() -> None:
    for function in FUNCTIONS.values():
        example = f"{function.example} == 'x'" if function.gives_value else function.example
        assert isinstance(parse(example), Condition), example
