"""Standing: which runs may move at all: leaving, versions, pauses, goals, `while`, the sequence of the stage, rivals.

Owns the rules asked of each run before its steps. Must not walk steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from app.core.book import Resumption, Standing
from app.core.campaign import ON_GOAL, Campaign, ForCondition, Wait
from app.core.consent import may_be_mailed, refusal
from app.core.experiment import staggered
from app.core.instants import Instant
from app.core.nurture.desk import Desk
from app.core.nurture.places import START, look
from app.core.nurture.places import Standing as AtStep
from app.core.nurture.waits import Until, wait_end
from app.core.person import Code, Finished, MailClass, PausedBy, Run, RunResult, RunState
from app.core.replacing import replace
from app.core.site import OnEdit
from app.core.subscriber import SubscriberState

_UNDISTURBED = (Standing.LIVE, Standing.RETIRED)


def runs_of(desk: Desk) -> Iterator[tuple[Run, Campaign]]:
    """Live runs with the version they follow, as they are at each turn of the loop."""
    pairs = desk.live_pairs()
    for run, campaign in pairs:
        current = run if desk.is_as_listed(pairs) else desk.runs[run.key]
        if current.is_live:
            yield current, campaign


# ── Leaving ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def end_where_not_allowed(desk: Desk) -> None:
    """A person who left or is suppressed has no marketing runs; what she asked for after leaving goes on."""
    if may_be_mailed(desk.subscriber):
        return
    for run in desk.live_runs():
        code = refusal(desk.subscriber, MailClass.SERVICE, run.entered_at)
        if code and code is not Code.NOT_CONFIRMED:
            desk.end(run, _leaving(desk, code), code)


def _leaving(desk: Desk, code: Code) -> RunResult:
    if desk.subscriber.state is SubscriberState.ERASED:
        return RunResult.ERASED
    return RunResult.SUPPRESSED if code is Code.SUPPRESSED else RunResult.UNSUBSCRIBED


# ── Nothing special ──────────────────────────────────────────────────────────────────────────────────────────────────


def is_ordinary(desk: Desk) -> bool:
    """Whether versions and pauses leave every run as it is: all follow what is live, and nothing pauses or resumes."""
    until, book, pairs = desk.subscriber.paused_until, desk.book, desk.live_pairs()
    if book.is_paused or (until is not None and desk.now < until) or len(pairs) != len(desk.live_runs()):
        return False
    for run, campaign in pairs:
        key = run.key.campaign
        is_live = campaign is book.campaigns.get(key) and campaign.digest == run.version
        if not is_live or run.paused_by is not None or desk.index.standing(key) not in _UNDISTURBED:
            return False
    return True


# ── Versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def follow_versions(desk: Desk) -> None:
    """Take runs over to the version that is live, or leave them, or end them, as the campaign's `on_edit` says."""
    for run in desk.live_runs():
        live = desk.book.campaigns.get(run.key.campaign)
        if desk.index.standing(run.key.campaign) is Standing.STOPPED:
            desk.end(run, RunResult.STOPPED, Code.ENDED)
        elif live is not None and live.digest != run.version:
            _take_over(desk, run, live)


def _take_over(desk: Desk, run: Run, live: Campaign) -> None:
    match live.on_edit:
        case OnEdit.FINISH_OLD:
            return
        case OnEdit.EXIT:
            desk.end(run, RunResult.REMOVED, Code.VERSION)
        case OnEdit.MIGRATE:
            desk.note(Code.VERSION, run, desk.step_of(run), version=live.digest)
            moved = replace(run, version=live.digest, rank=live.rank, finished=_renamed(run, live), error="")
            desk.put(_rewaited(desk, moved, live))
        case _:
            assert_never(live.on_edit)


def _renamed(run: Run, live: Campaign) -> dict[str, Finished]:
    return {live.moved.get(step, step): done for step, done in run.finished.items()}


def _rewaited(desk: Desk, run: Run, live: Campaign) -> Run:
    """A wait is counted anew from when it began; one that is over by that is due now, spread over the stagger."""
    if run.until is None or run.began_at is None:
        return run
    spot = look(live, run.sequence, run.cursors.get(run.sequence, START))
    if not isinstance(spot, AtStep) or not isinstance(spot.step, Wait):
        return replace(run, until=None)
    end = wait_end(desk, live, spot.step.rule, run.began_at)
    if not isinstance(end, Until):
        return replace(run, until=None)
    if end.at >= desk.now or end.at == run.until or isinstance(spot.step.rule, ForCondition):
        return replace(run, until=end.at)
    secret, public_id = desk.book.rules.secret, desk.subscriber.public_id
    later = staggered(secret, live.key, spot.step.id, public_id, live.overdue.stagger)
    return replace(run, until=desk.now + later)


# ── Pauses ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def pause_and_resume(desk: Desk) -> None:
    """Site, campaign and personal pauses: waits keep their dates; what is overdue afterwards is spread by the gate."""
    for run in desk.live_runs():
        cause = _pause_cause(desk, run)
        if cause is None and run.paused_by in (PausedBy.CAMPAIGN, PausedBy.PERSON):
            desk.note(Code.RESUMED, run, desk.step_of(run))
            desk.put(_resumed(desk, run))
        elif cause is not None:
            _pause(desk, run, *cause)


def _resumed(desk: Desk, run: Run) -> Run:
    """The run going on; what becomes of its wait is the policy of the command that resumed the campaign."""
    free = replace(run, state=RunState.ACTIVE, paused_by=None, paused_at=None, reason="")
    policy = desk.book.policies.get(run.key.campaign, Resumption.KEEP_DATES)
    if run.paused_by is not PausedBy.CAMPAIGN or run.began_at is None or policy is Resumption.KEEP_DATES:
        return free
    if policy is Resumption.RESTART:
        return replace(free, began_at=desk.now, until=None)
    paused_for = desk.now - (run.paused_at if run.paused_at is not None else desk.now)
    return replace(free, began_at=run.began_at + paused_for, until=None)


def _pause_cause(desk: Desk, run: Run) -> tuple[PausedBy, Code, Instant | None] | None:
    if desk.book.is_paused:
        return PausedBy.CAMPAIGN, Code.PAUSED_SITE, None
    if desk.index.standing(run.key.campaign) in (Standing.PAUSED, Standing.DRAFT):
        return PausedBy.CAMPAIGN, Code.PAUSED_CAMPAIGN, None
    until = desk.subscriber.paused_until
    if until is not None and desk.now < until:
        return PausedBy.PERSON, Code.PAUSED_PERSON, until
    return None


def _pause(desk: Desk, run: Run, by: PausedBy, code: Code, until: Instant | None) -> None:
    if run.paused_by is not by:
        desk.withdraw(run, code)
    began = run.paused_at if run.paused_at is not None else desk.now
    desk.stand(replace(run, paused_by=by, paused_at=began), RunState.PAUSED, code, until)


# ── Goals and `while` ────────────────────────────────────────────────────────────────────────────────────────────────


def reach_goals(desk: Desk) -> None:
    """A goal ends the run and withdraws what is queued; `on_goal` steps run after it as the run's last sequence."""
    for run, campaign in runs_of(desk):
        if run.sequence == ON_GOAL or campaign.goal is None:
            continue
        if not desk.holds_for(run, campaign, campaign.goal):
            continue
        if not campaign.on_goal:
            desk.end(run, RunResult.GOAL, Code.GOAL, condition=campaign.goal.source)
            continue
        desk.withdraw(run, Code.GOAL)
        desk.note(Code.GOAL, run, desk.step_of(run), condition=campaign.goal.source)
        desk.put(_in_sequence(replace(run, result=RunResult.GOAL), ON_GOAL, desk.now))


def end_where_while_fails(desk: Desk) -> None:
    for run, campaign in runs_of(desk):
        if run.sequence == ON_GOAL:
            continue
        view = desk.view_of(run, campaign)
        failed = next((condition for condition in campaign.while_ if condition.ask(view) is not True), None)
        if failed:
            desk.end(run, RunResult.WHILE, Code.WHILE, condition=failed.source)


# ── The stage's sequence ─────────────────────────────────────────────────────────────────────────────────────────────


def follow_stage(desk: Desk) -> None:
    """The stage chooses the sequence. The place in the one left is kept; a wait interrupted starts over on return."""
    for run, campaign in runs_of(desk):
        if run.sequence == ON_GOAL:
            continue
        wanted = campaign.sequence_for(desk.subscriber.stage)
        if wanted is None:
            desk.end(run, RunResult.NO_SEQUENCE, Code.NO_SEQUENCE, stage=desk.subscriber.stage)
        elif wanted != run.sequence:
            desk.withdraw(run, Code.SEQUENCE)
            desk.note(Code.SEQUENCE, run, desk.step_of(run), before=run.sequence, after=wanted)
            desk.put(_in_sequence(run, wanted, desk.now))


def _in_sequence(run: Run, sequence: str, now: Instant) -> Run:
    state = RunState.PAUSED if run.paused_by else RunState.ACTIVE
    return replace(run, sequence=sequence, began_at=now, until=None, state=state, rested_at=None, reason="")


# ── Rivals ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def settle_rivals(desk: Desk) -> None:
    """One campaign of an exclusive group holds the person; the runs of the others pause and keep what is left."""
    if not desk.index.has_rivals:
        return
    groups: dict[str, list[Run]] = {}
    for run, campaign in runs_of(desk):
        if campaign.exclusive:
            groups.setdefault(campaign.exclusive, []).append(run)
    for runs in groups.values():
        holder = next((run for run in runs if _can_hold(run)), None)
        for run in runs:
            if holder is not None and run.key.campaign != holder.key.campaign and _can_hold(run):
                _yield_to(desk, run, holder)
            elif run.paused_by is PausedBy.EXCLUSIVE:
                _resume(desk, run)


def _can_hold(run: Run) -> bool:
    """Ghosts, resting runs and those paused otherwise hold nothing. `runs_of` gives priority, then entry order."""
    is_free = run.paused_by in (None, PausedBy.EXCLUSIVE)
    return is_free and not run.is_ghost and run.state is not RunState.RESTING and run.rested_at is None


def _yield_to(desk: Desk, run: Run, holder: Run) -> None:
    if run.paused_by is not PausedBy.EXCLUSIVE:
        desk.withdraw(run, Code.PAUSED_EXCLUSIVE)
    began = run.paused_at if run.paused_at is not None else desk.now
    paused = replace(run, paused_by=PausedBy.EXCLUSIVE, paused_at=began)
    desk.stand(paused, RunState.PAUSED, Code.PAUSED_EXCLUSIVE, None, holder=holder.key.campaign)


def _resume(desk: Desk, run: Run) -> None:
    """What was left of a wait runs on: its begin moves by the time paused."""
    paused_for = desk.now - (run.paused_at if run.paused_at is not None else desk.now)
    began_at = None if run.began_at is None else run.began_at + paused_for
    desk.note(Code.RESUMED_EXCLUSIVE, run, desk.step_of(run))
    free = replace(run, paused_by=None, paused_at=None, began_at=began_at, until=None)
    desk.put(replace(free, state=RunState.ACTIVE, reason=""))
