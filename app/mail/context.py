"""What a message is made of for one reader: who she is, who writes, her links and what the mail may show.

Owns these values. Everything in them was worked out by somebody else; it must not render or sign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from app.core.instants import Instant
from app.core.replacing import swift
from app.mail.compiled import Attachment
from app.mail.values import Survey, Values


@swift
@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets the message. `attributes` are what templates see as `subscriber.…`, every declared one present."""

    address: str
    name: str = ""
    locale: str = "en"
    attributes: Values = field(default_factory=dict)
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Sender:
    name: str
    address: str
    reply_to: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Links:
    """Signed addresses of this person; `magnets` by the magnet's key."""

    unsubscribe: str = ""
    preferences: str = ""
    view: str = ""
    referral: str = ""
    confirm: str = ""
    magnets: Mapping[str, str] = field(default_factory=dict)


@swift
@dataclass(frozen=True, slots=True)
class Tracking:
    """How links are counted: link n becomes `<prefix>/<n>`; `sign(n, url)` counts an address only this person has.

    An empty `pixel` counts no opens.
    """

    prefix: str
    pixel: str = ""
    sign: Callable[[int, str], str] | None = None


@swift
@dataclass(frozen=True, slots=True)
class ListHeaders:
    """For List-Unsubscribe, List-ID and Feedback-ID (campaign, list, type, sender id)."""

    unsubscribe_url: str = ""
    unsubscribe_mailto: str = ""
    list_id: str = ""
    list_name: str = ""
    feedback: tuple[str, str, str, str] | None = None


@swift
@dataclass(frozen=True, slots=True)
class MailContext:
    """Everything else a message is made of. `public_id` is the same for every attempt at one message.

    `site` needs name, url, slogan and postal_address in the reader's language. Without `tracking`, links lead straight
    to their destinations and nothing is counted. `extra` are further top-level names (`stage`, `kind`, `run`).
    """

    public_id: str
    at: Instant
    sender: Sender
    site: Values
    links: Links = Links()
    tracking: Tracking | None = None
    lists: ListHeaders = ListHeaders()
    offer: Values | None = None
    event: Values | None = None
    surveys: Mapping[str, Survey] = field(default_factory=dict)
    extra: Values = field(default_factory=dict)
    subject_variant: str = ""
    image_url: str = ""
    attachments: tuple[Attachment, ...] = ()
    extra_headers: tuple[tuple[str, str], ...] = ()


class Reader(NamedTuple):
    """What differs from one reader of a mail to the next; `attributes` are those the mail asks for.

    `tokens` stand one behind the other in ASCII, each as long for everybody: letters of base 64 or 32, vouched for by
    whoever signed them. The last one is the public id of the message.
    """

    at: Instant
    address: str
    name: str
    attributes: Values
    tokens: bytes


@dataclass(frozen=True, slots=True)
class Particulars:
    """What it takes to render a mail for one reader: who she is, and her context with these tokens or others.

    `sizes` say how long each token is.
    """

    person: Recipient
    sizes: tuple[int, ...]
    context: Callable[[Sequence[str]], MailContext]

    def tokens(self, whole: bytes) -> tuple[str, ...]:
        """The tokens of a reader, each by itself."""
        text, ends = whole.decode("ascii"), list(accumulate(self.sizes))
        return tuple(text[end - size : end] for size, end in zip(self.sizes, ends, strict=True))
