"""How well diagnoses are understood: some two hundred answers in the words of many servers, with the class each means.

`diagnoses.tsv`: class, code, enhanced status, whose words, text. They were written for this test after what providers
and programs document of themselves; a line's class is what a person would do about it, not what its code says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.mail.replies import ReplyClass, classify, find_status

RIGHT, RIGHT_HARD = 0.96, 0.97
"""A false `hard` loses a reader who is alive; a missed one costs the good name."""


@dataclass(frozen=True)
class Diagnosis:
    """One answer, and the class it means."""

    means: ReplyClass
    code: int
    status: str
    whose: str
    text: str

    @property
    def read_as(self) -> ReplyClass:
        return classify(self.code, self.status or find_status(self.text), self.text)

    @property
    def by_code(self) -> ReplyClass:
        """What the codes alone say."""
        return classify(self.code, self.status, "")


def diagnoses() -> Iterator[Diagnosis]:
    for line in Path(__file__).with_name("diagnoses.tsv").read_text("utf-8").splitlines():
        means, code, status, whose, text = line.split("\t")
        yield Diagnosis(ReplyClass(means), int(code), status, whose, text)


def test_the_corpus_is_large_and_of_many_hands() -> None:
    found = list(diagnoses())
    assert len(found) >= 200
    assert len({each.text for each in found}) == len(found)
    assert len({each.whose for each in found}) >= 40
    assert min(Counter(each.means for each in found).values()) >= 20


def test_nearly_all_are_understood_and_those_that_end_an_address_above_all() -> None:
    found = list(diagnoses())
    wrong = [
        f"{each.means} read as {each.read_as}: {each.text[:90]}" for each in found if each.read_as is not each.means
    ]
    called = [each for each in found if each.read_as is ReplyClass.HARD]
    meant = [each for each in found if each.means is ReplyClass.HARD]
    both = sum(each.means is ReplyClass.HARD for each in called)
    assert len(wrong) <= (1 - RIGHT) * len(found), "\n".join(wrong)
    assert both >= RIGHT_HARD * len(called), "\n".join(wrong)
    assert both >= RIGHT_HARD * len(meant), "\n".join(wrong)


def test_no_answer_about_us_ends_an_address() -> None:
    about_us = [each for each in diagnoses() if each.means in (ReplyClass.BLOCK, ReplyClass.THROTTLE)]
    assert [each.text for each in about_us if each.read_as is ReplyClass.HARD] == []


def test_the_words_are_worth_it() -> None:
    found = list(diagnoses())
    by_code = sum(each.by_code is each.means for each in found) / len(found)
    by_words = sum(each.read_as is each.means for each in found) / len(found)
    assert by_words > by_code + 0.2, f"{by_words:.1%} with the words, {by_code:.1%} with the codes alone"
