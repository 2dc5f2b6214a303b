"""Campaigns: which there are, how many people stand where, and one of them as a flow people can read.

Owns the pages. Steering is app.actions.steer's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from app.core.campaign import ON_GOAL, Campaign
from app.store import reports
from app.store.reports import StandingAt
from app.web.dashboard import flow
from app.web.dashboard.flow import Line
from app.web.dashboard.kept import Kept
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
    standing = standing_of(parts)

    @blueprint.get("/campaigns")
    def campaigns() -> ResponseReturnValue:
        return render_template("dashboard/campaigns.html", rows=rows(standing.get()), standings=STANDINGS)

    @blueprint.get("/campaigns/<key>")
    def campaign(key: str) -> ResponseReturnValue:
        held = shelved()
        found = held.book.campaigns.get(key) if held else None
        if held is None or found is None:
            abort(404)
        with parts.world.transaction("read") as session:
            here = reports.standing_runs(session, key)
        return render_template(
            "dashboard/campaign.html",
            campaign=found,
            standing=held.book.standing(key).value,
            standings=STANDINGS,
            entries=[flow.entry_words(entry) for entry in found.entries],
            goal=flow.said(found.goal) if found.goal else "",
            conditions=[flow.said(condition) for condition in found.while_],
            sequences=sequences(found, here),
            live=sum(each.number for each in here),
        )


def standing_of(parts: Parts) -> Kept[Sequence[StandingAt]]:
    def count() -> Sequence[StandingAt]:
        with parts.world.transaction("read") as session:
            return reports.standing_runs(session)

    return Kept(count, parts.world.monotonic)


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
