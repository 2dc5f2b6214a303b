"""The site: who we are, how we may reach people, and the words campaigns may use.

Owns the values of `campaigns/site.yaml` and `campaigns/ladder.yaml`. Must not decide anything.
Shares are fractions (0.1 is 10 %), spans microseconds, money the currency's smallest unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from app.core.conditions import Condition
from app.core.instants import DAY, Span
from app.core.pacing import Limit
from app.core.text import NO_TEXT, NOWHERE, Place, Text
from app.core.windows import QuietRules


@dataclass(frozen=True, slots=True)
class Sender:
    name: Text
    address: str
    reply_to: str


class AttributeType(StrEnum):
    TEXT = "text"
    EMAIL = "email"
    NUMBER = "number"
    MONEY = "money"
    CHOICE = "choice"
    CHOICES = "choices"
    DATE = "date"
    DAY = "day"
    BOOL = "bool"
    PHONE = "phone"
    LINK = "link"
    LIST = "list"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Attribute:
    key: str
    type: AttributeType
    label: Text = NO_TEXT
    options: tuple[tuple[str, Text], ...] = ()
    calendar: str = "gregorian"
    rules: tuple[tuple[str, str], ...] = ()
    """Validation beyond the type, e.g. ("max_length", "80"), ("min", "0")."""


@dataclass(frozen=True, slots=True)
class EventType:
    key: str
    run_key: str = ""
    """The field that names one run of a keyed campaign (`key: cart_id`)."""
    fields: tuple[tuple[str, AttributeType], ...] = ()


BUILT_IN_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "order": frozenset({"order_id", "total", "products"}),
        "refund": frozenset({"order_id", "amount"}),
        "referral": frozenset({"name"}),
        "referral_milestone": frozenset({"number"}),
        "reply": frozenset({"mail"}),
        "visit": frozenset({"path"}),
    }
)
"""Events nobody has to declare, and what they bring."""


@dataclass(frozen=True, slots=True)
class Topic:
    key: str
    label: Text
    pages: tuple[str, ...]


class TrackingMode(StrEnum):
    OFF = "off"
    AGGREGATE = "aggregate"
    INDIVIDUAL = "individual"


@dataclass(frozen=True, slots=True)
class Tracking:
    opens: TrackingMode = TrackingMode.INDIVIDUAL
    clicks: TrackingMode = TrackingMode.INDIVIDUAL
    needs_consent: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    limits: tuple[Limit, ...] = ()
    delay_up_to: Span = 7 * DAY
    quiet: QuietRules = QuietRules()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Guards:
    """Above `confirm_above` mails per hour publishing asks back; above a `pause_at` share sending stops."""

    confirm_above: int = 500
    complaints: float = 0.001
    hard_bounces: float = 0.03
    unsubscribes: float = 0.02


@dataclass(frozen=True, slots=True)
class Webhook:
    key: str
    url: str
    secret_name: str


@dataclass(frozen=True, slots=True)
class Utm:
    """Parameters for links that lead to one of `hosts` (the site's own when empty), in the order they are added.

    In a value `{mail}` stands for the mail's key, `{link}` for the link's name; an empty value is left out.
    """

    parameters: tuple[tuple[str, str], ...]
    hosts: tuple[str, ...] = ()


class OnEdit(StrEnum):
    MIGRATE = "migrate"
    FINISH_OLD = "finish_old"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class Overdue:
    stagger: Span = DAY
    skip_older_than: Span = 7 * DAY


@dataclass(frozen=True, slots=True)
class CampaignDefaults:
    while_: Condition | None = None
    holdout: float = 0.0
    listen: Span = 365 * DAY
    on_edit: OnEdit = OnEdit.MIGRATE
    overdue: Overdue = Overdue()


@dataclass(frozen=True, slots=True)
class Site:
    name: Text
    slogan: Text
    url: str
    sender: Sender
    postal_address: Text
    locales: tuple[str, ...]
    timezone: str
    weekend: tuple[int, ...] = (3, 4)
    """Weekdays as Python counts them, Monday is 0: Thursday and Friday."""
    currency: str = "EUR"
    currency_shown: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: MappingProxyType({}))
    events: Mapping[str, EventType] = field(default_factory=lambda: MappingProxyType({}))
    topics: Mapping[str, Topic] = field(default_factory=lambda: MappingProxyType({}))
    contact: Contact = Contact()
    tracking: Tracking = Tracking()
    guards: Guards = Guards()
    priorities: tuple[str, ...] = ()
    """Names of priorities, highest first; a campaign without one comes last."""
    defaults: CampaignDefaults = CampaignDefaults()
    webhooks: Mapping[str, Webhook] = field(default_factory=lambda: MappingProxyType({}))
    utm: Utm | None = None
    """None: links keep their addresses."""

    def fields_of(self, event: str) -> frozenset[str]:
        """The fields an event brings, declared or built in; none for an unknown one."""
        declared = self.events.get(event)
        if declared is None:
            return BUILT_IN_FIELDS.get(event, frozenset())
        return frozenset({*dict(declared.fields), declared.run_key} - {""})

    def topic_of(self, path: str) -> str:
        """The first topic one of whose pages this path is; "" when none. Only a `*` at the end stands for more."""
        return next((topic.key for topic in self.topics.values() if any(_is_page(p, path) for p in topic.pages)), "")

    def rank(self, priority: str) -> int:
        """A priority as a number, higher wins; 0 for none."""
        return len(self.priorities) - self.priorities.index(priority) if priority in self.priorities else 0


def _is_page(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


@dataclass(frozen=True, slots=True)
class Stage:
    key: str
    label: Text = NO_TEXT
    rise: Condition | None = None
    fall: Condition | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ScoringRule:
    """Points for one kind of fact; at most `at_most` points per bucket of `per`, buckets counted from 1970 UTC."""

    key: str
    on: str
    """confirmed | open | click | visit | reply | referral | order | signup | the name of a declared event"""
    points: int
    topic: str = ""
    path: str = ""
    mail: str = ""
    at_most: int | None = None
    per: Span = 30 * DAY


@dataclass(frozen=True, slots=True)
class FitRule:
    when: Condition
    points: int


@dataclass(frozen=True, slots=True)
class Ladder:
    stages: tuple[Stage, ...]
    kinds: tuple[tuple[str, Condition], ...] = ()
    half_life: Span = 30 * DAY
    engagement: tuple[ScoringRule, ...] = ()
    fit: tuple[FitRule, ...] = ()
    segments: Mapping[str, Condition] = field(default_factory=lambda: MappingProxyType({}))
    place: Place = NOWHERE

    def index(self, stage: str) -> int:
        """How high a stage stands; -1 for one that is no longer on the ladder."""
        return next((i for i, known in enumerate(self.stages) if known.key == stage), -1)
