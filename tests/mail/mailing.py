"""Readers, contexts and layouts the tests of mails share. Values only: no test lives here."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import lru_cache
from pathlib import Path

from app.mail.compiled import CompiledMail, Refused
from app.mail.components import SiteFacts
from app.mail.context import Links, ListHeaders, MailContext, Recipient, Sender, Tracking
from app.mail.publish import PublishOptions, compile_mail
from app.mail.source import Layouts, MailSource, SourceText, read_mail
from app.mail.values import Answer, Code, Moment, Money, Survey

ROOT = Path(__file__).resolve().parents[2]
LAYOUTS = Layouts({"layouts/base.html": (ROOT / "email_templates/layouts/base.html").read_text("utf-8")})
NOON = 1_790_000_000_000_000  # Mon 21 Sep 2026 13:33:20 UTC
SITE = {
    "en": {"name": "Green Basket", "url": "https://example.com", "slogan": "Fresh", "postal_address": "12 Valiasr St"},
    "fa": {"name": "سبد سبز", "url": "https://example.com", "slogan": "تازه", "postal_address": "تهران، ولیعصر، ۱۲"},
}
OPTIONS = PublishOptions(facts=SiteFacts("https://example.com", {}))


def source(
    body: str, locale: str = "en", head: str = "subject: Hello\npreheader: words", *, ending: str = "md"
) -> MailSource:
    """A mail read from text; the body begins after its head."""
    mail, problems = read_mail(SourceText("test/mail", locale, f"mail.{locale}.{ending}", f"---\n{head}\n---\n{body}"))
    assert problems == ()
    return mail


@lru_cache(maxsize=256)
def compiled(
    body: str, locale: str = "en", head: str = "subject: Hello\npreheader: words", *, ending: str = "md"
) -> CompiledMail:
    made = compile_mail(source(body, locale, head, ending=ending), LAYOUTS, OPTIONS)
    assert isinstance(made, CompiledMail), made
    return made


def refused(body: str, head: str = "subject: Hello\npreheader: words", *, ending: str = "md") -> list[str]:
    """The codes for which a mail is refused."""
    made = compile_mail(source(body, head=head, ending=ending), LAYOUTS, OPTIONS)
    assert isinstance(made, Refused), made
    return [problem.code for problem in made.problems if problem.is_error]


def page(body: str, style: str = "", locale: str = "en") -> str:
    """A whole HTML mail of its own, lawful and otherwise bare."""
    way = "rtl" if locale == "fa" else "ltr"
    foot = '<p>{{ site.postal_address }} <a href="{{ links.unsubscribe }}">leave</a></p>'
    return (
        f'<!DOCTYPE html>\n<html lang="{locale}" dir="{way}"><head><title>t</title><style>{style}</style></head>'
        f"<body>{body}{foot}</body></html>"
    )


def alice(locale: str = "en", **values: object) -> Recipient:
    """Alice, who has confirmed."""
    attributes = {"first_name": "Alice", "vip": True, "note": None, **values}
    return Recipient("alice@example.com", "Alice", locale, attributes, "Asia/Tehran")  # type: ignore[arg-type]


def context(locale: str = "en", **changes: object) -> MailContext:
    base = MailContext(
        public_id="a1b2c3",
        at=NOON,
        sender=Sender("Sara of Green Basket", "sara@example.com", "sara@example.com"),
        site=SITE[locale],
        links=Links(
            unsubscribe="https://example.com/u/1",
            preferences="https://example.com/p/1",
            view="https://example.com/v/1",
            referral="https://example.com/r/1",
            confirm="https://example.com/k/1",
            magnets={"ebook": "https://example.com/m/1"},
        ),
        tracking=Tracking("https://t.example.com/c/TOK", "https://t.example.com/o/TOK.gif", signed),
        lists=ListHeaders(
            "https://example.com/u/1",
            "mailto:u+1@example.com",
            "list.example.com",
            "Green Basket",
            ("m", "l", "n", "parvar"),
        ),
        offer={"code": Code("SP-4F2K"), "ends": Moment(NOON), "price": Money(18_500_000, "IRR", "toman"), "left": 12},
        event={
            "items": ({"name": "apples", "n": 2}, {"name": "pears", "n": 3}),
            "url": "https://example.com/basket?a=1&b=2",
        },
        surveys={
            "nps": Survey(
                "How likely?", (Answer("0", "https://example.com/s/0"), Answer("10", "https://example.com/s/10"))
            )
        },
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def signed(number: int, url: str) -> str:
    return f"https://t.example.com/c/TOK/{number}/{url.encode().hex()}"


def parsed(data: bytes) -> EmailMessage:
    """The message as the standard library reads it."""
    found = message_from_bytes(data, policy=policy.default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def body_of(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")
