"""The few words the layouts and the text part say by themselves, in every language we ship.

Owns `say.*` in templates. A site changes them by writing its own layout; nothing here is a sentence of a campaign.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.mail.values import language

_EN = {
    "unsubscribe": "Unsubscribe",
    "preferences": "Your preferences",
    "view": "View in browser",
    "why": "You receive this mail because you signed up at",
    "why_end": ".",
    "service_why": "You receive this mail because of something you did or asked for at",
    "service_end": ".",
    "notice_why": "A notice for the people of",
    "notice_end": ".",
    "code": "Your code",
    "until": "Until",
    "order": "See it",
    "more": "How it works",
    "image": "Image",
}

_FA = {
    "unsubscribe": "لغو عضویت",
    "preferences": "تنظیم نامه‌ها",
    "view": "دیدن در مرورگر",
    "why": "این نامه را می‌گیرید چون در",
    "why_end": " نام‌نویسی کرده‌اید.",
    "service_why": "این نامه را در پی درخواست یا سفارش خود از",
    "service_end": " می‌گیرید.",
    "notice_why": "یادداشتی برای همکاران",
    "notice_end": ".",
    "code": "کد شما",
    "until": "مهلت",
    "order": "ببینید",
    "more": "شرح کامل",
    "image": "تصویر",
}

_WORDS: Mapping[str, Mapping[str, str]] = {"en": _EN, "fa": _FA}


def say(locale: str) -> Mapping[str, str]:
    """The words for a locale; English where we have no translation."""
    return _WORDS.get(language(locale), _EN)
