"""The desk: one person's papers while she is being decided about, and what was decided.

Owns the working state of one call of `advance`. Lives for that call only; nothing outside may keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from app.core.book import Book
from app.core.campaign import Campaign
from app.core.conditions import Condition
from app.core.conditions.view import EVER, Scope, View
from app.core.facts import FactLog, RunKey
from app.core.index import index_of
from app.core.instants import Instant
from app.core.person import (
    RECALLABLE_STATES,
    Code,
    Cursor,
    Decision,
    Finish,
    Finished,
    MailClass,
    Message,
    MessageKey,
    MessageState,
    PastRun,
    Person,
    Run,
    RunResult,
    RunState,
    StageChange,
    WebhookCall,
)
from app.core.replacing import copier, replace, swift
from app.core.subscriber import Subscriber
from app.core.windows import Zone, zone_of

_T = TypeVar("_T")
_NO_CURSOR = Cursor()
due_then = copier(Run, "due_at")
"""The run, due at another instant."""
_standing = copier(Run, "state", "reason", "due_at")
_finished = copier(Run, "finished")
_NEVER_LEFT = (None, None, None, -1)


@swift
@dataclass(frozen=True, slots=True)
class Calm:
    """The ladder and entries were asked and changed nothing: until `look_again_at` nothing but a fact does."""

    subscriber: Subscriber
    look_again_at: Instant | None


@swift
@dataclass(frozen=True, slots=True)
class Advance:
    """What deciding ended in: the person as she is now, why, and what others must be told.

    The store writes the difference between the person before and after; a simulation simply goes on with the latter.
    """

    person: Person
    decisions: tuple[Decision, ...] = ()
    stage_changes: tuple[StageChange, ...] = ()
    webhook_calls: tuple[WebhookCall, ...] = ()
    look_again_at: Instant | None = None
    """When the ladder or an entry could change by time alone. Runs carry their own `due_at`."""
    calm: Calm | None = None
    """For the next decision, when no fact comes in between."""


class Desk:
    """Everything one decision reads and writes."""

    def __init__(self, book: Book, person: Person, now: Instant) -> None:
        self.book = book
        self.index = index_of(book)
        self.now = now
        self.before = person
        self.subscriber: Subscriber = person.subscriber
        self.facts: FactLog = person.facts
        self.runs: dict[RunKey, Run] = {run.key: run for run in person.runs}
        self.messages: dict[MessageKey, Message] = {message.key: message for message in person.messages}
        self.edition = 0
        """Grows with every message written."""
        self._of_run: dict[RunKey, list[MessageKey]] | None = None
        self._live: list[Run] | None = None
        self._pairs: list[tuple[Run, Campaign]] | None = None
        self._settled: dict[RunKey, tuple[int, str]] = {}
        """Run → the edition and version its steps were last settled under."""
        self._views: dict[RunKey, View] = {}
        self._ever: View | None = None
        self._left: dict[RunKey, tuple[Run | None, Subscriber | None, FactLog | None, int]] = {}
        """Run → how it was left when last walked, and what it looked at."""
        self.candidates = list(person.candidates)
        self.past = list(person.past)
        self.buckets = dict(person.buckets)
        self.decisions: list[Decision] = []
        self.stage_changes: list[StageChange] = []
        self.webhook_calls: list[WebhookCall] = []
        self.started: set[str] = set()
        """Campaigns a `start` or `hand_over` step of this decision began."""

    # ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def zone(self) -> Zone:
        return zone_of(self.subscriber.timezone, self.book.site.timezone)

    def campaign(self, run: Run) -> Campaign | None:
        return self.book.version(run.key.campaign, run.version)

    def live_runs(self) -> list[Run]:
        """Live runs in the order they are decided: priority, then who came first. A new list after each change."""
        if self._live is None:
            live = [run for run in self.runs.values() if run.state is not RunState.ENDED]
            self._live = live if len(live) < 2 else sorted(live, key=_in_order)
        return self._live

    def is_as_listed(self, pairs: list[tuple[Run, Campaign]]) -> bool:
        """Whether no run was put since these were listed."""
        return self._pairs is pairs

    def live_pairs(self) -> list[tuple[Run, Campaign]]:
        """Live runs with the version they follow, in that order."""
        if self._pairs is None:
            pairs = [(run, self.campaign(run)) for run in self.live_runs()]
            self._pairs = [(run, campaign) for run, campaign in pairs if campaign is not None]
        return self._pairs

    def view(self, scope: Scope = EVER) -> View:
        if scope is not EVER:
            return View(self.subscriber, self.facts, self.now, self.book.rules, scope)
        if self._ever is None or not self._is_current(self._ever):
            self._ever = View(self.subscriber, self.facts, self.now, self.book.rules)
        return self._ever

    def view_of(self, run: Run, campaign: Campaign) -> View:
        """What the conditions of a run's campaign are asked about."""
        view = self._views.get(run.key)
        if view is None or not self._is_current(view) or view.scope.own_mails is not campaign.own_mails:
            scope = Scope(run.entered_at, run.key, campaign.own_mails, run.event)
            view = self._views[run.key] = View(self.subscriber, self.facts, self.now, self.book.rules, scope)
        return view

    def _is_current(self, view: View) -> bool:
        return view.subscriber is self.subscriber and view.facts is self.facts

    def holds(self, condition: Condition, scope: Scope = EVER) -> bool:
        """Whether a condition is true; false and unknown are both no."""
        return condition.ask(self.view(scope)) is True

    def holds_for(self, run: Run, campaign: Campaign, condition: Condition) -> bool:
        """Whether it is true for a run."""
        return condition.ask(self.view_of(run, campaign)) is True

    def messages_of(self, key: RunKey) -> list[Message]:
        if self._of_run is None:
            self._of_run = {}
            for each in self.messages:
                if each.run is not None:
                    self._of_run.setdefault(each.run, []).append(each)
        keys = self._of_run.get(key)
        return [self.messages[each] for each in keys] if keys else []

    def is_untouched(self, run: Run) -> bool:
        """Whether this very run was brought to the desk."""
        return any(run is each for each in self.before.runs)

    def was_left(self, run: Run) -> bool:
        """Whether the run was walked to a standstill here, and nothing that a step can look at changed since."""
        left, subscriber, facts, edition = self._left.get(run.key, _NEVER_LEFT)
        is_same = left is run and subscriber is self.subscriber and facts is self.facts
        return is_same and edition == self.edition

    def leave(self, run: Run) -> None:
        self._left[run.key] = run, self.subscriber, self.facts, self.edition

    # ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def note(self, code: Code, run: Run | None = None, step: str = "", **seen: str | int | float | bool | None) -> None:
        """Record why; the same reason for the same standstill is written once, when it begins."""
        self.decisions.append(Decision(self.now, code, run.key if run else None, step, seen))

    def put(self, run: Run) -> Run:
        if self.runs.get(run.key) is not run:
            self.runs[run.key] = run
            self._live = self._pairs = None
        return run

    def write(self, message: Message) -> None:
        """Write a message, or what became of it."""
        key = message.key
        if key.run is not None and self._of_run is not None and key not in self.messages:
            self._of_run.setdefault(key.run, []).append(key)
        self.messages[key] = message
        self.edition += 1

    def stand(self, run: Run, state: RunState, reason: Code, due_at: Instant | None, **seen: str | int | None) -> Run:
        """Let a run stand still for a reason; the decision is written only when the reason is another than before."""
        if run.reason == reason and run.state is state:
            return self.put(run if run.due_at == due_at else due_then(run, due_at))
        self.note(reason, run, self.step_of(run), **seen)
        return self.put(_standing(run, state, reason, due_at))

    def step_of(self, run: Run) -> str:
        return run.cursors.get(run.sequence, _NO_CURSOR).step

    def finish(self, run: Run, step: str, finished: Finished) -> Run:
        return self.put(_finished(run, {**run.finished, step: finished}))

    def end(self, run: Run, result: RunResult, code: Code, **seen: str | int | float | None) -> Run:
        """End a run and withdraw what it has not handed over."""
        self.withdraw(run, code)
        self.note(code, run, self.step_of(run), **seen)
        ended = replace(run, state=RunState.ENDED, result=result, reason=code, due_at=None, until=None)
        ended = replace(ended, ended_at=self.now, paused_by=None, paused_at=None)
        self.past.append(PastRun(run.key, self.now, run.rested_at))
        return self.put(ended)

    def withdraw(self, run: Run, why: Code) -> None:
        """Take back this run's marketing mails that are still ours; service mail stays, erasure takes that too."""
        for message in self.messages_of(run.key):
            if message.state in RECALLABLE_STATES and message.mail_class is MailClass.MARKETING:
                self.write(replace(message, state=MessageState.WITHDRAWN, reason=why))
                self.note(Code.WITHDRAWN, run, message.key.step, because=why)

    def settle_steps(self, run: Run) -> Run:
        """Mark the steps whose mails were handed over, refused or skipped, wherever the run stands by now."""
        if self._settled.get(run.key) == (self.edition, run.version):
            return run
        self._settled[run.key] = self.edition, run.version
        campaign = self.campaign(run)
        asks = campaign.asks if campaign else frozenset()
        for message in self.messages_of(run.key):
            finish = FINISHES.get(message.state)
            step = message.key.step
            if finish and step not in run.finished and step not in asks and message.settled_at is not None:
                run = self.finish(run, step, Finished(finish, message.settled_at))
                self.note(_CODES[finish], run, step, mail=message.mail, because=message.reason)
        return run

    def result(self, look_again_at: Instant | None, calm: Calm | None = None) -> Advance:
        person = Person(
            subscriber=self.subscriber,
            facts=self.facts,
            runs=tuple(self.runs.values()),
            past=tuple(self.past),
            messages=tuple(self.messages.values()),
            candidates=tuple(self.candidates),
            buckets=self.buckets,
        )
        lists = tuple(self.decisions), tuple(self.stage_changes), tuple(self.webhook_calls)
        return Advance(person, *lists, look_again_at, calm)


def _in_order(run: Run) -> tuple[int, Instant, RunKey]:
    return -run.rank, run.entered_at, run.key


FINISHES = {
    MessageState.SENT: Finish.DONE,
    MessageState.UNCERTAIN: Finish.DONE,
    MessageState.REFUSED: Finish.REFUSED,
    MessageState.SKIPPED: Finish.SKIPPED,
}
_CODES = {Finish.DONE: Code.SENT, Finish.REFUSED: Code.REFUSED, Finish.SKIPPED: Code.SKIPPED, Finish.GHOST: Code.GHOST}
