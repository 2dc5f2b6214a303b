"""Mails that come back: each sort as servers and people really write it, and bytes nobody would write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.inbound import read_mail
from app.mail.inbound_event import InboundEvent, InboundKind
from app.mail.replies import ReplyClass

TOKEN = "b+abcdefghijklmnopqrstuvwxyz234567"
LEAVE = "u+" + "abcdefgh" * 7
ORIGINAL = """\
Message-ID: <m1.c1@example.com>
From: Sara <sara@example.com>
To: bob@example.org
Subject: Welcome
"""


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def only(text: str | bytes, envelope_to: str = "") -> InboundEvent:
    (event,) = read_mail(crlf(text) if isinstance(text, str) else text, envelope_to)
    return event


def dsn(fields: str, prose: str = "I could not deliver your mail.", original: str = ORIGINAL) -> str:
    return f"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: {TOKEN}@bounce.example.com
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

{prose}

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Mon, 1 Jun 2026 10:00:00 +0000

{fields}
--B
Content-Type: message/rfc822

{original}
Hello Bob, is your mailbox full? Our spam policy has changed.

--B--
"""


def failed(status: str, diagnosis: str, action: str = "failed") -> str:
    return f"""\
Final-Recipient: rfc822; bob@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnosis}
"""


# ---------------------------------------------------------------- delivery status


@pytest.mark.parametrize(
    ("status", "diagnosis", "expected"),
    [
        ("5.1.1", "550 5.1.1 <bob@example.org>: Recipient address rejected: User unknown", ReplyClass.HARD),
        ("5.0.0", "550 5.1.1 user unknown", ReplyClass.HARD),
        ("5.7.1", "550 5.7.1 No such user", ReplyClass.HARD),
        ("5.2.2", "552 5.2.2 mailbox full", ReplyClass.SOFT),
        ("4.4.7", "451 4.4.7 retry time expired", ReplyClass.SOFT),
        ("5.1.1", "554 5.7.1 Client host [203.0.113.9] blocked using zen.spamhaus.org", ReplyClass.BLOCK),
        ("5.7.26", "550-5.7.26 This mail has been blocked because the sender is unauthenticated", ReplyClass.BLOCK),
        ("5.4.4", "DNS: host example.org not found", ReplyClass.HARD),
    ],
)
def test_a_delivery_report_is_judged_by_its_diagnosis(status: str, diagnosis: str, expected: ReplyClass) -> None:
    event = only(dsn(failed(status, diagnosis)))
    assert event.kind is InboundKind.BOUNCE
    assert event.reply_class is expected
    assert event.recipient == "bob@example.org"
    assert event.bounce_local == TOKEN
    assert event.message_id == "<m1.c1@example.com>"


def test_the_words_of_our_own_mail_never_decide() -> None:
    assert only(dsn(failed("5.1.1", "550 5.1.1 user unknown"))).reply_class is ReplyClass.HARD


def test_a_silent_diagnosis_leaves_the_word_to_the_prose() -> None:
    fields = "Final-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.0.0\n"
    event = only(dsn(fields, "<bob@example.org>: host mx said: 550 No such user here"))
    assert (event.reply_class, event.code) == (ReplyClass.HARD, 550)


def test_a_delay_is_no_bounce() -> None:
    event = only(dsn(failed("4.4.1", "connect timed out", action="delayed")))
    assert (event.kind, event.reply_class) == (InboundKind.DELAYED, ReplyClass.DELAYED)


def test_a_delivery_is_no_bounce() -> None:
    event = only(dsn(failed("2.1.5", "250 ok", action="relayed")))
    assert (event.kind, event.reply_class) == (InboundKind.DELIVERED, ReplyClass.DELIVERED)


def test_a_report_on_several_people_gives_an_event_for_each() -> None:
    second = failed("5.2.2", "552 mailbox full").replace("bob@", "carol@")
    first, other = read_mail(crlf(dsn(failed("5.1.1", "550 user unknown") + "\n" + second)))
    assert (first.recipient, first.reply_class) == ("bob@example.org", ReplyClass.HARD)
    assert (other.recipient, other.reply_class) == ("carol@example.org", ReplyClass.SOFT)
    assert first.event_id != other.event_id


def test_the_original_recipient_wins_over_the_final_one() -> None:
    fields = "Original-Recipient: rfc822;bob@example.org\n" + failed("5.1.1", "550 no").replace("bob@", "b.internal@")
    assert only(dsn(fields)).recipient == "bob@example.org"


def test_an_internationalised_report_is_read_alike() -> None:
    text = dsn(failed("5.1.1", "550 user unknown")).replace("message/delivery-status", "message/global-delivery-status")
    event = only(text.replace("rfc822; bob@", "utf-8; bob@"))
    assert (event.kind, event.reply_class, event.recipient) == (
        InboundKind.BOUNCE,
        ReplyClass.HARD,
        "bob@example.org",
    )


def test_a_token_is_found_in_the_returned_mail_when_the_address_was_rewritten() -> None:
    original = f"Return-Path: <{TOKEN.upper()}@bounce.example.com>\n{ORIGINAL}"
    text = dsn(failed("5.1.1", "550 no such user"), original=original).replace(f"To: {TOKEN}@", "To: bounces@")
    assert only(text).bounce_local == TOKEN


def test_the_address_of_delivery_is_looked_at_first() -> None:
    text = dsn(failed("5.1.1", "550 no such user")).replace(f"To: {TOKEN}@", "To: bounces@")
    assert only(text, f"{TOKEN}@bounce.example.com").bounce_local == TOKEN


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_do_not_matter(end: bytes) -> None:
    raw = dsn(failed("5.1.1", "550 5.1.1 user unknown")).encode().replace(b"\n", end)
    assert only(raw).reply_class is ReplyClass.HARD


# ---------------------------------------------------------------- bounces in prose

QMAIL = f"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example.net
To: {TOKEN}@bounce.example.com
Subject: failure notice

Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<bob@example.org>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <{TOKEN}@bounce.example.com>
Message-ID: <m1.c1@example.com>
"""

EXIM = f"""\
Return-Path: <>
From: Mail Delivery System <Mailer-Daemon@mx.example.net>
To: {TOKEN}@bounce.example.com
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  bob@example.org
    host mx.example.org [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<bob@example.org>:
    552 5.2.2 Mailbox quota exceeded

------ This is a copy of the message, including all the headers. ------

Message-ID: <m1.c1@example.com>
"""


def test_a_bounce_of_qmail_is_understood() -> None:
    event = only(QMAIL)
    assert (event.kind, event.reply_class, event.status) == (InboundKind.BOUNCE, ReplyClass.HARD, "5.1.1")
    assert (event.recipient, event.bounce_local) == ("bob@example.org", TOKEN)
    assert event.message_id == "<m1.c1@example.com>"


def test_a_bounce_of_exim_is_understood() -> None:
    event = only(EXIM)
    assert (event.kind, event.reply_class, event.code) == (InboundKind.BOUNCE, ReplyClass.SOFT, 552)
    assert event.recipient == "bob@example.org"


def test_a_warning_about_a_delay_in_prose_is_no_bounce() -> None:
    text = EXIM.replace("Mail delivery failed: returning message to sender", "Warning: message delayed 24 hours")
    assert only(text.replace("This is a permanent error.", "No action is required.")).kind is InboundKind.DELAYED


def test_a_bounce_that_says_nothing_is_unknown_and_never_hard() -> None:
    text = QMAIL.replace("Sorry, no mailbox here by that name. (#5.1.1)", "Hmm.")
    assert only(text).reply_class is ReplyClass.UNKNOWN


# ---------------------------------------------------------------- complaints


def feedback(kind: str, extra: str = "", original: str = ORIGINAL) -> str:
    return f"""\
From: <abuse@isp.example>
To: fbl@example.com
Subject: FW: Welcome
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is an email abuse report.

--B
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeISP/1.0
Version: 1
{extra}
--B
Content-Type: message/rfc822

{original}
Hello

--B--
"""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("abuse", InboundKind.COMPLAINT),
        ("fraud", InboundKind.COMPLAINT),
        ("opt-out", InboundKind.UNSUBSCRIBE),
        ("auth-failure", InboundKind.REPORT),
        ("not-spam", InboundKind.REPORT),
        ("virus", InboundKind.REPORT),
        ("something-new", InboundKind.REPORT),
    ],
)
def test_feedback_is_told_apart(kind: str, expected: InboundKind) -> None:
    event = only(feedback(kind, "Original-Rcpt-To: <bob@example.org>"))
    assert event.kind is expected
    assert event.recipient == "bob@example.org"
    assert event.message_id == "<m1.c1@example.com>"


def test_redacted_feedback_is_traced_by_our_own_token() -> None:
    event = only(feedback("abuse", f"Original-Mail-From: <{TOKEN}@bounce.example.com>", "Subject: [redacted]\n"))
    assert (event.kind, event.bounce_local, event.recipient) == (InboundKind.COMPLAINT, TOKEN, "")


def test_feedback_may_name_only_our_unsubscribe_address() -> None:
    original = f"List-Unsubscribe: <https://example.com/u/x>, <mailto:{LEAVE}@example.com?subject=unsubscribe>\n"
    assert only(feedback("abuse", "", original)).unsubscribe_local == LEAVE


def test_a_complaint_in_microsofts_own_form_is_one() -> None:
    text = f"""\
From: staff@hotmail.com
To: fbl@example.com
Subject: complaint about message from 203.0.113.9
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="B"

--B
Content-Type: message/rfc822

{ORIGINAL}
Hello

--B--
"""
    event = only(text)
    assert (event.kind, event.recipient) == (InboundKind.COMPLAINT, "bob@example.org")


# ---------------------------------------------------------------- people


def letter(headers: str = "", body: str = "Thanks!", subject: str = "Re: Welcome", to: str = "sara@example.com") -> str:
    return f"From: Bob <bob@example.org>\nTo: {to}\nSubject: {subject}\n{headers}\n{body}\n"


def test_a_reply_is_engagement() -> None:
    event = only(letter("In-Reply-To: <m1.c1@example.com>\n"))
    assert (event.kind, event.recipient) == (InboundKind.REPLY, "bob@example.org")
    assert event.message_id == "<m1.c1@example.com>"


@pytest.mark.parametrize(
    "headers",
    [
        "Auto-Submitted: auto-replied\n",
        "Auto-Submitted: auto-generated; owner-email=x\n",
        "X-Autoreply: yes\n",
        "Precedence: auto_reply\n",
        "Precedence: bulk\n",
        "Return-Path: <>\n",
    ],
)
def test_what_a_machine_answers_is_no_reply(headers: str) -> None:
    assert only(letter(headers)).kind is InboundKind.AUTO_REPLY


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Welcome",
        "Out of Office",
        "Abwesenheitsnotiz",
        "=?utf-8?b?2b7Yp9iz2K4g2K7ZiNiv2qnYp9ix?=",
        "Réponse automatique",
        "自动回复",
    ],
)
def test_an_automatic_answer_is_known_by_its_subject(subject: str) -> None:
    event = only(letter(subject=subject))
    assert (event.kind, event.reply_class) == (InboundKind.AUTO_REPLY, ReplyClass.AUTO_REPLY)


def test_a_person_who_has_left_is_noted() -> None:
    assert only(letter("Auto-Submitted: auto-replied\n", "Bob is no longer with the company.")).is_gone
    assert not only(letter("Auto-Submitted: auto-replied\n", "I am back on Monday.")).is_gone


def test_a_person_who_says_no_to_automatic_is_a_person() -> None:
    assert only(letter("Auto-Submitted: no\n")).kind is InboundKind.REPLY


def test_a_mail_to_the_unsubscribe_address_unsubscribes_whoever_sent_it() -> None:
    event = only(letter(to=f"{LEAVE.upper()}@example.com", subject=""))
    assert (event.kind, event.unsubscribe_local) == (InboundKind.UNSUBSCRIBE, LEAVE)
    machine = only(letter("Auto-Submitted: auto-generated\n", to=f"{LEAVE}@example.com"))
    assert machine.kind is InboundKind.UNSUBSCRIBE


def test_a_token_in_the_subject_unsubscribes_too() -> None:
    event = only(letter(subject=f"unsubscribe {LEAVE}"))
    assert (event.kind, event.unsubscribe_local) == (InboundKind.UNSUBSCRIBE, LEAVE)


def test_the_word_unsubscribe_alone_is_a_reply() -> None:
    assert only(letter(subject="unsubscribe")).kind is InboundKind.REPLY


def test_a_bounce_to_the_unsubscribe_address_unsubscribes_nobody() -> None:
    text = QMAIL.replace(f"To: {TOKEN}@bounce", f"To: {LEAVE}@")
    assert only(text).kind is InboundKind.BOUNCE


def test_a_read_receipt_is_no_reply() -> None:
    text = letter(
        'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=disposition-notification; boundary="B"\n',
        "--B\nContent-Type: text/plain\n\nread\n--B\nContent-Type: message/disposition-notification\n\n"
        "Disposition: manual-action; displayed\n--B--",
    )
    assert only(text).kind is InboundKind.AUTO_REPLY


# ---------------------------------------------------------------- bytes


def test_the_same_mail_has_the_same_identity() -> None:
    assert only(QMAIL).event_id == only(QMAIL).event_id != only(EXIM).event_id


@given(st.binary(max_size=2_000))
def test_no_bytes_break_the_reading(raw: bytes) -> None:
    assert read_mail(raw)


SAMPLES = [crlf(one) for one in (dsn(failed("5.1.1", "550 user unknown")), QMAIL, EXIM, feedback("abuse"), letter())]


@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=12)), max_size=8))
def test_no_damage_to_a_real_mail_breaks_the_reading(raw: bytes, damage: list[tuple[float, bytes]]) -> None:
    for where, what in damage:
        place = int(where * len(raw))
        raw = raw[:place] + what + raw[place + len(what) :]
    assert all(event.recipient.count("@") <= 1 for event in read_mail(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r",
        b"Content-Type: multipart/report; boundary=\n\n",
        b"Content-Type: multipart/mixed; boundary=B\n\n--B\n" * 3_000,
        b"Content-Type: message/rfc822\n\n" * 3_000,
        b"Subject: =?utf-8?b?////?= =?x-unknown?q?=ff?=\n\nhello",
        b'Content-Type: text/plain; charset="\xff\xfe"\n\n\xff',
        b"Content-Type: text/html\n\n" + b"<" * 60_000,
        b"Content-Transfer-Encoding: base64\n\n!!!!",
        b"From: " + b"a@b " * 50_000,
        b"Content-Type: message/delivery-status\n\n" + b"Final-Recipient: rfc822; a@b.c\n\n" * 5_000,
    ],
    ids=range(11),
)
def test_a_monstrous_mail_is_read_quickly(raw: bytes) -> None:
    import time

    started = time.perf_counter()
    assert len(read_mail(raw)) <= 50
    assert time.perf_counter() - started < 2
