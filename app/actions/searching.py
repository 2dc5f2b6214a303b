"""Searching: who meets a written condition: read, checked against the site's words, asked of everybody.

Owns the way from a text to people. Must not change anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.actions.shelf import Shelved
from app.core.conditions import Condition, ConditionSite, Words, check, parse
from app.core.problem import Problem
from app.core.text import Place
from app.files.vocabulary import words_of
from app.store import reports, segments
from app.store.reports import COUNT_CAP, Listed, Wanted
from app.world import World

CAP = COUNT_CAP
"""More than this are not counted to the last."""


@dataclass(frozen=True, slots=True)
class Found:
    """`number` is CAP + 1 when there are more."""

    number: int
    people: tuple[Listed, ...]


def words(shelved: Shelved) -> Words:
    """The words of the site, as far as conditions may name them outside a campaign."""
    work = shelved.workspace
    mails = {key: frozenset[str]() for key in work.mails}
    return words_of(work.site, work.ladder, work.boxes, work.surveys, mails)


def read(shelved: Shelved, text: str) -> Condition | tuple[Problem, ...]:
    """A condition as a segment may ask it, or all that is wrong with it."""
    parsed = parse(text, Place("", 1, 1))
    if not isinstance(parsed, Condition):
        return parsed
    problems = tuple(each for each in check(parsed, words(shelved), ConditionSite.SEGMENT) if each.is_error)
    return problems or parsed


def find(world: World, shelved: Shelved, condition: Condition, limit: int) -> Found | str:
    """The newest who meet it, and how many there are; or why it cannot be asked of everybody."""
    with world.transaction("read") as session:
        try:
            matches = segments.where(condition, segments.asking(session, world.now(), shelved.book.rules))
        except segments.NotInSqlError as refused:
            return str(refused)
        wanted = Wanted(matches=matches)
        number = reports.count_people(session, wanted, CAP)
        return Found(number, tuple(reports.people(session, wanted, None, limit)))


def memberships(world: World) -> dict[str, int]:
    """Segment → how many are in it."""
    with world.transaction("read") as session:
        return reports.segment_sizes(session)


def vocabulary(shelved: Shelved) -> tuple[str, ...]:
    """Words to complete with: names, functions with their form, stages, kinds, attributes, events."""
    known = words(shelved)
    forms = (
        "stage == ''",
        "kind == ''",
        "score >= ",
        "orders >= 1",
        "revenue >= ",
        "confirmed",
        "referred",
        "clicked('')",
        "opened('')",
        "visited('/*', within='7d')",
        "bought(within='30d')",
        "received('')",
        "did('')",
        "tagged('')",
        "attribute('') == ''",
        "in_segment('')",
        "idle_for('30d')",
        "held_for('14d', )",
    )
    stages = tuple(f"stage == '{key}'" for key in known.stages)
    kinds = tuple(f"kind == '{key}'" for key in known.kinds)
    events = tuple(f"did('{key}')" for key in known.events)
    fields = tuple(f"attribute('{key}') == ''" for key in known.attributes)
    return (*forms, *stages, *kinds, *events, *fields)
