"""Rehearse: tells a scenario on the stage and says how it went.

Owns the running of stories: line by line, the first failure ends one, `never` holds all along. Real engine, real store,
real mails; only the clock and the letter box are the theatre's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.actions.inspect import Inspection
from app.actions.rehearse.cast import Actor
from app.actions.rehearse.deeds import perform
from app.actions.rehearse.impossible import deed_named, words_of
from app.actions.rehearse.judging import Judge, Miss
from app.actions.rehearse.stage import Received, Stage
from app.core.figures import isolated
from app.core.instants import Instant
from app.core.scenario import Expect, Pass, Scenario
from app.core.text import Place, Text
from app.core.windows import Zone
from app.store import stories
from app.store.stories import Told


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a story went another way than it was told."""

    place: Place
    wanted: Text
    got: Text
    at: Instant


@dataclass(frozen=True, slots=True)
class Shown:
    """A mail as it came in a story."""

    mail: str
    locale: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How one scenario went: its failure or None, what happened, and the steps and branches it walked."""

    scenario: Scenario
    failure: Failure | None
    told: tuple[Told, ...]
    zone: Zone
    walked: frozenset[tuple[str, str, str]]
    """(campaign, step, branch); branch is "" for the step itself"""
    mails: tuple[Shown, ...] = ()
    """What came, in order."""

    @property
    def has_passed(self) -> bool:
        return self.failure is None


def rehearse(inspection: Inspection, scenario: Scenario, load: Callable[[str], Inspection]) -> Rehearsal:
    """Run one scenario. `load` reads the files of a folder a story deploys."""
    stage = Stage(inspection, scenario)
    actor = Actor(stage, load)
    failure = _tell(stage, actor)
    with stage.world.transaction("read") as session:
        told = stories.told(session, actor.subscriber_id)
        walked = stories.walked(session, actor.subscriber_id)
    mails = tuple(_shown(stage))
    stage.world.database.dispose()
    return Rehearsal(scenario, failure, told, stage.zone, walked, mails)


def _shown(stage: Stage) -> Iterator[Shown]:
    site = stage.shelved().book.site
    for mail in stage.inbox:
        locale = site.locales[0] if mail.is_team else stage.scenario.person.locale or site.locales[0]
        yield Shown(mail.mail, locale, mail.message.subject, mail.message.text, mail.message.html)


def _tell(stage: Stage, actor: Actor) -> Failure | None:
    judge = Judge(actor)
    for line in stage.scenario.story:
        miss = _line(actor, judge, line)
        if miss:
            return Failure(line.place, miss.wanted, miss.got, stage.clock)
        unwanted = next((m for m in stage.inbox if m.mail in stage.scenario.never), None)
        if unwanted:
            return _unwanted(judge, line.place, unwanted)
    return None


def _unwanted(judge: Judge, place: Place, mail: Received) -> Failure:
    wanted = Text.said(f"never {mail.mail}", f"هرگز نیامدن {isolated(mail.mail)}")
    at = judge.shown(mail.at)
    return Failure(place, wanted, Text.said(f"one {at.in_locale('en')}", f"آمدن یکی، {at.in_locale('fa')}"), mail.at)


def _line(actor: Actor, judge: Judge, line: object) -> Miss | None:
    if isinstance(line, Expect):
        return judge.judge(line)
    try:
        if not isinstance(line, Pass):
            judge.note_deed()
        perform(actor, line)  # type: ignore[arg-type]
    except LookupError as error:
        return Miss(deed_named(line), words_of(error))
    return None
