from base64 import b32encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.spelling import base32


@given(fives=st.lists(st.binary(min_size=5, max_size=5), max_size=12))
def test_it_is_what_the_standard_library_spells(fives: list[bytes]) -> None:
    raw = b"".join(fives)
    assert base32(raw) == b32encode(raw).lower()


def test_what_would_need_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="padding"):
        base32(b"abcd")
