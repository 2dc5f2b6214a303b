"""Applying: makes a plan come true, and only that plan.

Owns the questions before a publication: is it what was planned, is it refused, is it too large to go unconfirmed.
Must not publish by itself: app/actions/publish does, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeAlias

from app.actions.inspect import Inspection, inspect
from app.actions.plan import Plan, Unreadable, make_plan
from app.actions.plan.ahead import Progress, concerns_all
from app.actions.publish import Authorship, MovedOn, NotPublished, Published, Scope, apply_within
from app.actions.shelf import Shelf
from app.store import plans, releases
from app.world import World


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: which plan ("" for none), how many mails were confirmed, who, why."""

    by: Authorship
    digest: str = ""
    confirmed: int | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    release_id: int
    is_new: bool
    plan: Plan


@dataclass(frozen=True, slots=True)
class OtherPlan:
    """The files or what is live changed since the plan of this digest."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class PlanFirst:
    """People are touched: look at the plan, then apply its digest."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class RefusedPlan:
    plan: Plan


@dataclass(frozen=True, slots=True)
class NotConfirmed:
    """Above the site's limit: the number of mails has to be confirmed."""

    plan: Plan


Outcome: TypeAlias = Applied | OtherPlan | PlanFirst | RefusedPlan | NotConfirmed | Unreadable


def apply_planned(
    world: World, shelf: Shelf, inspection: Inspection, order: Order, progress: Progress | None = None
) -> Outcome:
    """Apply, or say why not. Without a digest only what touches nobody is applied."""
    plan = make_plan(world, shelf, inspection, progress)
    if isinstance(plan, Unreadable):
        return plan
    objection = _objection(plan, order)
    if objection:
        return objection
    done = apply_within(world, inspection, order.by, _scope(plan), shelf)
    match done:
        case Published():
            return Applied(done.release_id, done.is_new, plan)
        case NotPublished():
            return Unreadable(done.problems)
        case MovedOn():
            return OtherPlan(plan)


def _objection(plan: Plan, order: Order) -> OtherPlan | PlanFirst | RefusedPlan | NotConfirmed | None:
    if order.digest and not (len(order.digest) >= 4 and plan.digest.startswith(order.digest)):
        return OtherPlan(plan)
    if plan.refusals:
        return RefusedPlan(plan)
    if not order.digest and not plan.is_first and not plan.is_harmless:
        return PlanFirst(plan)
    if plan.guard.is_over and order.confirmed != plan.guard.mails:
        return NotConfirmed(plan)
    return None


def _scope(plan: Plan) -> Scope | None:
    if plan.live is None:
        return None
    return Scope(plan.version, None if concerns_all(plan.difference) else plan.difference.changed_campaigns())


# ── Back again ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class NoSuchRelease:
    wanted: int | None


def files_of(world: World, release_id: int | None, today: date, folder: Path | None) -> Inspection | NoSuchRelease:
    """The files of an earlier release, read and checked again; without a number, of the one before the live one.

    `folder` is where pictures of mails are looked up: releases keep texts.
    """
    with world.transaction("read") as session:
        live = releases.control(session).release_id
        known = plans.history(session, 1_000)
        earlier = [each.id for each in known if live is not None and each.id < live]
        wanted = release_id if release_id is not None else next(iter(earlier), None)
        if wanted is None or wanted not in {each.id for each in known}:
            return NoSuchRelease(release_id)
        sources = releases.sources_of(session, wanted)
    return inspect(sources, today, folder)
