"""Checking: the ordered checks of one mail or campaign, read from the stored decisions of one run.

Owns the fold of decisions into answers. Exactly one check says no when the mail has not left; what comes after it was
not reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from app.core.campaign import ON_GOAL, Article, Ask, Campaign, Send, Step, Steps, branches
from app.core.explaining.value import Check, Mark, Reason, Slot, Topic
from app.core.instants import Instant
from app.core.person import Code, Seen
from app.core.saying import entry_text
from app.core.saying.settings import joined
from app.core.text import NOWHERE, Place

MailStep: TypeAlias = Send | Ask | Article

_REFUSALS = frozenset(
    {
        Code.ENTRY_AGAIN,
        Code.ENTRY_WHERE,
        Code.ENTRY_GOAL,
        Code.ENTRY_NO_SEQUENCE,
        Code.ENTRY_CLOSED,
        Code.ENTRY_NOT_ALLOWED,
    }
)
_PERMISSIONS = frozenset({Code.NOT_CONFIRMED, Code.UNSUBSCRIBED, Code.SUPPRESSED})
_PAUSES = frozenset({Code.PAUSED_EXCLUSIVE, Code.PAUSED_CAMPAIGN, Code.PAUSED_SITE, Code.PAUSED_PERSON, Code.DORMANT})
_RESUMED = frozenset({Code.RESUMED, Code.RESUMED_EXCLUSIVE})
_OTHER_ENDS = frozenset(
    {
        Code.LISTENED,
        Code.SUPERSEDED,
        Code.RESTARTED,
        Code.HANDED_OVER,
        Code.REMOVED,
        Code.ENDED,
        Code.VERSION,
        Code.TOO_MANY_MOVES,
    }
)
_CLOSING = frozenset({Code.SENT, Code.REFUSED, Code.SKIPPED, Code.SKIPPED_LIMIT, Code.SKIPPED_STALE, Code.GHOST})
_PLACED = frozenset({Code.QUEUED, Code.DELAYED, Code.DISPLACED, *_CLOSING})


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked: a campaign, the mail step in it (None: the campaign itself), and what was decided about the run.

    `reasons` are the stored decisions of the campaign up to `at`, oldest first; `run` the row of the run meant, 0 when
    she never entered. `lines` says where single settings stand in the files: `limits`, `quiet_hours`.
    """

    campaign: Campaign
    step: MailStep | None
    reasons: tuple[Reason, ...]
    run: int
    at: Instant
    confirmed_at: Instant | None = None
    slots: tuple[Slot, ...] = ()
    lines: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))


def checks_of(case: Case) -> tuple[Check, ...]:
    """The checks in order. After the first no all others are unreached."""
    reading = _Reading(case)
    checks: list[Check] = []
    for topic, ask in _ASKED:
        if topic not in _topics(case):
            continue
        if any(check.mark is Mark.NO for check in checks):
            checks.append(Check(topic, Mark.UNREACHED))
        else:
            checks.append(ask(reading))
    return tuple(checks)


def way_come(checks: tuple[Check, ...]) -> int:
    """How far a mail came on its way before something said no; the whole way when nothing did."""
    stopper = next((check.topic for check in checks if check.mark is Mark.NO), None)
    return next((place for place, (topic, _) in enumerate(_ASKED) if topic is stopper), len(_ASKED))


def _topics(case: Case) -> frozenset[Topic]:
    """A campaign as a whole is asked up to where she stands in it."""
    if case.step is None:
        return frozenset({Topic.ENTERED, Topic.GOAL, Topic.WHILE, Topic.STAGE, Topic.PAUSE, Topic.PLACE})
    absent = {Topic.GOAL} if case.campaign.goal is None else set()
    absent |= set() if case.campaign.while_ else {Topic.WHILE}
    absent |= set() if case.campaign.holdout else {Topic.HOLDOUT}
    absent |= set() if _blocks_around(case) else {Topic.BRANCH}
    return frozenset(Topic) - absent


class _Reading:
    """The decisions of the run, cut where the fate of the mail was sealed: what came after did not decide it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.campaign = case.campaign
        mine = [reason for reason in case.reasons if case.run and reason.run == case.run]
        step = case.step.id if case.step else ""
        sealed = next((i for i, r in enumerate(mine) if step and r.step == step and r.code in _CLOSING), None)
        self.mine = mine if sealed is None else mine[: sealed + 1]
        self.is_sealed = sealed is not None

    def last(self, *codes: Code, step: str | None = None) -> Reason | None:
        found = (r for r in reversed(self.mine) if r.code in codes and step in (None, r.step))
        return next(found, None)

    @property
    def step_id(self) -> str:
        return self.case.step.id if self.case.step else ""

    @property
    def sequence(self) -> str:
        reason = self.last(Code.SEQUENCE, Code.ENTERED)
        return str(reason.seen.get("after", reason.seen.get("sequence", ""))) if reason else ""


def _ok(topic: Topic, reason: Reason | None = None, place: Place = NOWHERE) -> Check:
    return _check(topic, Mark.OK, reason, place)


def _no(topic: Topic, reason: Reason | None, place: Place = NOWHERE) -> Check:
    return _check(topic, Mark.NO, reason, place)


def _check(topic: Topic, mark: Mark, reason: Reason | None, place: Place) -> Check:
    if reason is None:
        return Check(topic, mark, place=place)
    return Check(topic, mark, reason.code, reason.at, reason.seen, place)


# ── The questions ────────────────────────────────────────────────────────────────────────────────────────────────────


def _entered(reading: _Reading) -> Check:
    entry = reading.campaign.entries[0] if reading.campaign.entries else None
    place = entry.place if entry else reading.campaign.place
    reason = reading.last(Code.ENTERED)
    if reason:
        seen = {**reason.seen, **_way_in(reading.campaign)}
        return replace(_ok(Topic.ENTERED, reason, place), seen=seen)
    refused = next((r for r in reversed(reading.case.reasons) if r.code in _REFUSALS), None)
    if refused is None:
        return Check(Topic.ENTERED, Mark.NO, "nothing_entered", place=place, seen=_way_in(reading.campaign))
    where = entry.where if entry else None
    if refused.code == Code.ENTRY_WHERE and where:
        return _no(Topic.ENTERED, refused, where.place)
    return _no(Topic.ENTERED, refused, place)


def _way_in(campaign: Campaign) -> dict[str, str]:
    """What lets people in, in both languages; nothing where only other campaigns do."""
    if not campaign.entries:
        return {}
    said = joined(map(entry_text, campaign.entries))
    return {"by": said.in_locale("en"), "by_fa": said.in_locale("fa")}


def _goal(reading: _Reading) -> Check:
    goal = reading.campaign.goal
    place = goal.place if goal else NOWHERE
    reason = reading.last(Code.GOAL)
    source = {"condition": goal.source if goal else ""}
    if reason is None:
        return replace(_ok(Topic.GOAL, None, place), seen=source)
    if reading.case.step and _holds(reading.campaign.on_goal, reading.step_id):
        return _ok(Topic.GOAL, reason, place)
    return _no(Topic.GOAL, reason, place)


def _while(reading: _Reading) -> Check:
    rule = reading.campaign.while_[0] if reading.campaign.while_ else None
    reason = reading.last(Code.WHILE)
    if reason is None:
        seen = {"condition": rule.source if rule else ""}
        return replace(_ok(Topic.WHILE, None, rule.place if rule else NOWHERE), seen=seen)
    failed = next((c for c in reading.campaign.while_ if c.source == reason.seen.get("condition")), rule)
    return _no(Topic.WHILE, reason, failed.place if failed else NOWHERE)


def _stage(reading: _Reading) -> Check:
    gone = reading.last(Code.NO_SEQUENCE)
    if gone:
        return _no(Topic.STAGE, gone, reading.campaign.place)
    other = reading.last(*_OTHER_ENDS)
    reason = reading.last(Code.SEQUENCE, Code.ENTERED)
    if other and not reading.is_sealed:
        return _no(Topic.STAGE, other, reading.campaign.place)
    sequence = reading.sequence
    seen = {"sequence": sequence}
    own = _sequences_with(reading.campaign, reading.step_id)
    if reading.case.step and own and sequence not in own and not reading.is_sealed and ON_GOAL not in own:
        at = reason.at if reason else None
        return Check(Topic.STAGE, Mark.NO, "other_sequence", at, {**seen, "wanted": own[0]}, reading.campaign.place)
    return Check(Topic.STAGE, Mark.OK, reason.code if reason else "", reason.at if reason else None, seen)


def _branch(reading: _Reading) -> Check:
    """The nearest decided block around the mail: the way taken leads to it, or another way was taken."""
    for owner, branch, place in reversed(_blocks_around(reading.case)):
        reason = reading.last(Code.BRANCH, Code.CAME_TRUE, Code.ALREADY_TRUE, Code.LIMIT_REACHED, step=owner)
        if reason is None:
            continue
        taken = str(reason.seen.get("branch", "else" if reason.code == Code.LIMIT_REACHED else "then"))
        seen = {**reason.seen, "branch": taken, "wanted": branch, "step": owner}
        mark = Mark.OK if taken == branch else Mark.NO
        return Check(Topic.BRANCH, mark, reason.code, reason.at, seen, place)
    return Check(Topic.BRANCH, Mark.OK, "undecided")


def _pause(reading: _Reading) -> Check:
    reason = reading.last(*_PAUSES, *_RESUMED)
    if reason and reason.code in _PAUSES and not reading.is_sealed:
        return _no(Topic.PAUSE, reason, reading.campaign.place)
    return _ok(Topic.PAUSE)


def _place(reading: _Reading) -> Check:
    step = reading.step_id
    reached = reading.last(*_PLACED, step=step) if step else None
    if reached:
        return _ok(Topic.PLACE, reached, _place_of(reading.campaign, step))
    standing = reading.last(Code.WAITS, Code.QUEUED, Code.DELAYED, Code.RESTS, Code.STREAM_DRY)
    if standing is None:
        mark = Mark.NO if step else Mark.OK
        return Check(Topic.PLACE, mark, "under_way")
    mark = Mark.NO if step else Mark.OK
    seen = {**standing.seen, "step": standing.step}
    return Check(Topic.PLACE, mark, standing.code, standing.at, seen, _place_of(reading.campaign, standing.step))


def _permission(reading: _Reading) -> Check:
    reason = reading.last(*_PERMISSIONS)
    if reason:
        return _no(Topic.PERMISSION, reason)
    return Check(Topic.PERMISSION, Mark.OK, "", reading.case.confirmed_at)


def _holdout(reading: _Reading) -> Check:
    reason = reading.last(Code.GHOST, step=reading.step_id)
    return _no(Topic.HOLDOUT, reason, reading.campaign.place) if reason else _ok(Topic.HOLDOUT)


def _limit(reading: _Reading) -> Check:
    """Caps and quiet time, as the gate answered last. A slot still to come is what she waits for."""
    reason = reading.last(Code.SKIPPED_LIMIT, Code.DELAYED, Code.DISPLACED, step=reading.step_id)
    if reason is None:
        return _ok(Topic.LIMIT)
    place = reading.case.lines.get("quiet_hours" if _is_quiet(reason) else "limits", NOWHERE)
    slot = reason.seen.get("slot_at")
    taken = _taken_by(reading.case, reason)
    seen: Seen = {**reason.seen, "taken_by": taken.mail, "taken_at": taken.at} if taken else reason.seen
    is_waiting = isinstance(slot, int) and slot > reading.case.at and not reading.is_sealed
    mark = Mark.NO if reason.code == Code.SKIPPED_LIMIT or is_waiting else Mark.OK
    return Check(Topic.LIMIT, mark, reason.code, reason.at, seen, place)


def _is_quiet(reason: Reason) -> bool:
    return "limit" not in str(reason.seen.get("because", ""))


def _taken_by(case: Case, reason: Reason) -> Slot | None:
    """The latest other mail before the decision: it is what fills the limit."""
    if _is_quiet(reason):
        return None
    mail = case.step.mail if case.step else ""
    before = [slot for slot in case.slots if slot.at <= reason.at and slot.mail != mail]
    return before[-1] if before else None


def _freshness(reading: _Reading) -> Check:
    reason = reading.last(Code.SKIPPED_STALE, step=reading.step_id)
    place = _place_of(reading.campaign, reading.step_id)
    return _no(Topic.FRESHNESS, reason, place) if reason else _ok(Topic.FRESHNESS)


def _hand_over(reading: _Reading) -> Check:
    reason = reading.last(Code.SENT, Code.REFUSED, Code.SKIPPED, Code.WITHDRAWN, step=reading.step_id)
    if reason and reason.code == Code.SENT:
        return _ok(Topic.HAND_OVER, reason)
    if reason:
        return _no(Topic.HAND_OVER, reason)
    queued = reading.last(Code.QUEUED, Code.DELAYED, Code.DISPLACED, step=reading.step_id)
    return Check(Topic.HAND_OVER, Mark.NO, "on_its_way", queued.at if queued else None, queued.seen if queued else {})


_ASKED: tuple[tuple[Topic, Callable[[_Reading], Check]], ...] = (
    (Topic.ENTERED, _entered),
    (Topic.GOAL, _goal),
    (Topic.WHILE, _while),
    (Topic.PERMISSION, _permission),
    (Topic.STAGE, _stage),
    (Topic.BRANCH, _branch),
    (Topic.PAUSE, _pause),
    (Topic.PLACE, _place),
    (Topic.HOLDOUT, _holdout),
    (Topic.LIMIT, _limit),
    (Topic.FRESHNESS, _freshness),
    (Topic.HAND_OVER, _hand_over),
)

# ── Where things stand in the campaign ───────────────────────────────────────────────────────────────────────────────


def _holds(steps: Steps, step_id: str) -> bool:
    return _path(steps, step_id) is not None


def _sequences_with(campaign: Campaign, step_id: str) -> tuple[str, ...]:
    if campaign.stream:
        names = ((name, articles) for name, articles in campaign.stream.articles.items())
        return tuple(name for name, articles in names if any(article.id == step_id for article in articles))
    own = tuple(name for name, steps in campaign.sequences.items() if _holds(steps, step_id))
    return (*own, ON_GOAL) if _holds(campaign.on_goal, step_id) else own


_Block: TypeAlias = tuple[str, str, Place]
"""A step with branches, the branch that leads on, and where it is written."""


def _blocks_around(case: Case) -> tuple[_Block, ...]:
    """Outermost first."""
    if case.step is None:
        return ()
    for steps in (*case.campaign.sequences.values(), case.campaign.on_goal):
        path = _path(steps, case.step.id)
        if path is not None:
            return path
    return ()


def _path(steps: Steps, step_id: str) -> tuple[_Block, ...] | None:
    for step in steps:
        if step.id == step_id:
            return ()
        for branch, block in branches(step):
            inner = _path(block, step_id)
            if inner is not None:
                return ((step.id, branch, step.place), *inner)
    return None


def _place_of(campaign: Campaign, step_id: str) -> Place:
    step: Step | None = next((step for step in campaign.steps() if step.id == step_id), None)
    return step.place if step else campaign.place
