"""One person as the engine decides about her: subscriber, facts, runs, messages, points.

Owns the aggregate `Person`, its parts, and what outcomes from outside (a mail handed over, refused, skipped) change.
Must not decide what happens next: that is core/nurture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from app.core.facts import NO_FIELDS, FactLog, Fields, RunKey
from app.core.instants import Instant
from app.core.replacing import replace, swift
from app.core.subscriber import Subscriber


class RunState(StrEnum):
    ACTIVE = "active"
    WAITING = "waiting"
    HELD = "held"
    PAUSED = "paused"
    RESTING = "resting"
    ENDED = "ended"


class RunResult(StrEnum):
    GOAL = "goal"
    END = "end"
    HANDED_OVER = "handed_over"
    SUPERSEDED = "superseded"
    LISTENED = "listened"
    REMOVED = "removed"
    WHILE = "while"
    NO_SEQUENCE = "no_sequence"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    ERASED = "erased"
    STOPPED = "stopped"
    FAILED = "failed"


class PausedBy(StrEnum):
    CAMPAIGN = "campaign"
    PERSON = "person"
    EXCLUSIVE = "exclusive"


@swift
@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in one sequence: the blocks entered (step id, branch), the step standing at, the last one finished.

    `step` is "" at the end; steps appended later continue after `after`.
    """

    blocks: tuple[tuple[str, str], ...] = ()
    step: str = ""
    after: str = ""


class Finish(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    SKIPPED = "skipped"
    GHOST = "ghost"


@swift
@dataclass(frozen=True, slots=True)
class Finished:
    finish: Finish
    at: Instant
    branch: str = ""


NONE_FINISHED: Mapping[str, Finished] = MappingProxyType({})
NO_CURSORS: Mapping[str, Cursor] = MappingProxyType({})


@swift
@dataclass(frozen=True, slots=True)
class Run:
    """One person's way through one campaign. `version` is the digest of the campaign it follows."""

    key: RunKey
    version: str
    entered_at: Instant
    id: int = 0
    state: RunState = RunState.ACTIVE
    result: RunResult | None = None
    is_ghost: bool = False
    sequence: str = ""
    cursors: Mapping[str, Cursor] = field(default_factory=lambda: NO_CURSORS)
    finished: Mapping[str, Finished] = field(default_factory=lambda: NONE_FINISHED)
    began_at: Instant | None = None
    """When the current step was reached: `wanted` of a send, the begin of a wait. None between steps."""
    until: Instant | None = None
    """Where the current wait ends, or a hold."""
    due_at: Instant | None = None
    """When to look again without a new fact."""
    reason: str = ""
    """Why it stands still, as the last decision's code."""
    rank: int = 0
    event: Fields = field(default_factory=lambda: NO_FIELDS)
    paused_by: PausedBy | None = None
    paused_at: Instant | None = None
    rested_at: Instant | None = None
    ended_at: Instant | None = None
    attempts: int = 0
    error: str = ""

    @property
    def is_live(self) -> bool:
        return self.state is not RunState.ENDED


class MessageState(StrEnum):
    QUEUED = "queued"
    CLAIMED = "claimed"
    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    SKIPPED = "skipped"
    WITHDRAWN = "withdrawn"
    UNCERTAIN = "uncertain"
    PARKED = "parked"


OPEN_STATES = frozenset({MessageState.QUEUED, MessageState.CLAIMED, MessageState.WAITING})
SLOT_STATES = OPEN_STATES | {MessageState.SENT, MessageState.UNCERTAIN}
"""A message in one of these takes a slot under the caps."""
RECALLABLE_STATES = frozenset({MessageState.QUEUED, MessageState.WAITING})


class MailClass(StrEnum):
    MARKETING = "marketing"
    SERVICE = "service"
    TEAM = "team"


@swift
@dataclass(frozen=True, slots=True)
class MessageKey:
    """What makes a message one of a kind: the run's step, or a cause when there is no run."""

    run: RunKey | None
    step: str
    """The step id; without a run the cause, e.g. `deliver:<box>:<fact id>`."""


@swift
@dataclass(frozen=True, slots=True)
class Message:
    key: MessageKey
    mail: str
    state: MessageState
    mail_class: MailClass
    wanted_at: Instant
    slot_at: Instant
    rank: int = 0
    fresh_until: Instant | None = None
    settled_at: Instant | None = None
    """When it was handed over, refused or skipped."""
    subject: str = ""
    offer: str = ""
    recipient: str = ""
    """For team mail: whom it goes to. Empty: the subscriber."""
    reason: str = ""
    id: int = 0

    @property
    def takes_slot(self) -> bool:
        return self.mail_class is MailClass.MARKETING and self.state in SLOT_STATES


@swift
@dataclass(frozen=True, slots=True)
class PastRun:
    """What re-entry has to know of a run that is over."""

    key: RunKey
    ended_at: Instant
    rested_at: Instant | None = None


@swift
@dataclass(frozen=True, slots=True)
class Candidate:
    """A failed `where` of a box or event entry, asked again with each new fact until `until`."""

    campaign: str
    entry: int
    key: str
    until: Instant
    event: Fields = field(default_factory=lambda: NO_FIELDS)


BucketKey: TypeAlias = tuple[str, int]
"""(scoring rule, number of its bucket counted from 1970 UTC)"""
Bucket: TypeAlias = tuple[tuple[Instant, bytes], ...]
"""The earliest facts of a bucket, (at, fact id), as many as may earn points."""


@swift
@dataclass(frozen=True, slots=True)
class Person:
    subscriber: Subscriber
    facts: FactLog = field(default_factory=FactLog)
    runs: tuple[Run, ...] = ()
    past: tuple[PastRun, ...] = ()
    messages: tuple[Message, ...] = ()
    """Open ones, those of live runs, and those that still take a slot in the longest window."""
    candidates: tuple[Candidate, ...] = ()
    buckets: Mapping[BucketKey, Bucket] = field(default_factory=lambda: MappingProxyType({}))

    def run(self, key: RunKey) -> Run | None:
        return next((run for run in self.runs if run.key == key), None)

    def message(self, key: MessageKey) -> Message | None:
        return next((message for message in self.messages if message.key == key), None)


# ── What comes back from outside ─────────────────────────────────────────────────────────────────────────────────────


@swift
@dataclass(frozen=True, slots=True)
class Settled:
    """A message left our hands or will not: sent, uncertain, refused, skipped or parked; when, and why."""

    key: MessageKey
    state: MessageState
    at: Instant
    reason: str = ""


def apply(person: Person, outcome: Settled) -> Person:
    """The person after a message was settled. Settling what is unknown, or the same way again, changes nothing."""
    return replace(person, messages=tuple([_settled(message, outcome) for message in person.messages]))


def _settled(message: Message, outcome: Settled) -> Message:
    if (message.key is not outcome.key and message.key != outcome.key) or message.state is outcome.state:
        return message
    return replace(message, state=outcome.state, settled_at=outcome.at, reason=outcome.reason)


# ── Decisions ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Code(StrEnum):
    """Why something was decided. The values seen stand beside the code; sentences are made of both."""

    # entries
    ENTERED = "entered"
    ENTRY_AGAIN = "entry_again"  # refused: was here before
    ENTRY_WHERE = "entry_where"  # refused: `where` is not true
    ENTRY_GOAL = "goal_already"
    ENTRY_NO_SEQUENCE = "entry_no_sequence"
    ENTRY_CLOSED = "entry_closed"  # outside from/until, or the campaign takes no entries
    ENTRY_NOT_ALLOWED = "entry_not_allowed"  # may not be mailed
    ENTRY_LIVE = "entry_live"  # a run with this key is live: the event is a fact for it
    # the person
    STAGE = "stage"
    KIND = "kind"
    # the run
    GOAL = "goal"
    WHILE = "while"
    SEQUENCE = "sequence"
    NO_SEQUENCE = "no_sequence"
    RESTS = "rests"
    LISTENED = "listened"
    ENDED = "ended"
    SUPERSEDED = "superseded"
    RESTARTED = "restarted"
    HANDED_OVER = "handed_over"
    HAND_OVER_REFUSED = "hand_over_refused"
    PAUSED_EXCLUSIVE = "paused_exclusive"
    RESUMED_EXCLUSIVE = "resumed_exclusive"
    PAUSED_CAMPAIGN = "paused_campaign"
    PAUSED_SITE = "paused_site"
    PAUSED_PERSON = "paused_person"
    RESUMED = "resumed"
    REMOVED = "removed"
    VERSION = "version"
    TOO_MANY_MOVES = "too_many_moves"
    # steps
    BRANCH = "branch"
    WAITS = "waits"
    WAITED = "waited"
    ALREADY_TRUE = "already_true"
    CAME_TRUE = "came_true"
    LIMIT_REACHED = "limit"
    EFFECT = "effect"
    STREAM_DRY = "stream_dry"
    # mails
    QUEUED = "queued"
    DELAYED = "delayed"
    DISPLACED = "displaced"
    SENT = "sent"
    REFUSED = "refused"
    SKIPPED_LIMIT = "skipped_limit"
    SKIPPED_STALE = "skipped_stale"
    OFFER_ENDED = "offer_ended"
    SKIPPED = "skipped"
    GHOST = "ghost"
    WITHDRAWN = "withdrawn"
    NOT_CONFIRMED = "not_confirmed"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    DORMANT = "dormant"


Seen: TypeAlias = Mapping[str, str | int | float | bool | None]
"""The values a decision saw, by name. Instants are ints whose name ends in `_at`."""


@swift
@dataclass(frozen=True, slots=True)
class Decision:
    at: Instant
    code: Code
    run: RunKey | None = None
    step: str = ""
    seen: Seen = field(default_factory=lambda: MappingProxyType({}))


@swift
@dataclass(frozen=True, slots=True)
class StageChange:
    at: Instant
    before: str
    after: str
    rule: str
    """`rise` or `fall` and the rung it belongs to, e.g. `rise:prospect`."""
    cause: bytes | None
    """The fact that brought it, None when time did."""
    score: float


@dataclass(frozen=True, slots=True)
class WebhookCall:
    at: Instant
    run: RunKey
    step: str
    endpoint: str
