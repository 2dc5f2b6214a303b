"""Results: what offers, questions and invitations came to, as one page shows it.

Owns bringing kept numbers and the newest notable rows together. Must not count large tables, nor change anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.actions.stock import PoolReport, pool_reports
from app.core.instants import Instant
from app.core.offering import Redeemed, is_over, known_end, left
from app.core.offers import Offer, Survey
from app.core.surveying import Result, result
from app.core.windows import zone_of
from app.store import offers, redemptions, referrals, sums, surveys
from app.store.redemptions import Misuse
from app.store.referrals import Objected
from app.store.surveys import Comment, Tally
from app.world import World

NEWEST = 12
"""So many of the newest notable rows are shown."""


@dataclass(frozen=True, slots=True)
class OfferResult:
    """One offer: how many were given it, how many used it, what is left of its seats (None: without), and misuse."""

    offer: Offer
    given: int
    used: int
    left: int | None
    misused: Mapping[Redeemed, int] = field(default_factory=dict)
    is_over: bool = False

    @property
    def rate(self) -> float:
        """Of those who were given it, how many used it."""
        return self.used / self.given if self.given else 0.0


@dataclass(frozen=True, slots=True)
class SurveyResult:
    """One question: all answers, those of each stage and campaign, and the newest words."""

    survey: Survey
    all: Result
    by_stage: tuple[Result, ...]
    by_campaign: tuple[Result, ...]
    comments: tuple[Comment, ...]


@dataclass(frozen=True, slots=True)
class Friends:
    """What invitations came to: how many count, why others do not, who brought the most, and the newest refused."""

    counted: int
    reasons: tuple[tuple[str, int], ...]
    best: tuple[tuple[bytes, str, int], ...]
    refused: tuple[Objected, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The whole page."""

    offers: tuple[OfferResult, ...]
    pools: tuple[PoolReport, ...]
    misused: tuple[Misuse, ...]
    surveys: tuple[SurveyResult, ...]
    friends: Friends


def board(world: World, shelved: Shelved) -> Board:
    """Everything as it stands, read from kept numbers and by index."""
    with world.transaction("read") as session:
        known = tuple(shelved.workspace.offers.values())
        return Board(
            offers=_offers(session, shelved, world.now()),
            pools=tuple(pool_reports(session, known)),
            misused=tuple(redemptions.newest_misuses(session, NEWEST)),
            surveys=tuple(_survey(session, shelved, each) for each in shelved.workspace.surveys.values()),
            friends=_friends(session),
        )


def _offers(session: Session, shelved: Shelved, now: Instant) -> tuple[OfferResult, ...]:
    stocks = offers.stocks(session)
    verdicts = {verdict: sums.sums(session, redemptions.metric_of(verdict)) for verdict in Redeemed}
    zone = zone_of("", shelved.book.site.timezone)
    found = []
    for offer in shelved.workspace.offers.values():
        given, elsewhere = stocks.get(offer.key, (0, 0))
        misused = {verdict: by.get(offer.key, 0) for verdict, by in verdicts.items() if verdict is not Redeemed.GOOD}
        found.append(
            OfferResult(
                offer,
                given,
                used=verdicts[Redeemed.GOOD].get(offer.key, 0),
                left=None if offer.seats is None else left(offer.seats, given, elsewhere),
                misused={verdict: count for verdict, count in misused.items() if count},
                is_over=is_over(known_end(offer, {}, zone), now),
            )
        )
    return tuple(found)


def _survey(session: Session, shelved: Shelved, survey: Survey) -> SurveyResult:
    tallies = surveys.kept_tallies(session, survey.key)
    stages = [stage.key for stage in shelved.book.ladder.stages]
    return SurveyResult(
        survey,
        result("", survey, ((each.answer, each.count) for each in tallies)),
        _grouped(survey, [(each.stage, each) for each in tallies], stages),
        _grouped(survey, [(each.campaign, each) for each in tallies], sorted(shelved.book.campaigns)),
        tuple(surveys.comments(session, survey.key, NEWEST)),
    )


def _grouped(survey: Survey, named: Sequence[tuple[str, Tally]], order: list[str]) -> tuple[Result, ...]:
    names = {name for name, _ in named}
    rows = [*(name for name in order if name in names), *sorted(names - set(order))]
    return tuple(result(row, survey, ((t.answer, t.count) for name, t in named if name == row)) for row in rows)


def _friends(session: Session) -> Friends:
    reasons = sums.sums(session, "friends:objected")
    return Friends(
        counted=sums.sums(session, "friends:counted").get("", 0),
        reasons=tuple(sorted(((why, count) for why, count in reasons.items() if count), key=lambda each: -each[1])),
        best=tuple(referrals.boards(session, NEWEST)),
        refused=tuple(referrals.objected(session, NEWEST)),
    )
