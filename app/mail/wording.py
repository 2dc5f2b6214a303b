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
    "why": "You receive this mail because you asked for it at",
    "service_why": "You receive this mail because of something you did at",
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
    "why": "این نامه را می‌گیرید چون خودتان خواسته‌اید؛ از",
    "service_why": "این نامه پاسخ کاری است که خودتان کرده‌اید؛ در",
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
