"""Covering: which steps and branches of the campaigns the stories walked, and which none did.

Owns what counts as a step and a branch to walk. Must not run stories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.actions.rehearse import Rehearsal
from app.core.campaign import Campaign, CampaignState, Step, Use, branches
from app.core.person import Code
from app.core.text import Place

_ENDING = frozenset({Code.HANDED_OVER, Code.ENDED, Code.HAND_OVER_REFUSED, Code.GHOST})
"""Decisions that walk a step which ends its run, so that nothing is written as finished."""


@dataclass(frozen=True, slots=True)
class Unwalked:
    """A step, or with `branch` one way out of it, that no story took."""

    step: str
    branch: str
    place: Place


@dataclass(frozen=True, slots=True)
class Covered:
    """One campaign: steps and branches walked, of how many, and those that were not."""

    campaign: str
    steps: int
    steps_walked: int
    branches: int
    branches_walked: int
    unwalked: tuple[Unwalked, ...]

    @property
    def share(self) -> float:
        """Of steps and branches together; a campaign with neither is covered."""
        known = self.steps + self.branches
        return (self.steps_walked + self.branches_walked) / known if known else 1.0


def coverage(campaigns: Iterable[Campaign], rehearsals: Iterable[Rehearsal]) -> tuple[Covered, ...]:
    """What the stories walked of each campaign that is not retired."""
    walked = {place for rehearsal in rehearsals for place in _walked(rehearsal)}
    current = (campaign for campaign in campaigns if campaign.state is not CampaignState.RETIRED)
    return tuple(_covered(campaign, walked) for campaign in current)


def whole(covered: Iterable[Covered]) -> float:
    """The share over all campaigns."""
    found = list(covered)
    known = sum(each.steps + each.branches for each in found)
    return sum(each.steps_walked + each.branches_walked for each in found) / known if known else 1.0


_Walked = tuple[str, str, str]


def _walked(rehearsal: Rehearsal) -> Iterator[_Walked]:
    yield from rehearsal.walked
    for line in rehearsal.told:
        if line.code in _ENDING and line.step:
            yield line.campaign, line.step, ""


def _covered(campaign: Campaign, walked: set[_Walked]) -> Covered:
    steps = list({step.id: step for step in campaign.steps() if not isinstance(step, Use)}.values())
    ways = [(step, branch) for step in steps for branch, _ in branches(step)]
    missed = [step for step in steps if not _is_walked(campaign, step, walked)]
    untaken = [(step, branch) for step, branch in ways if (campaign.key, step.id, branch) not in walked]
    unwalked = [Unwalked(step.id, "", step.place) for step in missed]
    unwalked += [Unwalked(step.id, branch, step.place) for step, branch in untaken if step not in missed]
    counted = len(steps), len(steps) - len(missed), len(ways), len(ways) - len(untaken)
    return Covered(campaign.key, *counted, tuple(unwalked))


def _is_walked(campaign: Campaign, step: Step, walked: set[_Walked]) -> bool:
    """Finished, ended by, or left through one of its branches."""
    names = ("", *(branch for branch, _ in branches(step)))
    return any((campaign.key, step.id, name) in walked for name in names)
