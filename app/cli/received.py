"""A mail as it arrived, for `parvar doctor mail --received`: who signed it, over what, and what the receiver says.

Owns reading its headers. Signatures are not verified again: the receiver's own words stand in Authentication-Results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr

NEEDED = ("from", "list-unsubscribe", "list-unsubscribe-post")
"""What a signature must cover for one-click (RFC 8058 section 4)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer. `is_well` None: could not be found out."""

    what: str
    is_well: bool | None
    words: str


def covered(header: str) -> frozenset[str]:
    """The header names a DKIM-Signature covers: its tag h= (RFC 6376 section 3.5)."""
    return frozenset("".join(_tag(header, "h").split()).lower().split(":")) - {""}


def _tag(header: str, name: str) -> str:
    found = re.search(rf"(?:^|;)\s*{name}\s*=([^;]*)", header)
    return found[1].strip() if found else ""


def examine_received(raw: bytes) -> Iterator[Finding]:
    """What a received mail says of its own way."""
    mail = message_from_bytes(raw)
    sender = parseaddr(str(mail.get("From", "")))[1].rpartition("@")[2].lower()
    if not sender:
        yield Finding("received mail", False, "it has no From: save the whole source of the mail, headers included")
        return
    for name in ("List-Unsubscribe", "List-Unsubscribe-Post"):
        if mail.get(name) is None:
            yield Finding(
                name, False, "is missing; a campaign's mail has it: is this another one, or did a relay take it?"
            )
    yield _signed(mail, sender)
    yield from _results(mail)


def _signed(mail: Message, sender: str) -> Finding:
    """At least one signature of the sender's domain over everything one-click needs."""
    signatures = [str(each) for each in mail.get_all("DKIM-Signature", [])]
    if not signatures:
        return Finding("DKIM signature", False, "there is none: set PARVAR_DKIM, or let the relay sign")
    told = []
    for signature in signatures:
        domain, missing = _tag(signature, "d").lower(), [name for name in NEEDED if name not in covered(signature)]
        is_ours = domain == sender or sender.endswith(f".{domain}") or domain.endswith(f".{sender}")
        if is_ours and not missing:
            return Finding("DKIM signature", True, f"of {domain}, covers the one-click headers")
        told.append(f"of {domain}: {'' if is_ours else f'not of {sender}; '}{_lacking(missing)}")
    words = "; ".join(told)
    return Finding("DKIM signature", False, f"{words}; sign with PARVAR_DKIM, or tell the relay to sign these headers")


def _lacking(missing: list[str]) -> str:
    return f"does not cover {', '.join(missing)}" if missing else "covers the one-click headers"


def _results(mail: Message) -> Iterator[Finding]:
    """What the last receiver found (RFC 8601): the topmost header is its own."""
    said = str(mail.get("Authentication-Results", ""))
    if not said:
        yield Finding("Authentication-Results", None, "the receiver wrote none; try an address at a large provider")
    for method in ("spf", "dkim", "dmarc") if said else ():
        found = re.search(rf"\b{method}=(\w+)", said)
        result = found[1].lower() if found else ""
        yield Finding(f"{method} at the receiver", result == "pass" if result else None, result or "not said")
