"""Replies and diagnoses: what servers really say, and the class it must fall into."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.replies import (
    Reply,
    ReplyClass,
    SenderFault,
    Stage,
    classify,
    classify_reply,
    find_status,
    is_relay_fault,
    parse_reply,
    sender_fault,
)

HARD, SOFT, BLOCK, THROTTLE = ReplyClass.HARD, ReplyClass.SOFT, ReplyClass.BLOCK, ReplyClass.THROTTLE

SAID = [
    # the user is not there
    (550, "5.1.1", "The email account that you tried to reach does not exist. Please try double-checking", HARD),
    (550, "5.1.1", "<bob@example.org>: Recipient address rejected: User unknown in virtual mailbox table", HARD),
    (554, "", "delivery error: dd This user doesn't have a yahoo.com account (bob@yahoo.com) [0]", HARD),
    (550, "5.5.0", "Requested action not taken: mailbox unavailable (S2017062302).", HARD),
    (550, "5.4.1", "Recipient address rejected: Access denied. AS(201806281)", HARD),
    (550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient bob@example.org not found by SMTP address lookup", HARD),
    (550, "5.7.1", "No such user!", HARD),
    (554, "5.2.0", "STOREDRV.Deliver; no such mailbox", HARD),
    (550, "", "5.1.0 Address rejected: user bob@example.org not found", HARD),
    (550, "", "Unrouteable address", HARD),
    (550, "", "sorry, no mailbox here by that name (#5.1.1)", HARD),
    (550, "5.2.1", "The email account that you tried to reach is disabled.", HARD),
    (554, "5.7.1", "The mailbox bob@example.org has been deactivated", HARD),
    (550, "5.1.2", "", HARD),
    (556, "5.1.10", "Recipient address has null MX", HARD),
    (550, "5.7.17", "Mailbox owner has changed", HARD),
    (550, "", "bob@example.org is no longer valid", HARD),
    (550, "", "Invalid recipient <bob@example.org>", HARD),
    (0, "5.4.4", "Host or domain name not found. Name service error for name=nowhere.invalid type=A", HARD),
    # full, slow, not now
    (552, "5.2.2", "The email account that you tried to reach is over quota.", SOFT),
    (452, "4.2.2", "The email account that you tried to reach is over quota", SOFT),
    (550, "", "Mailbox bob@example.org is full", SOFT),
    (554, "5.2.2", "mailbox full", SOFT),
    (552, "", "Requested mail action aborted: exceeded storage allocation", SOFT),
    (450, "4.2.1", "The user you are trying to contact is receiving mail too quickly. Please resend later", SOFT),
    (550, "5.2.1", "The user you are trying to contact is receiving mail at a rate that prevents delivery", SOFT),
    (450, "4.7.1", "Greylisted, please try again in 300 seconds", SOFT),
    (451, "4.7.1", "Greylisting in action, please come back later", SOFT),
    (450, "4.1.1", "<bob@example.org>: Recipient address rejected: unverified address", SOFT),
    (451, "4.1.1", "user unknown (temporarily)", SOFT),
    (0, "4.4.7", "Message expired", SOFT),
    (0, "5.4.7", "Delivery expired (message too old)", SOFT),
    (452, "4.5.3", "Too many recipients", SOFT),
    (550, "", "Nope.", SOFT),
    (554, "5.0.0", "Transaction failed", SOFT),
    # our fault, or their rules
    (550, "5.7.1", "Service unavailable; Client host [203.0.113.9] blocked using zen.spamhaus.org", BLOCK),
    (550, "5.7.26", "This mail has been blocked because the sender is unauthenticated", BLOCK),
    (550, "5.7.515", "Access denied, sending domain example.com does not meet the authentication level", BLOCK),
    (550, "5.2.1", "203.0.113.9 is blacklisted", BLOCK),
    (550, "5.1.1", "Mail rejected: your IP has a poor reputation", BLOCK),
    (554, "5.7.9", "Message not accepted for policy reasons. See https://senders.example/", BLOCK),
    (550, "5.7.1", "Unfortunately, messages from [203.0.113.9] weren't sent. S3140 block list", BLOCK),
    (554, "", "Message contains spam", BLOCK),
    (550, "5.7.25", "The IP address sending this message does not have a PTR record setup", BLOCK),
    (553, "5.1.8", "Sender address rejected: Domain not found", BLOCK),
    (501, "5.1.7", "Bad sender address syntax", BLOCK),
    (554, "5.7.1", "<bob@example.org>: Relay access denied", BLOCK),
    (552, "5.3.4", "Message size exceeds fixed limit", BLOCK),
    (500, "5.5.2", "Line too long", BLOCK),
    (554, "5.6.0", "Message content is malformed", BLOCK),
    (550, "5.7.606", "", BLOCK),
    # slower, please
    (421, "4.7.28", "Our system has detected an unusual rate of unsolicited mail originating from your IP", THROTTLE),
    (421, "4.7.0", "[TSS04] Messages from 203.0.113.9 temporarily deferred due to user complaints", THROTTLE),
    (421, "4.3.2", "The server is busy, try later", THROTTLE),
    (451, "4.7.500", "Server busy. Please try again later from [203.0.113.9].", THROTTLE),
    (452, "4.3.2", "Please try again later", THROTTLE),
    (450, "4.7.0", "", THROTTLE),
    (421, "", "Too many connections from your host", THROTTLE),
    (450, "", "You have exceeded the connection rate", THROTTLE),
    # not a fault at all
    (250, "2.0.0", "Ok: queued", ReplyClass.DELIVERED),
    (0, "2.1.5", "delivered", ReplyClass.DELIVERED),
    (0, "", "gibberish", ReplyClass.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("code", "enhanced", "text", "expected"), SAID, ids=[f"{s[0]}-{s[2][:40]}" for s in SAID])
def test_what_servers_say_has_its_class(code: int, enhanced: str, text: str, expected: ReplyClass) -> None:
    assert classify(code, enhanced, text) is expected


def test_an_address_that_contains_a_blocking_word_is_no_block() -> None:
    assert classify(550, "5.1.1", "<spam@policy.example>: user unknown") is HARD


def test_a_refusal_of_the_sender_is_never_held_against_the_subscriber() -> None:
    assert classify_reply(Reply(550, "", "Nope."), Stage.MAIL) is BLOCK
    assert classify_reply(Reply(554, "", "Transaction failed"), Stage.FINAL) is BLOCK
    assert classify_reply(Reply(550, "", "Nope."), Stage.RCPT) is SOFT


def test_a_refusal_after_the_body_that_names_the_recipient_counts_for_the_recipient() -> None:
    assert classify_reply(Reply(550, "5.1.1", "bob@example.org: no such user"), Stage.FINAL) is HARD
    assert classify_reply(Reply(552, "5.2.2", "mailbox full"), Stage.FINAL) is SOFT


def test_421_is_the_pace_whatever_else_it_says() -> None:
    assert classify_reply(Reply(421, "4.7.0", "user unknown"), Stage.RCPT) is THROTTLE


@pytest.mark.parametrize(
    ("enhanced", "text", "fault"),
    [
        ("5.7.26", "", SenderFault.UNAUTHENTICATED),
        ("4.7.27", "", SenderFault.SPF),
        ("5.7.30", "", SenderFault.DKIM),
        ("4.7.32", "", SenderFault.ALIGNMENT),
        ("5.7.610", "", SenderFault.BLOCKLIST),
        ("5.7.1", "no PTR record found", SenderFault.PTR),
        ("5.7.1", "rejected by the DMARC policy", SenderFault.DMARC),
        ("5.7.1", "listed at zen.spamhaus.org", SenderFault.BLOCKLIST),
        ("5.1.1", "user unknown", None),
        ("5.1.1", "spamhaus@example.org: user unknown", None),
    ],
)
def test_the_operator_learns_which_fault_of_ours_was_named(enhanced: str, text: str, fault: SenderFault | None) -> None:
    assert sender_fault(enhanced, text) is fault


def test_a_wrong_login_is_the_relays_affair() -> None:
    assert is_relay_fault(Reply(535, "5.7.8", "authentication failed"))
    assert is_relay_fault(Reply(530, "5.7.0", "Authentication required"))
    assert not is_relay_fault(Reply(550, "5.1.1", "user unknown"))


def test_a_reply_of_several_lines_is_read_as_one() -> None:
    reply = parse_reply([b"550-5.1.1 The account\r\n", b"550-5.1.1 does not\r\n", b"550 5.1.1 exist\r\n"])
    assert reply == Reply(550, "5.1.1", "The account\ndoes not\nexist")


def test_an_enhanced_code_of_another_kind_than_the_reply_is_left_in_the_text() -> None:
    assert parse_reply([b"550 4.1.1 odd"]) == Reply(550, "", "4.1.1 odd")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"250 2.0.0 Ok: queued as 7A9D2", Reply(250, "2.0.0", "Ok: queued as 7A9D2")),
        (b"250 2.0.0   \xc2\xa0spaced ", Reply(250, "2.0.0", "spaced")),
        (b"250 2.0.0", Reply(250, "2.0.0", "")),
        (b"250 2.0.0: queued", Reply(250, "2.0.0", ": queued")),
        (b"250 2.0.01 queued", Reply(250, "2.0.01", "queued")),
        (b"250 2.0.0.1 queued", Reply(250, "", "2.0.0.1 queued")),
        (b"550 2.0.0 odd", Reply(550, "", "2.0.0 odd")),
    ],
)
def test_the_usual_answer_is_read_like_any_other(line: bytes, reply: Reply) -> None:
    assert parse_reply([line]) == reply
    assert parse_reply([line[:3] + b"-" + line[4:], line]).enhanced == reply.enhanced


@pytest.mark.parametrize("lines", [[], [b""], [b"25"], [b"abc hello"], [b"1000 x"], [b"250-a", b"550 b"], [b"199 x"]])
def test_what_is_no_reply_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(ValueError, match="reply"):
        parse_reply(lines)


def test_control_characters_never_come_through() -> None:
    assert parse_reply([b"250 a\x00b\x1b[31m\xff"]).text.isprintable()


def test_an_address_or_version_is_not_taken_for_a_status() -> None:
    assert find_status("from 203.0.113.5.1.1.7 said") == ""
    assert find_status("said: 550 5.1.1 unknown") == "5.1.1"


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_no_bytes_break_the_reading_of_a_reply(lines: list[bytes]) -> None:
    try:
        reply = parse_reply(lines)
    except ValueError:
        return
    assert 200 <= reply.code < 600


@given(st.integers(0, 999), st.sampled_from(["", "5.1.1", "4.7.0", "5.7.999", "9.9.9"]), st.text(max_size=400))
def test_every_text_has_a_class(code: int, enhanced: str, text: str) -> None:
    assert classify(code, enhanced, text) in ReplyClass
    sender_fault(enhanced, text)


@pytest.mark.parametrize("unit", ["mailbox ", "exceeded a ", "user x ", "5.1.1 ", "host ", "a@", "domain is "])
def test_no_text_makes_matching_slow(unit: str) -> None:
    import time

    started = time.perf_counter()
    classify(550, "5.1.1", unit * 4_000)
    assert time.perf_counter() - started < 0.5
