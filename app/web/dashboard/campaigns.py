"""Campaigns: which there are, how many people stand where, and one of them as a flow people can read.

Owns the pages. Steering is done by app.actions.commands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import ndiff

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app.actions import measure
from app.actions.measure import StepFigures
from app.actions.stepwise import BENCHMARKS, Aftermath, aftermath
from app.core.campaign import ON_GOAL, Campaign
from app.store import editions, releases, reports
from app.store.reports import StandingAt
from app.web.dashboard import flow
from app.web.dashboard.flow import Line
from app.web.dashboard.kept import Kept
from app.web.dashboard.ladder import STRETCHES, stretch
from app.web.dashboard.reasons import VERDICT_REASONS, VERDICTS
from app.web.dashboard.shell import shelved
from app.web.parts import Parts

STANDINGS = {
    "live": "Live",
    "draft": "Draft",
    "paused": "Paused",
    "stopped": "Stopped",
    "retired": "Retired",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One campaign as the list shows it."""

    key: str
    standing: str
    live: int
    paused: int
    resting: int
    goal: str


@dataclass(frozen=True, slots=True)
class Told:
    """One sequence of a campaign: its lines, with how many people stand at each."""

    name: str
    title: str
    lines: tuple[tuple[Line, int], ...]
    at_end: int
    number: int


def register(blueprint: Blueprint, parts: Parts) -> None:
    after = {days: _aftermath(parts, days) for days in STRETCHES}
    pages = _Pages(parts, standing_of(parts), after)
    blueprint.add_url_rule("/campaigns", "campaigns", pages.campaigns)
    blueprint.add_url_rule("/campaigns/<key>", "campaign", pages.campaign)
    blueprint.add_url_rule("/campaigns/<key>/versions", "versions", pages.versions)
    blueprint.add_url_rule("/campaigns/<key>/versions/<int:release>", "version", pages.version)


@dataclass(frozen=True, slots=True)
class _Pages:
    parts: Parts
    standing: Kept[Sequence[StandingAt]]
    after: Mapping[int, Kept[Aftermath]]

    def campaigns(self) -> ResponseReturnValue:
        days, counted = stretch(), self.standing.get()
        return render_template(
            "dashboard/campaigns.html",
            rows=rows(counted.value),
            is_known=counted.is_known,
            standings=STANDINGS,
            figures=measure.campaign_figures(self.parts.world, days),
            days=days,
            stretches=STRETCHES,
        )

    def campaign(self, key: str) -> ResponseReturnValue:
        found = _known(key)
        days, counted = stretch(), self.standing.get()
        here = [each for each in counted.value if each.campaign == key]
        figures, totals = measure.step_figures(self.parts.world, key, days)
        after = self.after[days].get().value
        told = sequences(found, here)
        return render_template(
            "dashboard/campaign.html",
            campaign=found,
            standing=_standing(key),
            standings=STANDINGS,
            entries=[flow.entry_words(entry) for entry in found.entries],
            goal=flow.said(found.goal) if found.goal else "",
            conditions=[flow.said(condition) for condition in found.while_],
            sequences=told,
            after=after,
            reach=reach(told, figures),
            beside=beside(key, totals, after),
            judged=judged(totals),
            live=sum(each.number for each in here),
            is_known=counted.is_known,
            figures=figures,
            totals=totals,
            days=days,
            stretches=STRETCHES,
        )

    def versions(self, key: str) -> ResponseReturnValue:
        _known(key)
        with self.parts.world.transaction("read") as session:
            found = editions.versions(session, key)
        return render_template("dashboard/versions.html", key=key, versions=found)

    def version(self, key: str, release: int) -> ResponseReturnValue:
        """The file as of a release, beside the version before it."""
        with self.parts.world.transaction("read") as session:
            found = editions.versions(session, key)
            at = next((index for index, (_, each) in enumerate(found) if each.id == release), None)
            if at is None:
                abort(404)
            new = _file(session, key, release)
            old = _file(session, key, found[at + 1][1].id) if at + 1 < len(found) else ""
        return render_template("dashboard/version.html", key=key, release=found[at][1], lines=difference(old, new))


def _aftermath(parts: Parts, days: int) -> Kept[Aftermath]:
    return Kept(lambda: aftermath(parts.world, days), Aftermath(), parts.world.monotonic)


def reach(told: Sequence[Told], figures: Mapping[str, StepFigures]) -> dict[str, float]:
    """Step → the share of those who got the first mail of its sequence that got this one: where people drop off."""
    found: dict[str, float] = {}
    for sequence in told:
        sent = [
            (line.step, figures[line.step].sent) for line, _ in sequence.lines if line.step in figures and line.mail
        ]
        first = next((number for _, number in sent if number), 0)
        found.update({step: min(1.0, number / first) for step, number in sent if first and number})
    return found


@dataclass(frozen=True, slots=True)
class Beside:
    """A share of this campaign's mails beside what others have."""

    metric: str
    share: float | None
    benchmark: float

    @property
    def is_better(self) -> bool:
        less_is_good = self.metric in ("unsubscribed", "complained")
        return self.share is not None and (self.share <= self.benchmark) == less_is_good


@dataclass(frozen=True, slots=True)
class Judged:
    """All opens or clicks as they came, by verdict, and by its reason; the most frequent reason first."""

    kind: str
    raw: int
    verdicts: tuple[tuple[str, int], ...]
    reasons: tuple[tuple[str, int], ...]


def judged(totals: Mapping[str, int]) -> list[Judged]:
    """Clicks and opens of a campaign; a kind nobody was counted with is left out."""
    found = []
    for kind in ("clicked", "opened"):
        verdicts, reasons = (
            tuple((words[name], number) for name in words if (number := totals.get(f"{kind}:{name}", 0)))
            for words in (VERDICTS, VERDICT_REASONS)
        )
        if raw := totals.get(kind, 0):
            found.append(Judged(kind, raw, verdicts, tuple(sorted(reasons, key=lambda each: -each[1]))))
    return found


def beside(key: str, totals: Mapping[str, int], after: Aftermath) -> list[Beside]:
    """The campaign's shares of delivered mails with the benchmarks; none where nothing was sent."""
    delivered = max(0, totals.get("sent", 0) - after.total(key, "bounced"))
    numbers = {
        "opens": totals.get("opened:people", 0),
        "clicks": totals.get("clicked:people", 0),
        "unsubscribed": after.total(key, "unsubscribed"),
        "complained": after.total(key, "complained"),
    }
    if not delivered:
        return []
    return [Beside(each.metric, min(1.0, numbers[each.metric] / delivered), each.share) for each in BENCHMARKS]


def _standing(key: str) -> str:
    held = shelved()
    return held.book.standing(key).value if held else "retired"


def _known(key: str) -> Campaign:
    held = shelved()
    if held is None or key not in held.book.campaigns:
        abort(404)
    return held.book.campaigns[key]


def _file(session: Session, key: str, release: int) -> str:
    """The text of a campaign's file in a release; "" when it was not there."""
    sources = releases.sources_of(session, release)
    name = re.compile(rf"^campaign:\s*[\"']?{re.escape(key)}[\"']?\s*$", re.MULTILINE)
    return next((text for path, text in sorted(sources.items()) if path.endswith(".yaml") and name.search(text)), "")


def difference(old: str, new: str) -> list[tuple[str, str]]:
    """Every line of the new text with its sign: + new, - gone, and a blank for what stayed."""
    lines = ndiff(old.splitlines(), new.splitlines()) if old else (f"  {line}" for line in new.splitlines())
    return [(line[0].strip(), line[2:]) for line in lines if line[0] != "?"]


def standing_of(parts: Parts) -> Kept[Sequence[StandingAt]]:
    def count() -> Sequence[StandingAt]:
        with parts.world.transaction("read") as session:
            return reports.standing_runs(session)

    return Kept(count, (), parts.world.monotonic)


def rows(standing: Sequence[StandingAt]) -> list[Row]:
    """Every campaign of the live release, those with most people first."""
    held = shelved()
    if held is None:
        return []
    by_state: Counter[tuple[str, str]] = Counter()
    for each in standing:
        by_state[each.campaign, each.state] += each.number
    found = [_row(campaign, held.book.standing(key).value, by_state) for key, campaign in held.book.campaigns.items()]
    return sorted(found, key=lambda row: (-(row.live + row.resting), row.key))


def _row(campaign: Campaign, standing: str, by_state: Mapping[tuple[str, str], int]) -> Row:
    mine = {state: number for (key, state), number in by_state.items() if key == campaign.key}
    return Row(
        key=campaign.key,
        standing=standing,
        live=sum(number for state, number in mine.items() if state != "resting"),
        paused=mine.get("paused", 0),
        resting=mine.get("resting", 0),
        goal=flow.said(campaign.goal) if campaign.goal else "",
    )


def sequences(campaign: Campaign, standing: Sequence[StandingAt]) -> list[Told]:
    """The sequences in file order, the one after the goal last; articles of a stream are lines as well."""
    at: Counter[tuple[str, str]] = Counter()
    for each in standing:
        at[each.sequence, each.step] += each.number
    names = list(campaign.stream.articles if campaign.stream else campaign.sequences)
    names += [ON_GOAL] if campaign.on_goal else []
    return [_sequence(campaign, name, at) for name in names]


def _sequence(campaign: Campaign, name: str, at: Mapping[tuple[str, str], int]) -> Told:
    if campaign.stream and name != ON_GOAL:
        articles = campaign.stream.articles[name]
        found = [Line("send", article.mail, 0, article.id, mail=article.mail) for article in articles]
    else:
        found = list(flow.lines(campaign.steps_of(name)))
    return Told(
        name=name,
        title=flow.sequence_words(campaign, name),
        lines=tuple((line, at.get((name, line.step), 0) if line.step else 0) for line in found),
        at_end=at.get((name, ""), 0),
        number=sum(number for (sequence, _), number in at.items() if sequence == name),
    )
