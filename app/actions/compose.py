"""Compose: one message for one person, with everything it says and every link it carries.

Owns what a template is given: names, links, offers, content. Must not decide whether or when it leaves.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from sqlalchemy.orm import Session

from app.actions.offers import Given, Promise, Story
from app.actions.promises import Asking, Reading, offer_values, place_values, story_values, surveys_of
from app.actions.shelf import Shelved
from app.core.book import Book
from app.core.boxes import Box
from app.core.facts import Fields
from app.core.instants import DAY, Instant
from app.core.offers import Content
from app.core.person import MailClass
from app.core.site import AttributeType, Site
from app.links import LETTERS, Kind, Links, MailRef, Pass, Sheet
from app.mail.compiled import CompiledMail, from_plain
from app.mail.context import Links as MailLinks
from app.mail.context import ListHeaders, MailContext, Particulars, Reader, Recipient, Sender, Tracking
from app.mail.edition import Edition
from app.mail.message import Message
from app.mail.values import Money, Survey, Value
from app.settings import Settings
from app.store import letters as store
from app.store.letters import Letter
from app.world import World

CONFIRM_FOR = 30 * DAY
"""How long a confirmation link works."""


SPOKEN_OF: Final = frozenset(("view", "referral", "magnet", "confirm"))


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
    occasion = _occasion(world, shelved, letter, chosen)
    edition = occasion.edition
    asked = _asked(occasion, shelved.book.site, letter)
    reader = Reader(world.now(), letter.address, _name(letter), asked, _tokens(occasion, world, letter, chosen))
    made = edition.filled_in(reader)
    if made is None:
        sitting = _Sitting(world, shelved, letter, chosen, given, occasion, reader.at)
        made = edition.drawn_up(reader, Particulars(recipient_of(shelved, letter), occasion.sizes, sitting.context))
    return made


def recipient_of(shelved: Shelved, letter: Letter) -> Recipient:
    site = shelved.book.site
    values = attributes_of(site, letter.attributes) | {"address": letter.subscriber_address, "locale": letter.locale}
    zone = letter.timezone or site.timezone
    return Recipient(letter.address, _name(letter), letter.locale or site.locales[0], values, zone)


def _name(letter: Letter) -> str:
    """Of the person the mail goes to; our own people go without."""
    return str(letter.attributes.get("first_name", "")) if letter.mail_class is not MailClass.TEAM else ""


def attributes_of(site: Site, given: Fields) -> dict[str, Value]:
    """Every declared attribute, typed for printing; one without a value is an empty text."""
    return {key: _shown(site, attribute.type, given.get(key, "")) for key, attribute in site.attributes.items()}


def _shown(site: Site, kind: AttributeType, value: object) -> Value:
    if kind is AttributeType.MONEY and isinstance(value, int):
        return Money(value, site.currency, site.currency_shown)
    if isinstance(value, tuple):
        return tuple(map(str, value))
    return value if isinstance(value, str | int | float | bool) else ""


# ── What is the same for all readers of a mail ───────────────────────────────────────────────────────────────────────

_ID, _LEAVE_BY_LETTER, _MAIL, _CONFIRM = "id", "leave by letter", "mail", "confirm"
_PAGES: Final = {
    "unsubscribe": Kind.UNSUBSCRIBE, "preferences": Kind.PREFERENCES, "view": Kind.VIEW, "referral": Kind.SHARE,
}  # fmt: skip
_KINDS: Final = {_MAIL: Kind.MAIL, **_PAGES}
"""Of the tokens a sheet makes, those for pages by the names of links in templates."""
_LETTERS: Final = {
    **{name: LETTERS[kind] for name, kind in _KINDS.items()}, _LEAVE_BY_LETTER: 56, _CONFIRM: 52, _ID: 32,
}  # fmt: skip
"""How long each token is."""


@dataclass(frozen=True, slots=True)
class _Occasion:
    """One mail, sent by one campaign in one release: who writes, what forms there are, and which tokens readers get."""

    held: tuple[Book, Links, Settings]
    """An occasion is found by their identity."""
    words: _Words
    edition: Edition
    names: tuple[str, ...]
    """Of the tokens, in their order."""
    sheet: Sheet
    asked: tuple[tuple[str, AttributeType], ...]
    """The attributes forms ask for."""
    asks_of_herself: bool

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(_LETTERS[name] for name in self.names)


_occasions: dict[tuple[object, ...], _Occasion] = {}
_MOST_OCCASIONS = 512


def _occasion(world: World, shelved: Shelved, letter: Letter, chosen: Chosen) -> _Occasion:
    book, links, settings, mail = shelved.book, world.links, world.settings, chosen.mail
    key = (
        id(book), id(links), id(settings), id(mail), mail.locale or letter.locale,
        letter.mail, letter.subject, letter.campaign, letter.mail_class._value_,
    )  # fmt: skip
    found = _occasions.get(key)
    if found is None:
        if len(_occasions) >= _MOST_OCCASIONS:
            _occasions.clear()
        found = _occasions[key] = _new_occasion(world, book, letter, chosen)
    return found


def _new_occasion(world: World, book: Book, letter: Letter, chosen: Chosen) -> _Occasion:
    locale = chosen.mail.locale or letter.locale or book.site.locales[0]
    edition = Edition(chosen.mail, is_counted=letter.mail_class is not MailClass.TEAM)
    names = tuple(_names(world, letter, chosen, edition))
    sheet = world.links.sheet(
        [_KINDS[name] for name in names if name in _KINDS], is_left_by_letter=_LEAVE_BY_LETTER in names
    )
    wanted = {*edition.needs.said, *edition.needs.weighed} if edition.needs else set()
    asked = tuple((key, attribute.type) for key, attribute in book.site.attributes.items() if key in wanted)
    held = (book, world.links, world.settings)
    return _Occasion(held, _words(book, locale), edition, names, sheet, asked, not wanted.isdisjoint(_HERSELF))


_HERSELF: Final = frozenset(("address", "locale"))


def _names(world: World, letter: Letter, chosen: Chosen, edition: Edition) -> Iterator[str]:
    """The tokens a mail needs: those of the links it shows, and those its header has."""
    shown = set(edition.needs.links) if edition.needs else {"unsubscribe", "preferences"} | chosen.says
    is_marketing = letter.mail_class is MailClass.MARKETING
    if letter.mail_class is not MailClass.TEAM:
        yield _MAIL
    yield from (name for name in _PAGES if name in shown or (is_marketing and name == "unsubscribe"))
    if is_marketing and world.settings.bounce_domain:
        yield _LEAVE_BY_LETTER
    if _CONFIRM in shown:
        yield _CONFIRM
    yield _ID


# ── What is hers alone ───────────────────────────────────────────────────────────────────────────────────────────────


def _asked(occasion: _Occasion, site: Site, letter: Letter) -> dict[str, Value]:
    given = letter.attributes
    found = {key: _shown(site, kind, given.get(key, "")) for key, kind in occasion.asked}
    if occasion.asks_of_herself:
        found |= {"address": letter.subscriber_address, "locale": letter.locale}
    return found


def _tokens(occasion: _Occasion, world: World, letter: Letter, chosen: Chosen) -> bytes:
    """In the order of the occasion's names."""
    made = occasion.sheet.tokens(MailRef(letter.id, chosen.id), letter.subscriber_public_id)
    if _CONFIRM in occasion.names:
        consent = int(letter.data.get("consent", "0"))
        until = world.wall() + CONFIRM_FOR
        made += world.links.pass_token(Kind.CONFIRM, Pass(letter.subscriber_public_id, consent, "", until)).encode()
    return made + letter.public_id.hex().encode()


@dataclass(frozen=True, slots=True)
class _Sitting:
    """A mail written for one reader from the beginning: everything it is made of."""

    world: World
    shelved: Shelved
    letter: Letter
    chosen: Chosen
    given: Promise | None
    occasion: _Occasion
    at: Instant

    def context(self, tokens: Sequence[str]) -> MailContext:
        """What the mail is made of, with these tokens."""
        site, words, letter = self.shelved.book.site, self.occasion.words, self.letter
        token = dict(zip(self.occasion.names, tokens, strict=True))
        return MailContext(
            public_id=token[_ID],
            at=self.at,
            sender=words.sender,
            site=words.values,
            links=self._links(token),
            tracking=self._tracking(token.get(_MAIL)),
            lists=self._lists(token),
            offer=self._offer(),
            event=_event(site, letter),
            surveys=self._surveys(),
            subject_variant=letter.subject,
            extra=_root(letter, words, self._told()),
            image_url=f"{self.world.settings.base_url}/i",
        )

    def _links(self, token: Mapping[str, str]) -> MailLinks:
        links = self.world.links
        pages = {name: links.page(_PAGES[name], of) for name, of in token.items() if name in _PAGES}
        return MailLinks(
            **pages,
            magnets=_magnets(self.world, self.shelved, self.letter) if "magnet" in self.chosen.says else {},
            confirm=links.page(Kind.CONFIRM, token[_CONFIRM]) if _CONFIRM in token else "",
        )

    def _tracking(self, token: str | None) -> Tracking | None:
        """Team mail is not tracked; confirmation links neither, for they change state behind a button of their own."""
        if token is None:
            return None
        links = self.world.links

        def sign(number: int, url: str) -> str:
            return links.target_url(token, number, url)

        return Tracking(links.clicks_url(token), links.open_url(token), sign)

    def _lists(self, token: Mapping[str, str]) -> ListHeaders:
        letter, words = self.letter, self.occasion.words
        if letter.mail_class is not MailClass.MARKETING:
            return ListHeaders()
        local, domain = token.get(_LEAVE_BY_LETTER), self.world.settings.bounce_domain
        return ListHeaders(
            unsubscribe_url=self.world.links.page(Kind.UNSUBSCRIBE, token["unsubscribe"]),
            unsubscribe_mailto=f"mailto:u+{local}@{domain}" if local else "",
            list_id=words.list_id,
            list_name=words.name,
            feedback=(letter.campaign or "mail", letter.mail.replace("/", "-"), letter.mail_class.value, "parvar"),
        )

    def _offer(self) -> dict[str, Value] | None:
        if not isinstance(self.given, Given):
            return None
        return offer_values(self.world.links, self.shelved.book.site, self.given, self._reading())

    def _told(self) -> dict[str, Value]:
        """What a story tells our own people."""
        given = self.given
        return story_values(self.shelved.book.site, given, self._reading()) if isinstance(given, Story) else {}

    def _surveys(self) -> dict[str, Survey]:
        if "survey" not in self.chosen.mail.names:
            return {}
        asking = Asking(self.chosen.id, self.occasion.words.locale)
        return surveys_of(self.world.links, self.shelved, self.letter, asking)

    def _reading(self) -> Reading:
        return Reading(self.occasion.words.locale, self.letter.timezone)


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


def _root(letter: Letter, words: _Words, told: Mapping[str, Value]) -> dict[str, Value]:
    place = words.places.get((letter.stage, letter.kind))
    if place is None:
        place = words.places[letter.stage, letter.kind] = place_values(words.book.ladder, letter, words.locale)
    root = {**place, "run": {"campaign": letter.campaign}}
    if letter.mail_class is MailClass.TEAM or told:
        root["notice"] = {"story": (), "answer": "", "comment": "", **letter.data, **told}
    return root


def return_path(world: World, letter: Letter) -> str:
    """The envelope sender of this attempt: signed, so that a bounce tells what it is about."""
    domain = world.settings.bounce_domain
    return f"{world.links.bounce_local(letter.id, letter.attempts)}@{domain}" if domain else ""


def _magnets(world: World, shelved: Shelved, letter: Letter) -> dict[str, str]:
    boxes = shelved.workspace.boxes.values()
    return {box.key: _magnet_url(world, letter, box) for box in boxes if box.magnet is not None}


def _magnet_url(world: World, letter: Letter, box: Box) -> str:
    valid_for = box.magnet.valid_for if box.magnet else DAY
    given = Pass(letter.subscriber_public_id, letter.id, box.key, world.wall() + valid_for)
    return world.links.magnet_url(given)


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
