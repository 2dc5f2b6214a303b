"""Nurture: the heart. `advance` decides everything about one person at one instant.

Owns the order of a decision. Total and pure: the same for a tick, a click, a scenario, a simulation and a plan.
Must not know where people are kept or how mail leaves.
"""

from __future__ import annotations

from app.core.book import Book
from app.core.campaign import ON_GOAL
from app.core.conditions import first_change
from app.core.engagement import award, credited, landmark_of, rebased
from app.core.facts import Fact
from app.core.instants import Instant
from app.core.ladder import climb, earliest_of
from app.core.learning import learn
from app.core.nurture.before import as_it_was
from app.core.nurture.dates import next_round
from app.core.nurture.desk import Advance, Calm, Desk, due_then
from app.core.nurture.entries import enter_by_change, enter_by_date, enter_by_facts
from app.core.nurture.gate import is_wish, keep_to_wishes
from app.core.nurture.standing import (
    end_where_not_allowed,
    end_where_while_fails,
    follow_stage,
    follow_versions,
    is_ordinary,
    pause_and_resume,
    reach_goals,
    settle_rivals,
)
from app.core.nurture.steps import walk_runs
from app.core.person import Code, PausedBy, Person, Run, RunState
from app.core.replacing import replace
from app.core.subscriber import Subscriber

__all__ = ["Advance", "Calm", "advance", "due_again"]


def advance(book: Book, person: Person, news: tuple[Fact, ...], now: Instant, calm: Calm | None = None) -> Advance:
    """Decide about one person.

    `news` are facts not decided about before, oldest first; `person.facts` holds the ones known already.
    The answer holds the person as she is afterwards; nothing has happened until somebody keeps it.
    `calm` is that of the last answer, from a caller who added no fact a rule asks for since: it only saves work.
    """
    desk = Desk(book, person, now)
    is_calm = calm is not None and not news and _still_holds(calm, desk)
    before, is_quiet = (person, False) if is_calm else _learn(desk, news)
    is_fixed = is_calm or _is_fixed(person.subscriber, desk.subscriber)
    for run in desk.live_runs():
        desk.settle_steps(run)
    end_where_not_allowed(desk)
    ordinary = is_ordinary(desk)
    if not ordinary:
        follow_versions(desk)
        pause_and_resume(desk)
    known, count = desk.subscriber, len(desk.runs)
    reach_goals(desk)
    end_where_while_fails(desk)
    follow_stage(desk)
    if any(is_wish(fact) for fact in news):
        keep_to_wishes(desk)
    if news:
        enter_by_facts(desk, news)
    if not is_calm:
        enter_by_date(desk)
    learned = desk.subscriber
    settle_rivals(desk)
    walk_runs(desk)
    if not (is_calm and desk.subscriber is learned):
        enter_by_change(desk, before, is_quiet)
    if not (ordinary and desk.subscriber is known and len(desk.runs) == count):
        pause_and_resume(desk)
    settle_rivals(desk)
    walk_runs(desk)
    if calm is not None and is_calm and desk.subscriber is learned:
        _set_due(desk)
        return desk.result(calm.look_again_at, calm)
    is_fixed = is_fixed and desk.subscriber is learned
    desk.subscriber = replace(desk.subscriber, looked_at=now)
    look_again_at = due_again(desk)
    return desk.result(look_again_at, Calm(desk.subscriber, look_again_at) if is_fixed else None)


def _still_holds(calm: Calm, desk: Desk) -> bool:
    """Whether stage, kind, segments and entries are as they were: nothing happened, and no time has come."""
    subscriber = desk.subscriber
    is_before = calm.look_again_at is None or desk.now < calm.look_again_at
    is_same = subscriber is calm.subscriber and subscriber.ladder_digest == desk.book.ladder_digest
    return is_before and is_same and subscriber.landmark == landmark_of(desk.now)


def _is_fixed(before: Subscriber, after: Subscriber) -> bool:
    """Whether asking the ladder changed nothing that a rule could look at: asking it again would not either."""
    return before is after or (
        before.stage == after.stage
        and before.kind == after.kind
        and before.fit == after.fit
        and before.segments == after.segments
        and before.timers == after.timers
    )


def due_again(desk: Desk) -> Instant | None:
    """Set when each run is due by time alone; the instant the ladder or an entry could change is the answer."""
    _set_due(desk)
    return _look_again(desk)


# ── Facts to score, stage, kind ──────────────────────────────────────────────────────────────────────────────────────


def _learn(desk: Desk, news: tuple[Fact, ...]) -> tuple[Person, bool]:
    """Fold the news. Quiet facts and a new ladder come first: what they change is not a change anybody enters by.

    Returns the person `when` entries compare with, and whether this decision has only quiet causes.
    """
    quiet = tuple(fact for fact in news if fact.is_quiet)
    loud = tuple(fact for fact in news if not fact.is_quiet)
    has_new_ladder = desk.subscriber.ladder_digest not in ("", desk.book.ladder_digest)
    if not quiet and not has_new_ladder:
        before = desk.before
        _fold(desk, loud)
        return replace(before, subscriber=as_it_was(before.subscriber, loud)), False
    _fold(desk, quiet)
    known = replace(as_it_was(desk.subscriber, loud), looked_at=desk.now)
    before = replace(desk.before, subscriber=known, facts=desk.facts)
    if loud:
        _fold(desk, loud)
    return before, not loud


def _fold(desk: Desk, facts: tuple[Fact, ...]) -> None:
    half_life = desk.book.rules.half_life
    subscriber = rebased(desk.subscriber, desk.now, half_life)
    for fact in facts:
        subscriber = learn(subscriber, fact)
    awarded = award(desk.book.ladder, desk.buckets, facts)
    desk.buckets.update(awarded.buckets)
    desk.facts = desk.facts.plus(facts)
    climbed = climb(desk.book, credited(subscriber, awarded.awards, half_life), desk.facts, facts, desk.now)
    _note_climb(desk, climbed.subscriber.kind)
    desk.subscriber = climbed.subscriber
    if climbed.change:
        change = climbed.change
        desk.stage_changes.append(change)
        desk.note(Code.STAGE, None, "", before=change.before, after=change.after, rule=change.rule, score=change.score)


def _note_climb(desk: Desk, kind: str) -> None:
    if kind != desk.subscriber.kind:
        desk.note(Code.KIND, None, "", before=desk.subscriber.kind, after=kind)


# ── When to look again ───────────────────────────────────────────────────────────────────────────────────────────────


def _set_due(desk: Desk) -> None:
    """Let each run be due at the earliest of its step and of any change of `goal` or `while` by time."""
    for run in desk.live_runs():
        campaign = desk.campaign(run)
        if campaign is None or run.sequence == ON_GOAL or run.paused_by in (PausedBy.CAMPAIGN, PausedBy.PERSON):
            continue
        changes_at = first_change(campaign.watched(), desk.view_of(run, campaign))
        if changes_at is not None and (run.due_at is None or changes_at < run.due_at):
            desk.put(due_then(run, changes_at))


def _look_again(desk: Desk) -> Instant | None:
    """The earliest instant at which the ladder, an entry or a personal pause changes by time alone."""
    paused = desk.subscriber.paused_until
    ends_at = paused if paused is not None and paused > desk.now else None
    lapsing = desk.index.lapsing
    changes_at = first_change(lapsing.get(desk.subscriber.stage, lapsing[""]), desk.view())
    rounds = [next_round(desk, each.entry, desk.now + 1) for each in desk.index.by_date]
    return earliest_of((changes_at, ends_at, *(found.at for found in rounds if found)))


def is_settled(run: Run) -> bool:
    """Whether a run ends, rests, or waits for something that can be named."""
    if run.state in (RunState.ENDED, RunState.RESTING, RunState.PAUSED):
        return True
    return run.due_at is not None or run.reason in (Code.QUEUED, Code.DORMANT, Code.TOO_MANY_MOVES)
