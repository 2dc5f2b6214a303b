"""Proofs: the errand that sends test copies of a mail to a list of addresses of our own people.

Owns handing each copy over by itself, so that one refusal says nothing of the others. A copy is signed, logged in for
and routed as real mail is, carries links of nobody, and is recorded nowhere. Must not write mails itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from app.actions.errands import Json
from app.actions.errands.bench import Bench, Done, NotDone
from app.actions.preview import Desk, Preview, Wish, previewed
from app.actions.signing import signers_of
from app.mail.dkim import Signer, sign
from app.mail.smtp_relays import open_transport
from app.mail.smtp_routes import Mailing, Routes
from app.mail.smtp_url import FileRelay, Relay, RelayFaults, parse_relays
from app.mail.transports import (
    Collected,
    Deferred,
    Envelope,
    MessageKey,
    NotTried,
    Outcome,
    Refused,
    RelayFault,
    Sent,
    Transport,
    Uncertain,
)
from app.net.tokens import ask
from app.settings import Settings

MOST = 20
"""Addresses of one test."""
_LONGEST = 300
_FILES_FROM = 1 << 50
"""Where mails are files, test copies are numbered from here, beyond every real message."""


def addresses_of(text: str) -> tuple[str, ...]:
    """The addresses of a list, parted by blanks, commas or lines; each once."""
    return tuple(dict.fromkeys(part for part in text.replace(",", " ").replace(";", " ").split() if "@" in part))


def wish_of(asked: dict[str, Json]) -> Wish:
    """The mail that was asked for, as it was looked at."""
    at = asked.get("at")
    return Wish(
        mail=str(asked.get("mail", "")),
        locale=str(asked.get("locale", "")),
        who=str(asked.get("who", "")),
        at=at if isinstance(at, int) and at else None,
        is_draft=bool(asked.get("is_draft")),
    )


@dataclass(frozen=True, slots=True)
class _Post:
    """What the copies leave by."""

    transport: Transport
    routes: Routes
    signers: Sequence[Signer]
    by: dict[str, None] = field(default_factory=dict)
    """The relays that were tried, in order."""


def send_proofs(bench: Bench) -> Done | NotDone:
    """Send a copy to each address. One that cannot be handed over is told with the relay's words."""
    wanted, listed = wish_of(dict(bench.errand.asked)), addresses_of(bench.asked("addresses"))[:MOST]
    if not listed:
        return NotDone("asked")
    post = _opened(bench.world.settings)
    if isinstance(post, NotDone):
        return post
    desk = Desk(bench.world, bench.shelf)
    told: list[Json] = []
    words = ""
    try:
        for number, address in enumerate(listed):
            bench.progress(number, len(listed))
            copy = previewed(desk, replace(wanted, to=address))
            if copy is None:
                return NotDone("no_mail")
            if copy.error:
                return NotDone("unwritten", {"fault": copy.error})
            if post.transport.is_ready:  # a relay that nobody answers at is not waited for twenty times
                words = _handed_over(bench, post, copy, number)
            told.append({"address": address, "is_sent": not words, "words": words})
    finally:
        post.transport.close()
    sent = sum(1 for copy in told if isinstance(copy, dict) and copy["is_sent"])
    return Done(
        {"sent": sent, "number": len(listed), "copies": told, "relay": ", ".join(post.by) or post.transport.name}
    )


def _opened(settings: Settings) -> _Post | NotDone:
    """All relays as real mail has them, and the keys."""
    try:
        signers = signers_of(settings.dkim)
    except ValueError as fault:
        return NotDone("relay", {"fault": str(fault)})
    inbox: tuple[Relay, ...] = (FileRelay("inbox", settings.data / "inbox"),)
    relays = parse_relays(settings.smtp_url) if settings.smtp_url else inbox
    if isinstance(relays, RelayFaults):
        return NotDone("relay", {"fault": "; ".join(relays.faults)})
    return _Post(open_transport(relays, ask=ask), Routes(relays), signers)


def _handed_over(bench: Bench, post: _Post, copy: Preview, number: int) -> str:
    """Hand one copy over; "" when it was taken, else what was said."""
    key = MessageKey(_FILES_FROM + bench.errand.id * MOST + number, 1)
    data = sign(copy.data, post.signers, bench.world.wall()) if post.signers else copy.data
    relays = post.routes.of(Mailing("", copy.sent_to.rpartition("@")[2].lower()))
    collected = Collected()
    post.transport.send([Envelope(key, copy.sent_from, copy.sent_to, lambda: data, relays)], collected)
    post.by.update(dict.fromkeys(one.relay for one in collected.settlements))
    return words_of(collected.outcomes.get(key, NotTried("the relay rests after a fault")))[:_LONGEST]


def words_of(outcome: Outcome) -> str:
    """What was said of a copy, by the relay if it said anything."""
    match outcome:
        case Sent():
            return ""
        case Refused(reply=reply) | Deferred(reply=reply):
            return " ".join(part for part in (str(reply.code), reply.enhanced, reply.text) if part)
        case RelayFault(text=text) | Uncertain(text=text):
            return text
        case NotTried(reason=reason):
            return reason
        case _:
            assert_never(outcome)
