"""LMTP: what came back is kept before it is answered for, recipient by recipient."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator

import pytest

from app.mail.inbound_lmtp import LONGEST_LINE, MOST_RECIPIENTS, LmtpServer


class Kept:
    """What was handed over; a recipient whose name begins with `full` cannot be kept."""

    def __init__(self) -> None:
        self.mails: list[tuple[bytes, str]] = []

    def __call__(self, mail: bytes, recipient: str) -> None:
        if recipient.startswith("full"):
            raise OSError("No space left on device")
        self.mails.append((mail, recipient))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def port(kept: Kept) -> Iterator[int]:
    server = LmtpServer("127.0.0.1", 0, kept)
    yield server.port
    server.close()


def said(port: int, *lines: bytes) -> list[bytes]:
    """Everything the server says to these lines, written at once."""
    with socket.create_connection(("127.0.0.1", port), 5) as wire:
        wire.sendall(b"".join(lines))
        wire.shutdown(socket.SHUT_WR)
        return wire.makefile("rb").read().splitlines()


def test_the_standard_librarys_client_is_understood(port: int, kept: Kept) -> None:
    with smtplib.LMTP("127.0.0.1", port) as client:
        assert client.sendmail("", ["b+one@example.com"], b"Subject: a\r\n\r\n.dot\r\n") == {}
    assert kept.mails == [(b"Subject: a\r\n\r\n.dot\r\n", "b+one@example.com")]


def test_each_recipient_is_answered_for(port: int, kept: Kept) -> None:
    envelope = (b"MAIL FROM:<>\r\n", b"RCPT TO:<full@example.com>\r\n", b"RCPT TO:<two@example.com>\r\n", b"DATA\r\n")
    answers = said(port, *envelope, b"a\r\n.\r\n")
    assert [line[:3] for line in answers[-2:]] == [b"451", b"250"]
    assert kept.mails == [(b"a\r\n", "two@example.com")]


def test_everything_may_be_written_at_once(port: int, kept: Kept) -> None:
    envelope = (b"MAIL FROM:<>\r\n", b"RCPT TO:<one@example.com>\r\n", b"RCPT TO:<two@example.com>\r\n", b"DATA\r\n")
    answers = said(port, b"LHLO me\r\n", *envelope, b"a\r\n.\r\n", b"QUIT\r\n")
    assert [line[:4] for line in answers][-7:] == [b"250 ", b"250 ", b"250 ", b"354 ", b"250 ", b"250 ", b"221 "]
    assert [recipient for _, recipient in kept.mails] == ["one@example.com", "two@example.com"]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((b"EHLO me\r\n",), b"500"),
        ((b"DATA\r\n",), b"503"),
        ((b"RCPT TO:<a@example.com>\r\n",), b"503"),
        ((b"MAIL FROM:<>\r\n", b"MAIL FROM:<>\r\n"), b"503"),
        ((b"MAIL FROM:<>\r\n", b"RCPT TO:<>\r\n"), b"503"),
        ((b"\xff\xfe\r\n",), b"500"),
        ((b"\r\n",), b"500"),
        ((b"x" * (LONGEST_LINE + 10),), b"421"),
        ((b"MAIL FROM:<>\r\n", *[b"RCPT TO:<a@example.com>\r\n"] * (MOST_RECIPIENTS + 1)), b"452"),
    ],
)
def test_what_is_out_of_order_is_said_to_be(port: int, kept: Kept, lines: tuple[bytes, ...], code: bytes) -> None:
    assert said(port, *lines)[-1][:3] == code
    assert kept.mails == []


def test_a_mail_cut_short_is_not_kept(port: int, kept: Kept) -> None:
    answers = said(port, b"MAIL FROM:<>\r\n", b"RCPT TO:<a@example.com>\r\n", b"DATA\r\n", b"Subject: half\r\n")
    assert answers[-1][:3] == b"421"
    assert kept.mails == []
