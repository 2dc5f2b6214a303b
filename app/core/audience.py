"""Audience: what a change of the rules does to one person: the old decisions and the new ones over the same place.

Owns the comparison of two futures, and which places cannot differ at all. Must not count people: that is a tally's.
Nothing is estimated: both futures are the engine run ahead with no new fact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.core.book import Book
from app.core.campaign import Campaign, Step, Steps, Wait, branches
from app.core.instants import Instant, Span
from app.core.nurture.desk import Desk
from app.core.nurture.places import START, Standing, look
from app.core.nurture.waits import Until, wait_end
from app.core.person import Code, Cursor, Decision, MailClass, Run
from app.core.projection import Passage, Start, project
from app.core.site import OnEdit

# ── Places that cannot differ ────────────────────────────────────────────────────────────────────────────────────────


def may_differ(old: Campaign | None, new: Campaign | None, sequence: str, cursor: Cursor) -> bool:
    """Whether people at this place can be decided about differently by two versions.

    They cannot when what is still before them, and what is watched all along, is the same.
    """
    if old is None or new is None or new.on_edit is OnEdit.EXIT:
        return True
    if old.digest == new.digest:
        return False
    return _watched(old) != _watched(new) or _ahead(old, sequence, cursor) != _ahead(new, sequence, cursor)


def _watched(campaign: Campaign) -> tuple[object, ...]:
    return (
        campaign.goal,
        campaign.while_,
        campaign.on_goal,
        campaign.exclusive,
        campaign.rank,
        campaign.overdue,
        campaign.listen,
        campaign.stream,
        campaign.state,
    )


def _ahead(campaign: Campaign, sequence: str, cursor: Cursor) -> tuple[object, ...]:
    """The steps from the place on, level by level, and every other sequence whole. Unequal to all when it is gone."""
    others = tuple(sorted((name, steps) for name, steps in campaign.sequences.items() if name != sequence))
    return tuple(_rest(campaign.steps_of(sequence), cursor)), others


def _rest(steps: Steps, cursor: Cursor) -> Iterator[Steps]:
    for owner, branch in cursor.blocks:
        step = _named(steps, owner)
        inner = dict(branches(step)).get(branch) if step else None
        if step is None or inner is None:
            yield _nowhere()
            return
        yield steps[steps.index(step) + 1 :]
        steps = inner
    yield _from(steps, cursor)


def _from(steps: Steps, cursor: Cursor) -> Steps:
    ids = [step.id for step in steps]
    if cursor.step:
        return steps[ids.index(cursor.step) :] if cursor.step in ids else _nowhere()
    if not cursor.after:
        return steps
    return steps[ids.index(cursor.after) + 1 :] if cursor.after in ids else _nowhere()


def _nowhere() -> Steps:
    """A place that is not there equals no place, not even another one that is not there."""
    return (_Nowhere(),)  # type: ignore[return-value]


class _Nowhere:
    """Equal to nothing but itself."""


def _named(steps: Steps, step_id: str) -> Step | None:
    return next((step for step in steps if step.id == step_id), None)


# ── One person ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Mailed:
    """A mail that leaves for the person herself."""

    at: Instant
    mail: str
    campaign: str


@dataclass(frozen=True, slots=True)
class Stood:
    """A run in a changed campaign: the step it stands at, and when the new version lets it go on.

    `due` is None for at once. `is_moved` tells whether that is another instant than before.
    """

    campaign: str
    step: str
    due: Instant | None
    was_due: Instant | None
    is_moved: bool
    is_wait: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What the new rules do to one person."""

    subscriber_id: int
    stage_before: str
    stage_after: str
    stood: tuple[Stood, ...]
    lost: tuple[tuple[str, str], ...]
    """(campaign, step) stood at that is gone without a word where to."""
    ended: tuple[tuple[str, str], ...]
    """(campaign, result) of runs the new rules end at once."""
    twice: tuple[tuple[str, str], ...]
    """(campaign, mail) that would come a second time in the same run."""
    old: tuple[Mailed, ...]
    new: tuple[Mailed, ...]
    delayed: int
    skipped: int

    @property
    def is_moved(self) -> bool:
        """Whether anything at all is another than before."""
        return (
            self.old != self.new
            or self.stage_before != self.stage_after
            or bool(self.lost or self.ended)
            or any(stood.is_moved for stood in self.stood)
        )


def effect(old: Book, new: Book, start: Start, now: Instant, ahead: Span) -> Effect:
    """Run one person ahead under both books. The new one is asked now, as a publication does."""
    before = project(old, start, now, now + ahead)
    first = Passage(new, start.person, now)
    first.happen(*start.news)
    first.work()
    at_once = list(first.decisions)
    ended = _ended(start, first)
    after = _carried_on(first, now + ahead)
    was, comes = tuple(_mails(before)), tuple(_mails(after))
    return Effect(
        subscriber_id=start.person.subscriber.id,
        stage_before=_stage_soon(before, now),
        stage_after=_stage_soon(after, now),
        stood=tuple(_stood(old, new, start, now)),
        lost=tuple(_lost(new, at_once)),
        ended=ended,
        twice=tuple(_twice(start, before, after)),
        old=was,
        new=comes,
        delayed=_count(after, Code.DELAYED, Code.DISPLACED) - _count(before, Code.DELAYED, Code.DISPLACED),
        skipped=_count(after, Code.SKIPPED_LIMIT) - _count(before, Code.SKIPPED_LIMIT),
    )


def _carried_on(passage: Passage, until: Instant) -> Passage:
    passage.run_to(until)
    return passage


def _stage_soon(passage: Passage, now: Instant) -> str:
    """The stage right after the first decision."""
    later = next((change for change in passage.stage_changes if change.at > now), None)
    return later.before if later else passage.person.subscriber.stage


def _mails(passage: Passage) -> Iterator[Mailed]:
    for left in passage.left:
        if left.message.mail_class is not MailClass.TEAM:
            run = left.message.key.run
            yield Mailed(left.at, left.message.mail, run.campaign if run else "")


def _count(passage: Passage, *codes: Code) -> int:
    return sum(decision.code in codes for decision in passage.decisions)


def _lost(new: Book, decisions: list[Decision]) -> Iterator[tuple[str, str]]:
    """Runs that end because their step is gone, and the file says nothing of it."""
    for decision in decisions:
        if decision.code is Code.REMOVED and decision.run:
            campaign = new.campaigns.get(decision.run.campaign)
            step = str(decision.seen.get("lost", ""))
            if campaign is None or step not in campaign.removed:
                yield decision.run.campaign, step


def _ended(start: Start, after: Passage) -> tuple[tuple[str, str], ...]:
    live = {run.key for run in after.person.runs}
    codes = {d.run: d.code.value for d in after.decisions if d.run}
    gone = [run for run in start.person.runs if run.is_live and run.key not in live]
    return tuple((run.key.campaign, codes.get(run.key, "")) for run in gone)


def _twice(start: Start, before: Passage, after: Passage) -> Iterator[tuple[str, str]]:
    """A mail of a run that was handed over in that same run already."""
    had = {(message.key.run, message.mail) for message in start.person.messages if message.settled_at is not None}
    again = {(left.message.key.run, left.message.mail) for left in before.left}
    for left in after.left:
        run, mail = left.message.key.run, left.message.mail
        if run and left.message.mail_class is not MailClass.TEAM and (run, mail) in had and (run, mail) not in again:
            yield run.campaign, mail


# ── Where she stands ─────────────────────────────────────────────────────────────────────────────────────────────────


def _stood(old: Book, new: Book, start: Start, now: Instant) -> Iterator[Stood]:
    for run in start.person.runs:
        was, live = old.version(run.key.campaign, run.version), new.campaigns.get(run.key.campaign)
        if not run.is_live or was is None or live is None or live.digest == run.version:
            continue
        cursor = run.cursors.get(run.sequence, START)
        if live.on_edit is OnEdit.FINISH_OLD or not cursor.step:
            continue
        due, is_wait = _due(new, start, run, live, now)
        was_due = run.until if run.until is not None else run.due_at
        is_moved = due != was_due and not (due is None and was_due is not None and was_due <= now)
        yield Stood(run.key.campaign, cursor.step, due, was_due, is_moved, is_wait)


def _due(new: Book, start: Start, run: Run, live: Campaign, now: Instant) -> tuple[Instant | None, bool]:
    """When the step stood at ends by the new version, before any spreading; None is at once."""
    spot = look(live, run.sequence, run.cursors.get(run.sequence, START))
    if not isinstance(spot, Standing) or not isinstance(spot.step, Wait) or run.began_at is None:
        return run.until if run.until is not None and run.until > now else run.due_at, False
    end = wait_end(Desk(new, start.person, now), live, spot.step.rule, run.began_at)
    if not isinstance(end, Until) or end.at <= now:
        return None, True
    return end.at, True
