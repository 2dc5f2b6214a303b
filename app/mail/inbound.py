"""A mail that came back, as events: bounce, complaint, unsubscribe, automatic answer, reply, delay, delivery.

Owns the order in which a mail is judged. Whatever the bytes are, an event comes out and nothing is raised.
Must not look anything up: it says what the mail says; who that is, the caller finds by token, Message-ID or recipient.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from email.message import Message
from typing import Final

from app.mail.inbound_event import InboundEvent, InboundKind
from app.mail.inbound_parts import Part, addresses, header, headers, message_ids, parse_mail, parts_of, text_of
from app.mail.inbound_reports import read_delivery_status, read_feedback, read_free_text
from app.mail.replies import ReplyClass

SOURCE: Final = "mail"


def read_mail(raw: bytes, envelope_to: str = "") -> tuple[InboundEvent, ...]:
    """What a mail to our bounce, reply or unsubscribe address says; at least one event, for a report one per recipient.

    `envelope_to` is the address it was delivered to, where the way in (pipe, LMTP) tells it. Never raises.
    """
    event_id = hashlib.sha256(raw).hexdigest()[:32]
    blank = InboundEvent(InboundKind.UNKNOWN, event_id, SOURCE)
    try:
        events = _Reading(parse_mail(raw), envelope_to, blank).events()
    except Exception:  # noqa: BLE001 - strangers write these bytes; a mail we cannot read must not stop the mailbox
        return (blank,)
    return tuple(replace(one, event_id=f"{event_id}-{n}") if n else one for n, one in enumerate(events))


class _Reading:
    """Judges one mail, most telling sign first (RFC 6522, 3464, 5965, 3834)."""

    def __init__(self, mail: Message, envelope_to: str, blank: InboundEvent) -> None:
        self._mail = mail
        self._parts = parts_of(mail)
        self._original = _original(self._parts)
        self._subject = header(mail, "Subject")
        self._to = " ".join((envelope_to, *headers(mail, *_DELIVERY_HEADERS)))
        self._blank = replace(
            blank,
            bounce_local=self._local("b"),
            unsubscribe_local=self._local("u"),
            message_id=self._original_id(),
        )

    def events(self) -> tuple[InboundEvent, ...]:
        return self._report() or (self._single(),)

    def _report(self) -> tuple[InboundEvent, ...]:
        feedback = next((part for part in self._parts if part.type == "message/feedback-report"), None)
        if feedback or _COMPLAINT_SUBJECT.match(self._subject):
            return (read_feedback(feedback, self._original, self._blank),)
        for part in self._parts:
            if part.type in _STATUS_TYPES and (events := read_delivery_status(part, self._prose(), self._blank)):
                return events
        return ()

    def _single(self) -> InboundEvent:
        if self._is_unsubscribe():
            sender = _sender(self._mail)
            return replace(
                self._blank,
                kind=InboundKind.UNSUBSCRIBE,
                reply_class=ReplyClass.UNSUBSCRIBE,
                recipient=sender,
                unsubscribe_local=self._blank.unsubscribe_local or _token_in(self._subject),
            )
        if self._is_bounce():
            return read_free_text(self._subject, self._prose(), self._own_addresses(), self._blank)
        if self._is_automatic():
            is_gone = bool(_GONE.search(f"{self._subject} {self._prose()[:2_000]}".lower()))
            return self._answer(InboundKind.AUTO_REPLY, ReplyClass.AUTO_REPLY, is_gone)
        if not self._mail.keys():
            return self._blank
        return self._answer(InboundKind.REPLY, ReplyClass.UNKNOWN, False)

    def _answer(self, kind: InboundKind, reply_class: ReplyClass, is_gone: bool) -> InboundEvent:
        answered = [found for value in headers(self._mail, "In-Reply-To", "References") for found in message_ids(value)]
        return replace(
            self._blank,
            kind=kind,
            reply_class=reply_class,
            is_gone=is_gone,
            recipient=_sender(self._mail),
            message_id=answered[0] if answered else self._blank.message_id,
        )

    # ------------------------------------------------------------ signs

    def _is_unsubscribe(self) -> bool:
        """Sent to the address of List-Unsubscribe, by whomever; with a token in the subject any of our addresses."""
        if self._is_bounce():
            return False
        return bool(_local("u", self._to)) or (bool(_token_in(self._subject)) and not self._is_automatic())

    def _is_bounce(self) -> bool:
        local = _sender(self._mail).partition("@")[0].lower()
        is_from_daemon = local in _DAEMONS or local.startswith("microsoftexchange")
        is_daemon = is_from_daemon or header(self._mail, "Return-Path") == "<>"
        return (is_daemon and bool(_BOUNCE_SUBJECT.search(self._subject.lower()))) or (
            is_from_daemon and bool(_local("b", self._to))
        )

    def _is_automatic(self) -> bool:
        """RFC 3834, and what programs did before it."""
        submitted = header(self._mail, "Auto-Submitted").lower()
        if submitted and not submitted.startswith("no"):
            return True
        if header(self._mail, "Precedence").lower() in {"auto_reply", "bulk", "junk", "list"}:
            return True
        if any(header(self._mail, name) for name in _AUTO_HEADERS) or header(self._mail, "Return-Path") == "<>":
            return True
        types = {part.type for part in self._parts}
        return "message/disposition-notification" in types or bool(_AUTO_SUBJECT.search(self._subject.lower()))

    # ------------------------------------------------------------ pieces

    def _prose(self) -> str:
        """The human part: the texts outside a returned original."""
        texts = []
        depth = self._original.depth if self._original else 99
        for part in self._parts:
            if part is self._original:
                break
            if part.type in {"text/plain", "text/html"} and part.depth <= depth:
                texts.append(text_of(part.message))
        return "\n".join(texts)

    def _local(self, prefix: str) -> str:
        """Our own local part: where the mail was sent to, else in what it returns."""
        if found := _local(prefix, self._to):
            return found
        original = self._original_message()
        if original and (found := _local(prefix, " ".join(headers(original, *_ORIGINAL_HEADERS)))):
            return found
        return _local(prefix, self._prose())

    def _original_message(self) -> Message | None:
        if self._original is None:
            return None
        payload = self._original.message.get_payload()
        if isinstance(payload, list) and payload and isinstance(payload[0], Message):
            return payload[0]
        return parse_mail(text_of(self._original.message).encode("utf-8", "replace"))

    def _original_id(self) -> str:
        original = self._original_message()
        if original and (found := message_ids(header(original, "Message-ID"))):
            return found[0]
        found_in_text = _QUOTED_ID.search(self._prose())
        return found_in_text.group(1) if found_in_text else ""

    def _own_addresses(self) -> frozenset[str]:
        names = ("From", "To", "Reply-To", "Sender", "Return-Path", *_DELIVERY_HEADERS)
        return frozenset(one.lower() for value in headers(self._mail, *names) for one in addresses(value))


_DELIVERY_HEADERS: Final = (
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Delivered-To",
    "X-Envelope-To",
    "To",
    "Cc",
)
_ORIGINAL_HEADERS: Final = ("Return-Path", "Sender", "X-Envelope-From", "List-Unsubscribe", "X-Original-From")
_STATUS_TYPES: Final = frozenset(("message/delivery-status", "message/global-delivery-status"))
_ORIGINAL_TYPES: Final = frozenset(
    ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "message/rfc822-headers")
)
_AUTO_HEADERS: Final = (
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponse",
    "X-Auto-Reply",
    "X-AutoReply-From",
    "X-Mail-Autoreply",
)
_DAEMONS: Final = frozenset(
    (
        "mailer-daemon",
        "mail-daemon",
        "mailerdaemon",
        "postmaster",
        "mdaemon",
        "daemon",
        "mail_daemon",
        "bounce",
        "delivery",
        "mail-delivery-system",
        "maildelivery",
        "emailsecurity",
    )
)
_BOUNCE_SUBJECT: Final = re.compile(
    r"undeliver|non-?deliver|nicht zustellbar|unzustellbar|no entregado|non remis"
    r"|delivery (?:status|fail|notif|problem|error|has|un|incomplete|delay|warning)"
    r"|returned mail|failure notice|mail (?:delivery|system|error|could)"
    r"|mail not delivered|not (?:been )?delivered|returned to sender|rejected|bounce"
    r"|could not (?:be delivered|send)|cannot be delivered|delayed|failed|warning: message"
    r"|message (?:status|error)|undelivered"
)
_COMPLAINT_SUBJECT: Final = re.compile(r"complaint about message from", re.IGNORECASE)
_AUTO_SUBJECT: Final = re.compile(
    r"out of (?:the )?office|automatic reply|auto-?reply|auto-?response|autoresponder|^auto:|away from (?:the )?office"
    r"|on vacation|vacation reply|on leave"
    r"|abwesenheit|automatische antwort|réponse automatique|absence du bureau"
    r"|respuesta automática|fuera de la oficina|risposta automatica"
    r"|automatisch antwoord"
    r"|پاسخ خودکار|خارج از دفتر|در مرخصی|رد تلقائي|自动回复|自動応答"
)
_GONE: Final = re.compile(
    r"no longer (?:with|work|employed|at|part of)|has left|left the (?:company|organi[sz]ation)"
    r"|does not work|doesn't work|nicht mehr (?:für|bei|im)|ne travaille plus|دیگر با این|دیگر در این"
)
_LOCALS: Final = {
    letter: re.compile(rf"(?<![a-z0-9._+-])({letter}\+[a-z2-7]{{16,64}})@", re.IGNORECASE) for letter in "bu"
}
_SUBJECT_TOKEN: Final = re.compile(r"unsubscribe\W{1,3}(u\+[a-z2-7]{16,64})\b", re.IGNORECASE)
_QUOTED_ID: Final = re.compile(
    r"^[>\s]{0,10}message-id:\s{0,5}(<[!-;=?-~]{1,250}@[!-;=?-~]{1,250}>)", re.IGNORECASE | re.MULTILINE
)


def _original(parts: tuple[Part, ...]) -> Part | None:
    return next((part for part in parts[1:] if part.type in _ORIGINAL_TYPES), None)


def _sender(mail: Message) -> str:
    found = addresses(header(mail, "From") or header(mail, "Sender"))
    return found[0] if found else ""


def _local(prefix: str, text: str) -> str:
    found = _LOCALS[prefix].search(text)
    return found.group(1).lower() if found else ""


def _token_in(subject: str) -> str:
    found = _SUBJECT_TOKEN.search(subject)
    return found.group(1).lower() if found else ""
