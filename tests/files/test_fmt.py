"""The canonical form: the same again gives the same, nothing changes its meaning, no comment is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.files import fmt, read
from app.files.fmt import document
from app.files.nodes import to_data
from app.files.yaml import parse
from tests.files.sites import MAILS, base_site, cases, examples

REMARKED = """\
# remark 1
survey: nps  # remark 2
# remark 3
scale: 0-10   # remark 4

# remark 5
question: Well?
# remark 6
"""
CANONICAL = """\
# remark 1
survey: nps  # remark 2

# remark 5
question: Well?
# remark 3
scale: 0-10  # remark 4
# remark 6
"""


def meaning(text: str) -> object:
    documents, problems = parse(text, "a.yaml", is_many=True)
    return [to_data(each) for each in documents] if not problems else None


def comments(text: str) -> list[str]:
    return sorted(re.findall(r"(?:^|\s)(# remark [0-9]+)", text))


@pytest.mark.parametrize("text", [*examples().values(), *base_site().values(), *(case.text for case in cases())])
def test_every_file_we_have_keeps_its_meaning_and_is_canonical_after_once(text: str) -> None:
    written = fmt(text)
    assert fmt(written) == written
    assert meaning(written) == meaning(text)


@pytest.mark.parametrize("path", [path for path in examples() if path.endswith(".yaml")])
def test_no_example_has_to_be_left_as_it_is(path: str) -> None:
    assert all(document(part) is not None for part in re.split(r"^---\n", examples()[path], flags=re.MULTILINE))


def test_keys_come_in_the_order_of_the_reference() -> None:
    assert fmt("survey: nps\nscale: 0-10\nquestion: Well?\n") == "survey: nps\nquestion: Well?\nscale: 0-10\n"


def test_stages_and_kinds_keep_their_order_because_it_means_something() -> None:
    text = 'stages:\n  zebra: {}\n  ant: {rise: "confirmed"}\n'
    assert fmt(text) == text


def test_comments_travel_with_the_line_they_speak_of() -> None:
    assert fmt(REMARKED) == CANONICAL


def test_a_sign_inside_a_text_is_no_comment() -> None:
    assert fmt('survey: nps\nquestion: "No # comment"\n') == 'survey: nps\nquestion: "No # comment"\n'


def test_a_long_line_is_opened_into_a_block() -> None:
    long = "x" * 100
    assert fmt(f'survey: nps\nquestion: {{en: "{long}", fa: "y"}}\n') == (
        f'survey: nps\nquestion:\n  en: "{long}"\n  fa: "y"\n'
    )


def test_spaces_quotes_and_indentation_are_made_even() -> None:
    assert fmt("campaign:   x\nenter: []\nsequences:\n      any:\n      -  send:   'a/b'\n") == (
        'campaign: x\nenter: []\nsequences:\n  any:\n    - send: "a/b"\n'
    )


def test_what_cannot_be_read_is_left_alone() -> None:
    assert fmt("a: [1, 2") == "a: [1, 2"
    assert fmt("- just a list\n") == "- just a list\n"


LINES = st.lists(
    st.sampled_from(
        [
            "campaign: x",
            "title: Hello",
            "# remark 1",
            "  # remark 2",
            "",
            "state: live  # remark 3",
            "enter: {box: book}",
            "sequences:",
            "  any:",
            "    - send: a/b",
            "    - wait: 2d  # remark 4",
            "      note: |",
            "        Two",
            "        lines",
            "    # remark 5",
            '    - if: "confirmed"',
            "      then: [{send: a}, # remark 6",
            "        {send: b}]",
            "    - {wait: 1d, note: 'it''s'}",
            "  lead: []",
            'goal: "bought()"',
        ]
    ),
    max_size=14,
)


@given(LINES)
def test_any_mixture_of_lines_keeps_its_meaning_and_its_comments(lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    written = fmt(text)
    assert fmt(written) == written
    assert meaning(written) == meaning(text)
    assert comments(written) == comments(text)


def test_the_workspace_read_from_canonical_files_is_the_same() -> None:
    before, _ = read(base_site())
    after, _ = read({path: fmt(text) if path.endswith(".yaml") else text for path, text in base_site().items()})
    assert before is not None
    assert after is not None
    assert {key: each.digest for key, each in before.campaigns.items()} == {
        key: each.digest for key, each in after.campaigns.items()
    }
    assert len(MAILS) == len(after.mails)
