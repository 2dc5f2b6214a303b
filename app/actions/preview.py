"""Preview: any mail as any subscriber would read it now, written by the hand that writes real ones. Nothing is sent.

Owns the letter of nobody: a made-up reader for those who name none. Must not change anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.actions.compose import Chosen, MailShelf, compose
from app.actions.shelf import Shelf, Shelved
from app.core.facts import Fields
from app.core.instants import Instant
from app.core.person import MailClass
from app.core.site import AttributeType, Site
from app.core.subscriber import SubscriberState
from app.mail.headers import UnsendableAddress
from app.mail.message import RenderFault
from app.store import people, signups
from app.store.letters import Letter
from app.world import World


@dataclass(frozen=True, slots=True)
class LinkShown:
    number: int
    name: str
    url: str
    topic: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What the reader would get; `error` says why it cannot be written."""

    mail: str
    locale: str
    locales: tuple[str, ...]
    reader: str
    subject: str = ""
    text: str = ""
    html: str = ""
    size: int = 0
    links: tuple[LinkShown, ...] = ()
    error: str = ""
    is_known: bool = True
    """False when the address named belongs to nobody."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which mail, in which locale ("": the reader's), for whom ("": somebody made up)."""

    mail: str
    locale: str = ""
    address: str = ""


def previewed(world: World, shelf: Shelf, mails: MailShelf, wish: Wish) -> Preview | None:
    """A mail as its reader would get it; None for an unknown mail."""
    key, asked, address = wish.mail, wish.locale, wish.address
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        if shelved is None:
            return None
        row = people.find(session, address.strip().casefold()) if address else None
        letter = _letter_of(session, row, key) if row is not None else _letter_of_nobody(shelved, key, asked)
        locale = asked or letter.locale
        chosen = mails.choose(session, shelved, key, locale)
    if chosen is None:
        return None
    letter = replace(letter, locale=locale, mail_class=_class_of(chosen))
    return _written(world, shelved, letter, chosen, is_known=not address or row is not None)


def _class_of(chosen: Chosen) -> MailClass:
    return MailClass.SERVICE if chosen.mail.is_service else MailClass.MARKETING


def _written(world: World, shelved: Shelved, letter: Letter, chosen: Chosen, *, is_known: bool) -> Preview:
    known = chosen.mail.links
    links = tuple(LinkShown(each.number, each.name or "", each.url or "", each.topic or "") for each in known)
    blank = Preview(
        letter.mail, chosen.mail.locale, shelved.book.site.locales, letter.address, links=links, is_known=is_known
    )
    try:
        message = compose(world, shelved, letter, chosen)
    except (RenderFault, UnsendableAddress) as fault:
        return replace(blank, subject=chosen.mail.subject, error=str(fault))
    html = message.html
    return replace(blank, subject=message.subject, text=message.text, html=html, size=len(html.encode()))


# ── Readers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _letter_of(session: Session, row: people.SubscriberRow, mail: str) -> Letter:
    attributes = signups.attributes(session, row.id)
    return replace(
        _letter(mail, row.address, attributes, row.created_at),
        subscriber_id=row.id,
        subscriber_public_id=row.public_id,
        locale=row.locale,
        timezone=row.tz,
        stage=row.stage,
        kind=row.kind,
    )


def _letter_of_nobody(shelved: Shelved, mail: str, locale: str) -> Letter:
    site = shelved.book.site
    locale = locale or site.locales[0]
    return replace(_letter(mail, "alice@example.com", _made_up(site, locale), 0), locale=locale, timezone=site.timezone)


def _made_up(site: Site, locale: str) -> Fields:
    """A value of the right sort for every declared attribute."""
    name = "سارا" if locale.startswith("fa") else "Alice"
    values = {AttributeType.NUMBER: 3, AttributeType.MONEY: 5_000_000, AttributeType.BOOL: True}
    return {
        key: name
        if key in ("first_name", "name")
        else next((option for option, _ in attribute.options), values.get(attribute.type, ""))
        for key, attribute in site.attributes.items()
    }


def _letter(mail: str, address: str, attributes: Fields, at: Instant) -> Letter:
    """A letter that no row stands behind: its links are signed for message 0, which nothing answers to."""
    return Letter(
        id=0,
        public_id=bytes(16),
        mail=mail,
        mail_class=MailClass.MARKETING,
        subscriber_id=0,
        subscriber_public_id=bytes(16),
        address=address,
        subscriber_address=address,
        locale="",
        timezone="",
        attributes=attributes,
        stage="lead",
        kind="none",
        state=SubscriberState.ACTIVE,
        campaign="preview",
        step="",
        event={},
        subject="",
        offer="",
        data={},
        attempts=0,
        claim_no=0,
        wanted_at=at,
    )
