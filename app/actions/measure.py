"""Measure: what happened, whether we are healthy, and what needs somebody; flows on the ladder, figures of campaigns.

Owns putting counters together into figures with their comparison. Must not count what counters keep, and must not
show a share without what it is a share of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from sqlalchemy.orm import Session

from app.core.boxes import Box
from app.core.comparing import DOUBT, Comparison, Tally, compare
from app.core.instants import DAY, MINUTE, SECOND, Instant, Span
from app.store import ledgers, measures, people, releases, waiting
from app.store.measures import Days, Share
from app.world import World

# ── What happened ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Series:
    """One figure day by day, with the sum of the stretch and of the one before."""

    key: str
    first: int
    values: tuple[int, ...]
    before: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.values)

    @property
    def total_before(self) -> int:
        return sum(self.before)

    @property
    def change(self) -> float | None:
        """The change against the stretch before as a fraction; None when there was nothing."""
        return None if not self.total_before else self.total / self.total_before - 1


SERIES = ("signups", "confirmed", "sent", "clicks", "rises", "revenue")


def days_until(now: Instant, number: int) -> Days:
    """The last days including today."""
    today = now // DAY
    return Days(today - number + 1, today + 1)


def happened(world: World, ladder: tuple[str, ...], number: int) -> dict[str, Series]:
    """The six figures of home over the last days. `ladder`: stages, lowest first."""
    days = days_until(world.now(), number)
    both = Days(days.before.first, days.last)
    with world.transaction("read") as session:
        by_day = {
            "signups": measures.box_metric_by_day(session, "submit", both),
            "confirmed": measures.box_metric_by_day(session, "confirm", both),
            "sent": measures.metric_by_day(session, "sent", both),
            "clicks": measures.metric_by_day(session, "clicked:people", both),
            "rises": _rises(measures.moves_by_day(session, both), ladder),
            "revenue": measures.revenue_by_day(session, both),
        }
    return {key: _series(key, found, days) for key, found in by_day.items()}


def _rises(moves: Mapping[tuple[int, str, str], int], ladder: tuple[str, ...]) -> dict[int, int]:
    height = {stage: number for number, stage in enumerate(ladder)}
    found: dict[int, int] = {}
    for (day, before, after), number in moves.items():
        if height.get(after, 0) > height.get(before, 0):
            found[day] = found.get(day, 0) + number
    return found


def _series(key: str, by_day: Mapping[int, int], days: Days) -> Series:
    before = days.before
    return Series(
        key,
        days.first,
        tuple(by_day.get(day, 0) for day in range(days.first, days.last)),
        tuple(by_day.get(day, 0) for day in range(before.first, before.last)),
    )


# ── Health and needs ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Health:
    """Whether mails and decisions go their way. Ages and lags in microseconds."""

    heartbeat_age: Span | None
    lag: Span
    waiting: int
    under_way: int
    uncertain: int
    parked_mails: int
    parked_people: int
    oldest_due: Instant | None
    is_killed: bool
    is_paused: bool
    webhooks: int
    is_published: bool


def health(world: World) -> Health:
    """Read from small partial indexes and single rows only."""
    now, wall = world.now(), world.wall()
    with world.transaction("read") as session:
        beats = [beat for beat in ledgers.heartbeats(session) if beat.role == "worker"]
        numbers = waiting.numbers(session)
        control = releases.control(session)
        return Health(
            heartbeat_age=max(0, wall - beats[0].at) if beats else None,
            lag=beats[0].lag if beats else 0,
            waiting=numbers.waiting,
            under_way=numbers.under_way,
            uncertain=numbers.uncertain,
            parked_mails=numbers.parked,
            parked_people=len(people.parked(session, 100)),
            oldest_due=waiting.oldest_due(session, now),
            is_killed=control.is_killed,
            is_paused=control.is_paused,
            webhooks=measures.webhooks_open(session),
            is_published=control.release_id is not None,
        )


class Need(StrEnum):
    """What needs somebody, the most pressing first."""

    NOTHING_PUBLISHED = "nothing_published"
    KILLED = "killed"
    NO_WORKER = "no_worker"
    BEHIND = "behind"
    UNCERTAIN = "uncertain"
    PARKED_MAILS = "parked_mails"
    PARKED_PEOPLE = "parked_people"
    PAUSED = "paused"
    WEBHOOKS = "webhooks"


SILENT_AFTER = 30 * SECOND
BEHIND_AFTER = 5 * MINUTE


def needs(found: Health) -> list[tuple[Need, int]]:
    """What needs somebody, with its number."""
    asked = (
        (Need.NOTHING_PUBLISHED, int(not found.is_published)),
        (Need.KILLED, int(found.is_killed)),
        (Need.NO_WORKER, int(found.heartbeat_age is None or found.heartbeat_age > SILENT_AFTER)),
        (Need.BEHIND, found.lag // MINUTE if found.lag > BEHIND_AFTER and not found.is_killed else 0),
        (Need.UNCERTAIN, found.uncertain),
        (Need.PARKED_MAILS, found.parked_mails),
        (Need.PARKED_PEOPLE, found.parked_people),
        (Need.PAUSED, int(found.is_paused)),
        (Need.WEBHOOKS, found.webhooks if found.webhooks > 100 else 0),
    )
    return [(need, number) for need, number in asked if number]


# ── The ladder ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the ladder over a stretch: who came up, who came down, how long the way up took."""

    stage: str
    rose: int
    fell: int
    median: Span | None
    moves: tuple[tuple[str, str, int], ...]
    """(before, after, number) of every move that ended here, the most frequent first."""


@dataclass(frozen=True, slots=True)
class Flows:
    steps: tuple[Step, ...]
    cohorts: tuple[Cohort, ...]
    best: Share


@dataclass(frozen=True, slots=True)
class Cohort:
    """The people first seen in one week, and how many of them stand at each stage or above it today."""

    first_day: int
    number: int
    reached: tuple[int, ...]


WEEKS = 8


def flows(world: World, ladder: tuple[str, ...], number: int) -> Flows:
    """Moves, medians and cohorts. Some of it reads many rows: keep what it gives for a while."""
    now = world.now()
    days = days_until(now, number)
    with world.transaction("read") as session:
        moves = measures.moves_by_day(session, days)
        medians = {stage: _median(session, stage, days) for stage in ladder[1:]}
        cohorts = measures.cohorts(session, WEEKS, now // (7 * DAY))
        best = measures.best_buyers(session)
    totals: dict[tuple[str, str], int] = {}
    for (_, before, after), count in moves.items():
        totals[before, after] = totals.get((before, after), 0) + count
    steps = tuple(_step(stage, ladder, totals, medians.get(stage)) for stage in ladder)
    return Flows(steps, _cohorts(cohorts, ladder, now), best)


def _median(session: Session, stage: str, days: Days) -> Span | None:
    found = measures.times_to_rise(session, stage, days.first * DAY)
    return int(median(found)) if found else None


def _step(stage: str, ladder: tuple[str, ...], totals: Mapping[tuple[str, str], int], took: Span | None) -> Step:
    height = {key: number for number, key in enumerate(ladder)}
    here = sorted(((b, a, n) for (b, a), n in totals.items() if a == stage), key=lambda move: -move[2])
    rose = sum(n for before, _, n in here if height.get(before, 0) < height[stage])
    fell = sum(n for before, _, n in here if height.get(before, 0) > height[stage])
    return Step(stage, rose, fell, took, tuple(here))


def _cohorts(found: Mapping[tuple[int, str], int], ladder: tuple[str, ...], now: Instant) -> tuple[Cohort, ...]:
    this_week = now // (7 * DAY)
    made = []
    for week in range(this_week - WEEKS + 1, this_week + 1):
        at = [found.get((week, stage), 0) for stage in ladder]
        reached = tuple(sum(at[index:]) for index in range(len(at)))
        if reached and reached[0]:
            made.append(Cohort(week * 7, reached[0], reached))
    return tuple(made)


# ── Campaigns ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class StepFigures:
    """What came of one mail of a campaign: people who opened and clicked, and beside them all touches as they came.

    Opens are an estimate: pictures are loaded by machines too.
    """

    sent: int = 0
    opens: int = 0
    clicks: int = 0
    all_opens: int = 0
    all_clicks: int = 0
    skipped: int = 0
    refused: int = 0
    left: int = 0
    goals: int = 0

    def share(self, number: int) -> float | None:
        return min(1.0, number / self.sent) if self.sent else None


_METRICS = {
    "sent": "sent",
    "opened:people": "opens",
    "clicked:people": "clicks",
    "opened": "all_opens",
    "clicked": "all_clicks",
    "skipped": "skipped",
    "skipped_limit": "skipped",
    "skipped_stale": "skipped",
    "refused": "refused",
    "unsubscribed": "left",
    "goal": "goals",
}


def step_figures(world: World, campaign: str, number: int) -> tuple[dict[str, StepFigures], dict[str, int]]:
    """(step → figures, metric → sum of the campaign) over the last days."""
    days = days_until(world.now(), number)
    with world.transaction("read") as session:
        found = measures.step_counts(session, campaign, days)
    steps: dict[str, dict[str, int]] = {}
    totals: dict[str, int] = {}
    for (step, metric), count in found.items():
        totals[metric] = totals.get(metric, 0) + count
        if metric in _METRICS:
            mine = steps.setdefault(step, {})
            mine[_METRICS[metric]] = mine.get(_METRICS[metric], 0) + count
    return {step: StepFigures(**figures) for step, figures in steps.items()}, totals


CAMPAIGN_METRICS = ("entered", "sent", "clicked", "clicked:people", "opened:people", "goal")


def campaign_figures(world: World, number: int) -> dict[tuple[str, str], int]:
    """(campaign, metric) → number over the last days."""
    days = days_until(world.now(), number)
    with world.transaction("read") as session:
        return measures.campaign_counts(session, CAMPAIGN_METRICS, days)


# ── Boxes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class BoxFigures:
    """One box, arm, page or source: seen, sent in, confirmed."""

    views: int = 0
    submits: int = 0
    confirms: int = 0

    @property
    def conversion(self) -> float | None:
        """Confirmed addresses of those who saw it; None when nobody was counted seeing it."""
        return min(1.0, self.confirms / self.views) if self.views else None


def box_figures(world: World, number: int) -> dict[tuple[str, str, str], BoxFigures]:
    """(box, sort, key) → figures; sort is `all`, `page`, `source` or `arm`."""
    days = days_until(world.now(), number)
    with world.transaction("read") as session:
        found = measures.box_counts(session, days)
    sums: dict[tuple[str, str, str], dict[str, int]] = {}
    for (box, arm, page, metric), count in found.items():
        for key in _box_keys(box, arm, page):
            mine = sums.setdefault(key, {})
            mine[metric] = mine.get(metric, 0) + count
    return {key: _box(mine) for key, mine in sums.items()}


def _box_keys(box: str, arm: str, page: str) -> list[tuple[str, str, str]]:
    if arm:
        return [(box, "arm", arm)]
    if page.startswith("from:"):
        return [(box, "source", page.removeprefix("from:"))]
    return [(box, "all", ""), (box, "page", page)]


def _box(found: Mapping[str, int]) -> BoxFigures:
    return BoxFigures(found.get("impression", 0), found.get("submit", 0), found.get("confirm", 0))


CONTROL = "control"
"""The arm whose page views show no box."""


@dataclass(frozen=True, slots=True)
class BoxTest:
    """A test of a box since it began: confirmed subscribers of the page views that drew each arm."""

    id: str
    arms: tuple[Tally, ...]
    comparisons: tuple[Comparison, ...]


def box_test(world: World, box: Box) -> BoxTest | None:
    """How the arms of a box's test do against no box, and against the first of them. None for a box without one.

    Whoever confirms after a page view counts for what it drew, in whichever box she signed up: a box that only moves
    signups from one place to another adds nobody.
    """
    if box.experiment is None:
        return None
    names = [CONTROL] * bool(box.experiment.control) + [arm.name for arm in box.experiment.arms]
    keys = {name: f"{box.experiment.id}:{name}"[:64] for name in names}
    with world.transaction("read") as session:
        found = ledgers.arm_counts(session, sorted(keys.values()))
    arms = tuple(_tally(name, keys[name], box.key, found) for name in names)
    return BoxTest(box.experiment.id, arms, tuple(_comparisons(arms)))


def _tally(name: str, key: str, box: str, found: Mapping[tuple[str, str, str], int]) -> Tally:
    drawn = found.get((box, key, "draw"), 0)
    confirmed = sum(number for (_box, arm, metric), number in found.items() if arm == key and metric == "confirm")
    return Tally(name, drawn, min(drawn, confirmed))


def _comparisons(arms: Sequence[Tally]) -> Iterator[Comparison]:
    """With no box, if there is such an arm, and with the first face; all together as sure as one."""
    faces = [arm for arm in arms if arm.name != CONTROL]
    families = [(arms, CONTROL)] if len(faces) < len(arms) else []
    families += [(faces, faces[0].name)] if len(faces) > 1 else []
    for sides, against in families:
        yield from compare(sides, against, DOUBT / len(families))
