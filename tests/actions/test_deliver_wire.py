"""What a courier vouches for: its mails go over the wire as they are, with nothing to be doubled or mended."""

from __future__ import annotations

from quopri import decodestring

from hypothesis import example, given
from hypothesis import strategies as st

from app.mail.encode import base64_lines, quoted_piece
from app.mail.smtp_stream import wire_form
from benchmarks.mail_build import compiled, context, person

TEXTS = st.text(alphabet=st.sampled_from("ab .=\r\n\tپ") | st.characters(codec="utf-8"), max_size=300)


@given(st.lists(TEXTS, max_size=5))
@example([".", "..", "\n.", "a\r.b", ".\r\n.", "x" * 75 + "." * 80])
def test_pieces_in_any_order_leave_nothing_to_mend(texts: list[str]) -> None:
    body = b"".join(quoted_piece(text) for text in texts) + b"\r\n"
    assert wire_form(body) == (body, b".\r\n")
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    ends = "".join(text.replace("\r\n", "\n").replace("\r", "\n") for text in texts)
    # soft breaks go, and what a text ended its lines with is one line end
    assert decodestring(body.replace(b"\r\n", b"\n")).decode() == ends + "\n"


@given(st.binary(max_size=500))
def test_base64_never_begins_a_line_with_a_dot(data: bytes) -> None:
    encoded = base64_lines(data) or b"\r\n"
    assert wire_form(encoded) == (encoded, b".\r\n")


@given(TEXTS, st.sampled_from(["en", "fa"]))
def test_a_whole_mail_goes_over_the_wire_as_it_is(name: str, locale: str) -> None:
    from dataclasses import replace

    from app.mail.message import render

    one = person(1, locale)
    made = render(compiled(locale), replace(one, attributes={**one.attributes, "first_name": name}), context(1))
    assert wire_form(made.data) == (made.data, b".\r\n")
