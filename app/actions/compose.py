"""Compose: one message for one person, with everything it says and every link it carries.

Owns what a template is given: names, links, offers, content. Must not decide whether or when it leaves.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from sqlalchemy.orm import Session

from app.actions.offers import Given, Promise, Story
from app.actions.promises import Asking, Reading, offer_values, place_values, story_values, surveys_of
from app.actions.shelf import Shelved
from app.core.book import Book
from app.core.boxes import Box
from app.core.facts import Fields
from app.core.instants import DAY
from app.core.offers import Content
from app.core.person import MailClass
from app.core.site import AttributeType, Site
from app.links import Links, Pass
from app.mail.compiled import CompiledMail, from_plain
from app.mail.context import Links as MailLinks
from app.mail.context import ListHeaders, MailContext, Recipient, Sender, Tracking
from app.mail.message import Message, render
from app.mail.values import Money, Value
from app.store import letters as store
from app.store.letters import Letter
from app.world import World

CONFIRM_FOR = 30 * DAY
"""How long a confirmation link works."""


SPOKEN_OF = frozenset(("view", "referral", "magnet", "confirm"))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The version of a mail a letter is written with."""

    id: int
    mail: CompiledMail

    says: frozenset[str] = SPOKEN_OF
    """Which links it may show: to sign those it never shows is work for nothing."""


def spoken_of(mail: CompiledMail) -> frozenset[str]:
    """The kinds of links a mail could show, by the words in its templates."""
    texts = (mail.html, mail.text, mail.subject, *(text for _, text in mail.subjects))
    return frozenset(word for word in SPOKEN_OF if any(word in text for text in texts))


class MailShelf:
    """The live mail versions of one process: which there are, and each unpacked once."""

    def __init__(self) -> None:
        self._version = -1
        self._live: Mapping[str, Mapping[str, int]] = {}
        self._compiled: dict[int, CompiledMail] = {}
        self._says: dict[int, frozenset[str]] = {}
        self._lock = threading.Lock()

    def choose(self, session: Session, shelved: Shelved, mail: str, locale: str) -> Chosen | None:
        """The live version of a mail for a reader's locale: hers, her language's, the site's first, or any."""
        with self._lock:
            if self._version != shelved.version:
                self._live = store.live_mails(session)
                self._version = shelved.version
            version_id = _best(self._live.get(mail, {}), locale, shelved.book.site.locales)
        if version_id is None:
            return None
        compiled = self.version(session, version_id)
        if version_id not in self._says:
            self._says[version_id] = spoken_of(compiled)
        return Chosen(version_id, compiled, self._says[version_id])

    def version(self, session: Session, version_id: int) -> CompiledMail:
        if version_id not in self._compiled:
            self._compiled[version_id] = _unpacked(store.compiled(session, version_id))
            self._says[version_id] = spoken_of(self._compiled[version_id])
        return self._compiled[version_id]


@lru_cache(maxsize=512)
def _unpacked(text: str) -> CompiledMail:
    """The stored form read back: the same text is the same mail, whichever database it lay in."""
    return from_plain(json.loads(text))


def _best(versions: Mapping[str, int], locale: str, locales: tuple[str, ...]) -> int | None:
    for wanted in (locale, locale.partition("-")[0], *locales, ""):
        if wanted in versions:
            return versions[wanted]
    return next(iter(versions.values()), None)


def compose(world: World, shelved: Shelved, letter: Letter, chosen: Chosen, given: Promise | None = None) -> Message:
    """Write the message; `given` is what it may promise of its offer.

    Raises RenderFault or UnsendableAddress (app.mail) when it cannot be written.
    """
    context = _context(world, shelved, letter, chosen)
    locale = chosen.mail.locale or letter.locale or shelved.book.site.locales[0]
    if isinstance(given, Story):
        told = story_values(shelved.book.site, given, Reading(locale, letter.timezone))
        context = replace(context, extra={**context.extra, "notice": {**letter.data, **told}})
    if isinstance(given, Given):
        context = replace(
            context, offer=offer_values(world.links, shelved.book.site, given, Reading(locale, letter.timezone))
        )
    if "survey" in chosen.mail.names:
        context = replace(context, surveys=surveys_of(world.links, shelved, letter, Asking(chosen.id, locale)))
    return render(chosen.mail, recipient_of(shelved, letter), context)


def recipient_of(shelved: Shelved, letter: Letter) -> Recipient:
    site = shelved.book.site
    values = attributes_of(site, letter.attributes) | {"address": letter.subscriber_address, "locale": letter.locale}
    name = letter.attributes.get("first_name", "") if letter.mail_class is not MailClass.TEAM else ""
    zone = letter.timezone or site.timezone
    return Recipient(letter.address, str(name), letter.locale or site.locales[0], values, zone)


def attributes_of(site: Site, given: Fields) -> dict[str, Value]:
    """Every declared attribute, typed for printing; one without a value is an empty text."""
    return {key: _shown(site, attribute.type, given.get(key, "")) for key, attribute in site.attributes.items()}


def _shown(site: Site, kind: AttributeType, value: object) -> Value:
    if kind is AttributeType.MONEY and isinstance(value, int):
        return Money(value, site.currency, site.currency_shown)
    if isinstance(value, tuple):
        return tuple(map(str, value))
    return value if isinstance(value, str | int | float | bool) else ""


def _context(world: World, shelved: Shelved, letter: Letter, chosen: Chosen) -> MailContext:
    site, links = shelved.book.site, world.links
    words = _words(shelved.book, chosen.mail.locale or letter.locale or site.locales[0])
    made = _links(world, shelved, letter, chosen)
    return MailContext(
        public_id=letter.public_id.hex(),
        at=world.now(),
        sender=words.sender,
        site=words.values,
        links=made,
        tracking=_tracking(links, letter, chosen),
        lists=_lists(world, letter, words, made.unsubscribe),
        event=_event(site, letter),
        subject_variant=letter.subject,
        extra=_root(letter, words),
        image_url=f"{world.settings.base_url}/i",
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """What a site says of itself in one locale."""

    book: Book
    locale: str
    name: str
    sender: Sender
    list_id: str
    values: dict[str, Value]
    places: dict[tuple[str, str], dict[str, Value]] = field(default_factory=dict)
    """Where somebody stands, by stage and kind."""


_spoken: dict[tuple[int, str], _Words] = {}
"""By the book's identity, which lasts as long as the entry does."""
_MOST_SPOKEN = 64


def _words(book: Book, locale: str) -> _Words:
    words = _spoken.get((id(book), locale))
    if words is None:
        site = book.site
        sender = Sender(site.sender.name.in_locale(locale), site.sender.address, site.sender.reply_to)
        list_id = f"news.{site.sender.address.rpartition('@')[2]}"
        words = _Words(book, locale, site.name.in_locale(locale), sender, list_id, site_values(site, locale))
        if len(_spoken) >= _MOST_SPOKEN:
            _spoken.clear()
        _spoken[id(book), locale] = words
    return words


def site_values(site: Site, locale: str) -> dict[str, Value]:
    return {
        "name": site.name.in_locale(locale),
        "slogan": site.slogan.in_locale(locale),
        "url": site.url,
        "postal_address": site.postal_address.in_locale(locale),
    }


def _root(letter: Letter, words: _Words) -> dict[str, Value]:
    place = words.places.get((letter.stage, letter.kind))
    if place is None:
        place = words.places[letter.stage, letter.kind] = place_values(words.book.ladder, letter, words.locale)
    root = {**place, "run": {"campaign": letter.campaign}}
    untold: dict[str, Value] = {"story": (), "answer": "", "comment": "", **letter.data}
    return {**root, "notice": untold} if letter.mail_class is MailClass.TEAM else root


def return_path(world: World, letter: Letter) -> str:
    """The envelope sender of this attempt: signed, so that a bounce tells what it is about."""
    domain = world.settings.bounce_domain
    return f"{world.links.bounce_local(letter.id, letter.attempts)}@{domain}" if domain else ""


def _links(world: World, shelved: Shelved, letter: Letter, chosen: Chosen) -> MailLinks:
    person, links = letter.subscriber_public_id, world.links
    return MailLinks(
        unsubscribe=links.unsubscribe_url(person, letter.id),
        preferences=links.preferences_url(person, letter.id),
        view=links.view_url(letter.id, chosen.id) if "view" in chosen.says else "",
        referral=links.share_url(person, letter.id) if "referral" in chosen.says else "",
        magnets=_magnets(world, shelved, letter) if "magnet" in chosen.says else {},
        confirm=_confirm(world, letter) if "confirm" in chosen.says else "",
    )


def _confirm(world: World, letter: Letter) -> str:
    consent = int(letter.data.get("consent", "0"))
    return world.links.confirm_url(letter.subscriber_public_id, consent, world.wall() + CONFIRM_FOR)


def _magnets(world: World, shelved: Shelved, letter: Letter) -> dict[str, str]:
    boxes = shelved.workspace.boxes.values()
    return {box.key: _magnet_url(world, letter, box) for box in boxes if box.magnet is not None}


def _magnet_url(world: World, letter: Letter, box: Box) -> str:
    valid_for = box.magnet.valid_for if box.magnet else DAY
    given = Pass(letter.subscriber_public_id, letter.id, box.key, world.wall() + valid_for)
    return world.links.magnet_url(given)


def _tracking(links: Links, letter: Letter, chosen: Chosen) -> Tracking | None:
    """Team mail is not tracked; confirmation links neither, for they change state behind a button of their own."""
    if letter.mail_class is MailClass.TEAM:
        return None
    token = links.mail_token(letter.id, chosen.id)

    def sign(number: int, url: str) -> str:
        return links.target_url(token, number, url)

    return Tracking(links.click_url(token, 0).removesuffix("/0"), links.open_url(token), sign)


def _lists(world: World, letter: Letter, words: _Words, unsubscribe: str) -> ListHeaders:
    if letter.mail_class is not MailClass.MARKETING:
        return ListHeaders()
    domain = world.settings.bounce_domain
    local = world.links.unsubscribe_local(letter.subscriber_public_id, letter.id) if domain else ""
    return ListHeaders(
        unsubscribe_url=unsubscribe,
        unsubscribe_mailto=f"mailto:{local}@{domain}" if domain else "",
        list_id=words.list_id,
        list_name=words.name,
        feedback=(letter.campaign or "mail", letter.mail.replace("/", "-"), letter.mail_class.value, "parvar"),
    )


def _event(site: Site, letter: Letter) -> dict[str, Value] | None:
    """The fields of the event that began the run, money as money."""
    if not letter.event:
        return None
    money = {name for event in site.events.values() for name, kind in event.fields if kind is AttributeType.MONEY}
    return {key: _priced(site, value, key in money | _PRICES) for key, value in letter.event.items()}


_PRICES = frozenset({"total", "amount"})


def _priced(site: Site, value: object, is_money: bool) -> Value:
    if is_money and isinstance(value, int):
        return Money(value, site.currency, site.currency_shown)
    return _plain(value)


def _plain(value: object) -> Value:
    return tuple(map(str, value)) if isinstance(value, tuple) else value if isinstance(value, str | int | float) else ""


def content_values(content: Content, site: Site, locale: str) -> dict[str, Value]:
    """One piece of content in a locale."""
    money = {key: getattr(content, key) for key in ("price", "old_price") if getattr(content, key) is not None}
    title, text = content.title.in_locale(locale), content.text.in_locale(locale)
    return {
        "kind": content.kind.value,
        "title": title,
        "name": title,
        "text": text,
        "quote": text,
        "author": content.author.in_locale(locale),
        "about": content.about.in_locale(locale),
        "url": content.url,
        "image": content.image,
        "alt": content.alt.in_locale(locale),
        **{key: Money(amount, site.currency, site.currency_shown) for key, amount in money.items()},
    }
