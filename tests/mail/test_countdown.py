"""Persian letters are joined and turned round even where the drawing library can't."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from app.mail.countdown import Left, draw, shaped

WORDS = ("روز", "ساعت", "دقیقه", "زمان این پیشنهاد تمام شد", "گنج", "چای")


def test_letters_take_their_forms_and_the_word_is_turned_round() -> None:
    names = [unicodedata.name(letter).rpartition("LETTER ")[2] for letter in reversed(shaped("چای"))]
    assert names == ["TCHEH INITIAL FORM", "ALEF FINAL FORM", "FARSI YEH ISOLATED FORM"]


def test_no_letter_is_lost() -> None:
    for word in WORDS:
        back = "".join(unicodedata.normalize("NFKC", letter) for letter in reversed(shaped(word)))
        assert back == word


@given(st.integers(0, 999), st.integers(0, 23), st.integers(0, 59), st.sampled_from(["fa", "en", "fa-IR", "de"]))
def test_every_picture_is_small(days: int, hours: int, minutes: int, locale: str) -> None:
    assert 500 < len(draw(Left(days, hours, minutes), locale)) < 60_000
