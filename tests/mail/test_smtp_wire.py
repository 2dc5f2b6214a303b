"""Replies taken in one go: only those the careful reader would have passed as well."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.smtp_wire import Wire, WireLost

HEADS = (b"250 ", b"250 ", b"354 ")
USUAL = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"


@contextmanager
def wire_that_heard(said: bytes) -> Iterator[Wire]:
    """A wire that has read one reply, and with it what else was said; the server has gone since."""
    ours, theirs = socket.socketpair()
    theirs.sendall(b"220 here\r\n" + said)
    theirs.close()
    wire = Wire(ours)
    try:
        assert wire.read_reply(1.0) == (b"220 here",)
        yield wire
    finally:
        wire.close()


def codes(wire: Wire, count: int) -> list[bytes]:
    """The careful way."""
    return [wire.read_reply(1.0)[-1][:3] for _ in range(count)]


def test_what_stands_behind_the_replies_is_kept() -> None:
    with wire_that_heard(USUAL + b"250 2.0.0 queued\r\n") as wire:
        assert wire.take_if(*HEADS)
        assert wire.read_reply(1.0) == (b"250 2.0.0 queued",)
        assert not wire.take_if(b"250 ")


@pytest.mark.parametrize(
    "said",
    [
        b"250 a\r\n550 5.1.1 nobody\r\n354 go on\r\n",
        b"250-a\r\n250 b\r\n250 c\r\n354 go on\r\n",
        b"250 a\r\n250 b\r\n554 no valid recipients\r\n",
        b"250 a\r\n250 b\r\n421 too busy\r\n",
        b"250\r\n250\r\n354\r\n",
    ],
)
def test_anything_unusual_is_left_to_be_read_with_care(said: bytes) -> None:
    with wire_that_heard(said) as wire:
        assert not wire.take_if(*HEADS)
        assert codes(wire, 3) == [line[:3] for line in said.replace(b"250-a\r\n", b"").splitlines()]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_nothing_is_taken_before_all_of_it_is_here(cut: int) -> None:
    with wire_that_heard(USUAL[:-cut]) as wire:
        assert not wire.take_if(*HEADS)
        with pytest.raises(WireLost):
            codes(wire, 3)


@given(
    st.lists(st.sampled_from([b"250", b"354", b"421", b" ", b"-", b"\r", b"\n", b"\r\n", b"x", b"250 ok\r\n", USUAL]))
)
def test_whatever_is_said_both_ways_of_reading_agree(said: list[bytes]) -> None:
    with wire_that_heard(b"".join(said)) as quick, wire_that_heard(b"".join(said)) as careful:
        if quick.take_if(*HEADS):
            assert codes(careful, 3) == [b"250", b"250", b"354"]
            assert quick.has_unread == careful.has_unread
