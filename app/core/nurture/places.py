"""Places: how a cursor stands in the steps of a sequence, and how it moves on.

Owns the mechanics of cursors over nested blocks, across versions too. Must not decide what a step does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from app.core.campaign import Campaign, Step, Steps, branches, walk
from app.core.person import Cursor

START = Cursor()


@dataclass(frozen=True, slots=True)
class Standing:
    """The cursor stands at a step."""

    cursor: Cursor
    step: Step


@dataclass(frozen=True, slots=True)
class LeftBlock:
    """The cursor came to the end of a block: `step` is the one that owned it, `branch` the way taken."""

    cursor: Cursor
    step: str
    branch: str


@dataclass(frozen=True, slots=True)
class AtEnd:
    """Nothing follows: the sequence is done."""

    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Gone:
    """The step stood at is no longer in the sequence and the file says people there leave."""

    step: str


Spot: TypeAlias = Standing | LeftBlock | AtEnd | Gone


def look(campaign: Campaign, sequence: str, cursor: Cursor) -> Spot:
    """Where a cursor is in this version of the campaign."""
    spots: dict[tuple[str, Cursor], Spot] = campaign.spots  # type: ignore[assignment]
    known = spots.get((sequence, cursor))
    if known is None:
        known = spots[sequence, cursor] = _seen(campaign, sequence, cursor)
    return known


def _seen(campaign: Campaign, sequence: str, cursor: Cursor) -> Spot:
    block = _block(campaign.steps_of(sequence), cursor.blocks)
    if block is None:
        return _rehomed(campaign, sequence, cursor)
    if cursor.step:
        step = _named(block, cursor.step)
        return Standing(cursor, step) if step else _rehomed(campaign, sequence, cursor)
    step = _following(block, cursor.after)
    if step:
        return Standing(Cursor(cursor.blocks, step.id, cursor.after), step)
    if cursor.blocks:
        owner, branch = cursor.blocks[-1]
        return LeftBlock(Cursor(cursor.blocks[:-1], "", owner), owner, branch)
    return AtEnd(cursor)


def past(cursor: Cursor) -> Cursor:
    """The cursor after the step it stands at."""
    return Cursor(cursor.blocks, "", cursor.step)


def inside(cursor: Cursor, branch: str) -> Cursor:
    """The cursor at the begin of a branch of the step it stands at."""
    return Cursor((*cursor.blocks, (cursor.step, branch)))


def _block(steps: Steps, blocks: tuple[tuple[str, str], ...]) -> Steps | None:
    for owner, branch in blocks:
        step = _named(steps, owner)
        inner = dict(branches(step)).get(branch) if step else None
        if inner is None:
            return None
        steps = inner
    return steps


def _named(steps: Steps, step_id: str) -> Step | None:
    return next((step for step in steps if step.id == step_id), None)


def _following(block: Steps, after: str) -> Step | None:
    """The step after a finished one; the first when nothing is finished; none when the finished one is gone."""
    if not after:
        return block[0] if block else None
    ids = [step.id for step in block]
    index = ids.index(after) + 1 if after in ids else len(ids)
    return block[index] if index < len(ids) else None


def _rehomed(campaign: Campaign, sequence: str, cursor: Cursor) -> Spot:
    """Where people stand whose step, or the block around it, is not where it was."""
    lost = cursor.step or cursor.blocks[-1][0]
    wanted = campaign.moved.get(lost, lost)
    found = _find(campaign.steps_of(sequence), wanted, ())
    if found:
        return Standing(*found)
    if campaign.removed.get(lost) == "next" and cursor.step:
        return look(campaign, sequence, Cursor(cursor.blocks, "", cursor.after))
    return Gone(lost)


def _find(steps: Steps, step_id: str, blocks: tuple[tuple[str, str], ...]) -> tuple[Cursor, Step] | None:
    after = ""
    for step in steps:
        if step.id == step_id:
            return Cursor(blocks, step_id, after), step
        for branch, block in branches(step):
            found = _find(block, step_id, (*blocks, (step.id, branch)))
            if found:
                return found
        after = step.id
    return None


def holds(campaign: Campaign, sequence: str, step_id: str) -> bool:
    """Whether a sequence has a step of this id, at any depth."""
    return any(step.id == step_id for step in walk(campaign.steps_of(sequence)))
