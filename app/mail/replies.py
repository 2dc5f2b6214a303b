"""What a server's answer means: a reply read from the wire, and the class every reply and bounce falls into.

Owns the words and codes by which answers are told apart; pure, no I/O.
Must not decide what follows for a subscriber or a lane.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.core.replacing import swift
from app.mail import reply_words as words


class Stage(StrEnum):
    """Where in the conversation something happened. `FINAL` is the answer to the final dot."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    FINAL = "final"


class ReplyClass(StrEnum):
    """What an answer says about the address, about us, or about the pace. `block` is never the subscriber's fault."""

    HARD = "hard"
    SOFT = "soft"
    BLOCK = "block"
    THROTTLE = "throttle"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    AUTO_REPLY = "auto_reply"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    UNKNOWN = "unknown"


class SenderFault(StrEnum):
    """What the other side says is wrong with *us*: evidence for the operator's alarm."""

    PTR = "ptr"
    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    ALIGNMENT = "alignment"
    UNAUTHENTICATED = "unauthenticated"
    TLS = "tls"
    RATE = "rate"
    BLOCKLIST = "blocklist"
    SPAM = "spam"
    RELAYING = "relaying"
    SENDER = "sender"
    LOGIN = "login"


@swift
@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP answer. `enhanced` is `x.y.z` (RFC 2034, 3463) or empty; `text` has one line per reply line."""

    code: int
    enhanced: str
    text: str

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return 500 <= self.code < 600

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text.replace("\n", " ")) if part)


MAX_TEXT: Final = 2_000
_ENHANCED: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CONTROL: Final = dict.fromkeys((*range(32), 127), " ")


def parse_reply(lines: Sequence[bytes]) -> Reply:
    """A reply from its lines, `250-first`, `250 last`, line ends optional. Raises ValueError when it is no reply (RFC
    5321 §4.2).
    """
    if not lines:
        raise ValueError("an empty reply")
    code = reply_code(lines[-1])
    enhanced, text = _status_and_text(code, _plain(lines[0][4:]))
    if len(lines) == 1:
        return Reply(code, enhanced, text[:MAX_TEXT])
    if any(line[:3] != lines[-1][:3] for line in lines):
        raise ValueError("a reply whose lines carry different codes")
    others = [_plain(line[4:]) for line in lines[1:]]
    if enhanced:
        others = [other.removeprefix(enhanced).strip() for other in others]
    return Reply(code, enhanced, "\n".join((text, *others))[:MAX_TEXT])


def _status_and_text(code: int, text: str) -> tuple[str, str]:
    """The enhanced code at the front, when it is of the class of the code, and what stands behind it."""
    if code == 250 and text.startswith("2.0.0 "):  # what most servers say of most mails
        return "2.0.0", text[6:].strip()
    found = _ENHANCED.match(text)
    if found is None or int(found.group(1)) != code // 100:
        return "", text
    return found.group(), text[found.end() :].strip()


def _plain(raw: bytes) -> str:
    text = raw.strip().decode("utf-8", "replace")
    return text if text.isprintable() else text.translate(_CONTROL).strip()


def reply_code(line: bytes) -> int:
    """The code a reply line begins with, 200 to 599. Raises ValueError on anything else."""
    code = _CODES.get(line[:3])
    if code is None or line[3:4] not in _AFTER_CODE:
        raise ValueError(f"not a reply line: {line[:60]!r}")
    return code


_CODES: Final = {b"%d" % code: code for code in range(200, 600)}
_AFTER_CODE: Final = frozenset((b" ", b"-", b"\r", b"\n", b""))


def find_status(text: str) -> str:
    """The first enhanced status code in a free text, or empty."""
    found = _ENHANCED.search(text)
    return found.group() if found and _stands_alone(text, found.start()) else ""


def _stands_alone(text: str, start: int) -> bool:
    return start == 0 or text[start - 1] not in "0123456789."


def classify(code: int, enhanced: str, text: str) -> ReplyClass:
    """The class of an answer or of a bounce's diagnosis; text beats code.

    `code` is the SMTP code or 0 when unknown, `enhanced` is `x.y.z` or empty. Precedence: blocklist and policy words,
    the pace,
    a full mailbox, an unknown user, then the enhanced code (RFC 3463, 5248, 7293), then the bare digit. Never raises.
    """
    if 200 <= code < 400 or (not code and enhanced.startswith("2.")):
        return ReplyClass.DELIVERED
    is_transient = _is_transient(code, enhanced)
    by_words = _by_words(_flat(text), enhanced, is_transient)
    return by_words or _by_status(enhanced, is_transient) or _by_digit(code, enhanced)


def _flat(text: str) -> str:
    return " ".join(text[: 4 * MAX_TEXT].replace("\u2019", "'").lower().split())


def _is_transient(code: int, enhanced: str) -> bool:
    return 400 <= code < 500 if code else enhanced.startswith("4.")


def _by_words(flat: str, enhanced: str, is_transient: bool) -> ReplyClass | None:
    if words.NO_SUCH_AT_MICROSOFT.search(flat):
        return ReplyClass.SOFT if is_transient else ReplyClass.HARD
    if words.EXPIRED_WORDS.search(flat) or (is_transient and words.GREYLIST_WORDS.search(flat)):
        return ReplyClass.SOFT
    if words.RECIPIENT_BLOCKED.search(flat) or words.RECIPIENT_RATE.search(flat):
        return ReplyClass.SOFT
    if words.BLOCK_WORDS.search(_without_addresses(flat)):
        return ReplyClass.THROTTLE if is_transient else ReplyClass.BLOCK
    if words.THROTTLE_WORDS.search(flat):
        return ReplyClass.THROTTLE if is_transient or enhanced.startswith(("5.2.", "5.4.")) else ReplyClass.BLOCK
    if words.QUOTA_WORDS.search(flat):
        return ReplyClass.SOFT
    if words.SIZE_WORDS.search(flat):
        return ReplyClass.SOFT if is_transient else ReplyClass.BLOCK
    if words.UNKNOWN_WORDS.search(flat):
        return ReplyClass.SOFT if is_transient else ReplyClass.HARD
    return None


_ADDRESS: Final = re.compile(r"[^\s<>\"(),;:]{1,64}@[^\s<>\"(),;:]{1,255}|https?://\S{1,300}")


def _without_addresses(flat: str) -> str:
    """An address such as `spam@example.org`, or a help link, is no reason."""
    return _ADDRESS.sub(" ", flat)


_HARD_STATUS: Final = frozenset(("1.1", "1.2", "1.3", "1.6", "1.10", "4.4", "7.13", "7.17", "7.18"))
_BLOCK_STATUS: Final = frozenset(("1.7", "1.8", "3.4", "7.10"))
_SUBJECT_CLASS: Final = {
    "1": ReplyClass.SOFT,
    "2": ReplyClass.SOFT,
    "3": ReplyClass.SOFT,
    "4": ReplyClass.SOFT,
    "6": ReplyClass.BLOCK,
}


def _by_status(enhanced: str, is_transient: bool) -> ReplyClass | None:
    if not enhanced or enhanced.endswith(".0.0"):
        return None
    detail = enhanced.partition(".")[2]
    subject = detail.partition(".")[0]
    if detail in _HARD_STATUS:
        return ReplyClass.SOFT if is_transient else ReplyClass.HARD
    if detail in _BLOCK_STATUS:
        return ReplyClass.BLOCK
    if detail == "5.3" or (detail == "3.2" and not is_transient):
        return ReplyClass.SOFT
    if subject == "7" or detail == "3.2":
        return ReplyClass.THROTTLE if is_transient else ReplyClass.BLOCK
    return ReplyClass.BLOCK if subject == "5" else _SUBJECT_CLASS.get(subject)


def _by_digit(code: int, enhanced: str) -> ReplyClass:
    if code == 421:
        return ReplyClass.THROTTLE
    if code in _LOGIN_CODES:
        return ReplyClass.BLOCK
    return ReplyClass.SOFT if code or enhanced else ReplyClass.UNKNOWN


_LOGIN_CODES: Final = frozenset((530, 534, 535, 538))
_ABOUT_RECIPIENT: Final = frozenset((ReplyClass.HARD, ReplyClass.SOFT))


def classify_reply(reply: Reply, stage: Stage) -> ReplyClass:
    """The class of a reply to our own command. A 5xx to MAIL or DATA is a block unless it speaks of the recipient; 421
    is the pace.
    """
    if reply.code == 421:
        return ReplyClass.THROTTLE
    found = classify(reply.code, reply.enhanced, reply.text)
    if stage is Stage.RCPT or not reply.is_permanent or found not in _ABOUT_RECIPIENT:
        return found
    return found if _names_recipient(reply) else ReplyClass.BLOCK


def _names_recipient(reply: Reply) -> bool:
    flat = _flat(reply.text)
    if any(
        said.search(flat)
        for said in (words.UNKNOWN_WORDS, words.QUOTA_WORDS, words.RECIPIENT_BLOCKED, words.RECIPIENT_RATE)
    ):
        return True
    return reply.enhanced.startswith(("5.1.", "5.2."))


def is_relay_fault(reply: Reply) -> bool:
    """True when the answer is about our login or licence at this relay, so that no other message would fare better."""
    return reply.code in _LOGIN_CODES or (
        reply.code in {550, 553, 554} and bool(words.LOGIN_WORDS.search(_flat(reply.text)))
    )


# ---------------------------------------------------------------- what is wrong with us

_FAULT_STATUS: Final = {
    "7.23": SenderFault.PTR,
    "7.25": SenderFault.PTR,
    "7.26": SenderFault.UNAUTHENTICATED,
    "7.27": SenderFault.SPF,
    "7.28": SenderFault.RATE,
    "7.29": SenderFault.TLS,
    "7.30": SenderFault.DKIM,
    "7.31": SenderFault.DMARC,
    "7.40": SenderFault.DMARC,
    "7.32": SenderFault.ALIGNMENT,
    "7.515": SenderFault.UNAUTHENTICATED,
    "1.7": SenderFault.SENDER,
    "1.8": SenderFault.SENDER,
    "7.8": SenderFault.LOGIN,
    "7.9": SenderFault.LOGIN,
}
_FAULT_WORDS: Final = (
    (SenderFault.PTR, words.any_of(r"\bptr\b", r"reverse dns", r"\brdns\b", r"reverse (?:hostname|lookup)")),
    (SenderFault.DMARC, words.any_of(r"\bdmarc\b")),
    (SenderFault.DKIM, words.any_of(r"\bdkim\b")),
    (SenderFault.SPF, words.any_of(r"\bspf\b", r"sender policy framework")),
    (SenderFault.UNAUTHENTICATED, words.any_of(r"unauthenticated", r"not authenticated", r"authentication level")),
    (SenderFault.TLS, words.any_of(r"\bstarttls\b", r"\btls\b", r"encryption")),
    (SenderFault.RELAYING, words.any_of(r"relay")),
    (
        SenderFault.BLOCKLIST,
        words.any_of(
            r"black ?-?list",
            r"block ?-?list",
            r"\brbls?\b",
            r"dnsbl",
            r"spamhaus",
            r"\bsorbs\b",
            r"spamcop",
            r"barracuda",
            r"uceprotect",
            r"\blisted (?:at|on|in|by)\b",
            r"reputation",
            r"\bbanned\b",
            r"\bs31[45]0\b",
        ),
    ),
    (SenderFault.SPAM, words.any_of(r"\bspam", r"unsolicited", r"\bjunk\b", r"bulk")),
    (SenderFault.RATE, words.THROTTLE_WORDS),
)


def sender_fault(enhanced: str, text: str) -> SenderFault | None:
    """Which fault of *ours* the answer names, or None. Says nothing of the subscriber."""
    known = _FAULT_STATUS.get(enhanced.partition(".")[2])
    if known:
        return known
    if enhanced[:4] == "5.7." and enhanced[4:].isdigit() and 606 <= int(enhanced[4:]) <= 649:
        return SenderFault.BLOCKLIST
    flat = _without_addresses(_flat(text))
    return next((fault for fault, said in _FAULT_WORDS if said.search(flat)), None)
