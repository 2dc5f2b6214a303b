"""Bodies: what is kept of a mail is the mail, to the letter, and little more than what differs from its template."""

import random
import zlib

from hypothesis import given
from hypothesis import strategies as st

from app.store.bodies import NO_SWAPS, pack, unpack

WORDS = st.text(max_size=40) | st.sampled_from(["https://t.example.com/c/TOKEN", "سارا", "", "x" * 200])


@st.composite
def bodies(draw: st.DrawFn) -> tuple[tuple[tuple[str, ...], ...], list[str], str]:
    """Static texts, fills, and a template that holds some of the texts."""
    fills = draw(st.lists(WORDS, max_size=12))
    runs = tuple(tuple(draw(st.lists(WORDS, max_size=3))) for _ in range(len(fills) + 1))
    held = [piece for run in runs for piece in run if draw(st.booleans())]
    return runs, fills, "{{ x }}".join(draw(st.permutations(held)))


@given(made=bodies(), version=st.integers(1, 3))
def test_what_is_packed_comes_back_to_the_letter(
    made: tuple[tuple[tuple[str, ...], ...], list[str], str], version: int
) -> None:
    static, fills, template = made
    whole = "".join([piece for run, fill in zip(static, (*fills, ""), strict=True) for piece in (*run, fill)])
    for _ in range(2):  # the second time the static texts are known
        assert unpack(pack(static, fills, NO_SWAPS, version, template), template) == whole


def test_a_body_is_little_more_than_what_differs() -> None:
    paragraphs = tuple((f"<p>Paragraph {number}: {'words ' * 100}</p>",) for number in range(20))
    template = "{{ name }}".join(run[0] for run in paragraphs)
    blob = pack(paragraphs, ["https://t.example.com/c/TOKEN"] * 19, NO_SWAPS, 1, template)
    assert len(blob) < 200
    assert unpack(blob, template).count("TOKEN") == 19


def test_a_number_in_front_of_a_text_does_not_cost_the_text() -> None:
    """Links are numbered where a body is written, and not in the template."""
    words = '" style="color:#0b6b4f">a long text that stands in the template</a>'
    blob = pack((("",), (f"/12{words}",)), ["https://t.example.com"], NO_SWAPS, 1, f"<a href={words}")
    assert unpack(blob, f"<a href={words}") == f"https://t.example.com/12{words}"
    assert len(blob) < 40


def test_what_has_nothing_of_its_template_is_deflated() -> None:
    noise = "".join(random.Random(7).choices("abcdef <p>", k=20_000))
    blob = pack(((), ()), [noise], NO_SWAPS, 1, "<html>")
    assert unpack(blob, "<html>") == noise
    assert len(blob) < 12_000


def test_bodies_packed_by_earlier_releases_are_still_read() -> None:
    html, template = "<p>Hello Alice</p>" * 50, "<p>Hello {{ name }}</p>" * 50
    packer = zlib.compressobj(1, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, template.encode())
    assert unpack(b"\x01" + packer.compress(html.encode()) + packer.flush(), template) == html
    assert unpack(zlib.compress(html.encode()), "") == html
