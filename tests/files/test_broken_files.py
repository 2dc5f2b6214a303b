"""A corpus of broken files: each one is answered with exactly these lines, and the schema agrees."""

from __future__ import annotations

import jsonschema
import pytest

from app.core.check import CODES
from app.files import check, schema
from app.files.nodes import to_data
from app.files.yaml import parse
from tests.files.sites import TODAY, Case, base_site, cases

CASES = cases()
STRUCTURE = jsonschema.Draft202012Validator(schema())


def names(case: Case) -> str:
    return case.name


def printed(case: Case) -> tuple[str, ...]:
    site = base_site() | {case.path: case.text}
    return tuple(str(problem) for problem in check(site, (), TODAY) if problem.code != "not-yet-acting")


def test_the_corpus_is_large_and_the_unbroken_site_is_clean() -> None:
    assert len(CASES) >= 150
    assert [str(each) for each in check(base_site(), (), TODAY) if each.code != "not-yet-acting"] == []


@pytest.mark.parametrize("case", CASES, ids=names)
def test_a_broken_file_is_answered_with_exactly_these_lines(case: Case) -> None:
    assert printed(case) == case.expected


@pytest.mark.parametrize("case", CASES, ids=names)
def test_the_schema_refuses_what_is_wrong_in_form_and_nothing_else(case: Case) -> None:
    documents, problems = parse(case.text, case.path, is_many=case.path.endswith(".test.yaml"))
    if case.kind == "syntax":
        assert problems
        return
    assert documents
    assert not problems
    is_valid = all(STRUCTURE.is_valid(to_data(document)) for document in documents)
    assert is_valid == (case.kind == "meaning")


def test_every_code_in_the_corpus_is_described_and_most_codes_are_in_the_corpus() -> None:
    met = {line.partition(" (")[2].partition(").")[0] for case in CASES for line in case.expected if " (" in line}
    own = {code for code in met if not code.startswith("condition-")}
    described = set(CODES)
    assert {code for code in own if code and " " not in code} <= described | {"first message in brackets"}
    assert len(own & described) >= 90
