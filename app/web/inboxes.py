"""Inboxes: where a reader of a known provider opens her mail.

Owns a short list of addresses. It is asked with what was typed, so it tells nothing about who is known.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Inbox:
    name: str
    url: str


_KNOWN = {
    "gmail": Inbox("Gmail", "https://mail.google.com/mail/u/0/#search/in%3Aanywhere+newer_than%3A1h"),
    "outlook": Inbox("Outlook", "https://outlook.live.com/mail/0/"),
    "yahoo": Inbox("Yahoo Mail", "https://mail.yahoo.com/"),
    "icloud": Inbox("iCloud Mail", "https://www.icloud.com/mail"),
    "proton": Inbox("Proton Mail", "https://mail.proton.me/"),
    "gmx": Inbox("GMX", "https://www.gmx.net/"),
    "yandex": Inbox("Yandex", "https://mail.yandex.com/"),
    "chmail": Inbox("چاپار", "https://mail.chmail.ir/"),
    "mihanmail": Inbox("میهن‌میل", "https://mail.mihanmail.ir/"),
}


def inbox_of(provider: str) -> Inbox | None:
    """Where mail of this provider (see core/address) is read, if it is one of the large ones."""
    return _KNOWN.get(provider)
