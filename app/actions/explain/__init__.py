"""Explain: why somebody got a mail, did not, or when she will; why she is at her stage; what comes if nothing changes.

Owns bringing stored decisions, the release they were made by, and the future together. Must not decide the past anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy.orm import Session

from app.actions.explain.places import lines_of
from app.actions.shelf import Shelf, Shelved, workspace_of
from app.core.asking import conditions_of
from app.core.book import Book
from app.core.campaign import Ask, Campaign, Send
from app.core.engagement import points_in, score
from app.core.explaining import (
    Case,
    Explanation,
    Projected,
    Receipt,
    ReceiptLine,
    Topic,
    Verdict,
    Who,
    checks_of,
    way_come,
)
from app.core.explaining.checking import MailStep
from app.core.explaining.labelling import labels_of
from app.core.facts import FactKind
from app.core.instants import DAY, Instant
from app.core.person import Code, MailClass
from app.core.projection import Passage, Start, project
from app.core.text import NOWHERE
from app.core.workspace import Workspace
from app.store import dossiers, releases
from app.store.dossiers import Card, RunCard
from app.store.loading import load_people
from app.world import World

AHEAD = 60 * DAY
"""How far the future is told."""
_MOST = 30


@dataclass(frozen=True, slots=True)
class NotKnown:
    """The question names nobody or nothing we know; `near` lists what could be meant."""

    what: str
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """Whom and what is asked about. `subject` is a mail, a campaign, or "" for everything.

    `at` asks about the past; `book` asks about the future under another book than the live one (a plan's).
    """

    who: str | int | bytes
    subject: str = ""
    at: Instant | None = None
    book: Book | None = None


def explain(world: World, shelf: Shelf, asked: Question) -> Explanation | NotKnown:
    """The answer as a value. `who` is an address, a subscriber's id, or a public id."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        if shelved is None:
            return NotKnown("nothing is published yet")
        card = _find(session, asked.who)
        if card is None:
            return NotKnown(f"nobody here is {asked.who!s}" if isinstance(asked.who, str) else "nobody of that id")
        return _Teller(session, shelved, card, asked, world.now()).tell()


def _find(session: Session, who: str | int | bytes) -> Card | None:
    if isinstance(who, str):
        return dossiers.find(session, who)
    return dossiers.card_of(session, who) if isinstance(who, int) else dossiers.card_of_public(session, who)


class _Teller:
    """One question's papers."""

    def __init__(self, session: Session, shelved: Shelved, card: Card, asked: Question, now: Instant) -> None:
        self._session = session
        self._shelved = shelved
        self._card = card
        self._asked = asked
        self._now = now
        self._at = now if asked.at is None else asked.at
        self._runs = dossiers.runs(session, card.id, self._at)
        kinds = shelved.kinds | {FactKind.SIGNED_UP}
        (self._loaded,) = load_people(session, [card.id], kinds)
        self._workspaces: dict[int, Workspace] = {shelved.release_id: shelved.workspace}

    def tell(self) -> Explanation | NotKnown:
        subject = self._asked.subject
        if not subject:
            return self._whole()
        if subject in self._shelved.book.campaigns or any(run.campaign == subject for run in self._runs):
            return self._about(subject, "")
        senders = self._senders(subject)
        if not senders:
            return NotKnown(f"no campaign and no campaign's mail is called {subject}", self._near(subject))
        return self._about(self._chosen(senders), subject)

    # ── Which campaign ───────────────────────────────────────────────────────────────────────────────────────────────

    def _senders(self, mail: str) -> list[str]:
        campaigns = self._shelved.book.campaigns.values()
        return [campaign.key for campaign in campaigns if mail in campaign.own_mails]

    def _chosen(self, senders: list[str]) -> str:
        """Of several campaigns that send a mail: the one she is in, else the one she was in last, else the first."""
        mine = [run for run in self._runs if run.campaign in senders]
        live = [run for run in mine if run.state != "ended"]
        return (live or mine)[-1].campaign if mine else senders[0]

    def _near(self, subject: str) -> tuple[str, ...]:
        known = [
            *self._shelved.book.campaigns,
            *(m for c in self._shelved.book.campaigns.values() for m in c.own_mails),
        ]
        tail = subject.rpartition("/")[2]
        return tuple(islice((key for key in sorted(set(known)) if tail and tail in key), 5))

    # ── The answer ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _about(self, key: str, mail: str) -> Explanation:
        reasons = dossiers.reasons(self._session, self._card.id, key, self._at)
        run = self._run_for(key)
        release = next((r.release for r in reversed(reasons) if run is None or r.run == run.id), 0)
        workspace = self._workspace(release)
        campaign = workspace.campaigns.get(key) or self._shelved.book.campaigns[key]
        case = Case(
            campaign=campaign,
            step=None,
            reasons=reasons,
            run=run.id if run else 0,
            at=self._at,
            confirmed_at=self._loaded.person.subscriber.confirmed_at,
            slots=dossiers.slots(self._session, self._card.id),
            lines=lines_of(releases.sources_of(self._session, release or self._shelved.release_id)),
        )
        ways = [checks_of(replace(case, step=step)) for step in _steps_of(campaign, mail)] or [checks_of(case)]
        told = replace(self._told(mail or key), campaign=key, checks=max(ways, key=way_come), wakes=_wakes(campaign))
        return self._judged(told, mail, run)

    def _run_for(self, key: str) -> RunCard | None:
        """The run meant: a live one, else the last."""
        mine = [run for run in self._runs if run.campaign == key]
        live = [run for run in mine if run.state != "ended" or (run.ended_at or 0) > self._at]
        return (live or mine)[-1] if mine else None

    def _judged(self, told: Explanation, mail: str, run: RunCard | None) -> Explanation:
        if not mail:
            return self._judged_campaign(told, run)
        if told.stopper is None:
            at = told.checks[-1].at
            return replace(told, verdict=Verdict.GOT, at=at)
        coming = next((p for p in told.projected if p.mail == mail), None) if self._is_present else None
        if coming:
            return replace(told, verdict=Verdict.COMES, at=coming.at)
        if run is None:
            return replace(told, verdict=Verdict.OUTSIDE)
        is_over = run.ended_at is not None and run.ended_at <= self._at
        is_final = told.stopper.topic in _FINAL or told.stopper.code == Code.SKIPPED_LIMIT
        return replace(told, verdict=Verdict.NEVER if is_over or is_final else Verdict.OPEN)

    def _judged_campaign(self, told: Explanation, run: RunCard | None) -> Explanation:
        if run is None:
            return replace(told, verdict=Verdict.OUTSIDE)
        if run.ended_at is not None and run.ended_at <= self._at:
            return replace(told, verdict=Verdict.OVER, at=run.ended_at)
        own = tuple(p for p in told.projected if p.campaign == run.campaign)
        return replace(told, verdict=Verdict.STANDS, at=run.entered_at, projected=own)

    def _whole(self) -> Explanation:
        live = [run for run in self._runs if run.state != "ended"]
        standing = tuple((run.campaign, run.state, run.reason) for run in live)
        return replace(self._told(""), standing=standing, receipt=self._receipt(), verdict=Verdict.STANDS)

    def _told(self, subject: str) -> Explanation:
        subscriber, site = self._loaded.person.subscriber, self._shelved.book.site
        half_life = self._shelved.book.ladder.half_life
        who = Who(
            self._card.address,
            self._card.name,
            self._card.timezone or site.timezone,
            subscriber.stage,
            subscriber.kind,
            score(subscriber, self._at, half_life),
        )
        projected = self._projected() if self._is_present else ()
        looks_at = self._card.due_at if self._is_present else None
        told = Explanation(who, subject, "", Verdict.OPEN, None, (), self._now, looks_at, (), projected)
        ladder = self._shelved.workspace.ladder
        return replace(told, labels={locale: labels_of(site, ladder, locale) for locale in ("en", "fa")})

    @property
    def _is_present(self) -> bool:
        return self._at >= self._now

    def _projected(self) -> tuple[Projected, ...]:
        book = self._asked.book or self._shelved.book
        start = Start(self._loaded.person, self._loaded.news, self._now if self._asked.book else self._card.due_at)
        return mails_ahead(project(book, start, self._now, self._now + AHEAD))

    def _workspace(self, release: int) -> Workspace:
        """The release a decision was made by, read again, for the lines its rules stood on."""
        if release and release not in self._workspaces:
            self._workspaces[release] = workspace_of(releases.sources_of(self._session, release))
        return self._workspaces.get(release, self._shelved.workspace)

    # ── The score ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _receipt(self) -> Receipt:
        """Why this stage: its last change as stored, and what each fact of the score is still worth."""
        ladder = self._shelved.book.ladder
        subscriber = self._loaded.person.subscriber
        changes = dossiers.changes(self._session, self._card.id, self._at)
        last = changes[-1] if changes else None
        way, _, rung = last.rule.partition(":") if last else ("", "", "")
        stage = next((known for known in ladder.stages if known.key == rung), None)
        rule = (stage.rise if way == "rise" else stage.fall) if stage else None
        return Receipt(
            stage=last.after if last else subscriber.stage,
            since=last.at if last else subscriber.created_at,
            rule=last.rule if last else "",
            condition=rule.source if rule else "",
            score_then=last.score if last else None,
            score=score(subscriber, self._at, ladder.half_life),
            lines=self._earned(),
            place=rule.place if rule else NOWHERE,
        )

    def _earned(self) -> tuple[ReceiptLine, ...]:
        rules, half_life = self._shelved.scoring, self._shelved.book.ladder.half_life
        found: list[ReceiptLine] = []
        for key, bucket in dossiers.buckets(self._session, self._card.id):
            if key not in rules:
                continue
            for (at, _), points in zip(bucket, points_in(rules[key], bucket), strict=True):
                left = points * 2.0 ** ((at - self._at) / half_life)
                found.append(ReceiptLine(at, key, points, left))
        return tuple(sorted((line for line in found if line.at <= self._at and line.points), key=lambda one: one.at))


_FINAL = frozenset({Topic.BRANCH, Topic.HOLDOUT, Topic.FRESHNESS})
"""What says no here has said so for the whole run: it is decided once."""


def _steps_of(campaign: Campaign, mail: str) -> Iterator[MailStep]:
    """Where a campaign sends a mail; branches and sequences may share one."""
    yield from (step for step in campaign.steps() if isinstance(step, Send | Ask) and step.mail == mail)
    shelves = campaign.stream.articles.values() if campaign.stream else ()
    yield from (article for articles in shelves for article in articles if article.mail == mail)


def _wakes(campaign: Campaign) -> tuple[str, ...]:
    """The sorts of fact her run listens to: those of goal, `while` and the conditions of its steps."""
    kinds = {need.kind for condition in conditions_of(campaign) for need in condition.needs()}
    return tuple(kind.value for kind in FactKind if kind in kinds and kind is not FactKind.RECEIVED)


def mails_ahead(passage: Passage) -> tuple[Projected, ...]:
    """The mails a passage handed over to the person herself, soonest first."""
    hers = (left for left in passage.left if left.message.mail_class is not MailClass.TEAM)
    found = (
        Projected(left.at, left.message.mail, left.message.key.run.campaign if left.message.key.run else "")
        for left in hers
    )
    return tuple(islice(found, _MOST))
