"""Provider webhooks: signed as the providers sign, shaped as they write, and forged as others would."""

import base64
import datetime
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.instants import HOUR, MINUTE, SECOND
from app.mail.inbound_event import InboundEvent, InboundKind
from app.mail.inbound_hooks import (
    PROVIDERS,
    HookConfirm,
    HookEvents,
    HookRefused,
    HookRequest,
    HookResult,
    HookSettings,
    read_hook,
)
from app.mail.inbound_providers import read_payload
from app.mail.replies import ReplyClass

NOW = 1_780_000_000 * SECOND
STAMP = str(NOW // SECOND)
TOKEN = "b+abcdefghijklmnopqrstuvwxyz234567"


def no_fetch(url: str) -> bytes:
    raise AssertionError(f"nothing may be fetched, least of all {url}")


def body_of(value: object) -> bytes:
    return json.dumps(value).encode()


def read(
    provider: str, value: object, headers: dict[str, str] | None = None, secret: str = "hush", given: str = "hush"
) -> HookResult:
    return read_hook(HookRequest(body_of(value), headers or {}, given), HookSettings(provider, secret), NOW, no_fetch)


def events(result: HookResult) -> tuple[InboundEvent, ...]:
    assert isinstance(result, HookEvents), result
    return result.events


def only(result: HookResult) -> InboundEvent:
    (event,) = events(result)
    return event


# ---------------------------------------------------------------- shared secrets

POSTMARK: dict[str, Any] = {
    "RecordType": "Bounce",
    "MessageStream": "broadcast",
    "ID": 4323372036854775807,
    "Type": "HardBounce",
    "TypeCode": 1,
    "Name": "Hard bounce",
    "Tag": "welcome",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Metadata": {"message_id": "<m1.c1@example.com>"},
    "ServerID": 23,
    "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
    "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist",
    "Email": "bob@example.org",
    "From": f"{TOKEN}@bounce.example.com",
    "BouncedAt": "2026-05-28T13:46:40.5Z",
    "DumpAvailable": True,
    "Inactive": True,
    "CanActivate": True,
    "Subject": "Welcome",
}


@pytest.mark.parametrize(
    ("headers", "given"),
    [
        ({}, "hush"),
        ({"Authorization": "Bearer hush"}, ""),
        ({"authorization": "Basic " + base64.b64encode(b"anybody:hush").decode()}, ""),
    ],
)
def test_a_password_may_come_in_the_address_or_in_a_header(headers: dict[str, str], given: str) -> None:
    assert only(read("postmark", POSTMARK, headers, given=given)).kind is InboundKind.BOUNCE


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("headers", "given", "secret"),
    [
        ({}, "", "hush"),
        ({}, "Hush", "hush"),
        ({"Authorization": "Bearer no"}, "hush", "hush"),
        ({"Authorization": "Basic !!!"}, "hush", "hush"),
        ({}, "", ""),
    ],
)
def test_nobody_is_believed_without_proof(provider: str, headers: dict[str, str], given: str, secret: str) -> None:
    result = read(provider, POSTMARK, headers, secret, given)
    assert isinstance(result, HookRefused)
    assert result.status in {400, 401}


def test_a_bounce_of_postmark() -> None:
    event = only(read("postmark", POSTMARK))
    assert (event.kind, event.reply_class, event.status) == (InboundKind.BOUNCE, ReplyClass.HARD, "5.1.1")
    assert (event.recipient, event.message_id) == ("bob@example.org", "<m1.c1@example.com>")
    assert event.bounce_local == TOKEN
    assert event.at == int(1_779_976_000.5 * SECOND)
    assert "HardBounce" in event.raw


@pytest.mark.parametrize(
    ("changes", "kind", "reply_class"),
    [
        ({"Type": "SoftBounce", "Details": ""}, InboundKind.BOUNCE, ReplyClass.SOFT),
        ({"Details": "smtp;550 5.7.1 blocked using spamhaus"}, InboundKind.BOUNCE, ReplyClass.BLOCK),
        ({"Type": "DMARCPolicy", "Details": "", "Description": ""}, InboundKind.BOUNCE, ReplyClass.BLOCK),
        ({"Type": "Transient", "Details": ""}, InboundKind.DELAYED, ReplyClass.DELAYED),
        ({"Type": "AutoResponder"}, InboundKind.AUTO_REPLY, ReplyClass.AUTO_REPLY),
        ({"RecordType": "SpamComplaint"}, InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
        ({"RecordType": "Delivery"}, InboundKind.DELIVERED, ReplyClass.DELIVERED),
        (
            {
                "RecordType": "SubscriptionChange",
                "SuppressSending": True,
                "SuppressionReason": "ManualSuppression",
                "Origin": "Recipient",
            },
            InboundKind.UNSUBSCRIBE,
            ReplyClass.UNSUBSCRIBE,
        ),
        ({"RecordType": "SubscriptionChange", "SuppressSending": False}, InboundKind.UNKNOWN, ReplyClass.UNKNOWN),
        ({"RecordType": "Novelty"}, InboundKind.UNKNOWN, ReplyClass.UNKNOWN),
    ],
)
def test_what_postmark_tells(changes: dict[str, Any], kind: InboundKind, reply_class: ReplyClass) -> None:
    event = only(read("postmark", POSTMARK | changes))
    assert event.kind is kind
    if event.kind is not InboundKind.AUTO_REPLY:
        assert event.reply_class is reply_class


BREVO: dict[str, Any] = {
    "event": "hard_bounce",
    "email": "bob@example.org",
    "id": 26224,
    "date": "2026-05-28 13:46:40",
    "ts": 1_779_976_000,
    "message-id": "<m1.c1@example.com>",
    "ts_event": 1_779_976_000,
    "subject": "Welcome",
    "sending_ip": "192.0.2.1",
    "ts_epoch": 1_779_976_000_500,
    "reason": "550 5.1.1 user unknown",
}


@pytest.mark.parametrize(
    ("changes", "kind", "reply_class"),
    [
        ({}, InboundKind.BOUNCE, ReplyClass.HARD),
        ({"event": "soft_bounce", "reason": ""}, InboundKind.BOUNCE, ReplyClass.SOFT),
        ({"event": "soft_bounce", "reason": "554 5.7.1 no such user"}, InboundKind.BOUNCE, ReplyClass.HARD),
        ({"event": "blocked", "reason": ""}, InboundKind.BOUNCE, ReplyClass.BLOCK),
        ({"event": "spam"}, InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
        ({"event": "unsubscribed"}, InboundKind.UNSUBSCRIBE, ReplyClass.UNSUBSCRIBE),
        ({"event": "deferred"}, InboundKind.DELAYED, ReplyClass.DELAYED),
        ({"event": "delivered"}, InboundKind.DELIVERED, ReplyClass.DELIVERED),
    ],
)
def test_what_brevo_tells(changes: dict[str, Any], kind: InboundKind, reply_class: ReplyClass) -> None:
    event = only(read("brevo", BREVO | changes))
    assert (event.kind, event.reply_class, event.message_id) == (kind, reply_class, "<m1.c1@example.com>")
    assert event.at == int(1_779_976_000.5 * SECOND)


MAILJET: dict[str, Any] = {
    "event": "bounce",
    "time": 1_779_976_000,
    "MessageID": 19421777835146490,
    "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
    "email": "bob@example.org",
    "mj_campaign_id": 0,
    "CustomID": "m1.c1@example.com",
    "Payload": TOKEN,
    "blocked": False,
    "hard_bounce": True,
    "error_related_to": "recipient",
    "error": "user unknown",
    "comment": "Host or domain name not found. Name service error for name=lbjsnrftlsiuvbsren.com",
}


def test_what_mailjet_tells_in_a_batch() -> None:
    batch = [
        MAILJET,
        MAILJET | {"event": "spam", "source": "JMRPP"},
        MAILJET | {"event": "blocked", "error": "preblocked", "comment": "", "hard_bounce": False},
        MAILJET | {"hard_bounce": False, "error": "", "comment": "mailbox full"},
        MAILJET | {"event": "unsub"},
    ]
    found = events(read("mailjet", batch))
    assert [one.reply_class for one in found] == [
        ReplyClass.HARD,
        ReplyClass.COMPLAINT,
        ReplyClass.BLOCK,
        ReplyClass.SOFT,
        ReplyClass.UNSUBSCRIBE,
    ]
    assert {one.bounce_local for one in found} == {TOKEN}
    assert found[0].message_id == "<m1.c1@example.com>"
    assert only(read("mailjet", MAILJET)).event_id == found[0].event_id


def sparkpost(**changes: object) -> list[object]:
    item = {
        "type": "bounce",
        "bounce_class": "10",
        "error_code": "550",
        "event_id": "92356927693813856",
        "message_id": "000443ee14578172be22",
        "msg_from": f"{TOKEN}@bounce.example.com",
        "rcpt_to": "bob@example.org",
        "raw_rcpt_to": "Bob@example.org",
        "raw_reason": "550 5.1.1 unknown user",
        "reason": "550 5.1.1 unknown user",
        "rcpt_meta": {"message_id": "<m1.c1@example.com>"},
        "timestamp": "1779976000",
    }
    return [{"msys": {"message_event": item | changes}}]


@pytest.mark.parametrize(
    ("changes", "kind", "reply_class"),
    [
        ({}, InboundKind.BOUNCE, ReplyClass.HARD),
        ({"bounce_class": "51", "raw_reason": "", "reason": ""}, InboundKind.BOUNCE, ReplyClass.BLOCK),
        ({"bounce_class": "22", "raw_reason": "mailbox full"}, InboundKind.BOUNCE, ReplyClass.SOFT),
        ({"bounce_class": "90"}, InboundKind.UNSUBSCRIBE, ReplyClass.UNSUBSCRIBE),
        ({"bounce_class": "60"}, InboundKind.AUTO_REPLY, ReplyClass.AUTO_REPLY),
        ({"type": "spam_complaint"}, InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
        ({"type": "delay"}, InboundKind.DELAYED, ReplyClass.DELAYED),
    ],
)
def test_what_sparkpost_tells(changes: dict[str, Any], kind: InboundKind, reply_class: ReplyClass) -> None:
    event = only(read("sparkpost", sparkpost(**changes)))
    assert event.kind is kind
    assert event.recipient == "Bob@example.org"
    assert event.message_id == "<m1.c1@example.com>"
    if kind not in {InboundKind.AUTO_REPLY, InboundKind.UNSUBSCRIBE}:
        assert event.reply_class is reply_class


# ---------------------------------------------------------------- Mailgun


def mailgun(key: str = "hush", stamp: str = STAMP, **changes: object) -> dict[str, Any]:
    token = "a" * 50
    signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    data = {
        "event": "failed",
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": 1_779_976_000.5,
        "severity": "permanent",
        "reason": "bounce",
        "recipient": "bob@example.org",
        "delivery-status": {"code": 550, "message": "5.1.1 no such user", "description": "", "attempt-no": 1},
        "message": {"headers": {"to": "bob@example.org", "message-id": "m1.c1@example.com"}, "size": 111},
        "envelope": {"sender": f"{TOKEN}@bounce.example.com", "transport": "smtp"},
    }
    return {
        "signature": {"token": token, "timestamp": stamp, "signature": signature},
        "event-data": data | changes,
    }


@pytest.mark.parametrize(
    ("changes", "kind", "reply_class"),
    [
        ({}, InboundKind.BOUNCE, ReplyClass.HARD),
        ({"severity": "temporary"}, InboundKind.DELAYED, ReplyClass.DELAYED),
        ({"reason": "suppress-complaint", "delivery-status": {"code": 607}}, InboundKind.BOUNCE, ReplyClass.BLOCK),
        ({"delivery-status": {"code": 552, "message": "mailbox full"}}, InboundKind.BOUNCE, ReplyClass.SOFT),
        ({"event": "complained"}, InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
        ({"event": "unsubscribed"}, InboundKind.UNSUBSCRIBE, ReplyClass.UNSUBSCRIBE),
        ({"event": "delivered"}, InboundKind.DELIVERED, ReplyClass.DELIVERED),
    ],
)
def test_what_mailgun_tells(changes: dict[str, Any], kind: InboundKind, reply_class: ReplyClass) -> None:
    event = only(read("mailgun", mailgun(**changes), given=""))
    assert (event.kind, event.reply_class) == (kind, reply_class)
    assert (event.message_id, event.bounce_local) == ("<m1.c1@example.com>", TOKEN)
    assert event.event_id == "mailgun:G9Bn5sl1TC6nu79C8C0bwg"


def test_mailgun_signatures_are_checked() -> None:
    assert isinstance(read("mailgun", mailgun(key="other")), HookRefused)
    stale = str((NOW - 10 * HOUR) // SECOND)
    assert isinstance(read("mailgun", mailgun(stamp=stale)), HookRefused)
    forged = mailgun()
    forged["signature"]["timestamp"] = str(int(STAMP) + 1)
    assert isinstance(read("mailgun", forged), HookRefused)


# ---------------------------------------------------------------- Resend

RESEND_KEY = base64.b64encode(b"0123456789abcdef01234567").decode()


def resend(change: Callable[[dict[str, Any]], None] | None = None, stamp: str = STAMP, **headers: str) -> HookResult:
    payload: dict[str, Any] = {
        "type": "email.bounced",
        "created_at": "2026-05-28T13:46:40.500Z",
        "data": {
            "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
            "from": "Sara <sara@example.com>",
            "to": ["bob@example.org"],
            "subject": "Welcome",
            "headers": [{"name": "Message-Id", "value": "<m1.c1@example.com>"}],
            "bounce": {
                "message": "The recipient's email address does not exist.",
                "type": "Permanent",
                "subType": "General",
            },
        },
    }
    if change:
        change(payload)
    body = body_of(payload)
    signed = f"msg_1.{stamp}.".encode() + body
    signature = base64.b64encode(hmac.new(base64.b64decode(RESEND_KEY), signed, hashlib.sha256).digest()).decode()
    told = {"svix-id": "msg_1", "svix-timestamp": stamp, "svix-signature": f"v1,AAAA v1,{signature}"} | headers
    request = HookRequest(body, told)
    return read_hook(request, HookSettings("resend", f"whsec_{RESEND_KEY}"), NOW, no_fetch)


def test_what_resend_tells() -> None:
    event = only(resend())
    assert (event.kind, event.reply_class) == (InboundKind.BOUNCE, ReplyClass.HARD)
    assert (event.recipient, event.message_id) == ("bob@example.org", "<m1.c1@example.com>")
    complained = only(resend(lambda payload: payload.update(type="email.complained")))
    assert complained.kind is InboundKind.COMPLAINT
    assert only(resend(lambda payload: payload.update(type="email.teleported"))).kind is InboundKind.UNKNOWN


def test_resend_signatures_are_checked() -> None:
    stale = str((NOW - 6 * MINUTE) // SECOND)
    assert isinstance(resend(stamp=stale), HookRefused)
    assert isinstance(resend(None, STAMP, **{"svix-id": "msg_2"}), HookRefused)
    assert isinstance(resend(None, STAMP, **{"svix-signature": "v1,AAAA v2,BBBB"}), HookRefused)
    assert isinstance(resend(None, STAMP, **{"svix-signature": ""}), HookRefused)


# ---------------------------------------------------------------- SendGrid


def sendgrid_key() -> tuple[Any, str]:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key, base64.b64encode(public).decode()


def sendgrid(batch: object, stamp: str = STAMP, signed_stamp: str = "") -> HookResult:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    key, public = sendgrid_key()
    body = body_of(batch)
    signature = key.sign((signed_stamp or stamp).encode() + body, ec.ECDSA(SHA256()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }
    return read_hook(HookRequest(body, headers), HookSettings("sendgrid", public), NOW, no_fetch)


def told(word: str, **more: object) -> dict[str, object]:
    return {
        "email": "bob@example.org",
        "timestamp": 1_779_976_000,
        "smtp-id": "<m1.c1@example.com>",
        "event": word,
        "sg_event_id": f"id-{word}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001",
        **more,
    }


def test_what_sendgrid_tells_in_a_batch() -> None:
    batch = [
        told("bounce", reason="550 5.1.1 user unknown", status="5.1.1", type="bounce"),
        told("bounce", reason="blocked", type="blocked"),
        told("deferred", response="400 try again later"),
        told("dropped", reason="Bounced Address"),
        told("dropped", reason="Spam Reporting Address"),
        told("dropped", reason="Spam Content (if Spam Checker app enabled)"),
        told("spamreport"),
        told("group_unsubscribe"),
        told("delivered", response="250 OK"),
    ]
    assert [(one.kind, one.reply_class) for one in events(sendgrid(batch))] == [
        (InboundKind.BOUNCE, ReplyClass.HARD),
        (InboundKind.BOUNCE, ReplyClass.BLOCK),
        (InboundKind.DELAYED, ReplyClass.DELAYED),
        (InboundKind.BOUNCE, ReplyClass.HARD),
        (InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
        (InboundKind.BOUNCE, ReplyClass.BLOCK),
        (InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
        (InboundKind.UNSUBSCRIBE, ReplyClass.UNSUBSCRIBE),
        (InboundKind.DELIVERED, ReplyClass.DELIVERED),
    ]


def test_sendgrid_signatures_are_checked() -> None:
    assert isinstance(sendgrid([told("bounce")], signed_stamp="1"), HookRefused)
    stale = str((NOW - 26 * HOUR) // SECOND)
    assert isinstance(sendgrid([told("bounce")], stamp=stale), HookRefused)


# ---------------------------------------------------------------- SES through SNS

TOPIC = "arn:aws:sns:eu-west-1:123456789012:parvar"
CERT_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem"


class Amazon:
    """Signs as SNS does, with a certificate of our own."""

    def __init__(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import NameOID

        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=900))
        self.pem = builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)
        self.fetched: list[str] = []

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return self.pem

    def envelope(self, message: object, version: str = "2", kind: str = "Notification", **more: str) -> dict[str, str]:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA1, SHA256

        said = {
            "Type": kind,
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": TOPIC,
            "Message": message if isinstance(message, str) else json.dumps(message),
            "Timestamp": "2026-05-28T13:46:40.500Z",
            **more,
        }
        names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        signed = "".join(f"{name}\n{said[name]}\n" for name in names if name in said)
        signature = self.key.sign(signed.encode(), PKCS1v15(), SHA1() if version == "1" else SHA256())
        return said | {
            "SignatureVersion": version,
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": CERT_URL,
        }

    def read(self, envelope: object, topic: str = TOPIC) -> HookResult:
        return read_hook(HookRequest(body_of(envelope), {}), HookSettings("ses", topic=topic), NOW, self.fetch)


@pytest.fixture(scope="module")
def amazon() -> Amazon:
    return Amazon()


def bounce(**more: object) -> dict[str, Any]:
    return {
        "eventType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {
                    "emailAddress": "bob@example.org",
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
            ],
            "timestamp": "2026-05-28T13:46:40.500Z",
            "feedbackId": "0102",
            **more,
        },
        "mail": {
            "timestamp": "2026-05-28T13:46:00.000Z",
            "source": f"{TOKEN}@bounce.example.com",
            "messageId": "0102018f",
            "destination": ["bob@example.org"],
            "headers": [{"name": "Message-ID", "value": "<m1.c1@example.com>"}],
            "commonHeaders": {"messageId": "<other@eu-west-1.amazonses.com>"},
        },
    }


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [{}, {"Subject": "Amazon SES Email Event Notification"}])
def test_a_bounce_of_ses(amazon: Amazon, version: str, subject: dict[str, str]) -> None:
    event = only(amazon.read(amazon.envelope(bounce(), version, **subject)))
    assert (event.kind, event.reply_class, event.status) == (InboundKind.BOUNCE, ReplyClass.HARD, "5.1.1")
    assert (event.recipient, event.message_id) == ("bob@example.org", "<m1.c1@example.com>")
    assert event.bounce_local == TOKEN


def test_a_transient_bounce_of_ses_that_holds_a_550_is_judged_by_it(amazon: Amazon) -> None:
    message = bounce(bounceType="Transient")
    assert only(amazon.read(amazon.envelope(message))).reply_class is ReplyClass.HARD


def test_a_bounce_of_ses_on_several_people(amazon: Amazon) -> None:
    people = [{"emailAddress": "bob@example.org"}, {"emailAddress": "carol@example.org"}]
    found = events(amazon.read(amazon.envelope(bounce(bouncedRecipients=people))))
    assert [(one.recipient, one.reply_class) for one in found] == [
        ("bob@example.org", ReplyClass.HARD),
        ("carol@example.org", ReplyClass.HARD),
    ]
    assert len({one.event_id for one in found}) == 2


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            {"notificationType": "Complaint", "complaint": {"complainedRecipients": [{"emailAddress": "b@c.de"}]}},
            "complaint",
        ),
        ({"eventType": "Delivery", "delivery": {"recipients": ["b@c.de"]}}, "delivered"),
        (
            {"eventType": "DeliveryDelay", "deliveryDelay": {"delayedRecipients": [{"emailAddress": "b@c.de"}]}},
            "delayed",
        ),
        ({"eventType": "Click", "mail": {"destination": ["b@c.de"]}}, "clicked"),
        ({"eventType": "Rendering Failure", "mail": {"destination": ["b@c.de"]}}, "report"),
    ],
)
def test_what_else_ses_tells(amazon: Amazon, message: dict[str, Any], kind: str) -> None:
    event = only(amazon.read(amazon.envelope(message)))
    assert (event.kind, event.recipient) == (InboundKind(kind), "b@c.de")


def test_a_forged_ses_message_is_refused(amazon: Amazon) -> None:
    envelope = amazon.envelope(bounce())
    for change in (
        {"Message": json.dumps(bounce(feedbackId="x"))},
        {"Signature": "AAAA"},
        {"SignatureVersion": "3"},
        {"TopicArn": TOPIC + "2"},
        {"Timestamp": "2027"},
    ):
        assert isinstance(amazon.read(envelope | change), HookRefused)
    assert isinstance(amazon.read(envelope, topic=""), HookRefused)
    assert isinstance(Amazon().read(envelope), HookRefused)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.txt",
        "https://s3.eu-west-1.amazonaws.com/a.pem",
        "https://[broken/a.pem",
        "",
    ],
)
def test_a_certificate_is_fetched_from_amazon_only(amazon: Amazon, url: str) -> None:
    before = len(amazon.fetched)
    assert isinstance(amazon.read(amazon.envelope(bounce()) | {"SigningCertURL": url}), HookRefused)
    assert len(amazon.fetched) == before


def test_a_subscription_is_confirmed_only_at_amazon(amazon: Amazon) -> None:
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=x"
    asked = amazon.envelope("You have chosen", kind="SubscriptionConfirmation", SubscribeURL=url, Token="x")
    assert amazon.read(asked) == HookConfirm(url)
    elsewhere = amazon.envelope("x", kind="SubscriptionConfirmation", SubscribeURL="https://evil.example/", Token="x")
    assert isinstance(amazon.read(elsewhere), HookRefused)


def test_a_certificate_that_cannot_be_had_proves_nothing(amazon: Amazon) -> None:
    def fail(url: str) -> bytes:
        raise OSError("no way")

    request = HookRequest(body_of(amazon.envelope(bounce())), {})
    assert isinstance(read_hook(request, HookSettings("ses", topic=TOPIC), NOW, fail), HookRefused)


# ---------------------------------------------------------------- nonsense

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["event", "msys", "type", "data", "event-data", "RecordType", "bounce", "mail", "to", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(st.sampled_from(PROVIDERS), JSON)
def test_no_shape_breaks_a_parser(provider: str, value: object) -> None:
    for event in read_payload(provider, json.dumps(value)):
        assert event.source == provider


@given(st.sampled_from(PROVIDERS), st.binary(max_size=300))
def test_no_bytes_break_a_hook(provider: str, body: bytes) -> None:
    result = read_hook(HookRequest(body, {}, "hush"), HookSettings(provider, "hush", "topic"), NOW, no_fetch)
    assert isinstance(result, HookRefused | HookEvents)


def test_too_much_is_not_read() -> None:
    request = HookRequest(b"[" * 6_000_000, {}, "hush")
    assert read_hook(request, HookSettings("brevo", "hush"), NOW, no_fetch) == HookRefused(413, "too large")


def test_nothing_that_databases_refuse_comes_through() -> None:
    event = only(read("brevo", BREVO | {"email": "b\ud800\0ob@example.org", "reason": "\0\udfff"}))
    for value in (event.recipient, event.diagnosis, event.raw, event.event_id):
        assert "\0" not in value
        value.encode()
