"""Difference: what changed between two readings of the files, in campaign words, each with its line.

Owns comparing workspaces by meaning: comments, order of keys and lines are no change. Must not count people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from app.core.campaign import Ask, Campaign, Choose, If, Split, Step, Steps, Use, Wait, branches
from app.core.conditions import Condition
from app.core.figures import isolated
from app.core.saying import entry_text, step_text
from app.core.saying.settings import (
    HEADS,
    NOTHING,
    SITE,
    condition_text,
    joined,
    name_text,
    place_in,
    place_under,
    sort_text,
)
from app.core.site import Ladder, Site
from app.core.text import NO_TEXT, NOWHERE, Place, Text
from app.core.workspace import Workspace

T = TypeVar("T")


class Sign(StrEnum):
    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `sort` is what kind of thing it is about, `name` its key or step id; `before`, `after` in words."""

    sign: Sign
    sort: str
    name: str
    before: Text = NO_TEXT
    after: Text = NO_TEXT
    place: Place = NOWHERE

    @property
    def words(self) -> str:
        """What changed, in English."""
        return self.words_in("en")

    def words_in(self, locale: str) -> str:
        before, after = self.before.in_locale(locale), self.after.in_locale(locale)
        if self.sign is not Sign.CHANGED or not before or not after:
            return after or before
        arrow = "←" if locale == "fa" else "→"
        return _common(before, after, arrow) if self.sort == "step" else f"{before} {arrow} {after}"

    def name_in(self, locale: str) -> str:
        return name_text(self.sort, self.name).in_locale(locale)

    def sort_in(self, locale: str) -> str:
        return sort_text(self.sort).in_locale(locale)


def _common(before: str, after: str, arrow: str) -> str:
    """`wait 3 days, 09:30 → 1 day, 09:30`: a verb both share is said once."""
    verb, _, rest = before.partition(" ")
    other, _, new = after.partition(" ")
    return f"{verb} {rest} {arrow} {new}" if verb == other and rest and new else f"{before} {arrow} {after}"


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """A campaign that is new, gone, or means something else."""

    sign: Sign
    key: str
    changes: tuple[Change, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Difference:
    campaigns: tuple[CampaignChange, ...] = ()
    others: tuple[Change, ...] = ()
    """Mails, boxes, offers, surveys, ladder, site."""

    @property
    def is_empty(self) -> bool:
        return not self.campaigns and not self.others

    def changed_campaigns(self) -> frozenset[str]:
        return frozenset(change.key for change in self.campaigns)

    def has(self, *sorts: str) -> bool:
        return any(change.sort in sorts for change in self.others)


@dataclass(frozen=True, slots=True)
class Mails:
    """The mails of one side: (mail, locale) → digest, and where each is written."""

    digests: Mapping[tuple[str, str], str]
    places: Mapping[tuple[str, str], Place]


def compare(old: Workspace | None, new: Workspace, old_mails: Mails, new_mails: Mails) -> Difference:
    """What the new files change. Against nothing everything is new."""
    before = {} if old is None else old.campaigns
    campaigns = tuple(_campaigns(before, new.campaigns))
    others = [*_mails(old_mails, new_mails)]
    if old is not None:
        others += _keyed("box", old.boxes, new.boxes)
        others += _keyed("offer", old.offers, new.offers)
        others += _keyed("survey", old.surveys, new.surveys)
        others += _keyed("content", old.content, new.content)
        others += _ladder(old.ladder, new.ladder)
        others += _site(old.site, new.site)
    return Difference(campaigns, tuple(others))


# ── Campaigns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _campaigns(before: Mapping[str, Campaign], after: Mapping[str, Campaign]) -> Iterator[CampaignChange]:
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old is None and new is not None:
            yield CampaignChange(Sign.ADDED, key, tuple(_all_steps(Sign.ADDED, new)), new.place)
        elif new is None and old is not None:
            yield CampaignChange(Sign.REMOVED, key, (), old.place)
        elif old is not None and new is not None and old.digest != new.digest:
            yield CampaignChange(Sign.CHANGED, key, tuple(_changes(old, new)), new.place)


def _all_steps(sign: Sign, campaign: Campaign) -> Iterator[Change]:
    for entry in campaign.entries:
        yield Change(sign, "entry", "enter", after=entry_text(entry), place=entry.place)
    for located in _located(campaign).values():
        yield Change(sign, "step", located.step.id, after=step_text(located.step), place=located.step.place)


def _changes(old: Campaign, new: Campaign) -> Iterator[Change]:
    yield from _heads(old, new)
    before, after = _located(old), _located(new)
    for name, located in after.items():
        known = before.get(name) or before.get(_former(new, name))
        if known is None:
            yield Change(Sign.ADDED, "step", name, after=step_text(located.step), place=located.step.place)
        elif _bare(known.step) != _bare(located.step):
            was, now = step_text(known.step), step_text(located.step)
            yield Change(Sign.CHANGED, "step", name, was, now, located.step.place)
        elif known.where != located.where:
            yield Change(Sign.CHANGED, "step", name, known.where, located.where, located.step.place)
    kept = after.keys() | {new.moved.get(name, "") for name in before}
    for name, located in before.items():
        if name not in after and new.moved.get(name, name) not in kept - {name}:
            yield Change(Sign.REMOVED, "step", name, before=step_text(located.step), place=located.step.place)


def _former(new: Campaign, name: str) -> str:
    return next((was for was, now in new.moved.items() if now == name), "")


@dataclass(frozen=True, slots=True)
class _Located:
    step: Step
    where: Text
    """The block it stands in and the step before it: a step moved elsewhere is a change."""


def _located(campaign: Campaign) -> dict[str, _Located]:
    found: dict[str, _Located] = {}
    named = [*campaign.sequences.items(), ("on_goal", campaign.on_goal)]
    for sequence, steps in named:
        for located in _walk(steps, place_in(sequence)):
            found.setdefault(located.step.id, located)
    return found


def _walk(steps: Steps, block: Text) -> Iterator[_Located]:
    for step in steps:
        yield _Located(step, block)
        for branch, inner in branches(step):
            yield from _walk(inner, place_under(step.id, branch))


def _bare(step: Step) -> Step:
    """The step without the blocks inside it, and without its name: those are compared by themselves."""
    match step:
        case Wait() | If():
            return replace(step, id="", then=(), otherwise=())
        case Choose():
            return replace(step, id="", options=tuple(replace(o, then=()) for o in step.options), otherwise=())
        case Split():
            return replace(step, id="", arms=tuple(replace(arm, then=()) for arm in step.arms))
        case Ask():
            return replace(step, id="", answers=tuple(replace(case, then=()) for case in step.answers), none=())
        case Use():
            return replace(step, id="", steps=())
        case _:
            return replace(step, id="")


def _heads(old: Campaign, new: Campaign) -> Iterator[Change]:
    place = {
        "goal": new.goal.place if new.goal else new.place,
        "while": new.while_[0].place if new.while_ else new.place,
    }
    before, after = tuple(map(entry_text, old.entries)), tuple(map(entry_text, new.entries))
    if before != after:
        where = new.entries[0].place if new.entries else new.place
        yield Change(Sign.CHANGED, "entry", "enter", joined(before), joined(after), where)
    for head in HEADS:
        if head.value(old) != head.value(new):
            where = place.get(head.name, new.place)
            yield Change(Sign.CHANGED, "setting", head.name, head.words(old), head.words(new), where)


# ── Everything else ──────────────────────────────────────────────────────────────────────────────────────────────────


def _mails(old: Mails, new: Mails) -> Iterator[Change]:
    for key, locale in sorted(old.digests.keys() | new.digests.keys()):
        was, now = old.digests.get((key, locale)), new.digests.get((key, locale))
        if was == now:
            continue
        name = f"{key}.{locale}" if locale else key
        sign = Sign.ADDED if was is None else Sign.REMOVED if now is None else Sign.CHANGED
        yield Change(sign, "mail", name, place=new.places.get((key, locale), NOWHERE))


def _keyed(sort: str, old: Mapping[str, T], new: Mapping[str, T]) -> Iterator[Change]:
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        place = getattr(now if now is not None else was, "place", NOWHERE)
        if was is None:
            yield Change(Sign.ADDED, sort, key, place=place)
        elif now is None:
            yield Change(Sign.REMOVED, sort, key, place=place)
        elif was != now:
            yield Change(Sign.CHANGED, sort, key, place=place)


def _ladder(old: Ladder, new: Ladder) -> Iterator[Change]:
    stages = {s.key: s for s in old.stages}, {s.key: s for s in new.stages}
    for key in [*stages[1], *(stages[0].keys() - stages[1].keys())]:
        was, now = stages[0].get(key), stages[1].get(key)
        if was is None and now is not None:
            yield Change(Sign.ADDED, "stage", key, after=_rule(now.rise), place=now.place)
        elif now is None and was is not None:
            yield Change(Sign.REMOVED, "stage", key, place=was.place)
        elif was is not None and now is not None:
            for way in ("rise", "fall"):
                rules = getattr(was, way), getattr(now, way)
                if rules[0] != rules[1]:
                    place = rules[1].place if rules[1] else now.place
                    yield Change(Sign.CHANGED, "stage", f"{key} {way}", _rule(rules[0]), _rule(rules[1]), place)
    if [s.key for s in old.stages] != [s.key for s in new.stages] and stages[0].keys() == stages[1].keys():
        yield Change(Sign.CHANGED, "stage", "order", _order(stages[0]), _order(stages[1]), new.place)
    yield from _rules("kind", old.kinds, new.kinds)
    yield from _rules("segment", old.segments.items(), new.segments.items())
    if (old.half_life, old.engagement, old.fit) != (new.half_life, new.engagement, new.fit):
        yield Change(Sign.CHANGED, "scoring", "scoring", place=new.place)


def _order(stages: Iterable[str]) -> Text:
    keys = " < ".join(stages)
    return Text.said(keys, isolated(keys))


def _rule(rule: object) -> Text:
    return condition_text(rule) if isinstance(rule, Condition) else NOTHING


def _rules(sort: str, old: Iterable[tuple[str, object]], new: Iterable[tuple[str, object]]) -> Iterator[Change]:
    before, after = dict(old), dict(new)
    for key in [*after, *(key for key in before if key not in after)]:
        was, now = before.get(key), after.get(key)
        if was != now:
            sign = Sign.ADDED if was is None else Sign.REMOVED if now is None else Sign.CHANGED
            place = getattr(now if now is not None else was, "place", NOWHERE)
            yield Change(sign, sort, key, _rule(was), _rule(now), place)


def _site(old: Site, new: Site) -> Iterator[Change]:
    found = False
    for setting in SITE:
        if setting.value(old) != setting.value(new):
            found = True
            words = setting.words(old), setting.words(new)
            yield Change(Sign.CHANGED, "site", setting.name, *words, place=new.contact.place)
    if not found and old != new:
        yield Change(Sign.CHANGED, "site", "site.yaml", place=new.contact.place)
