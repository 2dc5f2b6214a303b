"""Webhooks as the providers' own pages describe them, where those say something that is easily got wrong.

Read in November 2026:
- SES through SNS: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html (versions 1 and 2, the
  topic, the certificate's host; see also test_inbound_hooks)
- Postmark: https://postmarkapp.com/developer/webhooks/subscription-change-webhook, https://postmarkapp.com/email-webhooks
- Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
- SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event and, for signatures,
  https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
- Brevo: https://developers.brevo.com/docs/transactional-webhooks
- Mailjet: https://documentation.mailjet.com/hc/en-us/articles/360043578154-Event-Tracking-API
- SparkPost: https://support.sparkpost.com/docs/faq/retrieve-bounce-info
- Resend: https://resend.com/docs/webhooks/event-types, https://resend.com/docs/webhooks/emails/bounced
"""

from __future__ import annotations

import hashlib
import hmac

import pytest

from app.core.instants import SECOND
from app.mail.inbound_event import InboundKind
from app.mail.inbound_hooks import HookEvents, HookRefused, HookRequest, HookSettings, read_hook
from app.mail.inbound_providers import read_payload
from app.mail.replies import ReplyClass
from tests.mail.test_inbound_hooks import STAMP, body_of, events, no_fetch, only, read

# ── SendGrid: the key, the signature and the body its own libraries are tested with ──

SENDGRID_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcw"
    "HBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=="
)
SENDGRID_SIGNATURE = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="
SENDGRID_STAMP = 1_588_788_367
SENDGRID_BODY = b'{"category":"example_payload","event":"test_event","message_id":"message_id"}'


def sendgrid(body: bytes, at: int = SENDGRID_STAMP) -> HookEvents | HookRefused:
    headers = {
        "x-twilio-email-event-webhook-timestamp": str(SENDGRID_STAMP),
        "x-twilio-email-event-webhook-signature": SENDGRID_SIGNATURE,
    }
    settings = HookSettings("sendgrid", SENDGRID_KEY)
    found = read_hook(HookRequest(body, headers), settings, at * SECOND, no_fetch)
    assert isinstance(found, HookEvents | HookRefused)
    return found


def test_sendgrids_own_example_is_proven_and_nothing_else() -> None:
    assert isinstance(sendgrid(SENDGRID_BODY), HookEvents)
    assert sendgrid(SENDGRID_BODY + b" ") == HookRefused(401, "not proven")
    assert sendgrid(SENDGRID_BODY, SENDGRID_STAMP + 2 * 86_400) == HookRefused(401, "not proven")


@pytest.mark.parametrize(
    ("classification", "reason", "expected"),
    [
        ("Invalid Address", "no", ReplyClass.HARD),
        ("Mailbox Unavailable", "no", ReplyClass.SOFT),
        ("Reputation", "no", ReplyClass.BLOCK),
        ("Frequency or Volume Too High", "no", ReplyClass.THROTTLE),
        ("Unclassified", "no", ReplyClass.HARD),
        ("Invalid Address", "550 5.7.1 blocked by policy", ReplyClass.BLOCK),
    ],
)
def test_sendgrids_classification_counts_where_the_words_say_nothing(
    classification: str, reason: str, expected: ReplyClass
) -> None:
    item = {"event": "bounce", "email": "alice@example.com", "reason": reason, "bounce_classification": classification}
    (event,) = read_payload("sendgrid", body_of([item]))
    assert event.reply_class is expected


# ── Mailgun: an event of a subaccount is signed for the parent too ──


def test_mailguns_parent_signature_proves_an_event_of_a_subaccount() -> None:
    token = "0123456789" * 5
    right = hmac.new(b"parents-key", f"{STAMP}{token}".encode(), hashlib.sha256).hexdigest()
    signature = {"token": token, "timestamp": STAMP, "signature": "0" * 64, "parent-signature": right}
    payload = {"signature": signature, "event-data": {"event": "complained", "id": "1", "recipient": "a@example.com"}}
    assert only(read("mailgun", payload, secret="parents-key")).kind is InboundKind.COMPLAINT
    forged = {**payload, "signature": signature | {"parent-signature": right[::-1]}}
    assert read("mailgun", forged, secret="parents-key") == HookRefused(401, "not proven")


# ── Postmark: its own list tells of bounces and complaints too, and of what we did there ──


@pytest.mark.parametrize(
    ("reason", "origin", "kind", "reply_class"),
    [
        ("ManualSuppression", "Recipient", InboundKind.UNSUBSCRIBE, ReplyClass.UNSUBSCRIBE),
        ("ManualSuppression", "Customer", InboundKind.REPORT, ReplyClass.UNKNOWN),
        ("ManualSuppression", "Admin", InboundKind.REPORT, ReplyClass.UNKNOWN),
        ("HardBounce", "Recipient", InboundKind.BOUNCE, ReplyClass.HARD),
        ("SpamComplaint", "Recipient", InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
    ],
)
def test_what_postmarks_list_says_is_not_always_a_farewell(
    reason: str, origin: str, kind: InboundKind, reply_class: ReplyClass
) -> None:
    payload = {
        "RecordType": "SubscriptionChange",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Recipient": "alice@example.com",
        "ChangedAt": "2026-02-01T10:53:34.416071Z",
        "SuppressSending": True,
        "SuppressionReason": reason,
        "Origin": origin,
    }
    event = only(read("postmark", payload))
    assert (event.kind, event.reply_class, event.recipient) == (kind, reply_class, "alice@example.com")


# ── Brevo: `id` names the webhook and not the event; seconds and milliseconds ──


def test_brevos_id_is_not_taken_for_the_events() -> None:
    common = {"id": 7, "email": "alice@example.com", "message-id": "<1@example.com>"}
    soft = {"event": "soft_bounce", "reason": "mailbox full", "ts_event": 1_604_933_654, "ts_epoch": 1_604_933_654_000}
    one, two = (only(read("brevo", common | soft | {"email": who})) for who in ("alice@example.com", "bob@example.com"))
    assert one.event_id != two.event_id
    assert one.at == 1_604_933_654 * SECOND
    assert only(read("brevo", common | {"event": "unique_proxy_open"})).kind is InboundKind.OPENED


# ── Mailjet: one event or a list of them, and whose fault it was ──


def test_mailjets_events_come_alone_and_in_lists() -> None:
    bounce = {
        "event": "bounce",
        "time": 1_430_812_195,
        "MessageID": 13_792_286_917_004_336,
        "email": "alice@example.com",
        "blocked": True,
        "hard_bounce": True,
        "error_related_to": "recipient",
        "error": "user unknown",
    }
    sender = bounce | {"event": "blocked", "error_related_to": "sender", "error": "sender blocked"}
    assert only(read("mailjet", bounce)).reply_class is ReplyClass.HARD
    classes = [event.reply_class for event in events(read("mailjet", [bounce, sender]))]
    assert classes == [ReplyClass.HARD, ReplyClass.BLOCK]


# ── SparkPost: a test of the address comes as a batch with nothing in it ──


def test_sparkposts_empty_batch_is_taken_and_its_classes_are_read() -> None:
    assert events(read("sparkpost", [{"msys": {}}])) == ()
    bounce = {"type": "bounce", "event_id": "92356927693813856", "rcpt_to": "alice@example.com", "bounce_class": "10"}
    event = only(
        read(
            "sparkpost",
            [{"msys": {"message_event": bounce | {"raw_reason": "550 rejected", "timestamp": "1454442600"}}}],
        )
    )
    assert (event.kind, event.reply_class) == (InboundKind.BOUNCE, ReplyClass.HARD)


# ── Resend: created when the event was, not when the mail was ──


def test_resends_events_are_as_old_as_they_say_themselves() -> None:
    payload = {
        "type": "email.bounced",
        "created_at": "2026-11-22T23:41:12.126Z",
        "data": {
            "created_at": "2026-11-20T23:41:11.894719+00:00",
            "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
            "to": ["alice@example.com"],
            "bounce": {"message": "The mailbox does not exist", "subType": "General", "type": "Permanent"},
        },
    }
    (event,) = read_payload("resend", body_of(payload))
    assert (event.kind, event.reply_class) == (InboundKind.BOUNCE, ReplyClass.HARD)
    assert event.at is not None
    assert event.at % (86_400 * SECOND) // SECOND == 23 * 3600 + 41 * 60 + 12
    for word in ("email.suppressed", "email.failed", "email.scheduled", "contact.created", "suppression.added"):
        (other,) = read_payload("resend", body_of(payload | {"type": word}))
        assert other.kind in (InboundKind.REPORT, InboundKind.UNKNOWN)
