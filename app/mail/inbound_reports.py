"""Reports about mails: delivery status (RFC 3464, 6533), feedback (RFC 5965), and bounces in plain prose.

Owns the reading of these three into events.
Must not judge whether a mail is such a report at all.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from app.mail.inbound_event import InboundEvent, InboundKind
from app.mail.inbound_parts import Fields, Part, address_field, addresses, field_groups, header, message_ids
from app.mail.replies import ReplyClass, classify, find_status

MAX_DIAGNOSIS: Final = 1_000
_MAX_RECIPIENTS: Final = 50


# ---------------------------------------------------------------- delivery status


def read_delivery_status(part: Part, prose: str, blank: InboundEvent) -> tuple[InboundEvent, ...]:
    """One event per recipient group; empty when the part holds none."""
    groups = field_groups(part)
    about_message = groups[0] if groups and not _names_recipient(groups[0]) else {}
    recipients = [group for group in groups if _names_recipient(group)] or [
        group for group in groups if "status" in group
    ]
    if not blank.message_id and (found := message_ids(about_message.get("original-message-id", ""))):
        blank = replace(blank, message_id=found[0])
    return tuple(_of_recipient(group, prose, blank) for group in recipients[:_MAX_RECIPIENTS])


def _names_recipient(group: Fields) -> bool:
    return bool(_RECIPIENT_FIELDS & group.keys())


_RECIPIENT_FIELDS: Final = frozenset(("final-recipient", "original-recipient", "x-actual-recipient"))


def _of_recipient(group: Fields, prose: str, blank: InboundEvent) -> InboundEvent:
    recipient = address_field(group.get("original-recipient", "")) or address_field(group.get("final-recipient", ""))
    kind = _KINDS.get(group.get("action", "failed").split(" ")[0].lower(), InboundKind.BOUNCE)
    diagnosis = group.get("diagnostic-code", "").removeprefix("smtp;").removeprefix("x-").strip()
    event = replace(blank, kind=kind, recipient=recipient)
    return diagnosed(event, _status(group, diagnosis), diagnosis, prose)


_KINDS: Final = {
    "failed": InboundKind.BOUNCE,
    "delayed": InboundKind.DELAYED,
    "delivered": InboundKind.DELIVERED,
    "relayed": InboundKind.DELIVERED,
    "expanded": InboundKind.DELIVERED,
}


def _status(group: Fields, diagnosis: str) -> str:
    """The status field, unless it says nothing while the diagnosis says something."""
    stated = find_status(group.get("status", ""))
    return (find_status(diagnosis) or stated) if stated.endswith(".0.0") or not stated else stated


def diagnosed(event: InboundEvent, status: str, diagnosis: str, prose: str = "") -> InboundEvent:
    """The event with its class: for a bounce judged from the diagnosis, and from the prose when that is silent."""
    code = smtp_code(diagnosis)
    if event.kind is InboundKind.DELAYED:
        reply_class = ReplyClass.DELAYED
    elif event.kind is InboundKind.DELIVERED:
        reply_class = ReplyClass.DELIVERED
    else:
        said = diagnosis if code or len(diagnosis) > 20 else f"{diagnosis} {_telling(prose)}"
        code = code or smtp_code(said)
        reply_class = _bounce_class(code, status, said)
        diagnosis = said if len(diagnosis) < 4 else diagnosis
    return replace(event, reply_class=reply_class, code=code, status=status, diagnosis=_short(diagnosis))


def _bounce_class(code: int, status: str, said: str) -> ReplyClass:
    """A bounce is final, so a positive code in its text belongs to some other line."""
    found = classify(code if code >= 400 else 0, status if status[:1] in {"4", "5"} else "", said)
    return ReplyClass.UNKNOWN if found is ReplyClass.DELIVERED else found


_CODE: Final = re.compile(r"(?<![\d.])([45]\d\d)(?=[ \-;:)\]]|$|\.?\s)")


def smtp_code(text: str) -> int:
    """The first SMTP error code in a diagnosis, or 0."""
    found = _CODE.search(text[:4_000])
    return int(found.group(1)) if found else 0


def _short(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())[:MAX_DIAGNOSIS]


# ---------------------------------------------------------------- feedback


def read_feedback(part: Part | None, original: Part | None, blank: InboundEvent) -> InboundEvent:
    """A complaint or what else a mailbox provider feeds back; the recipient is often redacted (RFC 6590)."""
    fields: Fields = {}
    for group in field_groups(part) if part else ():
        fields = {**group, **fields}
    kind_word = fields.get("feedback-type", "abuse").split(" ")[0].lower()
    kind, reply_class = _FEEDBACK.get(kind_word, (InboundKind.REPORT, ReplyClass.UNKNOWN))
    recipient = address_field(fields.get("original-rcpt-to", "")) or address_field(fields.get("removal-recipient", ""))
    if not recipient and original:
        recipient = _recipient_of(original)
    local = re.search(r"\b(b\+[a-z2-7]{16,64})@", fields.get("original-mail-from", "").lower())
    return replace(
        blank,
        kind=kind,
        reply_class=reply_class,
        recipient=recipient,
        bounce_local=blank.bounce_local or (local.group(1) if local else ""),
        diagnosis=_short(f"feedback {kind_word} {fields.get('user-agent', '')}"),
    )


_FEEDBACK: Final = {
    "abuse": (InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
    "fraud": (InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
    "miscategorized": (InboundKind.COMPLAINT, ReplyClass.COMPLAINT),
    "opt-out": (InboundKind.UNSUBSCRIBE, ReplyClass.UNSUBSCRIBE),
    "opt-out-list": (InboundKind.UNSUBSCRIBE, ReplyClass.UNSUBSCRIBE),
}


def _recipient_of(original: Part) -> str:
    payload = original.message.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else original.message
    found = addresses(header(inner, "To")) if not isinstance(inner, str) else []
    return found[0] if found else ""


# ---------------------------------------------------------------- prose


def read_free_text(subject: str, prose: str, own: frozenset[str], blank: InboundEvent) -> InboundEvent:
    """A bounce without a machine's part: qmail, Exim, old gateways. `own` are addresses that cannot be the
    recipient.
    """
    said = _before_copy(prose)
    kind = InboundKind.DELAYED if _DELAY.search(f"{subject} {said[:1_500]}".lower()) else InboundKind.BOUNCE
    candidates = [one for one in addresses(said) if one.lower() not in own and not _OURS.match(one)]
    event = replace(blank, kind=kind, recipient=candidates[0] if candidates else "")
    telling = _telling(said)
    return diagnosed(event, find_status(telling), telling)


_OURS: Final = re.compile(r"(?:[bu]\+[a-z2-7]{16,}|mailer-daemon|postmaster)@", re.IGNORECASE)
_COPY: Final = re.compile(
    r"below this line is a copy|this is a copy of (?:the|your) message|original message(?: headers)? follow"
    r"|-----\s?original message"
    r"|------ ?the body of the message|\breturned message\b|^return-path: |^received: from"
    r"|included below|^--- (?:message header|original)",
    re.IGNORECASE | re.MULTILINE,
)
_DELAY: Final = re.compile(
    r"\bdelayed\b|not yet been delivered|will (?:be retried|keep trying|continue to (?:be )?(?:try|tried|retr))"
    r"|still being retried"
    r"|no action is required|do not need to resend|delivery attempts will continue"
)
_TELLING: Final = re.compile(
    r"[45]\d\d[ -]|[45]\.\d\.\d|#\d\.\d|said:|error|reason|unknown|unable|fail|reject|full|quota|exist|not |block"
)


def _before_copy(prose: str) -> str:
    found = _COPY.search(prose)
    return prose[: found.start()] if found and found.start() > 40 else prose[:6_000]


def _telling(prose: str) -> str:
    """The lines of a bounce's prose that say why, without the pleasantries."""
    lines = [line.strip() for line in _before_copy(prose).splitlines() if line.strip()]
    coded = [n for n, line in enumerate(lines) if _CODE.search(line) or find_status(line)]
    if coded:
        return " ".join(lines[max(coded[0] - 1, 0) : coded[0] + 5])
    told = [line for line in lines if _TELLING.search(line.lower())]
    return " ".join(told or lines)[:2_000]
