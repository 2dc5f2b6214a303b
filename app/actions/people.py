"""People: what our own people may change about a subscriber: attributes, tags, pauses, suppression, erasure.

Owns these changes, each with a line of the log, and waking the person. Must not decide what follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.actions import leaving
from app.actions.access import Visitor
from app.actions.commands import deed_of
from app.core.facts import Fact, FactKind, Value
from app.core.instants import Instant, Span
from app.core.person import MailClass
from app.core.site import Attribute, AttributeType, Site
from app.store import accounts, messages, permissions, signups, tagging
from app.store.events import record_facts
from app.store.people import SubscriberRow, mark_suppressed, wake
from app.store.permissions import Suppression, address_hash
from app.world import World


@dataclass(frozen=True, slots=True)
class Hand:
    """Whose hand, upon whom."""

    world: World
    by: Visitor
    person: bytes


# ── Attributes and tags ──────────────────────────────────────────────────────────────────────────────────────────────


def edit(hand: Hand, site: Site, key: str, text: str) -> str | None:
    """Set an attribute from what was typed; an empty text forgets it. Returns the former text, None when refused."""
    attribute = site.attributes.get(key)
    value = _typed(attribute, text.strip()) if attribute else None
    if attribute is None or (text.strip() and value is None):
        return None
    with hand.world.transaction("write") as session:
        row = signups.hold(session, hand.person)
        if row is None:
            return None
        before = signups.attributes(session, row.id).get(key, "")
        now = hand.world.now()
        if value is None:
            tagging.forget_attribute(session, row.id, key)
        else:
            signups.put_attributes(session, row.id, {key: value}, now)
        _done(hand, session, row, "edit", key)
        fields: Mapping[str, Value] = {key: value} if value is not None else {}
        fact = Fact(hand.world.new_id(), FactKind.CHANGED, now, name=f"edited:{key}"[:64], fields=fields)
        record_facts(session, row.id, (fact,), now)
        return ", ".join(before) if isinstance(before, tuple) else str(before)


def _typed(attribute: Attribute, text: str) -> Value | None:
    """The value a text stands for, None when it is none of this attribute's."""
    match attribute.type:
        case AttributeType.NUMBER | AttributeType.MONEY:
            number = text.translate(_LATIN).replace(",", "").replace("٬", "")
            return int(number) if number.removeprefix("-").isdigit() else None
        case AttributeType.BOOL:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.casefold())
        case AttributeType.CHOICE:
            return text if text in dict(attribute.options) else None
        case AttributeType.CHOICES | AttributeType.LIST:
            given = tuple(part.strip() for part in text.replace("،", ",").split(",") if part.strip())
            known = dict(attribute.options)
            return given if given and all(not known or part in known for part in given) else None
        case _:
            return text[:2_000] or None


_LATIN = {0x06F0 + digit: str(digit) for digit in range(10)} | {0x0660 + digit: str(digit) for digit in range(10)}


def tag(hand: Hand, word: str, *, is_on: bool) -> bool:
    """Put a tag on or take it off. False when it was so already, or the word is no tag."""
    word = tag_word(word)
    if not word:
        return False
    with hand.world.transaction("write") as session:
        row = signups.hold(session, hand.person)
        if row is None or tagging.has_tag(session, row.id, word) == is_on:
            return False
        if is_on:
            tagging.add_tag(session, row.id, word)
        else:
            tagging.remove_tag(session, row.id, word)
        _done(hand, session, row, "tag" if is_on else "untag", word)
        return True


def tag_word(word: str) -> str:
    """A tag as it is kept; "" when it is none: letters, digits and hyphens."""
    word = word.strip().casefold().replace(" ", "-")[:64]
    return word if all(sign.isalnum() or sign in "-_" for sign in word) else ""


# ── Pause, suppression, erasure ──────────────────────────────────────────────────────────────────────────────────────


def pause(hand: Hand, span: Span) -> Instant | None:
    """No marketing for 30, 60 or 90 days (0: again from now on). Returns until when."""
    until = leaving.pause(hand.world, hand.person, span)
    with hand.world.transaction("write") as session:
        row = signups.hold(session, hand.person)
        if row is not None:
            _note(hand, session, row, "pause" if until else "unpause")
    return until


_CLASSES = (MailClass.MARKETING, MailClass.SERVICE)


def suppress(hand: Hand) -> bool:
    """Let this address get nothing any more; what still waits is taken back."""
    with hand.world.transaction("write") as session:
        row = signups.hold(session, hand.person)
        if row is None or row.is_suppressed:
            return False
        hash_ = address_hash(hand.world.secret, row.address_key)
        permissions.suppress(session, Suppression(hash_, "manual", hand.world.now()))
        mark_suppressed(session, row.id)
        messages.withdraw(session, row.id, "suppressed", _CLASSES)
        _done(hand, session, row, "suppress")
        return True


def release(hand: Hand) -> bool:
    """Take the address off the list again; for one put there by hand only."""
    with hand.world.transaction("write") as session:
        row = signups.hold(session, hand.person)
        if row is None or not row.is_suppressed:
            return False
        hash_ = address_hash(hand.world.secret, row.address_key)
        if tagging.suppression_reason(session, hash_) not in ("manual", ""):
            return False
        permissions.release(session, hash_)
        row.is_suppressed = False
        session.flush()
        _done(hand, session, row, "release")
        return True


def erase(hand: Hand) -> bool:
    """Delete the person for good; the address stays on the list of those who get nothing, as a keyed hash."""
    if not leaving.erase(hand.world, hand.person):
        return False
    with hand.world.transaction("write") as session:
        accounts.note(session, deed_of(hand.world, hand.by, "erase", hand.person.hex()))
    return True


def export(hand: Hand) -> str | None:
    """All we hold about the person, as JSON text."""
    text = leaving.copy_of(hand.world, hand.person)
    if text is not None:
        with hand.world.transaction("write") as session:
            accounts.note(session, deed_of(hand.world, hand.by, "export", hand.person.hex()))
    return text


def _done(hand: Hand, session: Session, row: SubscriberRow, action: str, detail: str = "") -> None:
    _note(hand, session, row, action, detail)
    wake(session, (row.id,), hand.world.now())


def _note(hand: Hand, session: Session, row: SubscriberRow, action: str, detail: str = "") -> None:
    """The log names people by their public id: it outlives their erasure."""
    accounts.note(session, deed_of(hand.world, hand.by, action, row.public_id.hex(), detail))
