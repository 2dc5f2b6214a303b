"""Plan: what publishing these files would change, in campaign words, and what that does to whom. Nothing is sent.

Owns bringing the difference of the files and the futures of the people together, refusals, and the guard.
Must not write anything: applying is app/actions/publish.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.actions.inspect import Inspection
from app.actions.plan.ahead import Progress, Task, book_ahead, concerned, run_ahead
from app.actions.plan.refusing import Refusal, lost, lost_with_campaign, twice
from app.actions.plan.tally import CampaignTally, Example, StepTally, Tally
from app.actions.publish import digest_of
from app.actions.shelf import Shelf, Shelved
from app.core.asking import kinds_asked
from app.core.book import Book
from app.core.difference import CampaignChange, Change, Difference, Mails, compare
from app.core.instants import Instant
from app.core.problem import Problem
from app.core.text import Place
from app.store import plans, releases
from app.store.plans import Released
from app.world import World

__all__ = [
    "CampaignPlan",
    "Guard",
    "LadderMove",
    "Named",
    "Overlap",
    "Plan",
    "Refusal",
    "StepPlan",
    "Unreadable",
    "book_ahead",
    "make_plan",
]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The files have errors: there is nothing to plan."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """One person as an example."""

    id: int
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One changed step and the people who stand there."""

    change: Change
    standing: int
    at_once: int
    later: tuple[tuple[Instant, int], ...]
    """(instant, people) when the new version lets them go on, soonest first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The example of a campaign: somebody's next mail, before and after."""

    who: Named
    mail: str
    at: Instant | None
    was_at: Instant | None


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """A changed campaign with what the change does."""

    change: CampaignChange
    steps: tuple[StepPlan, ...]
    mails_day: int
    mails_day_before: int
    mails_week: int
    mails_week_before: int
    peak: int
    """Mails in its busiest hour of the week ahead."""
    ended: tuple[tuple[str, int], ...]
    example: Shown | None


@dataclass(frozen=True, slots=True)
class LadderMove:
    before: str
    after: str
    people: int
    is_rise: bool
    example: Named | None


@dataclass(frozen=True, slots=True)
class Overlap:
    """People under way in two campaigns, one of which changes."""

    one: str
    two: str
    people: int
    example: Named


@dataclass(frozen=True, slots=True)
class Guard:
    """The blast radius: mails that come by this change in their busiest hour, against the site's limit."""

    peak: int
    limit: int
    mails: int
    """Mails of the next 24 hours to people whose future differs: the number to confirm."""

    @property
    def is_over(self) -> bool:
        return self.peak > self.limit


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything `parvar plan` says. Instants are µs since 1970 UTC, counts are people or mails as named."""

    digest: str
    files: str
    """Digest of the files to the letter."""
    version: int
    """Of the control row: grows with every publication and command."""
    live: Released | None
    at: Instant
    people: int
    """All people there are."""
    decided: int
    """People run ahead under both versions."""
    difference: Difference
    campaigns: tuple[CampaignPlan, ...]
    ladder: tuple[LadderMove, ...]
    overlaps: tuple[Overlap, ...]
    service_mails: tuple[str, ...]
    """Changed or new mails that skip caps and quiet time."""
    days: tuple[int, ...]
    """Mails per day, from the next 24 hours on, to people whose future differs."""
    days_before: tuple[int, ...]
    delayed: int
    skipped: int
    refusals: tuple[Refusal, ...]
    guard: Guard
    tally: Tally

    @property
    def is_first(self) -> bool:
        return self.live is None

    @property
    def is_harmless(self) -> bool:
        """Whether nobody is touched: nothing moves, nothing leaves otherwise, nothing is refused."""
        return not self.refusals and self.tally.moved == 0

    @property
    def is_empty(self) -> bool:
        return self.difference.is_empty


def make_plan(
    world: World, shelf: Shelf, inspection: Inspection, progress: Progress | None = None, processes: int = 1
) -> Plan | Unreadable:
    """Compare the files with what is live and run everybody concerned ahead under both."""
    if inspection.workspace is None or inspection.errors:
        return Unreadable(inspection.errors or inspection.problems)
    now = world.now()
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        papers = _papers(session, shelved, inspection)
        new = book_ahead(world, shelved, inspection)
        ids = [] if shelved is None else concerned(session, papers.difference, shelved.book, new)
    if shelved is None:
        tally = Tally()
    else:
        kinds = kinds_asked(shelved.book) | kinds_asked(new)
        task = Task(shelved.book, new, kinds, now)
        tally = run_ahead(world, task, ids, progress or _silent, processes)
    with world.transaction("read") as session:
        return _Drawing(session, papers, new, tally, now).plan(shelved.book if shelved else new)


def _silent(_done: int, _total: int) -> None:
    """Nobody watches."""


def plan_digest(files: str, live: Released | None, version: int) -> str:
    """Names a plan: the files to the letter, the release they would follow, and every command given since."""
    text = f"{files}\0{live.id if live else 0}\0{version}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


# ── What the files say ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Papers:
    inspection: Inspection
    difference: Difference
    live: Released | None
    version: int
    people: int


def _papers(session: Session, shelved: Shelved | None, inspection: Inspection) -> _Papers:
    workspace = inspection.workspace
    if workspace is None:
        raise ValueError("files with errors make no plan")
    places = {key: Place(mail.place.file, 1) for key, mail in _mail_places(inspection)}
    new_mails = Mails({key: mail.digest for key, mail in inspection.mails.items()}, places)
    old_mails = Mails(plans.live_mails(session) if shelved else {}, {})
    difference = compare(shelved.workspace if shelved else None, workspace, old_mails, new_mails)
    live = plans.released(session, shelved.release_id) if shelved else None
    version = releases.control(session).version
    return _Papers(inspection, difference, live, version, plans.count_people(session))


@dataclass(frozen=True, slots=True)
class _At:
    place: Place


def _mail_places(inspection: Inspection) -> Iterable[tuple[tuple[str, str], _At]]:
    for path in inspection.sources:
        name = path.removeprefix("email_templates/")
        if name == path:
            continue
        stem = name.rpartition(".")[0]
        key, _, locale = stem.rpartition(".")
        yield ((key, locale) if (key, locale) in inspection.mails else (stem, "")), _At(Place(path, 1))


# ── Drawing it ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Drawing:
    """One plan under the pen."""

    def __init__(self, session: Session, papers: _Papers, new: Book, tally: Tally, now: Instant) -> None:
        self._session = session
        self._papers = papers
        self._new = new
        self._tally = tally
        self._now = now

    def plan(self, old: Book) -> Plan:
        papers, tally = self._papers, self._tally
        files = digest_of(papers.inspection)
        return Plan(
            digest=plan_digest(files, papers.live, papers.version),
            files=files,
            version=papers.version,
            live=papers.live,
            at=self._now,
            people=papers.people,
            decided=tally.decided,
            difference=papers.difference,
            campaigns=tuple(self._campaign(change) for change in papers.difference.campaigns),
            ladder=tuple(self._ladder(old)),
            overlaps=tuple(self._overlaps()),
            service_mails=self._service(),
            days=tuple(tally.days[day] for day in range(7)),
            days_before=tuple(tally.days_before[day] for day in range(7)),
            delayed=tally.delayed,
            skipped=tally.skipped,
            refusals=tuple(self._refusals()),
            guard=self._guard(),
            tally=tally,
        )

    def _named(self, subscriber_id: int) -> Named:
        return Named(subscriber_id, *plans.name_of(self._session, subscriber_id))

    def _campaign(self, change: CampaignChange) -> CampaignPlan:
        counted = self._tally.campaigns.get(change.key, CampaignTally())
        return CampaignPlan(
            change=change,
            steps=tuple(self._step(change.key, each) for each in change.changes),
            mails_day=counted.new_day,
            mails_day_before=counted.old_day,
            mails_week=counted.new_week,
            mails_week_before=counted.old_week,
            peak=max(counted.hours.values(), default=0),
            ended=tuple(sorted(counted.ended.items())),
            example=self._shown(counted.example),
        )

    def _shown(self, example: Example | None) -> Shown | None:
        if example is None:
            return None
        return Shown(self._named(example.subscriber_id), example.mail, example.at, example.was_at)

    def _step(self, campaign: str, change: Change) -> StepPlan:
        counted = self._tally.steps.get((campaign, change.name)) if change.sort == "step" else None
        if counted is None:
            counted = StepTally()
        return StepPlan(change, counted.standing, counted.at_once, tuple(sorted(counted.later.items())))

    def _ladder(self, old: Book) -> Iterable[LadderMove]:
        for (before, after), people in sorted(self._tally.stages.items()):
            is_rise = self._new.ladder.index(after) > max(self._new.ladder.index(before), old.ladder.index(before))
            example = self._named(self._tally.stage_examples[before, after])
            yield LadderMove(before, after, people, is_rise, example)

    def _overlaps(self) -> Iterable[Overlap]:
        changed = self._papers.difference.changed_campaigns()
        if changed:
            for one, two, people, who in plans.overlaps(self._session, changed):
                yield Overlap(one, two, people, self._named(who))

    def _service(self) -> tuple[str, ...]:
        changed = {change.name for change in self._papers.difference.others if change.sort == "mail"}
        mails = self._papers.inspection.mails
        service = {f"{key}.{locale}" if locale else key for (key, locale), mail in mails.items() if mail.is_service}
        return tuple(sorted(changed & service))

    def _guard(self) -> Guard:
        peak = max(self._tally.extra_hours.values(), default=0)
        limit = self._new.site.guards.confirm_above
        return Guard(peak, limit, self._tally.days[0])

    # ── Refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _refusals(self) -> Iterable[Refusal]:
        for (campaign, step), people in sorted(self._tally.lost.items()):
            yield self._lost(campaign, step, people)
        for (campaign, mail), people in sorted(self._tally.twice.items()):
            yield self._twice(campaign, mail, people)

    def _lost(self, campaign: str, step: str, people: int) -> Refusal:
        live = self._new.campaigns.get(campaign)
        if live is not None:
            return lost(campaign, step, people, live.place)
        place = next((c.place for c in self._papers.difference.campaigns if c.key == campaign), Place("", 0, 0))
        return lost_with_campaign(campaign, step, people, place)

    def _twice(self, campaign: str, mail: str, people: int) -> Refusal:
        who = self._named(self._tally.twice_example[campaign, mail])
        return twice(campaign, mail, people, who.name or who.address, self._new.campaigns[campaign].place)
