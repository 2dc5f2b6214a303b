"""Signed links: every address we hand out that names a mail or a person, and reading it back.

Owns the tokens, their keys and their layouts; what is read back is a frozen value or None, never half a value.
Must not know the database, the clock (it is handed in as `wall`, microseconds) or what a link does when followed.
"""

import hmac
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple

from app.core.instants import HOUR, SECOND, Instant
from app.core.location import LONGEST, location
from app.core.spelling import base32, base64, read_base32, read_base64

PERSON_BYTES: Final = 16
NONCE_BYTES: Final = 16
LONGEST_TOKEN: Final = 512
FORM_AT_LEAST: Final = 2 * SECOND
FORM_AT_MOST: Final = 24 * HOUR

_MAIL: Final = struct.Struct(">BQI")
_PERSON: Final = struct.Struct(">B16sQ")
_PASS: Final = struct.Struct(">B16sQI")
_FRIEND: Final = struct.Struct(">B16s")
_END: Final = struct.Struct(">BQ")
_FORM: Final = struct.Struct(">BQ16s")
_BOUNCE: Final = struct.Struct(">BQB")


class Kind(StrEnum):
    """What a token is for. It goes into the signature, so a token of one kind is noise to every other reader."""

    MAIL = "mail"
    TARGET = "target"
    VIEW = "view"
    SURVEY = "survey"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    CONFIRM = "confirm"
    RESEND = "resend"
    MAGNET = "magnet"
    IDENTITY = "identity"
    REFERRAL = "referral"
    SHARE = "share"
    COUNTDOWN = "countdown"
    OFFER = "offer"
    FORM = "form"
    BOUNCE = "bounce"


_TAG: Final = {
    Kind.MAIL: 11,
    Kind.TARGET: 12,
    Kind.VIEW: 11,
    Kind.SURVEY: 11,
    Kind.UNSUBSCRIBE: 11,
    Kind.PREFERENCES: 11,
    Kind.CONFIRM: 10,
    Kind.RESEND: 10,
    Kind.MAGNET: 10,
    Kind.IDENTITY: 10,
    Kind.REFERRAL: 7,
    Kind.SHARE: 11,
    Kind.COUNTDOWN: 8,
    Kind.OFFER: 10,
    Kind.FORM: 11,
    Kind.BOUNCE: 10,
}
_PAGES: Final = {
    Kind.VIEW: "v", Kind.UNSUBSCRIBE: "u", Kind.PREFERENCES: "p", Kind.SHARE: "share", Kind.CONFIRM: "confirm",
}  # fmt: skip
_MAIL_RAW: Final = _MAIL.size + _TAG[Kind.MAIL]
_MAIL_LETTERS: Final = _MAIL_RAW * 4 // 3
_SHEET_TAG: Final = 11
LETTERS: Final[Mapping[Kind, int]] = {
    **dict.fromkeys((Kind.MAIL, Kind.VIEW), _MAIL_LETTERS),
    **dict.fromkeys((Kind.UNSUBSCRIBE, Kind.PREFERENCES, Kind.SHARE), (_PERSON.size + _SHEET_TAG) * 4 // 3),
}
"""How long the tokens are that a sheet may hold."""
_LOCAL_TAG: Final = 10  # base32 turns 35 bytes into 56 characters without padding: `u+` and 56 stay under 64


@dataclass(frozen=True, slots=True)
class Key:
    """One signing key: its number travels inside each token (1 to 255), its secret is at least 32 bytes."""

    number: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 255:
            raise ValueError("a link key's number lies between 1 and 255")
        if len(self.secret) < 32:
            raise ValueError(f"link key {self.number} is shorter than 32 bytes")


class MailRef(NamedTuple):
    """The mail a link stands in: our message id and the version of the mail it was rendered from."""

    message: int
    version: int


@dataclass(frozen=True, slots=True)
class PersonRef:
    """A person by public id, and the message that carried the link (0: none)."""

    person: bytes
    message: int


@dataclass(frozen=True, slots=True)
class Pass:
    """A link with an end: person, a reference of its kind (consent or message id, 0: none), a name (a magnet's key)."""

    person: bytes
    ref: int
    name: str
    until: Instant


@dataclass(frozen=True, slots=True)
class Expired:
    """A genuine pass whose time is over, so that the page can offer a new one to the right person."""

    was: Pass


@dataclass(frozen=True, slots=True)
class Form:
    """A page's form: which box, when it was drawn, and the nonce that makes it single use."""

    box: str
    issued_at: Instant
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Untimely:
    """A genuine form sent back sooner than a person can type, or after a day."""

    form: Form
    too_soon: bool


@dataclass(frozen=True, slots=True)
class BounceRef:
    """The message and the attempt (0 to 255) an envelope sender was made for."""

    message: int
    attempt: int


@dataclass(frozen=True, slots=True)
class OfferRef:
    """An offer as a mail told it: its key, the code, and the end (None: it has none)."""

    offer: str
    code: str
    ends_at: Instant | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The tokens of one mail after another, always of the same kinds, spelt together."""

    _number: int
    _hashers: tuple[tuple[blake2b, bool], ...]
    """Each with whether it signs the person, or the mail."""
    _by_letter: slice | None
    """Where among the bytes the seal stands by which somebody leaves by letter."""

    def tokens(self, mail: MailRef, person: bytes) -> bytes:
        """One behind the other, in ASCII: those asked for in their order, then the letters for leaving by letter."""
        of_mail = _MAIL.pack(self._number, *mail)
        of_person = _PERSON.pack(self._number, _sixteen(person), mail.message)
        raw = b""
        for base, is_person in self._hashers:
            body = of_person if is_person else of_mail
            hasher = base.copy()
            hasher.update(body)
            raw += body + hasher.digest()[:_SHEET_TAG]
        return base64(raw) + base32(raw[self._by_letter]) if self._by_letter else base64(raw)


@dataclass(frozen=True, slots=True)
class Links:
    """All our links. The first key signs, every key verifies; addresses are given without a trailing slash.

    `base_url` serves pages, `tracking_url` serves clicks and opens (its own host name, or the same).
    Raises ValueError when there is no key, two keys share a number, or an address is not http(s).
    """

    keys: tuple[Key, ...]
    base_url: str
    tracking_url: str
    _hashers: dict[tuple[Kind, int], blake2b] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = [key.number for key in self.keys]
        if not numbers or len(set(numbers)) != len(numbers):
            raise ValueError("links need at least one key, each with its own number")
        for url in (self.base_url, self.tracking_url):
            if location(url) != url or url.endswith("/"):
                raise ValueError(f"{url!r} is not an http(s) address without a trailing slash")
        hashers = {(kind, key.number): _hasher(kind, key) for kind in Kind for key in self.keys}
        object.__setattr__(self, "_hashers", hashers)

    # Mails: one token for all links of one mail.

    def sheet(self, kinds: Sequence[Kind], *, is_left_by_letter: bool = False) -> Sheet:
        """What makes tokens of these kinds, of those in `LETTERS`; whoever leaves by letter may leave by a page too."""
        number = self.keys[0].number
        sizes = [LETTERS[kind] // 4 * 3 for kind in kinds]
        start = sum(sizes[: kinds.index(Kind.UNSUBSCRIBE)]) if is_left_by_letter else 0
        by_letter = slice(start, start + _PERSON.size + _LOCAL_TAG) if is_left_by_letter else None
        hashers = tuple((self._hashers[kind, number], kind not in (Kind.MAIL, Kind.VIEW)) for kind in kinds)
        return Sheet(number, hashers, by_letter)

    def page(self, kind: Kind, token: str) -> str:
        """The page a token of this kind opens."""
        return f"{self.base_url}/{_PAGES[kind]}/{token}"

    def clicks_url(self, token: str) -> str:
        """What the counted links of a mail begin with: their number follows a slash."""
        return f"{self.tracking_url}/c/{token}"

    def mail_token(self, message: int, version: int) -> str:
        """32 characters: key, message (64 bit), mail version (32 bit), 88 bits of signature."""
        return _spell(self._seal(Kind.MAIL, _MAIL.pack(self.keys[0].number, message, version)))

    def click_url(self, token: str, link: int) -> str:
        """The counted form of link number `link` of the mail's version."""
        return f"{self.clicks_url(token)}/{link}"

    def target_url(self, token: str, link: int, target: str) -> str:
        """The counted form of a link only this person gets; the target travels signed in the path.

        Raises ValueError when the target is not an http(s) address.
        """
        where = location(target)
        if where is None:
            raise ValueError("a counted link must lead to an http(s) address")
        body = _target_body(token, link, where.encode())
        tag = self._tag(Kind.TARGET, self.keys[0].number, body)
        return f"{self.click_url(token, link)}/{_spell(bytes((self.keys[0].number,)) + tag + where.encode())}"

    def open_url(self, token: str) -> str:
        """The pixel of a mail."""
        return f"{self.tracking_url}/o/{token}.gif"

    def view_url(self, message: int, version: int) -> str:
        """The mail as a page in the browser."""
        return self.page(Kind.VIEW, self._mail(Kind.VIEW, message, version))

    def survey_url(self, message: int, version: int, answer: int | str) -> str:
        """A page with an answer already chosen, a number of the scale or an option's key; a button there records it."""
        return f"{self.base_url}/s/{self._mail(Kind.SURVEY, message, version)}/{answer}"

    def read_mail(self, token: str) -> MailRef | None:
        """The mail of a click or an open. Written out, for every click goes through here."""
        raw = read_base64(token, longest=_MAIL_LETTERS)
        if raw is None or len(raw) != _MAIL_RAW or (base := self._hashers.get((Kind.MAIL, raw[0]))) is None:
            return None
        hasher = base.copy()
        hasher.update(raw[: _MAIL.size])
        if not hmac.compare_digest(hasher.digest()[: _TAG[Kind.MAIL]], raw[_MAIL.size :]):
            return None
        return MailRef(*_MAIL.unpack_from(raw)[1:])

    def read_view(self, token: str) -> MailRef | None:
        return self._read_mail(Kind.VIEW, token)

    def read_survey(self, token: str) -> MailRef | None:
        return self._read_mail(Kind.SURVEY, token)

    def read_target(self, token: str, link: int, signed: str) -> str | None:
        """The target of a personal link, exactly as it was signed for this mail and this link number."""
        raw = read_base64(signed, longest=2 * LONGEST)
        size = 1 + _TAG[Kind.TARGET]
        if raw is None or len(raw) <= size:
            return None
        tag = self._tag(Kind.TARGET, raw[0], _target_body(token, link, raw[size:]))
        if not hmac.compare_digest(tag, raw[1:size]):
            return None
        return raw[size:].decode()

    # People: links that never end.

    def unsubscribe_url(self, person: bytes, message: int = 0) -> str:
        """Never expires (RFC 8058 section 3.1: opaque and hard to forge)."""
        return self.page(Kind.UNSUBSCRIBE, self._person(Kind.UNSUBSCRIBE, person, message))

    def unsubscribe_local(self, person: bytes, message: int = 0) -> str:
        """The local part of the mailto form: `u+` and 56 characters that survive lower-casing."""
        body = _PERSON.pack(self.keys[0].number, _sixteen(person), message)
        return f"u+{base32(body + self._tag(Kind.UNSUBSCRIBE, body[0], body)[:_LOCAL_TAG]).decode()}"

    def preferences_url(self, person: bytes, message: int = 0) -> str:
        return self.page(Kind.PREFERENCES, self._person(Kind.PREFERENCES, person, message))

    def referral_token(self, person: bytes) -> str:
        """32 characters fit to be shown to friends: they open nothing of the person's own."""
        return _spell(self._seal(Kind.REFERRAL, _FRIEND.pack(self.keys[0].number, _sixteen(person))))

    def referral_url(self, person: bytes) -> str:
        return f"{self.base_url}/r/{self.referral_token(person)}"

    def read_unsubscribe(self, token: str) -> PersonRef | None:
        return self._read_person(Kind.UNSUBSCRIBE, token)

    def read_unsubscribe_local(self, local: str) -> PersonRef | None:
        """Reads `u+…` in any letter case, with or without `@host`."""
        body = self._open_local(Kind.UNSUBSCRIBE, "u+", local, _PERSON.size)
        return None if body is None else PersonRef(*_PERSON.unpack(body)[1:])

    def read_preferences(self, token: str) -> PersonRef | None:
        return self._read_person(Kind.PREFERENCES, token)

    def share_url(self, person: bytes, message: int = 0) -> str:
        """Her own page of invitations, on which the link for friends stands."""
        return self.page(Kind.SHARE, self._person(Kind.SHARE, person, message))

    def read_share(self, token: str) -> PersonRef | None:
        return self._read_person(Kind.SHARE, token)

    def read_referral(self, token: str) -> bytes | None:
        """The public id of the person whose link a friend followed."""
        body = self._open(Kind.REFERRAL, token)
        return None if body is None or len(body) != _FRIEND.size else body[1:]

    # Offers: nobody is named, so nobody can be told apart.

    def countdown_url(self, ends_at: Instant, locale: str) -> str:
        """The picture of the time left until an instant, kept to whole seconds and rounded up."""
        body = _END.pack(self.keys[0].number, -(-ends_at // SECOND)) + locale.encode()
        return f"{self.base_url}/countdown/{_spell(self._seal(Kind.COUNTDOWN, body))}.png"

    def read_countdown(self, token: str) -> tuple[Instant, str] | None:
        """The end and the locale."""
        body = self._open(Kind.COUNTDOWN, token)
        if body is None or len(body) < _END.size:
            return None
        return _END.unpack_from(body)[1] * SECOND, body[_END.size :].decode()

    def offer_url(self, offer: str, code: str, ends_at: Instant | None) -> str:
        """Where an offer is used; after its end another page. 0 stands for an offer without an end."""
        seconds = 0 if ends_at is None else -(-ends_at // SECOND)
        body = _END.pack(self.keys[0].number, seconds) + f"{offer}\n{code}".encode()
        return f"{self.base_url}/g/{_spell(self._seal(Kind.OFFER, body))}"

    def read_offer(self, token: str) -> OfferRef | None:
        body = self._open(Kind.OFFER, token)
        if body is None or len(body) < _END.size:
            return None
        offer, _, code = body[_END.size :].decode().partition("\n")
        seconds = _END.unpack_from(body)[1]
        return OfferRef(offer, code, seconds * SECOND if seconds else None)

    # Passes: links with an end.

    def confirm_url(self, person: bytes, consent: int, until: Instant) -> str:
        return self.page(Kind.CONFIRM, self.pass_token(Kind.CONFIRM, Pass(person, consent, "", until)))

    def resend_url(self, person: bytes, consent: int, until: Instant) -> str:
        return f"{self.base_url}/resend/{self.pass_token(Kind.RESEND, Pass(person, consent, '', until))}"

    def magnet_url(self, magnet: Pass) -> str:
        """`name` is the magnet's key, `ref` the message that carried it."""
        return f"{self.base_url}/m/{self.pass_token(Kind.MAGNET, magnet)}"

    def identity_token(self, person: bytes, message: int, until: Instant) -> str:
        """What a page's script may show us to prove whose mail led here."""
        return self.pass_token(Kind.IDENTITY, Pass(person, message, "", until))

    def pass_token(self, kind: Kind, given: Pass) -> str:
        """A token with an end, kept to whole seconds and rounded up."""
        until = -(-given.until // SECOND)
        head = _PASS.pack(self.keys[0].number, _sixteen(given.person), given.ref, until)
        return _spell(self._seal(kind, head + given.name.encode()))

    def read_confirm(self, token: str, wall: Instant) -> Pass | Expired | None:
        return self._read_pass(Kind.CONFIRM, token, wall)

    def read_resend(self, token: str, wall: Instant) -> Pass | Expired | None:
        return self._read_pass(Kind.RESEND, token, wall)

    def read_magnet(self, token: str, wall: Instant) -> Pass | Expired | None:
        return self._read_pass(Kind.MAGNET, token, wall)

    def read_identity(self, token: str, wall: Instant) -> Pass | Expired | None:
        return self._read_pass(Kind.IDENTITY, token, wall)

    # Forms and envelopes.

    def form_token(self, form: Form) -> str:
        """The hidden field of a drawn form; the nonce is kept by whoever makes it single use."""
        head = _FORM.pack(self.keys[0].number, form.issued_at, _sixteen(form.nonce))
        return _spell(self._seal(Kind.FORM, head + form.box.encode()))

    def read_form(self, token: str, wall: Instant) -> Form | Untimely | None:
        """None: not ours. Untimely: ours, but younger than 2 seconds or older than 24 hours."""
        body = self._open(Kind.FORM, token)
        if body is None or len(body) < _FORM.size:
            return None
        _, issued_at, nonce = _FORM.unpack_from(body)
        form = Form(body[_FORM.size :].decode(), issued_at, nonce)
        age = wall - issued_at
        return form if FORM_AT_LEAST <= age <= FORM_AT_MOST else Untimely(form, age < FORM_AT_LEAST)

    def bounce_local(self, message: int, attempt: int) -> str:
        """The local part of an envelope sender: `b+` and 32 characters that survive lower-casing."""
        body = _BOUNCE.pack(self.keys[0].number, message, min(attempt, 255))
        return f"b+{base32(self._seal(Kind.BOUNCE, body)).decode()}"

    def read_bounce(self, local: str) -> BounceRef | None:
        """Reads `b+…` in any letter case, with or without `@host`."""
        body = self._open_local(Kind.BOUNCE, "b+", local, _BOUNCE.size)
        return None if body is None else BounceRef(*_BOUNCE.unpack(body)[1:])

    # Signing.

    def _tag(self, kind: Kind, number: int, body: bytes) -> bytes:
        """The truncated signature; for a key we do not hold one that nothing can equal."""
        base = self._hashers.get((kind, number))
        if base is None:
            return b""
        hasher = base.copy()
        hasher.update(body)
        return hasher.digest()[: _TAG[kind]]

    def _seal(self, kind: Kind, body: bytes) -> bytes:
        return body + self._tag(kind, body[0], body)

    def _open(self, kind: Kind, token: str) -> bytes | None:
        """The signed body, key number first, or None."""
        raw = read_base64(token, longest=LONGEST_TOKEN)
        return None if raw is None else self._verified(kind, raw, _TAG[kind])

    def _verified(self, kind: Kind, raw: bytes, size: int) -> bytes | None:
        if len(raw) <= size:
            return None
        body, tag = raw[:-size], raw[-size:]
        return body if hmac.compare_digest(self._tag(kind, body[0], body)[:size], tag) else None

    def _open_local(self, kind: Kind, prefix: str, local: str, size: int) -> bytes | None:
        name = local.partition("@")[0].lower()
        raw = read_base32(name.removeprefix(prefix)) if name.startswith(prefix) else None
        body = None if raw is None else self._verified(kind, raw, _LOCAL_TAG)
        return body if body is not None and len(body) == size else None

    def _mail(self, kind: Kind, message: int, version: int) -> str:
        return _spell(self._seal(kind, _MAIL.pack(self.keys[0].number, message, version)))

    def _read_mail(self, kind: Kind, token: str) -> MailRef | None:
        body = self._open(kind, token)
        if body is None or len(body) != _MAIL.size:
            return None
        return MailRef(*_MAIL.unpack(body)[1:])

    def _person(self, kind: Kind, person: bytes, message: int) -> str:
        return _spell(self._seal(kind, _PERSON.pack(self.keys[0].number, _sixteen(person), message)))

    def _read_person(self, kind: Kind, token: str) -> PersonRef | None:
        body = self._open(kind, token)
        if body is None or len(body) != _PERSON.size:
            return None
        return PersonRef(*_PERSON.unpack(body)[1:])

    def _read_pass(self, kind: Kind, token: str, wall: Instant) -> Pass | Expired | None:
        body = self._open(kind, token)
        if body is None or len(body) < _PASS.size:
            return None
        _, person, ref, seconds = _PASS.unpack_from(body)
        given = Pass(person, ref, body[_PASS.size :].decode(), seconds * SECOND)
        return given if wall < given.until else Expired(given)


def _hasher(kind: Kind, key: Key) -> blake2b:
    secret = blake2b(key.secret, digest_size=32, person=b"parvar links").digest()
    return blake2b(key=secret, digest_size=16, person=kind.value.encode())


def _target_body(token: str, link: int, target: bytes) -> bytes:
    return b"%b/%d/%b" % (token.encode(), link, target)


def _sixteen(raw: bytes) -> bytes:
    if len(raw) != PERSON_BYTES:
        raise ValueError("a public id or nonce has 16 bytes")
    return raw


def _spell(raw: bytes) -> str:
    return base64(raw).decode("ascii")
