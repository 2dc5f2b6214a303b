"""What is declared and used by nothing, and what is read but does not act yet.

Owns these findings. Must not judge what is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.core.campaign import Ask, ByEvent, CallWebhook, Campaign, Send, Use
from app.core.check.finding import finding
from app.core.problem import Problem
from app.core.workspace import Workspace

NOT_YET_ACTING: Final[tuple[str, ...]] = ()
"""Parts of the language that are read and checked while their engine is still being built."""


def unused_findings(workspace: Workspace, waiting: tuple[str, ...] = NOT_YET_ACTING) -> Iterator[Problem]:
    """Findings about declarations nobody uses; `waiting` are the parts that do not act yet."""
    steps = [step for campaign in workspace.campaigns.values() for step in campaign.steps()]
    fragments = {step.fragment for step in steps if isinstance(step, Use)}
    offers = {step.offer for step in steps if isinstance(step, Send)}
    surveys = {step.survey for step in steps if isinstance(step, Ask)}
    for key, place in workspace.fragment_places.items():
        if key not in fragments:
            yield finding("never-used", place, f"no campaign uses the fragment '{key}'", "Use it, or remove it")
    for offer in workspace.offers.values():
        if offer.key not in offers:
            yield finding("never-used", offer.place, f"no step gives the offer '{offer.key}'", "Use it, or remove it")
    for survey in workspace.surveys.values():
        if survey.key not in surveys:
            yield finding("never-used", survey.place, f"no step asks '{survey.key}'", "Use it, or remove it")
    for campaign in workspace.campaigns.values():
        yield from _not_yet(campaign, waiting)


def _not_yet(campaign: Campaign, waiting: tuple[str, ...]) -> Iterator[Problem]:
    """One notice per campaign and part, at the first step that leans on it."""
    found: dict[str, Problem] = {}
    for step in campaign.steps():
        part = "offers" if isinstance(step, Send) and step.offer else "surveys" if isinstance(step, Ask) else ""
        if part in waiting and part not in found:
            message = f"{part} are read and checked; they do not act yet"
            found[part] = finding("not-yet-acting", step.place, message, "Keep it as a draft until they do")
        if isinstance(step, CallWebhook) and "webhooks" in waiting:
            found.setdefault("webhooks", finding("not-yet-acting", step.place, "webhooks do not act yet", "Wait"))
    for entry in campaign.entries:
        if isinstance(entry.rule, ByEvent) and entry.rule.event.startswith("referral") and "referrals" in waiting:
            message = "referrals are read and checked; they do not act yet"
            found.setdefault(
                "referrals", finding("not-yet-acting", entry.place, message, "Keep it as a draft until they do")
            )
    yield from found.values()
