"""Tally: effects on single persons folded into counts, and tallies of several processes into one.

Owns what a plan counts. Must not look at anybody itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.core.audience import Effect, Mailed, Stood
from app.core.instants import DAY, HOUR, Instant

AHEAD = 7 * DAY


@dataclass(slots=True)
class StepTally:
    """People at one step of a changed campaign."""

    standing: int = 0
    at_once: int = 0
    later: Counter[Instant] = field(default_factory=Counter)
    """When the new version lets them go on → how many."""


@dataclass(frozen=True, slots=True)
class Example:
    """One person, by id: her next mail before and after."""

    subscriber_id: int
    mail: str
    at: Instant | None
    was_at: Instant | None


@dataclass(slots=True)
class CampaignTally:
    """Mails of one campaign to the people whose future differs."""

    new_day: int = 0
    old_day: int = 0
    new_week: int = 0
    old_week: int = 0
    hours: Counter[int] = field(default_factory=Counter)
    """Hour from now → mails under the new version."""
    ended: Counter[str] = field(default_factory=Counter)
    example: Example | None = None


@dataclass(slots=True)
class Tally:
    """All counts of a plan. Mergeable: the sum of the tallies of any split of the people is the tally of all."""

    decided: int = 0
    moved: int = 0
    steps: dict[tuple[str, str], StepTally] = field(default_factory=dict)
    campaigns: dict[str, CampaignTally] = field(default_factory=dict)
    stages: Counter[tuple[str, str]] = field(default_factory=Counter)
    stage_examples: dict[tuple[str, str], int] = field(default_factory=dict)
    lost: Counter[tuple[str, str]] = field(default_factory=Counter)
    twice: Counter[tuple[str, str]] = field(default_factory=Counter)
    twice_example: dict[tuple[str, str], int] = field(default_factory=dict)
    delayed: int = 0
    skipped: int = 0
    days: Counter[int] = field(default_factory=Counter)
    """Day from now (0 is the next 24 hours) → mails under the new version."""
    days_before: Counter[int] = field(default_factory=Counter)
    extra_hours: Counter[int] = field(default_factory=Counter)
    """Hour from now → mails that were not to leave in that hour before."""

    def add(self, effect: Effect, now: Instant) -> None:
        self.decided += 1
        self.moved += effect.is_moved
        for stood in effect.stood:
            self._stand(stood, now)
        self._mails(effect, now)
        self._stage(effect)
        self.lost.update(effect.lost)
        for campaign, result in effect.ended:
            self._campaign(campaign).ended[result] += 1
        for key in set(effect.twice):
            self.twice[key] += 1
            self.twice_example.setdefault(key, effect.subscriber_id)
        self.delayed += max(0, effect.delayed)
        self.skipped += max(0, effect.skipped)

    def _stand(self, stood: Stood, now: Instant) -> None:
        step = self.steps.setdefault((stood.campaign, stood.step), StepTally())
        step.standing += 1
        if not stood.is_wait:
            return
        if stood.due is None or stood.due <= now:
            step.at_once += 1
        else:
            step.later[stood.due] += 1

    def _mails(self, effect: Effect, now: Instant) -> None:
        for mailed in effect.new:
            campaign = self._campaign(mailed.campaign)
            campaign.new_week += 1
            campaign.new_day += mailed.at < now + DAY
            campaign.hours[(mailed.at - now) // HOUR] += 1
            self.days[(mailed.at - now) // DAY] += 1
        for mailed in effect.old:
            campaign = self._campaign(mailed.campaign)
            campaign.old_week += 1
            campaign.old_day += mailed.at < now + DAY
            self.days_before[(mailed.at - now) // DAY] += 1
        self._extra(effect, now)
        self._example(effect)

    def _extra(self, effect: Effect, now: Instant) -> None:
        known = Counter((m.mail, (m.at - now) // HOUR) for m in effect.old)
        fresh = Counter((m.mail, (m.at - now) // HOUR) for m in effect.new)
        for (_, hour), count in (fresh - known).items():
            self.extra_hours[hour] += count

    def _example(self, effect: Effect) -> None:
        """The first person whose next mail of the campaign comes at another time."""
        for key in {mailed.campaign for mailed in (*effect.new, *effect.old)}:
            campaign = self._campaign(key)
            new, old = _first(effect.new, key), _first(effect.old, key)
            if campaign.example is None and new != old:
                mail = new.mail if new else old.mail if old else ""
                was = next((m.at for m in effect.old if m.campaign == key and m.mail == mail), None)
                campaign.example = Example(effect.subscriber_id, mail, new.at if new else None, was)

    def _stage(self, effect: Effect) -> None:
        if effect.stage_before != effect.stage_after:
            key = effect.stage_before, effect.stage_after
            self.stages[key] += 1
            self.stage_examples.setdefault(key, effect.subscriber_id)

    def _campaign(self, key: str) -> CampaignTally:
        return self.campaigns.setdefault(key, CampaignTally())


def _first(mails: Iterable[Mailed], campaign: str) -> Mailed | None:
    return next((mailed for mailed in mails if mailed.campaign == campaign), None)


def merged(tallies: Iterable[Tally]) -> Tally:
    """The tally of all people, from the tallies of parts of them, in order."""
    whole = Tally()
    for part in tallies:
        _merge(whole, part)
    return whole


def _merge(whole: Tally, part: Tally) -> None:
    whole.decided += part.decided
    whole.moved += part.moved
    whole.delayed += part.delayed
    whole.skipped += part.skipped
    for counter in ("stages", "lost", "twice", "days", "days_before", "extra_hours"):
        getattr(whole, counter).update(getattr(part, counter))
    for key, step in part.steps.items():
        into = whole.steps.setdefault(key, StepTally())
        into.standing += step.standing
        into.at_once += step.at_once
        into.later.update(step.later)
    whole.stage_examples = {**part.stage_examples, **whole.stage_examples}
    whole.twice_example = {**part.twice_example, **whole.twice_example}
    for name, campaign in part.campaigns.items():
        _merge_campaign(whole.campaigns.setdefault(name, CampaignTally()), campaign)


def _merge_campaign(into: CampaignTally, part: CampaignTally) -> None:
    for name in ("new_day", "old_day", "new_week", "old_week"):
        setattr(into, name, getattr(into, name) + getattr(part, name))
    into.hours.update(part.hours)
    into.ended.update(part.ended)
    into.example = into.example or part.example
