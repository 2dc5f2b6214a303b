"""Difference: what changed between two readings of the files, in campaign words, each with its line.

Owns comparing workspaces by meaning: comments, order of keys and lines are no change. Must not count people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from app.core.campaign import Ask, Campaign, Choose, If, Split, Step, Steps, Use, Wait, branches
from app.core.saying import entry_said, said
from app.core.site import Ladder, Site
from app.core.text import NOWHERE, Place
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
    before: str = ""
    after: str = ""
    place: Place = NOWHERE

    @property
    def words(self) -> str:
        if self.sign is Sign.CHANGED and self.before and self.after:
            return f"{_common(self.before, self.after)}"
        return self.after or self.before


def _common(before: str, after: str) -> str:
    """`wait 3 days, 09:30 → 1 day, 09:30`: a verb both share is said once."""
    verb, _, rest = before.partition(" ")
    other, _, new = after.partition(" ")
    return f"{verb} {rest} → {new}" if verb == other and rest and new else f"{before} → {after}"


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
        yield Change(sign, "entry", "enter", after=entry_said(entry), place=entry.place)
    for located in _located(campaign).values():
        yield Change(sign, "step", located.step.id, after=said(located.step), place=located.step.place)


def _changes(old: Campaign, new: Campaign) -> Iterator[Change]:
    yield from _heads(old, new)
    before, after = _located(old), _located(new)
    for name, located in after.items():
        known = before.get(name) or before.get(_former(new, name))
        if known is None:
            yield Change(Sign.ADDED, "step", name, after=said(located.step), place=located.step.place)
        elif _bare(known.step) != _bare(located.step):
            was, now = said(known.step), said(located.step)
            yield Change(Sign.CHANGED, "step", name, was, now, located.step.place)
        elif known.where != located.where:
            yield Change(Sign.CHANGED, "step", name, known.where, located.where, located.step.place)
    kept = after.keys() | {new.moved.get(name, "") for name in before}
    for name, located in before.items():
        if name not in after and new.moved.get(name, name) not in kept - {name}:
            yield Change(Sign.REMOVED, "step", name, before=said(located.step), place=located.step.place)


def _former(new: Campaign, name: str) -> str:
    return next((was for was, now in new.moved.items() if now == name), "")


@dataclass(frozen=True, slots=True)
class _Located:
    step: Step
    where: str
    """The block it stands in and the step before it: a step moved elsewhere is a change."""


def _located(campaign: Campaign) -> dict[str, _Located]:
    found: dict[str, _Located] = {}
    named = [*campaign.sequences.items(), ("on_goal", campaign.on_goal)]
    for sequence, steps in named:
        for located in _walk(steps, f"in {sequence}"):
            found.setdefault(located.step.id, located)
    return found


def _walk(steps: Steps, block: str) -> Iterator[_Located]:
    for step in steps:
        yield _Located(step, block)
        for branch, inner in branches(step):
            yield from _walk(inner, f"under {step.id}, {branch}")


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


def _stream_said(campaign: Campaign) -> str:
    if campaign.stream is None:
        return ""
    parts = (f"{stage}: {', '.join(a.mail for a in articles)}" for stage, articles in campaign.stream.articles.items())
    return f"{campaign.stream.beat} · {' · '.join(parts)}"


_HEADS: tuple[tuple[str, Callable[[Campaign], object]], ...] = (
    ("state", lambda c: c.state.value),
    ("goal", lambda c: c.goal.source if c.goal else "none"),
    ("while", lambda c: " and ".join(condition.source for condition in c.while_) or "none"),
    ("exclusive", lambda c: c.exclusive or "none"),
    ("priority", lambda c: c.priority or "none"),
    ("holdout", lambda c: f"{c.holdout:.0%}"),
    ("on_edit", lambda c: c.on_edit.value),
    ("listen", lambda c: c.listen),
    ("overdue", lambda c: c.overdue),
    ("title", lambda c: c.title.in_locale("en")),
    ("stream", _stream_said),
)


def _heads(old: Campaign, new: Campaign) -> Iterator[Change]:
    place = {
        "goal": new.goal.place if new.goal else new.place,
        "while": new.while_[0].place if new.while_ else new.place,
    }
    before, after = tuple(map(entry_said, old.entries)), tuple(map(entry_said, new.entries))
    if before != after:
        where = new.entries[0].place if new.entries else new.place
        yield Change(Sign.CHANGED, "entry", "enter", " or ".join(before) or "none", " or ".join(after) or "none", where)
    for name, ask in _HEADS:
        was, now = ask(old), ask(new)
        if was != now:
            yield Change(Sign.CHANGED, "setting", name, str(was), str(now), place.get(name, new.place))


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
        yield Change(Sign.CHANGED, "stage", "order", " < ".join(stages[0]), " < ".join(stages[1]), new.place)
    yield from _rules("kind", old.kinds, new.kinds)
    yield from _rules("segment", old.segments.items(), new.segments.items())
    if (old.half_life, old.engagement, old.fit) != (new.half_life, new.engagement, new.fit):
        yield Change(Sign.CHANGED, "scoring", "scoring", place=new.place)


def _rule(rule: object) -> str:
    return str(getattr(rule, "source", "")) or "none"


def _rules(sort: str, old: Iterable[tuple[str, object]], new: Iterable[tuple[str, object]]) -> Iterator[Change]:
    before, after = dict(old), dict(new)
    for key in [*after, *(key for key in before if key not in after)]:
        was, now = before.get(key), after.get(key)
        if was != now:
            sign = Sign.ADDED if was is None else Sign.REMOVED if now is None else Sign.CHANGED
            place = getattr(now if now is not None else was, "place", NOWHERE)
            yield Change(sign, sort, key, _rule(was), _rule(now), place)


_SITE: tuple[tuple[str, Callable[[Site], object]], ...] = (
    ("limits", lambda s: ", ".join(map(str, s.contact.limits))),
    ("over_limit", lambda s: s.contact.delay_up_to),
    ("quiet times", lambda s: s.contact.quiet),
    ("timezone", lambda s: s.timezone),
    ("priorities", lambda s: ", ".join(s.priorities)),
    ("attributes", lambda s: sorted(s.attributes)),
    ("events", lambda s: sorted(s.events)),
    ("topics", lambda s: sorted(s.topics)),
    ("tracking", lambda s: s.tracking),
    ("guards", lambda s: s.guards),
    ("sender", lambda s: s.sender),
)


def _site(old: Site, new: Site) -> Iterator[Change]:
    found = False
    for name, ask in _SITE:
        was, now = ask(old), ask(new)
        if was != now:
            found = True
            words = (str(was), str(now)) if isinstance(was, str) else ("", "")
            yield Change(Sign.CHANGED, "site", name, *words, place=new.contact.place)
    if not found and old != new:
        yield Change(Sign.CHANGED, "site", "site.yaml", place=new.contact.place)
