"""Surveys: a reader answers a question from a mail, changes her mind while it is open, and what all answers come to.

Owns when an answer is taken and which fact it becomes. Looking (GET) changes nothing; the worker decides what follows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.core.campaign import Ask
from app.core.facts import Fact, FactKind, Value
from app.core.instants import Instant
from app.core.offers import Survey
from app.core.surveying import LONGEST_COMMENT, Option, Result, ask_of, option, result
from app.links import MailRef
from app.store import surveys as store
from app.store.events import announce, fact_row, record
from app.store.people import wake
from app.store.surveys import Asked, Comment, Given, Tally
from app.world import World


class Standing(StrEnum):
    """How a question stands: it may be answered, was asked too long ago, or is not asked any more."""

    OPEN = "open"
    CLOSED = "closed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page of a question shows. `given` is the answer kept so far."""

    standing: Standing
    survey: Survey | None = None
    locale: str = ""
    given: Given | None = None
    closes_at: Instant | None = None
    is_kept: bool = False
    """The answer just sent is kept."""


_GONE = Seen(Standing.GONE)


def look(world: World, shelved: Shelved, ref: MailRef) -> Seen:
    """How the question of a mail stands. Changes nothing."""
    with world.transaction("read") as session:
        return _look(world, session, shelved, ref)[0]


def answer(world: World, shelved: Shelved, ref: MailRef, key: str, comment: str = "") -> Seen:
    """Keep an answer, or the change of one; the same one again changes nothing.

    An answer that is not on the scale is not kept, nor is one after the question has closed.
    """
    with world.transaction("write") as session:
        seen, asked = _look(world, session, shelved, ref)
        chosen = option(seen.survey, key) if seen.survey else None
        if asked is None or seen.standing is not Standing.OPEN or seen.survey is None or chosen is None:
            return seen
        given = Given(chosen.key, chosen.number, " ".join(comment.split(" ")).strip()[:LONGEST_COMMENT])
        if store.put_answer(session, asked, seen.survey.key, given, world.now()):
            _tell(world, session, asked, _fact(world, seen.survey, chosen, given))
        return replace(seen, given=given, is_kept=True)


def _look(world: World, session: Session, shelved: Shelved, ref: MailRef) -> tuple[Seen, Asked | None]:
    asked = store.asked(session, ref.message)
    if asked is None:
        return _GONE, None
    campaign = shelved.book.version(asked.campaign, asked.version)
    ask = ask_of(campaign, asked.step) or ask_of(shelved.book.campaigns.get(asked.campaign), asked.step)
    survey = shelved.workspace.surveys.get(ask.survey) if ask else None
    if ask is None or survey is None:
        return replace(_GONE, locale=asked.locale), None
    closes_at = _closes_at(asked, ask)
    standing = Standing.OPEN if closes_at is None or world.now() < closes_at else Standing.CLOSED
    return Seen(standing, survey, asked.locale, store.answer_of(session, ref.message), closes_at), asked


def _closes_at(asked: Asked, ask: Ask) -> Instant | None:
    """The campaign waits so long for an answer; later ones would change what was decided already."""
    return None if asked.left_at is None else asked.left_at + ask.at_most


def _fact(world: World, survey: Survey, chosen: Option, given: Given) -> Fact:
    fields: dict[str, Value] = {"answer": chosen.value, "comment": given.comment}
    return Fact(world.new_id(), FactKind.ANSWERED, world.now(), survey.key, value=chosen.number or 0, fields=fields)


def _tell(world: World, session: Session, asked: Asked, fact: Fact) -> None:
    """Put it before the engine, with the mail that asked."""
    row = fact_row(asked.subscriber_id, fact, message_id=asked.message_id, campaign=asked.campaign, step=asked.step)
    record(session, [row])
    announce(session, [row])
    wake(session, [asked.subscriber_id], world.now())


# ── Results ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Results:
    """What a survey came to: all answers, by stage and by campaign, how many were asked, and the newest words."""

    survey: Survey
    asked: int
    all: Result
    by_stage: tuple[Result, ...]
    by_campaign: tuple[Result, ...]
    comments: tuple[Comment, ...]


def results(session: Session, shelved: Shelved, key: str, since: Instant = 0) -> Results | None:
    """The results since an instant, of each person the latest answer; None for a survey nobody knows."""
    survey = shelved.workspace.surveys.get(key)
    if survey is None:
        return None
    tallies = store.tallies(session, key, since)
    stages = [stage.key for stage in shelved.book.ladder.stages]
    return Results(
        survey=survey,
        asked=store.asked_count(session, asking_mails(shelved, key), since),
        all=result("", survey, ((tally.answer, tally.count) for tally in tallies)),
        by_stage=_grouped(survey, tallies, lambda tally: tally.stage, stages),
        by_campaign=_grouped(survey, tallies, lambda tally: tally.campaign, sorted(shelved.book.campaigns)),
        comments=tuple(store.comments(session, key)),
    )


def _grouped(
    survey: Survey, tallies: Iterable[Tally], name: Callable[[Tally], str], order: list[str]
) -> tuple[Result, ...]:
    groups: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for tally in tallies:
        groups[name(tally)].append((tally.answer, tally.count))
    known = [key for key in order if key in groups]
    rest = sorted(groups.keys() - set(known))
    return tuple(result(key, survey, groups[key]) for key in (*known, *rest))


def asking_mails(shelved: Shelved, key: str) -> list[str]:
    """The mails that ask this question."""
    steps = (step for campaign in shelved.book.campaigns.values() for step in campaign.steps())
    return sorted({step.mail for step in steps if isinstance(step, Ask) and step.survey == key})
