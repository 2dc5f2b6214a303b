"""Threes: whatever is spelt beforehand, the lines are those of the whole text."""

from binascii import b2a_base64

from hypothesis import given
from hypothesis import strategies as st

from app.mail.encode import base64_lines
from app.mail.threes import Threes

VALUES = (b"a", b"bc", b"def", "سارا".encode(), b"0123456789abcdefghijklmnopqrstuv", b"x" * 120)
OTHERS = tuple(bytes(byte ^ 1 for byte in value) for value in VALUES)
NUMBERS = st.integers(0, len(VALUES) - 1)
TEXTS = st.lists(st.one_of(st.binary(max_size=130), NUMBERS), max_size=12)
FIRST = 100


def spelt(threes: Threes, lines: list[bytes | int], values: tuple[bytes, ...]) -> bytes:
    """A letter with these values."""
    raw = b"".join(values[part] if isinstance(part, int) else part for part in threes.windows)
    code = threes.cutter()(b2a_base64(raw, newline=False))
    assert len(raw) % 3 == 0
    return b"".join(code[part - FIRST] if isinstance(part, int) else part for part in lines)


@given(texts=st.lists(TEXTS, min_size=1, max_size=2))
def test_the_lines_are_those_of_the_whole_text(texts: list[list[bytes | int]]) -> None:
    threes = Threes(lambda number: len(VALUES[number]), FIRST)
    made = [(text, threes.body([*text, b".."])) for text in texts]
    for values in (VALUES, OTHERS):
        for text, lines in made:
            whole = b"".join(values[part] if isinstance(part, int) else part for part in [*text, b".."])
            assert lines is not None
            assert spelt(threes, lines, values) == base64_lines(whole)


@given(text=TEXTS, number=NUMBERS)
def test_a_value_at_the_very_end_is_spelt_or_refused(text: list[bytes | int], number: int) -> None:
    threes = Threes(lambda each: len(VALUES[each]), FIRST)
    whole = b"".join(OTHERS[part] if isinstance(part, int) else part for part in [*text, number])
    lines = threes.body([*text, number])
    assert (lines is None) == (len(whole) % 3 > 0)
    if lines is not None:
        assert spelt(threes, lines, OTHERS) == base64_lines(whole)


def test_what_is_alike_is_spelt_once() -> None:
    threes = Threes(lambda _: 32, FIRST)
    link: list[bytes | int] = [b"...https://example.com/c/", 0, b"/1 "]
    assert threes.body([part for _ in range(9) for part in link]) is not None
    assert sum(isinstance(part, int) for part in threes.windows) <= 3
