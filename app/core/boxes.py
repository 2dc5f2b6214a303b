"""Signup boxes as values: what a visitor sees, when, and what she is promised.

Owns the shapes of a box file after reading. Must not render, and must not know how a box gets onto a page.
Spans are microseconds, shares fractions (0.1 is 10 %).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from app.core.instants import DAY, Span
from app.core.text import NO_TEXT, NOWHERE, Place, Text

EMAIL_FIELD = "email"


class BoxShape(StrEnum):
    INLINE = "inline"
    POPUP = "popup"
    SLIDE_IN = "slide_in"
    BAR = "bar"
    FULL_SCREEN = "full_screen"
    LOCKER = "locker"


class OptIn(StrEnum):
    DOUBLE = "double"
    SINGLE = "single"


class TrackingConsent(StrEnum):
    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Storage(StrEnum):
    """What a box may remember in the visitor's browser, and only after she touched it."""

    NONE = "none"
    SESSION = "session"
    LOCAL = "local"


class ShowOn(StrEnum):
    """What the visitor does: turns to leave, or clicks an element that opens the box."""

    EXIT_INTENT = "exit_intent"
    CLICK = "click"


class Visitors(StrEnum):
    ALL = "all"
    NEW = "new"
    RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class BoxField:
    """`key` is `email` or an attribute; `is_after` asks once the address is in."""

    key: str
    is_required: bool = False
    is_after: bool = False
    label: Text = NO_TEXT


@dataclass(frozen=True, slots=True)
class Magnet:
    file: str
    valid_for: Span = 7 * DAY


@dataclass(frozen=True, slots=True)
class ShowRule:
    """All that is given must hold; of several rules any one is enough."""

    after: Span | None = None
    scrolled: float | None = None
    """Share of the page scrolled past."""
    on: ShowOn | None = None
    pages: tuple[str, ...] = ()
    visitors: Visitors = Visitors.ALL


@dataclass(frozen=True, slots=True)
class HideRule:
    after_close: Span = 30 * DAY
    after_signup: Span = 365 * DAY


@dataclass(frozen=True, slots=True)
class Theme:
    accent: str = ""
    background: str = ""
    text: str = ""
    radius: str = ""
    font: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class BoxArm:
    """One face of a box under test; an empty text means the box's own."""

    name: str
    share: float
    title: Text = NO_TEXT
    body: Text = NO_TEXT
    button: Text = NO_TEXT
    theme: Theme | None = None


@dataclass(frozen=True, slots=True)
class BoxExperiment:
    """`control` is the share of page views without any box."""

    id: str
    control: float
    arms: tuple[BoxArm, ...]


@dataclass(frozen=True, slots=True)
class Box:
    key: str
    title: Text
    consent: Text
    deliver: str = ""
    """The mail that keeps the promise; empty when nothing is promised."""
    confirm_mail: str = "system/confirm"
    shape: BoxShape = BoxShape.INLINE
    body: Text = NO_TEXT
    button: Text = NO_TEXT
    thanks: Text = NO_TEXT
    fields: tuple[BoxField, ...] = (BoxField(EMAIL_FIELD, is_required=True),)
    tracking_consent: TrackingConsent = TrackingConsent.NONE
    waits_for: str = ""
    """The attribute whose answer names the product she wants to be told of when it is back; empty for other boxes."""
    opt_in: OptIn = OptIn.DOUBLE
    reminders: tuple[Span, ...] = ()
    magnet: Magnet | None = None
    show: tuple[ShowRule, ...] = ()
    hide: HideRule = HideRule()
    origins: tuple[str, ...] = ()
    pages: tuple[tuple[str, ...], ...] = ()
    """Field keys per page of the form (`steps:`); empty means one page."""
    theme: Theme = Theme()
    storage: Storage = Storage.NONE
    experiment: BoxExperiment | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)
