"""Campaigns as values: entries, sequences, steps. What they mean is decided in core/nurture.

Owns the shapes of a campaign file after reading. Must not read files and must not decide.
Places take no part in equality or repr, so `digest` changes only when the meaning does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from app.core.conditions import Condition
from app.core.facts import Value
from app.core.instants import DAY, Instant, Span
from app.core.site import OnEdit, Overdue
from app.core.text import NO_TEXT, NOWHERE, Place, Text
from app.core.windows import Beat, Clock

ANY = "any"
ON_GOAL = "on_goal"
"""The name of the sequence that runs after the goal."""


def _place() -> Place:
    return field(default=NOWHERE, compare=False, repr=False)


# ── Steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Send:
    id: str
    mail: str
    subject: str = ""
    offer: str = ""
    fresh_for: Span | None = None
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class ForSpan:
    span: Span


@dataclass(frozen=True, slots=True)
class ForDays:
    days: int
    at: Clock | None = None


@dataclass(frozen=True, slots=True)
class ForDay:
    day: int | None
    """Weekday, Monday 0; None is `workday`."""
    at: Clock


class IfPast(StrEnum):
    CONTINUE = "continue"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class ForDate:
    """Until a date: a constant (ISO, Gregorian), an attribute's, or the end of the offer."""

    date: str = ""
    attribute: str = ""
    is_offer_end: bool = False
    days: int = 0
    before: Span = 0
    at: Clock | None = None
    if_past: IfPast = IfPast.CONTINUE


@dataclass(frozen=True, slots=True)
class ForCondition:
    condition: Condition
    at_most: Span


WaitRule: TypeAlias = ForSpan | ForDays | ForDay | ForDate | ForCondition


@dataclass(frozen=True, slots=True)
class Wait:
    id: str
    rule: WaitRule
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class If:
    id: str
    condition: Condition
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...] = ()
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class Option:
    when: Condition
    then: tuple[Step, ...]
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Choose:
    id: str
    options: tuple[Option, ...]
    otherwise: tuple[Step, ...] = ()
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class Arm:
    name: str
    share: float
    then: tuple[Step, ...]
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Split:
    id: str
    metric: str
    arms: tuple[Arm, ...]
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class AnswerCase:
    """One line of `answers:`: a range of numbers (inclusive), or one option."""

    label: str
    low: int | None
    high: int | None
    option: str
    then: tuple[Step, ...]

    def matches(self, answer: Value) -> bool:
        if isinstance(answer, int) and self.low is not None and self.high is not None:
            return self.low <= answer <= self.high
        return self.option != "" and answer == self.option


@dataclass(frozen=True, slots=True)
class Ask:
    id: str
    mail: str
    survey: str
    at_most: Span
    answers: tuple[AnswerCase, ...]
    none: tuple[Step, ...] = ()
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class SetAttributes:
    id: str
    values: tuple[tuple[str, Value], ...]
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class AddTag:
    id: str
    tag: str
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class RemoveTag:
    id: str
    tag: str
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class AddScore:
    id: str
    points: int
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class Notify:
    id: str
    to: str
    mail: str
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class CallWebhook:
    id: str
    endpoint: str
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class Start:
    id: str
    campaign: str
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class HandOver:
    id: str
    campaign: str
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class Use:
    """A fragment's steps, already in place: their ids begin with the fragment's key."""

    id: str
    fragment: str
    steps: tuple[Step, ...]
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class Dormant:
    id: str
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


@dataclass(frozen=True, slots=True)
class End:
    id: str
    place: Place = _place()
    note: Text = field(default=NO_TEXT, compare=False)


Step: TypeAlias = (
    Send
    | Wait
    | If
    | Choose
    | Split
    | Ask
    | SetAttributes
    | AddTag
    | RemoveTag
    | AddScore
    | Notify
    | CallWebhook
    | Start
    | HandOver
    | Use
    | Dormant
    | End
)
Steps: TypeAlias = tuple[Step, ...]


def branches(step: Step) -> tuple[tuple[str, Steps], ...]:
    """The blocks inside a step, by the name a cursor stores: then, else, an option's number, an arm, an answer."""
    match step:
        case If():
            return ("then", step.then), ("else", step.otherwise)
        case Wait(rule=ForCondition()):
            return ("then", step.then), ("else", step.otherwise)
        case Choose():
            return (*((str(i), option.then) for i, option in enumerate(step.options)), ("else", step.otherwise))
        case Split():
            return tuple((arm.name, arm.then) for arm in step.arms)
        case Ask():
            return (*((case.label, case.then) for case in step.answers), ("none", step.none))
        case Use():
            return (("use", step.steps),)
        case _:
            return ()


def walk(steps: Steps) -> Iterator[Step]:
    """Every step in file order, blocks included."""
    for step in steps:
        yield step
        for _, block in branches(step):
            yield from walk(block)


# ── Entries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Again:
    """Re-entry: `never` (all empty), after a span, or once for each value of an event field."""

    after: Span | None = None
    each: str = ""
    restart: bool = False


@dataclass(frozen=True, slots=True)
class ByBox:
    box: str


@dataclass(frozen=True, slots=True)
class ByEvent:
    """`on:` a declared event, or a built-in one (order, refund, referral, referral_milestone, reply, visit)."""

    event: str


@dataclass(frozen=True, slots=True)
class ByChange:
    when: Condition


@dataclass(frozen=True, slots=True)
class Yearly:
    attribute: str
    days: int
    at: Clock


@dataclass(frozen=True, slots=True)
class Once:
    date: str
    """ISO, Gregorian."""
    at: Clock
    who: Condition | None


EntryRule: TypeAlias = ByBox | ByEvent | ByChange | Yearly | Once


@dataclass(frozen=True, slots=True)
class Entry:
    rule: EntryRule
    where: Condition | None = None
    again: Again = Again()
    from_at: Instant | None = None
    until_at: Instant | None = None
    place: Place = _place()


# ── Streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Article:
    id: str
    mail: str
    when: Condition | None = None
    until_at: Instant | None = None
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Stream:
    beat: Beat
    articles: Mapping[str, tuple[Article, ...]]


# ── The campaign ─────────────────────────────────────────────────────────────────────────────────────────────────────


class CampaignState(StrEnum):
    DRAFT = "draft"
    LIVE = "live"
    PAUSED = "paused"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Campaign:
    key: str
    title: Text
    state: CampaignState
    entries: tuple[Entry, ...] = ()
    sequences: Mapping[str, Steps] = field(default_factory=lambda: MappingProxyType({}))
    """Stage (or `any`) → its steps. Empty when the campaign is a stream."""
    stream: Stream | None = None
    owner: str = ""
    goal: Condition | None = None
    on_goal: Steps = ()
    while_: tuple[Condition, ...] = ()
    """The campaign's own and the site's: all must hold."""
    exclusive: str = ""
    priority: str = ""
    rank: int = 0
    """The priority as a number: higher wins, 0 is last."""
    holdout: float = 0.0
    listen: Span = 365 * DAY
    on_edit: OnEdit = OnEdit.MIGRATE
    overdue: Overdue = Overdue()
    moved: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    removed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Step id → `next` or `exit`."""
    place: Place = _place()
    digest: str = field(default="", compare=False, repr=False)
    """Set by `sealed`: changes when the meaning changes; comments, order of keys and lines take no part."""
    own_mails: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """Set by `sealed`: the mails this campaign sends to the subscriber."""
    asks: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """Set by `sealed`: ids of steps that go on after their mail is handed over, because they wait for an answer."""
    spots: dict[tuple[str, object], object] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What nurture/places found for (sequence, cursor): many people stand at few places."""

    def watched(self) -> Iterator[Condition]:
        """The conditions that may end a run at any time."""
        if self.goal is not None:
            yield self.goal
        yield from self.while_

    def sequence_for(self, stage: str) -> str | None:
        """The name of the sequence for a stage: its own, else `any`, else none."""
        names = self.stream.articles if self.stream else self.sequences
        return stage if stage in names else ANY if ANY in names else None

    def steps_of(self, sequence: str) -> Steps:
        return self.on_goal if sequence == ON_GOAL else self.sequences.get(sequence, ())

    def steps(self) -> Iterator[Step]:
        """Every step of every sequence, in file order, `on_goal` last."""
        for steps in (*self.sequences.values(), self.on_goal):
            yield from walk(steps)


def sealed(campaign: Campaign) -> Campaign:
    """The campaign with what is derived from it: its digest and its mails. The reader calls this last."""
    digest = hashlib.sha256(_canonical(campaign).encode()).hexdigest()[:16]
    asks = frozenset(step.id for step in campaign.steps() if isinstance(step, Ask))
    return replace(campaign, digest=digest, own_mails=frozenset(_mails(campaign)), asks=asks)


def _mails(campaign: Campaign) -> Iterator[str]:
    yield from (step.mail for step in campaign.steps() if isinstance(step, Send | Ask))
    if campaign.stream:
        yield from (article.mail for articles in campaign.stream.articles.values() for article in articles)


def _canonical(campaign: Campaign) -> str:
    plain = {name: getattr(campaign, name) for name, known in campaign.__dataclass_fields__.items() if known.compare}
    for name in ("sequences", "moved", "removed"):
        plain[name] = tuple(sorted(plain[name].items()))
    if campaign.stream:
        plain["stream"] = (campaign.stream.beat, tuple(sorted(campaign.stream.articles.items())))
    return repr(sorted(plain.items()))
