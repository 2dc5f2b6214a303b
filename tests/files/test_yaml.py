"""YAML with positions: scalars of version 1.2, what is refused, two readers that agree, and hostile texts."""

from __future__ import annotations

import time

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from app.files.nodes import Data, Map, to_data
from app.files.yaml import FAST_LOADER, MAX_SIZE, PURE_LOADER, parse
from tests.files.sites import base_site, cases, examples


def data(text: str) -> Data:
    documents, problems = parse(text, "a.yaml")
    assert problems == ()
    return to_data(documents[0])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("10:30", "10:30"),
        ("01234", "01234"),
        ("1_000", "1_000"),
        ("2026-11-22", "2026-11-22"),
        ("0o17", 15),
        ("0x1F", 31),
        ("+10", 10),
        ("-3", -3),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        (".nan", ".nan"),
        (".e5", ".e5"),
        ("9" * 40, "9" * 40),
        ("true", True),
        ("~", None),
        ("", None),
        ('"5"', "5"),
        ("۵", "۵"),
    ],
)
def test_a_plain_scalar_has_the_value_of_yaml_1_2(written: str, meant: object) -> None:
    assert data(f"a: {written}") == {"a": meant}


def test_keys_stay_text_even_when_they_look_like_something_else() -> None:
    assert data("on: 1\n2026: 2\ntrue: 3") == {"on": 1, "2026": 2, "true": 3}


def test_positions_count_from_one_and_by_characters() -> None:
    documents, _ = parse('title: {en: "A", fa: "سلام", de: x}', "a.yaml")
    assert isinstance(documents[0], Map)
    title = documents[0].get("title")
    assert isinstance(title, Map)
    assert [key.span.column for key, _ in title.entries] == [9, 18, 30]


def test_windows_line_ends_and_a_byte_order_mark_are_fine() -> None:
    assert data("\ufeffa: 1\r\nb: 2\r\n") == {"a": 1, "b": 2}


def outcome(text: str, loader: type[object]) -> object:
    documents, problems = parse(text, "a.yaml", loader, is_many=True)
    return [to_data(document) for document in documents], problems


@pytest.mark.skipif(FAST_LOADER is PURE_LOADER, reason="this PyYAML has no C reader")
@pytest.mark.parametrize("text", [*examples().values(), *base_site().values(), *(case.text for case in cases())])
def test_both_readers_agree_on_every_file_we_have(text: str) -> None:
    assert outcome(text, FAST_LOADER) == outcome(text, PURE_LOADER)


PIECES = st.sampled_from(
    [
        *"abc019 \n\n  -:,[]{}#&*!|>'\"%@`?\\~.=<",
        "a: ",
        "- ",
        "\n  ",
        "\n    ",
        "en: ",
        '"x"',
        "'y'",
        "۵",
        "ي",
        "\u200c",
        ": ",
        " #",
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_both_readers_agree_on_any_text(text: str) -> None:
    assert outcome(text, FAST_LOADER) == outcome(text, PURE_LOADER)


@given(st.text(max_size=200))
def test_any_text_gives_a_document_or_a_problem_and_never_an_exception(text: str) -> None:
    documents, problems = parse(text, "a.yaml")
    assert documents or problems


@given(
    st.recursive(
        st.text(max_size=10) | st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner, max_size=4)
    )
)
def test_what_another_program_wrote_is_read_as_it_was_meant(value: object) -> None:
    text = pyyaml.safe_dump({"a": value}, allow_unicode=True, width=10_000)
    documents, problems = parse(text, "a.yaml")
    if not problems:
        assert list(to_data(documents[0])) == ["a"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "{a: " * 20_000,
        "- " * 50_000,
        "? " * 50_000,
        "a:\n" + "\n".join(" " * depth + "a:" for depth in range(1, 300)),
        "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(1000)),
        "a: " + "x" * MAX_SIZE,
        "- a\n" * 49_000,
        "a: 1\n" * 40_000,
        '"' * 10_001,
        "a: " + "(" * 10_000,
        "\n" * 190_000,
        "#" * 190_000,
        "a: |\n" + " x\n" * 60_000,
        "!" * 100_000,
        "%" * 100_000,
        ", " * 90_000,
        "a: {" + "b, " * 40_000 + "}",
    ],
    ids=range(18),
)
def test_hostile_files_are_answered_soon(text: str) -> None:
    began = time.perf_counter()
    documents, problems = parse(text, "a.yaml")
    assert documents or problems
    assert time.perf_counter() - began < 4
