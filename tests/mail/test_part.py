"""One text of a mail: what is prepared beforehand changes nothing of what a reader gets."""

import quopri
import re
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.bidi import clean
from app.mail.part import Part

SOURCE = (
    "Hello {{ name }}\n\n{% if more %}More for {{ name }}.\n\n{% endif %}\n\n{{ url }}\n. a dot\n\n\n\n"
    "{% if less %} \t\n{% endif %}\n\n{% for one in many %}- {{ one }}\n{% endfor %}\n\n\nEnd = {{ url }}"
)
# what the filters of every place leave of a value: no template yields a carriage return
VALUES = st.text(max_size=30).map(clean) | st.sampled_from(
    ["", " ", "\n", "\u200f", "Alice", "https://example.com/" + "a" * 90, "."]
)
READERS = st.fixed_dictionaries(
    {"name": VALUES, "url": VALUES, "more": st.booleans(), "less": st.booleans(), "many": st.lists(VALUES, max_size=3)}
)


@pytest.fixture(params=[False, True], ids=["quoted-printable", "base64"], scope="module")
def part(request: pytest.FixtureRequest) -> Part:
    return Part(SOURCE, "en", is_base64=bool(request.param))


def decoded(part: Part, wire: list[bytes]) -> str:
    data = b"".join(wire)
    raw = b64decode(data) if part.is_base64 else quopri.decodestring(data)
    return raw.decode().replace("\r\n", "\n").replace("\r", "\n")


def plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")


@given(reader=READERS)
def test_a_text_from_a_known_shape_is_the_text(part: Part, reader: dict[str, object]) -> None:
    pieces = part.pieces(reader)
    whole = "".join(pieces)
    filled, wire = part.filled(pieces, {})
    assert str(filled) == whole
    assert decoded(part, wire) == plain(whole)


@given(reader=READERS)
def test_heaps_of_empty_lines_go_whatever_the_shape(part: Part, reader: dict[str, object]) -> None:
    pieces = part.pieces(reader)
    whole = "".join(pieces)
    tidy = re.sub(r"\n(?:[ \t\u200f]*\n){2,}", "\n\n", whole).strip("\n") + "\n" if "\n\n\n" in whole else whole
    text, wire = part.tidied(pieces, {})
    assert text == tidy
    assert decoded(part, wire) == plain(tidy)


def test_only_a_few_shapes_are_kept() -> None:
    part = Part("{% for one in many %}- {{ one }}\n{% endfor %}", "en", is_base64=False)
    for count in range(30):
        filled, _ = part.filled(part.pieces({"many": ["x"] * count}), {})
        assert str(filled) == "- x\n" * count
    assert len(part._shapes) <= 8
