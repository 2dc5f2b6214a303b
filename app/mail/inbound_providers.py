"""What each provider's webhook says, turned into our events.

Owns the shapes of SES, Postmark, Mailgun, SendGrid, Brevo, Mailjet, SparkPost and Resend.
Must not check signatures; gets JSON whose origin is proven, and still trusts none of its shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from app.mail.inbound_event import InboundEvent, InboundKind
from app.mail.inbound_json import as_list, as_object, at_path, instant, number, parse_json, raw_of, text
from app.mail.inbound_reports import diagnosed
from app.mail.replies import ReplyClass, find_status

Parser: TypeAlias = Callable[[object], Iterable[InboundEvent]]

_PLAIN: Final = {
    InboundKind.COMPLAINT: ReplyClass.COMPLAINT,
    InboundKind.UNSUBSCRIBE: ReplyClass.UNSUBSCRIBE,
    InboundKind.AUTO_REPLY: ReplyClass.AUTO_REPLY,
    InboundKind.DELAYED: ReplyClass.DELAYED,
    InboundKind.DELIVERED: ReplyClass.DELIVERED,
}
_TOKEN: Final = re.compile(r"(?<![a-z0-9._+-])(b\+[a-z2-7]{16,64})(?![a-z0-9])")


def _event(source: str, kind: InboundKind, item: object, event_id: str, recipient: str) -> InboundEvent:
    """The frame of an event: our own token is found wherever the provider repeats it."""
    raw = raw_of(item)
    token = _TOKEN.search(raw)
    return InboundEvent(
        kind,
        f"{source}:{event_id}"[:200],
        source,
        _PLAIN.get(kind, ReplyClass.UNKNOWN),
        recipient=recipient,
        bounce_local=token.group(1) if token else "",
        raw=raw,
    )


def _said(event: InboundEvent, diagnosis: str, status: str = "", hint: ReplyClass | None = None) -> InboundEvent:
    """The event judged by the other server's words; the provider's own class only where those say nothing clear."""
    judged = diagnosed(event, status or find_status(diagnosis), diagnosis)
    is_vague = judged.reply_class is ReplyClass.UNKNOWN or (judged.reply_class is ReplyClass.SOFT and not judged.status)
    return replace(judged, reply_class=hint) if hint and is_vague and event.kind is InboundKind.BOUNCE else judged


# ---------------------------------------------------------------- Amazon SES (the Message inside an SNS notification)


def ses(message: object) -> Iterable[InboundEvent]:
    word = text(message, "eventType") or text(message, "notificationType")
    read = {"Bounce": _ses_bounce, "Complaint": _ses_complaint, "DeliveryDelay": _ses_delay}.get(word)
    if read:
        return read(message)
    kind = _SES_KINDS.get(word, InboundKind.UNKNOWN)
    about = as_object(message).get(word.lower())
    recipients = as_list(at_path(about, "recipients")) or as_list(at_path(message, "mail", "destination"))
    return [_ses_event(message, kind, str(one), text(about, "timestamp")) for one in recipients]


_SES_KINDS: Final = {
    "Delivery": InboundKind.DELIVERED,
    "Send": InboundKind.ACCEPTED,
    "Open": InboundKind.OPENED,
    "Click": InboundKind.CLICKED,
    "Subscription": InboundKind.UNSUBSCRIBE,
    "Reject": InboundKind.REPORT,
    "Rendering Failure": InboundKind.REPORT,
}


def _ses_event(message: object, kind: InboundKind, recipient: str, when: str) -> InboundEvent:
    event_id = f"{text(message, 'mail', 'messageId')}:{kind}:{recipient}:{when}"
    event = _event("ses", kind, message, event_id, recipient)
    ours = [
        text(one, "value")
        for one in as_list(at_path(message, "mail", "headers"))
        if text(one, "name").lower() == "message-id"
    ]
    own_id = ours[0] if ours else text(message, "mail", "commonHeaders", "messageId")
    return replace(event, message_id=_bracketed(own_id), at=instant({"at": when}, "at"))


def _ses_bounce(message: object) -> Iterable[InboundEvent]:
    bounce = as_object(message).get("bounce")
    hint = {"Permanent": ReplyClass.HARD, "Transient": ReplyClass.SOFT}.get(text(bounce, "bounceType"))
    detail = text(bounce, "bounceSubType")
    hint = _SES_DETAILS.get(detail, hint)
    for one in as_list(at_path(bounce, "bouncedRecipients")):
        event = _ses_event(message, InboundKind.BOUNCE, text(one, "emailAddress"), text(bounce, "timestamp"))
        yield _said(event, text(one, "diagnosticCode").removeprefix("smtp; ") or detail, text(one, "status"), hint)


_SES_DETAILS: Final = {
    "ContentRejected": ReplyClass.BLOCK,
    "AttachmentRejected": ReplyClass.BLOCK,
    "MessageTooLarge": ReplyClass.BLOCK,
    "MailboxFull": ReplyClass.SOFT,
    "Suppressed": ReplyClass.HARD,
    "OnAccountSuppressionList": ReplyClass.HARD,
}


def _ses_complaint(message: object) -> Iterable[InboundEvent]:
    complaint = as_object(message).get("complaint")
    kind = InboundKind.REPORT if text(complaint, "complaintFeedbackType") == "not-spam" else InboundKind.COMPLAINT
    for one in as_list(at_path(complaint, "complainedRecipients")):
        yield _ses_event(message, kind, text(one, "emailAddress"), text(complaint, "timestamp"))


def _ses_delay(message: object) -> Iterable[InboundEvent]:
    delay = as_object(message).get("deliveryDelay")
    for one in as_list(at_path(delay, "delayedRecipients")):
        event = _ses_event(message, InboundKind.DELAYED, text(one, "emailAddress"), text(delay, "timestamp"))
        yield _said(event, text(one, "diagnosticCode"), text(one, "status"))


# ---------------------------------------------------------------- Postmark


def postmark(payload: object) -> Iterable[InboundEvent]:
    for item in as_list(payload):
        record, sort = text(item, "RecordType"), text(item, "Type")
        kind, hint = _POSTMARK_TYPES.get(sort, (InboundKind.BOUNCE, None))
        if record != "Bounce":
            kind, hint = _POSTMARK_RECORDS.get(record, InboundKind.UNKNOWN), None
        if record == "SubscriptionChange":
            kind, hint = _postmark_change(item)
        when = _first(item, "BouncedAt", "DeliveredAt", "ReceivedAt", "ChangedAt")
        recipient = _first(item, "Email", "Recipient")
        event_id = f"{text(item, 'MessageID')}:{record}:{text(item, 'ID')}:{recipient}:{when}"
        event = replace(_event("postmark", kind, item, event_id, recipient), at=instant({"at": when}, "at"))
        event = replace(event, message_id=_bracketed(text(item, "Metadata", "message_id")))
        yield _said(event, text(item, "Details"), hint=hint) if kind is InboundKind.BOUNCE else event


def _postmark_change(item: object) -> tuple[InboundKind, ReplyClass | None]:
    """Postmark tells of its own list too: only what the reader did by hand is a farewell."""
    if at_path(item, "SuppressSending") is not True:
        return InboundKind.UNKNOWN, None
    reason, origin = text(item, "SuppressionReason"), text(item, "Origin")
    if reason == "HardBounce":
        return InboundKind.BOUNCE, ReplyClass.HARD
    if reason == "SpamComplaint":
        return InboundKind.COMPLAINT, None
    return (InboundKind.UNSUBSCRIBE if origin == "Recipient" else InboundKind.REPORT), None


_POSTMARK_RECORDS: Final = {
    "Delivery": InboundKind.DELIVERED,
    "SpamComplaint": InboundKind.COMPLAINT,
    "Open": InboundKind.OPENED,
    "Click": InboundKind.CLICKED,
}
_POSTMARK_TYPES: Final[Mapping[str, tuple[InboundKind, ReplyClass | None]]] = {
    "HardBounce": (InboundKind.BOUNCE, ReplyClass.HARD),
    "BadEmailAddress": (InboundKind.BOUNCE, ReplyClass.HARD),
    "SoftBounce": (InboundKind.BOUNCE, ReplyClass.SOFT),
    "DnsError": (InboundKind.BOUNCE, ReplyClass.SOFT),
    "Transient": (InboundKind.DELAYED, None),
    "Blocked": (InboundKind.BOUNCE, ReplyClass.BLOCK),
    "DMARCPolicy": (InboundKind.BOUNCE, ReplyClass.BLOCK),
    "SpamNotification": (InboundKind.BOUNCE, ReplyClass.BLOCK),
    "VirusNotification": (InboundKind.BOUNCE, ReplyClass.BLOCK),
    "SMTPApiError": (InboundKind.BOUNCE, ReplyClass.BLOCK),
    "SpamComplaint": (InboundKind.COMPLAINT, None),
    "Unsubscribe": (InboundKind.UNSUBSCRIBE, None),
    "AutoResponder": (InboundKind.AUTO_REPLY, None),
    "ChallengeVerification": (InboundKind.AUTO_REPLY, None),
    "AddressChange": (InboundKind.REPORT, None),
}


# ---------------------------------------------------------------- Mailgun


def mailgun(payload: object) -> Iterable[InboundEvent]:
    item = at_path(payload, "event-data")
    word = text(item, "event")
    kind = _MAILGUN.get(word, InboundKind.UNKNOWN)
    if word == "failed" and text(item, "severity") == "temporary":
        kind = InboundKind.DELAYED
    event = _event("mailgun", kind, item, text(item, "id"), text(item, "recipient"))
    event = replace(
        event, message_id=_bracketed(text(item, "message", "headers", "message-id")), at=instant(item, "timestamp")
    )
    if word not in {"failed", "rejected"}:
        return [event]
    status = at_path(item, "delivery-status")
    said = f"{text(status, 'code')} {_first(status, 'message', 'description')}".strip()
    hint = _MAILGUN_REASONS.get(text(item, "reason"), ReplyClass.HARD if number(status, "code") == 550 else None)
    return [_said(event, said, text(status, "enhanced-code"), hint)]


_MAILGUN: Final = {
    "accepted": InboundKind.ACCEPTED,
    "delivered": InboundKind.DELIVERED,
    "failed": InboundKind.BOUNCE,
    "rejected": InboundKind.BOUNCE,
    "opened": InboundKind.OPENED,
    "clicked": InboundKind.CLICKED,
    "unsubscribed": InboundKind.UNSUBSCRIBE,
    "complained": InboundKind.COMPLAINT,
}
_MAILGUN_REASONS: Final = {
    "suppress-bounce": ReplyClass.HARD,
    "suppress-complaint": ReplyClass.BLOCK,
    "suppress-unsubscribe": ReplyClass.BLOCK,
    "espblock": ReplyClass.BLOCK,
    "blocklist": ReplyClass.BLOCK,
    "old": ReplyClass.SOFT,
    "generic": ReplyClass.SOFT,
}


# ---------------------------------------------------------------- SendGrid


def sendgrid(payload: object) -> Iterable[InboundEvent]:
    for item in as_list(payload):
        word = text(item, "event")
        reason = _first(item, "reason", "response")
        kind, hint = _SENDGRID.get(word, (InboundKind.UNKNOWN, None))
        if word == "dropped":
            kind, hint = _dropped(reason)
        if text(item, "type") == "blocked":
            hint = ReplyClass.BLOCK
        hint = _SENDGRID_CLASSES.get(text(item, "bounce_classification"), hint)
        event = _event("sendgrid", kind, item, text(item, "sg_event_id") or raw_of(item)[:150], text(item, "email"))
        event = replace(event, message_id=_bracketed(text(item, "smtp-id")), at=instant(item, "timestamp"))
        yield _said(event, reason, text(item, "status"), hint) if kind is InboundKind.BOUNCE else event


_SENDGRID: Final[Mapping[str, tuple[InboundKind, ReplyClass | None]]] = {
    "processed": (InboundKind.ACCEPTED, None),
    "deferred": (InboundKind.DELAYED, None),
    "delivered": (InboundKind.DELIVERED, None),
    "bounce": (InboundKind.BOUNCE, ReplyClass.HARD),
    "open": (InboundKind.OPENED, None),
    "click": (InboundKind.CLICKED, None),
    "spamreport": (InboundKind.COMPLAINT, None),
    "unsubscribe": (InboundKind.UNSUBSCRIBE, None),
    "group_unsubscribe": (InboundKind.UNSUBSCRIBE, None),
}


_SENDGRID_CLASSES: Final = {
    "Invalid Address": ReplyClass.HARD,
    "Mailbox Unavailable": ReplyClass.SOFT,
    "Technical Failure": ReplyClass.SOFT,
    "Frequency or Volume Too High": ReplyClass.THROTTLE,
    "Reputation": ReplyClass.BLOCK,
    "Content": ReplyClass.BLOCK,
}


def _dropped(reason: str) -> tuple[InboundKind, ReplyClass | None]:
    """Not a bounce but the provider's own list: what put the address there decides."""
    said = reason.lower()
    if "spam report" in said:
        return InboundKind.COMPLAINT, None
    if "unsubscribe" in said:
        return InboundKind.UNSUBSCRIBE, None
    is_about_address = "bounced address" in said or said.startswith("invalid")
    return InboundKind.BOUNCE, ReplyClass.HARD if is_about_address else ReplyClass.BLOCK


# ---------------------------------------------------------------- Brevo


def brevo(payload: object) -> Iterable[InboundEvent]:
    for item in as_list(payload):
        kind, hint = _BREVO.get(text(item, "event"), (InboundKind.UNKNOWN, None))
        when = _first(item, "ts_epoch", "ts_event", "ts")
        own_id = _bracketed(text(item, "message-id"))
        event_id = f"{own_id}:{text(item, 'event')}:{text(item, 'email')}:{when}"
        event = _event("brevo", kind, item, event_id, text(item, "email"))
        event = replace(event, message_id=own_id, at=instant({"at": when}, "at"))
        yield _said(event, text(item, "reason"), hint=hint) if kind is InboundKind.BOUNCE else event


_BREVO: Final[Mapping[str, tuple[InboundKind, ReplyClass | None]]] = {
    "request": (InboundKind.ACCEPTED, None),
    "delivered": (InboundKind.DELIVERED, None),
    "deferred": (InboundKind.DELAYED, None),
    "hard_bounce": (InboundKind.BOUNCE, ReplyClass.HARD),
    "invalid_email": (InboundKind.BOUNCE, ReplyClass.HARD),
    "soft_bounce": (InboundKind.BOUNCE, ReplyClass.SOFT),
    "blocked": (InboundKind.BOUNCE, ReplyClass.BLOCK),
    "error": (InboundKind.BOUNCE, ReplyClass.BLOCK),
    "spam": (InboundKind.COMPLAINT, None),
    "unsubscribed": (InboundKind.UNSUBSCRIBE, None),
    "opened": (InboundKind.OPENED, None),
    "unique_opened": (InboundKind.OPENED, None),
    "proxy_open": (InboundKind.OPENED, None),
    "unique_proxy_open": (InboundKind.OPENED, None),
    "click": (InboundKind.CLICKED, None),
}


# ---------------------------------------------------------------- Mailjet


def mailjet(payload: object) -> Iterable[InboundEvent]:
    for item in as_list(payload):
        word = text(item, "event")
        kind = _MAILJET.get(word, InboundKind.UNKNOWN)
        hint = ReplyClass.HARD if at_path(item, "hard_bounce") is True else ReplyClass.SOFT
        if word == "blocked" or at_path(item, "blocked") is True:
            hint = (
                ReplyClass.HARD
                if text(item, "error_related_to") == "recipient" and hint is ReplyClass.HARD
                else ReplyClass.BLOCK
            )
        event_id = f"{_first(item, 'Message_GUID', 'MessageID')}:{word}:{text(item, 'email')}:{text(item, 'time')}"
        event = _event("mailjet", kind, item, event_id, text(item, "email"))
        event = replace(event, message_id=_bracketed(text(item, "CustomID")), at=instant(item, "time"))
        said = f"{text(item, 'error')} {text(item, 'comment')}".strip()
        yield _said(event, said, hint=hint) if kind is InboundKind.BOUNCE else event


_MAILJET: Final = {
    "sent": InboundKind.DELIVERED,
    "open": InboundKind.OPENED,
    "click": InboundKind.CLICKED,
    "bounce": InboundKind.BOUNCE,
    "blocked": InboundKind.BOUNCE,
    "spam": InboundKind.COMPLAINT,
    "unsub": InboundKind.UNSUBSCRIBE,
}


# ---------------------------------------------------------------- SparkPost


def sparkpost(payload: object) -> Iterable[InboundEvent]:
    for wrapped in as_list(payload):
        for item in as_object(at_path(wrapped, "msys")).values():
            word = text(item, "type")
            kind = _SPARKPOST.get(word, InboundKind.UNKNOWN)
            bounce_class = number(item, "bounce_class")
            if kind is InboundKind.BOUNCE:
                kind = {60: InboundKind.AUTO_REPLY, 90: InboundKind.UNSUBSCRIBE, 100: InboundKind.AUTO_REPLY}.get(
                    bounce_class, kind
                )
            event = _event("sparkpost", kind, item, text(item, "event_id"), _first(item, "raw_rcpt_to", "rcpt_to"))
            event = replace(
                event, message_id=_bracketed(text(item, "rcpt_meta", "message_id")), at=instant(item, "timestamp")
            )
            hint = _SPARKPOST_CLASSES.get(bounce_class, ReplyClass.SOFT)
            yield _said(event, _first(item, "raw_reason", "reason"), hint=hint) if kind is InboundKind.BOUNCE else event


_SPARKPOST: Final = {
    "bounce": InboundKind.BOUNCE,
    "out_of_band": InboundKind.BOUNCE,
    "policy_rejection": InboundKind.BOUNCE,
    "delay": InboundKind.DELAYED,
    "delivery": InboundKind.DELIVERED,
    "injection": InboundKind.ACCEPTED,
    "spam_complaint": InboundKind.COMPLAINT,
    "list_unsubscribe": InboundKind.UNSUBSCRIBE,
    "link_unsubscribe": InboundKind.UNSUBSCRIBE,
    "open": InboundKind.OPENED,
    "initial_open": InboundKind.OPENED,
    "click": InboundKind.CLICKED,
    "generation_failure": InboundKind.REPORT,
    "generation_rejection": InboundKind.REPORT,
}
_SPARKPOST_CLASSES: Final = {
    10: ReplyClass.HARD,
    30: ReplyClass.HARD,
    **dict.fromkeys((23, 25, 50, 51, 52, 53, 54), ReplyClass.BLOCK),
}


# ---------------------------------------------------------------- Resend


def resend(payload: object) -> Iterable[InboundEvent]:
    word = text(payload, "type")
    kind = _RESEND.get(word, InboundKind.UNKNOWN)
    data = at_path(payload, "data")
    to = at_path(data, "to")
    hint = {"Permanent": ReplyClass.HARD, "Transient": ReplyClass.SOFT}.get(text(data, "bounce", "type"))
    own = [text(one, "value") for one in as_list(at_path(data, "headers")) if text(one, "name").lower() == "message-id"]
    for one in to if isinstance(to, list) else [to]:
        recipient = one if isinstance(one, str) else ""
        event_id = f"{text(data, 'email_id')}:{word}:{recipient}:{text(payload, 'created_at')}"
        event = _event("resend", kind, payload, event_id, recipient)
        own_id = own[0] if own else text(data, "message_id")
        event = replace(event, message_id=_bracketed(own_id), at=instant(payload, "created_at"))
        yield _said(event, text(data, "bounce", "message"), hint=hint) if kind is InboundKind.BOUNCE else event


_RESEND: Final = {
    "email.sent": InboundKind.ACCEPTED,
    "email.delivered": InboundKind.DELIVERED,
    "email.delivery_delayed": InboundKind.DELAYED,
    "email.bounced": InboundKind.BOUNCE,
    "email.complained": InboundKind.COMPLAINT,
    "email.opened": InboundKind.OPENED,
    "email.clicked": InboundKind.CLICKED,
    "email.failed": InboundKind.REPORT,
    "email.suppressed": InboundKind.REPORT,
}


# ---------------------------------------------------------------- all of them

PARSERS: Final[Mapping[str, Parser]] = {
    "ses": ses,
    "postmark": postmark,
    "mailgun": mailgun,
    "sendgrid": sendgrid,
    "brevo": brevo,
    "mailjet": mailjet,
    "sparkpost": sparkpost,
    "resend": resend,
}


def read_payload(provider: str, body: bytes | str) -> tuple[InboundEvent, ...]:
    """The events in a webhook's JSON; none when it holds nothing we can name. `provider` is a key of PARSERS."""
    payload = parse_json(body)
    return tuple(PARSERS[provider](payload)) if payload is not None else ()


def _first(item: object, *keys: str) -> str:
    return next((found for key in keys if (found := text(item, key))), "")


def _bracketed(message_id: str) -> str:
    """A Message-ID with its angle brackets; what is none becomes empty."""
    bare = message_id.strip().strip("<>")
    return f"<{bare}>" if "@" in bare and not any(c.isspace() for c in bare) else ""
