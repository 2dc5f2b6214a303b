"""Made-up people, and the stories told about them to prove what campaigns do.

Owns the values of `campaigns/people/` and of `*.test.yaml`. Must not run a story and must not judge its outcome.
Spans are microseconds; local times are a date (ISO, Gregorian) and a clock, or relative to the line before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from app.core.facts import NO_FIELDS, Fields, Value
from app.core.instants import Span
from app.core.text import NOWHERE, Place
from app.core.windows import MIDNIGHT, Clock


def _place() -> Place:
    return field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up subscriber. She is nobody's subscriber until a story signs her up, unless `is_confirmed`."""

    key: str
    address: str
    locale: str = ""
    timezone: str = ""
    country: str = ""
    source: str = ""
    stage: str = ""
    kind: str = ""
    is_confirmed: bool = False
    attributes: Fields = field(default_factory=lambda: NO_FIELDS)
    tags: tuple[str, ...] = ()
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Moment:
    """A local date and time of the subscriber's zone."""

    date: str
    at: Clock = MIDNIGHT


# ── Verbs: what happens ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SignUp:
    """She fills in a box; `referred_by` is the person whose link brought her."""

    box: str
    fields: Fields = field(default_factory=lambda: NO_FIELDS)
    referred_by: str = ""
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Confirm:
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Open:
    mail: str
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Click:
    """A human's click; without `link` the first named link."""

    mail: str
    link: str = ""
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Scan:
    """A link scanner fetches every link of the mail at once."""

    mail: str
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Visit:
    path: str
    times: int = 1
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Happen:
    """A declared event comes in."""

    event: str
    fields: Fields = field(default_factory=lambda: NO_FIELDS)
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Buy:
    """An order; `amount` in the currency's smallest unit; `order_id` empty means a new one each time."""

    amount: int
    order_id: str = ""
    products: tuple[str, ...] = ()
    fields: Fields = field(default_factory=lambda: NO_FIELDS)
    code: str = ""
    """At the counter she shows her code of this offer."""
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Refund:
    """Takes back an order, the latest when `order_id` is empty; all of it when `amount` is None."""

    amount: int | None = None
    order_id: str = ""
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Answer:
    survey: str
    value: Value
    comment: str = ""
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Refer:
    """A friend she invited has confirmed: one of the people, or a nameless one."""

    friend: str = ""
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Reply:
    mail: str
    text: str = ""
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class PauseMails:
    """She pauses her mails for a span; None until she resumes."""

    span: Span | None = None
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class ResumeMails:
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Complain:
    """She marks a mail as spam; the latest when `mail` is empty. `friend`: the latest friend she brought does."""

    mail: str = ""
    is_friend: bool = False
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Bounce:
    """Her server refuses a mail, the next one when `mail` is empty; for good when `is_hard`."""

    mail: str = ""
    is_hard: bool = True
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Pass:
    """Time passes: a span, or up to a local moment."""

    time: Span | Moment
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class SetAttribute:
    values: tuple[tuple[str, Value], ...]
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Tag:
    tag: str
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Deploy:
    """The files of another folder (relative to the scenario) are published in the middle of the story."""

    folder: str
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Outage:
    """The engine is down for so long; facts of the story keep coming in afterwards."""

    span: Span
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class FillPool:
    """A pool has so many codes left from now on: others have gone, or new ones were imported."""

    pool: str
    left: int
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class SellElsewhere:
    """So many places of an offer with `seats` went through other channels, in all."""

    offer: str
    count: int
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Stock:
    """The shop tells of a product: how many there are, and what it costs in the currency's smallest unit."""

    product: str
    count: int | None = None
    price: int | None = None
    name: str = ""
    url: str = ""
    place: Place = _place()


# ── Expectations ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ExpectMail:
    """A mail arrives, with this subject, these words, this offer."""

    mail: str
    subject: str = ""
    contains: tuple[str, ...] = ()
    offer: str = ""


@dataclass(frozen=True, slots=True)
class ExpectRun:
    """Where a run stands. `left` is its result, `state` its state, `step` the id of the step it stands at."""

    campaign: str
    left: str = ""
    state: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class ExpectHeld:
    """A message or run is held back, for a reason code when given."""

    mail: str = ""
    campaign: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """Inclusive bounds; None is open."""

    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Expect:
    """Everything given must hold at this moment.

    `by`: it comes to hold within a span from the line before, or up to a local moment; `at`: at that very minute.
    The clock runs forward to then.
    `is_nothing`: no mail has come since the last expected mail or the last deed in the story (`pass` is no deed).
    """

    mail: ExpectMail | None = None
    stage: str = ""
    kind: str = ""
    score: Range | None = None
    runs: tuple[ExpectRun, ...] = ()
    tag: str = ""
    notified: str = ""
    held: ExpectHeld | None = None
    is_nothing: bool = False
    code: str = ""
    """What the code shown with the last order turned out to be (see `core.offering.Redeemed`)."""
    open_offer: str = ""
    """The links and the countdown of the last mail with this offer lead to it, and its end is still to come."""
    ended_offer: str = ""
    """They lead past its end."""
    by: Span | Moment | None = None
    at: Moment | None = None
    place: Place = _place()


Line: TypeAlias = (
    SignUp
    | Confirm
    | Open
    | Click
    | Scan
    | Visit
    | Happen
    | Buy
    | Refund
    | Answer
    | Refer
    | Reply
    | Unsubscribe
    | PauseMails
    | ResumeMails
    | Complain
    | Bounce
    | Pass
    | SetAttribute
    | Tag
    | Deploy
    | Outage
    | FillPool
    | SellElsewhere
    | Stock
    | Expect
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story. `key` is the path below `campaigns/` without `.test.yaml`; `person` holds `as` or `subscriber`."""

    key: str
    title: str
    starts: Moment
    person: Person
    story: tuple[Line, ...]
    only: tuple[str, ...] = ()
    """Campaigns that are live in the story; empty means all."""
    with_holdout: bool = False
    arms: tuple[tuple[str, str], ...] = ()
    """Split → the arm taken; other splits take their first."""
    never: tuple[str, ...] = ()
    """Mails that must not come at any moment."""
    place: Place = _place()
