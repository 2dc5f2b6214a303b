"""Selling well: value before a discount, an end at the purchase, deadlines and stock that are real.

Owns these findings. Must not judge wording.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from app.core.campaign import Ask, ByBox, ByChange, ByEvent, Campaign, Choose, ForDate, If, Once, Send, Step, Wait
from app.core.check.finding import error, finding
from app.core.check.paths import Way, ways_of
from app.core.conditions import Condition
from app.core.conditions.needs import leaves, operand_of
from app.core.conditions.tree import Compare, Deed, Happened, Name, Named, OneOf
from app.core.offers import CodePool, FixedEnd, Offer, PersonalEnd, SharedCode
from app.core.problem import Problem
from app.core.site import Ladder
from app.core.workspace import MailFacts, Workspace

_EARNED: Final = ("order", "refund", "referral", "referral_milestone")
"""Events after which an offer is thanks, not bait."""
_BOUGHT: Final = frozenset({Name.ORDERS, Name.REVENUE})


def selling_findings(workspace: Workspace, facts: tuple[MailFacts, ...], today: date) -> Iterator[Problem]:
    """Findings about offers, and about campaigns that make them."""
    customers = customer_stages(workspace.ladder)
    for campaign in workspace.campaigns.values():
        yield from _no_exit(campaign, customers)
        if not _is_for_customers(campaign, customers):
            for way in ways_of(campaign):
                if way.sequence not in customers:
                    yield from _discount_first(way, campaign, workspace, customers)
        yield from _offer_waits(campaign, workspace)
    for offer in workspace.offers.values():
        yield from _unreal(offer, today)
    yield from _mail_promises(workspace, facts)


# ── Who is a customer ────────────────────────────────────────────────────────────────────────────────────────────────


def customer_stages(ladder: Ladder) -> frozenset[str]:
    """Stages one comes up to by buying, and all above."""
    for index, stage in enumerate(ladder.stages):
        if stage.rise is not None and asks_for_purchase(stage.rise, frozenset()):
            return frozenset(each.key for each in ladder.stages[index:])
    return frozenset()


def asks_for_purchase(condition: Condition, customers: frozenset[str]) -> bool:
    """Whether a condition speaks of orders, or of a stage that only buyers have."""
    for leaf in leaves(condition.tree):
        if isinstance(leaf, Happened) and leaf.deed is Deed.BOUGHT:
            return True
        operand = operand_of(leaf)
        if isinstance(operand, Named):
            if operand.name in _BOUGHT:
                return True
            values = leaf.values if isinstance(leaf, OneOf) else (leaf.value,) if isinstance(leaf, Compare) else ()
            if operand.name is Name.STAGE and any(value in customers for value in values):
                return True
    return False


def _is_for_customers(campaign: Campaign, customers: frozenset[str]) -> bool:
    conditions = [*campaign.while_]
    for entry in campaign.entries:
        conditions.extend(each for each in (entry.where,) if each is not None)
        match entry.rule:
            case ByChange(when) | Once(who=when) if when is not None:
                conditions.append(when)
            case ByEvent(event) if event in _EARNED:
                return True
            case _:
                pass
    return any(asks_for_purchase(condition, customers) for condition in conditions)


# ── Campaigns that sell ──────────────────────────────────────────────────────────────────────────────────────────────


def _no_exit(campaign: Campaign, customers: frozenset[str]) -> Iterator[Problem]:
    watched = [each for each in (campaign.goal, *campaign.while_) if each is not None]
    if any(asks_for_purchase(condition, customers) for condition in watched):
        return
    for way in ways_of(campaign):
        selling = [step for step in way.steps if isinstance(step, Send) and step.offer]
        if len(selling) > 1:
            message = "this campaign goes on selling to people who have bought"
            yield finding("no-exit-on-purchase", campaign.place, message, 'Add: goal: "bought()"')
            return


def _discount_first(way: Way, campaign: Campaign, workspace: Workspace, customers: frozenset[str]) -> Iterator[Problem]:
    """An offer in the first mail somebody gets, who has not bought yet and was given nothing before."""
    boxes = [workspace.boxes.get(entry.rule.box) for entry in campaign.entries if isinstance(entry.rule, ByBox)]
    if any(box is not None and box.deliver for box in boxes):
        return
    for step in way.steps:
        if any(asks_for_purchase(condition, customers) for condition in _asked_by(step)):
            return
        if isinstance(step, Send) and step.offer:
            message = f"a discount ('{step.offer}') comes before anything of value"
            yield finding("discount-first", step.place, message, "Send something useful first")
            return
        if isinstance(step, Send | Ask):
            return


def _asked_by(step: Step) -> tuple[Condition, ...]:
    match step:
        case If(condition=condition):
            return (condition,)
        case Choose(options=options):
            return tuple(option.when for option in options)
        case _:
            return ()


# ── Deadlines and stock ──────────────────────────────────────────────────────────────────────────────────────────────


def _unreal(offer: Offer, today: date) -> Iterator[Problem]:
    is_shared = isinstance(offer.codes, SharedCode)
    if isinstance(offer.ends, PersonalEnd) and (is_shared or offer.codes is None):
        what = "one code for everybody" if is_shared else "no code"
        message = f"the deadline is not real: with {what}, nothing ends for this person"
        yield finding("deadline-not-real", offer.place, message, f"Write: codes: {{pool: {offer.key}}}")
    if isinstance(offer.ends, FixedEnd) and date.fromisoformat(offer.ends.date) < today:
        yield finding(
            "offer-over", offer.place, f"this offer ended on {offer.ends.date}", "Set a later end, or remove it"
        )
    if isinstance(offer.codes, CodePool) and isinstance(offer.codes.when_empty, SharedCode) and offer.seats:
        message = "the stock is not real: when the pool is empty, a shared code goes on"
        yield finding("stock-not-real", offer.place, message, "Write: when_empty: hold")


def _offer_waits(campaign: Campaign, workspace: Workspace) -> Iterator[Problem]:
    """`date: offer.ends` needs an offer sent before, and that offer needs an end."""
    for way in ways_of(campaign):
        offer = ""
        for step in way.steps:
            if isinstance(step, Send) and step.offer:
                offer = step.offer
            if isinstance(step, Wait) and isinstance(step.rule, ForDate) and step.rule.is_offer_end:
                known = workspace.offers.get(offer)
                if not offer:
                    message = "no offer was sent before this, so it has no end"
                    yield error("offer-end-unknown", step.place, message, "Send a mail with `offer:` before it")
                elif known is not None and known.ends is None:
                    message = f"the offer '{offer}' has no end"
                    yield error("offer-end-unknown", step.place, message, f"Add `ends:` to {known.place.file}")


def _mail_promises(workspace: Workspace, facts: tuple[MailFacts, ...]) -> Iterator[Problem]:
    """A mail may speak of an end or a stock only where the offer has one."""
    spoken = [("offer.ends", "ends"), ("offer.countdown", "ends"), ("offer.left", "seats"), ("offer.code", "codes")]
    by_mail: dict[str, list[MailFacts]] = {}
    for each in facts:
        by_mail.setdefault(each.key, []).append(each)
    for campaign in workspace.campaigns.values():
        for step in campaign.steps():
            if not isinstance(step, Send) or not step.offer or step.offer not in workspace.offers:
                continue
            offer = workspace.offers[step.offer]
            lacking = {name for name in ("ends", "seats", "codes") if getattr(offer, name) is None}
            for mail in by_mail.get(step.mail, ()):
                for variable, part in spoken:
                    if part in lacking and variable in mail.variables:
                        message = f"this mail shows {variable}, and the offer '{offer.key}' has no `{part}`"
                        fix = f"Add `{part}:` to {offer.place.file}, or take it out of the mail"
                        yield error("offer-lacks", mail.place, message, fix)
