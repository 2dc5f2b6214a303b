"""Scales, and a score that says how little it knows."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.offers import NumberScale, OptionScale, Survey
from app.core.surveying import option, options, promoter_score, result
from app.core.text import Text

NPS = Survey("nps", Text.plain("Would you?"), NumberScale(0, 10))
CHOICE = Survey("next", Text.plain("What?"), OptionScale((("a", Text.plain("A")), ("b", Text.plain("B")))))


def test_a_scale_has_both_its_ends_and_conditions_see_numbers() -> None:
    assert [each.key for each in options(NPS)] == [str(number) for number in range(11)]
    nine = option(NPS, "9")
    assert nine is not None
    assert nine.value == 9
    assert option(NPS, "11") is None
    assert option(NPS, "09") is None


def test_options_are_their_keys() -> None:
    chosen = option(CHOICE, "a")
    assert chosen is not None
    assert chosen.value == "a"
    assert option(CHOICE, "c") is None


def test_without_answers_there_is_no_score() -> None:
    assert promoter_score({}) is None
    assert result("", NPS, ()).score is None
    assert result("", CHOICE, [("a", 3)]).score is None


def test_one_answer_says_almost_nothing() -> None:
    found = promoter_score({10: 1})
    assert found is not None
    assert found.score == 100
    assert found.low < 0, "one happy person is no proof"


def test_the_score_is_promoters_less_detractors() -> None:
    found = promoter_score({10: 50, 9: 10, 8: 20, 3: 20})
    assert found is not None
    assert found.score == 40
    assert 20 < found.low < 40 < found.high < 56


@given(st.dictionaries(st.integers(0, 10), st.integers(0, 500), min_size=1))
def test_the_score_lies_within_its_interval_and_its_bounds(answers: dict[int, int]) -> None:
    found = promoter_score(answers)
    if found is not None:
        assert -100 <= found.low <= found.score <= found.high <= 100


def test_answers_off_the_scale_are_left_out_of_the_distribution() -> None:
    found = result("lead", NPS, [("9", 2), ("99", 5)])
    assert found.total == 2
    assert len(found.counts) == 11
