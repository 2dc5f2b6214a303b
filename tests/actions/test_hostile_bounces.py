"""Malformed and hostile mails that come back, by every way in: nothing raises, is lost, or holds up another."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from dataclasses import replace

import pytest

from app.actions.bounces import empty_letterbox, poll_mailbox
from app.disk.letterbox import Letterbox
from app.mail.inbound import read_mail
from app.mail.inbound_lmtp import LmtpServer
from app.mail.inbound_mailbox import Mailbox, parse_mailbox
from app.store.engine import open_database
from app.store.messages import MessageRow
from tests.actions.post_office import PostOffice
from tests.actions.test_deliver_returns import facts, local
from tests.servers.mailboxes import ImapServer, Pop3Server

_REPORT = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"


def report(to: str, fields: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    """A delivery report about one recipient, to our signed address."""
    return (
        b"From: MAILER-DAEMON@mx.example.net\r\nTo: <" + to.encode() + b">\r\n" + before + _REPORT + b"\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
        + fields
        + b"\r\n\r\n"
        + after
        + b"--b--\r\n"
    )


def hostile(to: str) -> dict[str, bytes]:
    """Mails nobody should send, most of them to a signed address of ours."""
    soft = b"Final-Recipient: rfc822; alice@example.com\r\nAction: failed\r\nStatus: 4.2.2\r\nDiagnostic-Code: smtp; "
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=n%d\r\n\r\n--n%d\r\n" % (n, n) for n in range(400))
    return {
        "one byte": b"x",
        "only line ends": b"\r\n\r\n\r\n",
        "nothing but NUL": b"\0" * 5_000,
        "random bytes": bytes(range(256)) * 200,
        "NUL in the diagnosis": report(to, soft + b"452 box \0 full\0"),
        "lone surrogates": report(to, soft + "452 voll \ud800".encode("utf-8", "surrogatepass")),
        "broken UTF-8": report(to, soft + b"452 \xff\xfe\xc3 full"),
        "a diagnosis of a megabyte": report(to, soft + b"452 full " + b"y" * 1_000_000),
        "ten thousand header lines": report(to, soft + b"452 full", b"X-A: b\r\n" * 10_000),
        "a header of a megabyte": report(to, soft + b"452 full", b"X-Long: " + b"z" * 1_000_000 + b"\r\n"),
        "a header without an end": b"Subject: " + b"a" * 300_000,
        "encoded words that lie": report(to, soft + b"452 full", b"Subject: =?utf-8?b?////?= =?none?q?=00?=\r\n"),
        "four hundred parts within parts": b"To: <" + to.encode() + b">\r\n" + nested,
        "a boundary that never comes": report(to, soft + b"452 full").replace(b"--b--", b""),
        "an empty boundary": b'Content-Type: multipart/report; boundary=""\r\n\r\n----\r\n',
        "an unknown charset": b"Content-Type: text/plain; charset=klingon-8\r\n\r\nUser unknown \xe9\xe8",
        "base64 that is none": b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!====",
        "a status nobody knows": report(to, b"Final-Recipient: rfc822; x\r\nAction: exploded\r\nStatus: 99.-1.x"),
        "ten thousand recipients": report(to, (soft + b"452 full\r\n\r\n") * 10_000),
        "an address full of quotes": report(to, b'Final-Recipient: rfc822; "\\"<>@\r\nAction: failed\r\nStatus: 5.1.1'),
        "a forged signed address": report("b+AAAAAAAAAAAAAAAAAAAAAA@bounce.example.com", soft + b"452 full"),
        "SQL and markup for a diagnosis": report(
            to, soft + b"452 '); DROP TABLE message; -- <script>alert(1)</script>"
        ),
        "an ARF report about nothing": _REPORT.replace(b"delivery-status", b"feedback-report")
        + b"\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n\r\n--b--",
        "dates and ids of other worlds": report(to, soft + b"452", b"Date: 31 Feb 99999\r\nMessage-ID: <<\r\n"),
    }


def addressed(office: PostOffice, sent: MessageRow) -> str:
    return f"{local(office, sent)}@bounce.example.com"


def letterbox(office: PostOffice) -> Letterbox:
    return Letterbox(office.world.settings.data / "letterbox")


def aside(office: PostOffice) -> int:
    folder = office.world.settings.data / "letterbox" / "aside"
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def all_is_kept(office: PostOffice, sent: MessageRow, number: int) -> None:
    """Everything was acted upon or lies aside, and an honest bounce behind it is still heard."""
    box, done = letterbox(office), 0
    while box.waiting():
        acted, before = empty_letterbox(office.world, box), aside(office)
        done += acted
        assert acted or before, "stuck"
    assert done + aside(office) == number + 1
    assert ("bounced", "a") in facts(office, sent.subscriber_id)
    assert office.subscriber(sent.subscriber_id).is_suppressed, "the honest one came last"


def honest(to: str) -> bytes:
    return report(to, b"Final-Recipient: rfc822; alice@example.com\r\nAction: failed\r\nStatus: 5.1.1")


def test_hostile_mails_in_the_letterbox_are_kept_and_hold_nobody_up(office: PostOffice, sent: MessageRow) -> None:
    to = addressed(office, sent)
    mails = hostile(to)
    for mail in (*mails.values(), honest(to)):
        letterbox(office).drop(mail, to)
    all_is_kept(office, sent, len(mails))


def test_hostile_mails_by_lmtp_are_answered_for_and_kept(office: PostOffice, sent: MessageRow) -> None:
    to, taken = addressed(office, sent), 0
    server = LmtpServer("127.0.0.1", 0, letterbox(office).drop)
    try:
        for mail in (*hostile(to).values(), honest(to)):
            with smtplib.LMTP("127.0.0.1", server.port, timeout=20) as client:
                assert client.sendmail("", [to], mail) == {}
                taken += 1
    finally:
        server.close()
    assert len(letterbox(office).waiting(1_000)) == taken
    all_is_kept(office, sent, taken - 1)


def imap(server: ImapServer) -> Mailbox:
    return _mailbox(f"imap://u:hush@127.0.0.1:{server.port}/INBOX?after=delete")


def pop3(server: Pop3Server) -> Mailbox:
    return _mailbox(f"pop3://u:hush@127.0.0.1:{server.port}")


def _mailbox(url: str) -> Mailbox:
    found = parse_mailbox(url)
    assert isinstance(found, Mailbox), found
    return found


@pytest.mark.parametrize(("kind", "box"), [(ImapServer, imap), (Pop3Server, pop3)])
def test_hostile_mails_in_a_mailbox_are_fetched_past(
    office: PostOffice, sent: MessageRow, kind: type[ImapServer], box: Callable[[ImapServer], Mailbox]
) -> None:
    to = addressed(office, sent)
    mails = [mail for mail in hostile(to).values() if b"\r\n" in mail]
    with kind([*mails, honest(to)]) as server:
        for _ in range(5):
            polled = poll_mailbox(office.world, box(server))
            assert not polled.fault, polled
            if not server.left:
                break
        assert server.left == []
    empty_letterbox(office.world, letterbox(office))
    assert office.subscriber(sent.subscriber_id).is_suppressed


def test_a_mail_nobody_foresaw_is_put_aside_and_the_mailbox_goes_on(
    office: PostOffice, sent: MessageRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = addressed(office, sent)

    def fails(raw: bytes, *rest: str) -> object:
        if b"poison" in raw:
            raise RecursionError("too deep")
        return read_mail(raw, *rest)

    monkeypatch.setattr("app.actions.bounces.read_mail", fails)
    with ImapServer([b"Subject: poison\r\n\r\n", honest(to)]) as server:
        assert poll_mailbox(office.world, imap(server)).stored == 2
        assert server.left == []
    assert office.subscriber(sent.subscriber_id).is_suppressed
    empty_letterbox(office.world, letterbox(office))
    assert (aside(office), letterbox(office).waiting()) == (1, [])


def test_while_the_database_is_away_the_mailbox_keeps_its_mails(office: PostOffice, sent: MessageRow) -> None:
    gone = replace(office.world, database=open_database("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    with ImapServer([honest(addressed(office, sent))]) as server:
        assert poll_mailbox(gone, imap(server)).fault == "a mail could not be stored"
        assert len(server.left) == 1
    gone.database.dispose()
