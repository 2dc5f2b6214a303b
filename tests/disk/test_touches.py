"""Touches in the spool: what is written is read back, and what is not a touch is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.verdicts import Request
from app.disk.spool import Fact, FactKind, encode
from app.disk.touches import LONGEST_AGENT, MailTouch, read_touch, touch_fact

numbers = st.integers(min_value=0, max_value=2**63)


@given(
    st.builds(
        MailTouch,
        message=numbers,
        version=numbers,
        link=st.integers(0, 9999),
        agent=st.text(max_size=LONGEST_AGENT),
        network=st.just("ab" * 8),
        label=st.text(max_size=20),
        request=st.sampled_from(list(Request)),
    )
)
def test_a_touch_comes_back_as_it_went(touch: MailTouch) -> None:
    fact = touch_fact(FactKind.CLICK, 5, bytes(16), touch)
    assert encode(fact)
    assert read_touch(fact) == touch


def test_an_agent_is_cut_so_that_nobody_fills_the_disk_with_it() -> None:
    touch = MailTouch(1, 1, 0, "x" * 9_000, "", "", Request.GET)
    assert read_touch(touch_fact(FactKind.OPEN, 5, bytes(16), touch)).agent == "x" * LONGEST_AGENT


@pytest.mark.parametrize(
    "fact",
    [
        Fact(FactKind.VISIT, 1, bytes(16), b'[1,1,1,0,"","","","get"]'),
        Fact(FactKind.OPEN, 1, bytes(16), b'[2,1,1,0,"","","","get"]'),
        Fact(FactKind.OPEN, 1, bytes(16), b"nonsense"),
        Fact(FactKind.OPEN, 1, bytes(16), b'[1,1,1,0,"","","","brew"]'),
    ],
)
def test_what_is_not_a_touch_we_know_is_refused(fact: Fact) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_touch(fact)
