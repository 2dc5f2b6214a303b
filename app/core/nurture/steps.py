"""Steps: moves one run through its sequence until it stands still.

Owns what each kind of step does when it is reached. Must not enter people (entries) nor time mails (gate).
"""

from __future__ import annotations

from typing import assert_never

from app.core.campaign import (
    ON_GOAL,
    AddScore,
    AddTag,
    Ask,
    CallWebhook,
    Campaign,
    Choose,
    Dormant,
    End,
    ForCondition,
    HandOver,
    If,
    Notify,
    RemoveTag,
    Send,
    SetAttributes,
    Split,
    Start,
    Step,
    Use,
    Wait,
)
from app.core.conditions import next_change
from app.core.engagement import with_points
from app.core.experiment import Draw, drawn, split_arm
from app.core.facts import FactKind, Value
from app.core.instants import Instant
from app.core.ladder import earliest_of
from app.core.nurture.desk import Desk
from app.core.nurture.entries import enter_from_step
from app.core.nurture.mailing import mail_step, post_team_mail
from app.core.nurture.places import START, AtEnd, Gone, LeftBlock, Standing, inside, look, past
from app.core.nurture.streams import walk_stream
from app.core.nurture.waits import Leave, wait_end
from app.core.person import Code, Cursor, Finish, Finished, Run, RunResult, RunState, WebhookCall
from app.core.replacing import copier, replace

MOVES = 100
"""More moves than this at one instant are a circle: the run is parked as an error."""

_moved = copier(Run, "cursors")
_waiting = copier(Run, "until")
_passed = copier(Run, "cursors", "began_at", "until", "state", "rested_at")
_MOVING = {RunState.ACTIVE, RunState.WAITING, RunState.HELD, RunState.RESTING}


def walk_runs(desk: Desk) -> None:
    """Move every run that may move, the highest priority first."""
    for run in desk.live_runs():
        current = desk.runs[run.key]
        if current.state in _MOVING and not current.error and not _stands_still(desk, current):
            _walk(desk, current)
            desk.leave(desk.runs[run.key])


def _stands_still(desk: Desk, run: Run) -> bool:
    """Whether walking would find the run where it stands and leave it there.

    It does when it was walked at this desk already and neither it nor what a step may look at changed since; and for a
    run that rests at its end and was not touched: nothing but another version or sequence lets it go on.
    """
    if desk.was_left(run):
        return True
    if run.reason != Code.RESTS or run.rested_at is None or not desk.is_untouched(run):
        return False
    campaign = desk.campaign(run)
    if campaign is None or campaign.digest != run.version or campaign.stream:
        return False
    return desk.now < run.rested_at + campaign.listen == run.due_at


def _walk(desk: Desk, run: Run) -> None:
    run = desk.settle_steps(run)
    campaign = desk.campaign(run)
    if campaign is None:
        desk.end(run, RunResult.REMOVED, Code.REMOVED)
        return
    if campaign.stream and run.sequence != ON_GOAL:
        walk_stream(desk, run, campaign)
        return
    for _ in range(MOVES):
        if not _move(desk, desk.runs[run.key], campaign):
            return
    stuck = desk.stand(desk.runs[run.key], RunState.HELD, Code.TOO_MANY_MOVES, None)
    desk.put(replace(stuck, error=f"more than {MOVES} moves at one instant"))


def _move(desk: Desk, run: Run, campaign: Campaign) -> bool:
    """One move; False when the run stands still."""
    spot = look(campaign, run.sequence, run.cursors.get(run.sequence, START))
    match spot:
        case AtEnd():
            return _at_end(desk, run, campaign)
        case Gone():
            desk.end(run, RunResult.REMOVED, Code.REMOVED, lost=spot.step)
            return False
        case LeftBlock():
            finished = Finished(Finish.DONE, run.began_at or desk.now, spot.branch)
            desk.finish(_at(run, spot.cursor), spot.step, finished)
            return True
        case Standing(cursor, step):
            done = run.finished.get(step.id)
            if done:
                _pass(desk, _at(run, cursor), max(done.at, run.began_at or done.at))
                return True
            return _act(desk, desk.put(_at(_roused(desk, run), cursor)), campaign, step)
        case _:
            assert_never(spot)


def _roused(desk: Desk, run: Run) -> Run:
    """A resting run that has steps again reaches them now."""
    if run.rested_at is None:
        return run
    return replace(run, rested_at=None, began_at=desk.now, until=None, state=RunState.ACTIVE)


def _at(run: Run, cursor: Cursor) -> Run:
    known = run.cursors.get(run.sequence)
    if known is cursor or known == cursor:
        return run
    return _moved(run, {**run.cursors, run.sequence: cursor})


def _pass(desk: Desk, run: Run, at: Instant) -> None:
    """Go past the step stood at; the next one is reached at that instant."""
    cursors = {**run.cursors, run.sequence: past(run.cursors[run.sequence])}
    desk.put(_passed(run, cursors, at, None, RunState.ACTIVE, None))


def _done(desk: Desk, run: Run, step: Step, at: Instant, finish: Finish = Finish.DONE) -> bool:
    _pass(desk, desk.finish(run, step.id, Finished(finish, at)), at)
    return True


def _into(desk: Desk, run: Run, branch: str, at: Instant) -> bool:
    cursors = {**run.cursors, run.sequence: inside(run.cursors[run.sequence], branch)}
    desk.put(_passed(run, cursors, at, None, RunState.ACTIVE, run.rested_at))
    return True


def _at_end(desk: Desk, run: Run, campaign: Campaign) -> bool:
    if run.sequence == ON_GOAL:
        desk.end(run, RunResult.GOAL, Code.ENDED)
        return False
    rested_at = run.rested_at if run.rested_at is not None else desk.now
    if desk.now >= rested_at + campaign.listen:
        desk.end(run, RunResult.LISTENED, Code.LISTENED)
        return False
    rested = replace(run, rested_at=rested_at, began_at=run.began_at if run.rested_at is not None else desk.now)
    desk.stand(rested, RunState.RESTING, Code.RESTS, rested_at + campaign.listen)
    return False


# ── One step ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _act(desk: Desk, run: Run, campaign: Campaign, step: Step) -> bool:
    began_at = run.began_at if run.began_at is not None else desk.now
    match step:
        case Send():
            return _send(desk, run, campaign, step)
        case Ask():
            return _ask(desk, run, campaign, step)
        case Wait():
            return _wait(desk, run, campaign, step, began_at)
        case If() | Choose() | Split() | Use():
            return _branch(desk, run, campaign, step)
        case Start() | HandOver():
            return _start(desk, run, step)
        case End():
            desk.end(run, RunResult.END, Code.ENDED)
            return False
        case Dormant() | SetAttributes() | AddTag() | RemoveTag() | AddScore() | Notify() | CallWebhook():
            return _effect(desk, run, step)
        case _:
            assert_never(step)


def _send(desk: Desk, run: Run, campaign: Campaign, step: Send) -> bool:
    settled = mail_step(desk, run, campaign, step)
    return settled is not None and _done(desk, desk.runs[run.key], step, settled.at, settled.finish)


def _ask(desk: Desk, run: Run, campaign: Campaign, step: Ask) -> bool:
    """Send, then wait for the answer; the time to answer counts from the hand-over."""
    settled = mail_step(desk, run, campaign, step)
    if settled is None:
        return False
    if settled.finish is not Finish.DONE:
        return _answered(desk, run, "none", settled.at)
    for case in step.answers:
        answer = _answer(desk, run, step.survey)
        if answer is not None and case.matches(answer):
            return _answered(desk, run, case.label, desk.now)
    limit = settled.at + step.at_most
    if desk.now >= limit:
        return _answered(desk, run, "none", limit)
    desk.stand(replace(run, until=limit), RunState.WAITING, Code.WAITS, limit, until_at=limit)
    return False


def _answered(desk: Desk, run: Run, branch: str, at: Instant) -> bool:
    desk.note(Code.BRANCH, run, desk.step_of(run), branch=branch)
    return _into(desk, desk.runs[run.key], branch, at)


def _answer(desk: Desk, run: Run, survey: str) -> Value | None:
    given = [f for f in desk.facts.of(FactKind.ANSWERED) if f.name == survey and f.at >= run.entered_at]
    return given[-1].fields.get("answer", given[-1].value) if given else None


def _wait(desk: Desk, run: Run, campaign: Campaign, step: Wait, began_at: Instant) -> bool:
    end = run.until
    if end is None:
        found = wait_end(desk, campaign, step.rule, began_at)
        if isinstance(found, Leave):
            desk.end(run, RunResult.END, Code.ENDED, because="date is past")
            return False
        end = found.at
    if isinstance(step.rule, ForCondition):
        return _wait_for(desk, run, campaign, step.rule, end)
    if desk.now >= end:
        desk.note(Code.WAITED, run, step.id, until_at=end)
        return _done(desk, run, step, max(end, began_at))
    desk.stand(_until(run, end), RunState.WAITING, Code.WAITS, end, until_at=end)
    return False


def _until(run: Run, end: Instant) -> Run:
    return run if run.until == end else _waiting(run, end)


def _wait_for(desk: Desk, run: Run, campaign: Campaign, rule: ForCondition, end: Instant) -> bool:
    if desk.holds_for(run, campaign, rule.condition):
        code = Code.ALREADY_TRUE if run.until is None else Code.CAME_TRUE
        desk.note(code, run, desk.step_of(run), condition=rule.condition.source)
        return _into(desk, run, "then", desk.now)
    if desk.now >= end:
        desk.note(Code.LIMIT_REACHED, run, desk.step_of(run), condition=rule.condition.source, limit_at=end)
        return _into(desk, run, "else", end)
    due_at = earliest_of((end, next_change(rule.condition, desk.view_of(run, campaign))))
    desk.stand(_until(run, end), RunState.WAITING, Code.WAITS, due_at, until_at=end)
    return False


# ── Branches ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _branch(desk: Desk, run: Run, campaign: Campaign, step: If | Choose | Split | Use) -> bool:
    """Decided once, when reached; the branch is kept in the cursor."""
    branch = _way(desk, run, campaign, step)
    if not isinstance(step, Use):
        desk.note(Code.BRANCH, run, step.id, branch=branch)
    return _into(desk, run, branch, run.began_at if run.began_at is not None else desk.now)


def _way(desk: Desk, run: Run, campaign: Campaign, step: If | Choose | Split | Use) -> str:
    match step:
        case If():
            return "then" if desk.holds_for(run, campaign, step.condition) else "else"
        case Choose():
            options = enumerate(step.options)
            return next((str(i) for i, o in options if desk.holds_for(run, campaign, o.when)), "else")
        case Split():
            return _arm(desk, run, step)
        case Use():
            return "use"
        case _:
            assert_never(step)


def _arm(desk: Desk, run: Run, step: Split) -> str:
    draw = drawn(desk.book.rules.secret, Draw.SPLIT, run.key.campaign, step.id, desk.subscriber.public_id)
    return split_arm(draw, tuple((arm.name, arm.share) for arm in step.arms)) or step.arms[-1].name


def _start(desk: Desk, run: Run, step: Start | HandOver) -> bool:
    """Begin another campaign; a hand-over ends this run when the other one takes her, else it goes on."""
    if run.is_ghost:
        if isinstance(step, HandOver):
            desk.end(run, RunResult.HANDED_OVER, Code.GHOST, campaign=step.campaign)
            return False
        return _done(desk, run, step, desk.now, Finish.GHOST)
    entered = enter_from_step(desk, run, step.campaign)
    if not entered:
        desk.note(Code.HAND_OVER_REFUSED, run, step.id, campaign=step.campaign)
    elif isinstance(step, HandOver):
        desk.end(run, RunResult.HANDED_OVER, Code.HANDED_OVER, campaign=step.campaign)
        return False
    return _done(desk, run, step, desk.now)


# ── Effects ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _effect(
    desk: Desk, run: Run, step: Dormant | SetAttributes | AddTag | RemoveTag | AddScore | Notify | CallWebhook
) -> bool:
    """Change the person or tell somebody; once per run, for the step is finished with it. Ghosts have no effects."""
    at = run.began_at if run.began_at is not None else desk.now
    if run.is_ghost:
        return _done(desk, run, step, at, Finish.GHOST)
    _apply(desk, run, step)
    desk.note(Code.EFFECT, run, step.id)
    return _done(desk, run, step, at)


def _apply(
    desk: Desk, run: Run, step: Dormant | SetAttributes | AddTag | RemoveTag | AddScore | Notify | CallWebhook
) -> None:
    subscriber = desk.subscriber
    match step:
        case Dormant():
            desk.subscriber = replace(subscriber, dormant_at=desk.now)
        case SetAttributes():
            desk.subscriber = replace(subscriber, attributes={**subscriber.attributes, **dict(step.values)})
        case AddTag():
            desk.subscriber = replace(subscriber, tags=subscriber.tags | {step.tag})
        case RemoveTag():
            desk.subscriber = replace(subscriber, tags=subscriber.tags - {step.tag})
        case AddScore():
            desk.subscriber = with_points(subscriber, step.points, desk.now, desk.book.rules.half_life)
        case Notify():
            post_team_mail(desk, run, step)
        case CallWebhook():
            desk.webhook_calls.append(WebhookCall(desk.now, run.key, step.id, step.endpoint))
        case _:
            assert_never(step)
