"""Steer: commands about what is live: pause, resume, stop, the kill switch, and letting people in on purpose.

Owns one short transaction per command; the engine and the doors obey within a second. Must not decide about anybody:
who is let in by a backfill is decided by the core as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from app.actions.laning import lanes_of
from app.actions.publish import wake_concerned
from app.actions.shelf import Shelf, Shelved
from app.core.book import Resumption, Standing
from app.core.campaign import Campaign
from app.core.facts import FactKind
from app.core.instants import DAY, HOUR, Instant
from app.core.nurture import Advance
from app.core.nurture.backfill import Anchor, let_in
from app.core.person import Code
from app.core.projection import Start, project
from app.store import accounts, editions, plans, steering, waking
from app.store.accounts import Deed
from app.store.loading import Loaded, load_people
from app.store.saving import Context, Decided, save_people
from app.store.waking import Concerned
from app.world import World


@dataclass(frozen=True, slots=True)
class NoSuchCampaign:
    wanted: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Steered:
    """What a command changed: the campaign ("" for all), how it stands now, how many people were woken."""

    campaign: str
    standing: str
    people: int


class Stop(StrEnum):
    DRAIN = "drain"
    """No new entries; who is under way finishes."""
    NOW = "now"
    """Every run ends, what is queued is taken back."""


def pause(world: World, shelf: Shelf, campaign: str) -> Steered | NoSuchCampaign:
    """Nothing of this campaign leaves and nobody in it moves on, until it is resumed. Outlasts a publication."""
    return _stand(world, shelf, campaign, Standing.PAUSED, None)


def resume(
    world: World, shelf: Shelf, campaign: str, policy: Resumption = Resumption.KEEP_DATES
) -> Steered | NoSuchCampaign:
    """As the file says again. `policy` says what becomes of the waits people were in."""
    return _stand(world, shelf, campaign, None, policy)


def stop(world: World, shelf: Shelf, campaign: str, how: Stop) -> Steered | NoSuchCampaign:
    return _stand(world, shelf, campaign, Standing.RETIRED if how is Stop.DRAIN else Standing.STOPPED, None)


def _stand(
    world: World, shelf: Shelf, campaign: str, standing: Standing | None, policy: Resumption | None
) -> Steered | NoSuchCampaign:
    with world.transaction("write") as session:
        known = steering.campaigns(session)
        if campaign not in known:
            return NoSuchCampaign(campaign, tuple(known))
        steering.stand(session, campaign, standing.value if standing else None, policy.value if policy else None)
        waking.begin(session, Concerned(frozenset({campaign})), world.now())
    people = wake_concerned(world, shelf)
    return Steered(campaign, standing.value if standing else "as its file says", people)


# ── Everything ───────────────────────────────────────────────────────────────────────────────────────────────────────


def kill(world: World) -> Steered:
    """Stop all sending: one row, which every sender reads before each mail or chunk."""
    with world.transaction("write") as session:
        steering.kill(session, is_killed=True)
    return Steered("", "stopped", 0)


def revive(world: World) -> Steered:
    """Let mail leave again."""
    with world.transaction("write") as session:
        steering.kill(session, is_killed=False)
    return Steered("", "sending", 0)


def resume_all(world: World, shelf: Shelf) -> Steered:
    """Let everything go on: mail after a kill switch, and all campaigns after they were paused, by whomever."""
    with world.transaction("write") as session:
        steering.kill(session, is_killed=False)
        editions.set_paused(session, is_paused=False)
        waking.begin(session, Concerned(is_everybody=True), world.now())
        accounts.note(session, Deed(world.wall(), "cli", "resume_all"))
    return Steered("", "sending", wake_concerned(world, shelf))


# ── Letting people in ────────────────────────────────────────────────────────────────────────────────────────────────

BATCH = 50
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Backfilled:
    """Who came in, and what that means: mails in the next 24 hours and 7 days, and why others did not."""

    campaign: str
    looked_at: int
    entered: int
    mails_day: int
    mails_week: int
    peak: int
    refused: tuple[tuple[str, int], ...]
    is_dry: bool


def backfill(world: World, shelf: Shelf, campaign: str, anchor: Anchor, *, dry: bool) -> Backfilled | NoSuchCampaign:
    """Let in who qualifies already: by a fact of the past, or by a condition that is true. `dry` only counts."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        known = tuple(shelved.book.campaigns) if shelved else ()
        live = shelved.book.campaigns.get(campaign) if shelved else None
        ids = plans.everybody(session)
    if shelved is None or live is None:
        return NoSuchCampaign(campaign, known)
    count = _Count()
    for part in plans.chunks(ids, CHUNK if dry else BATCH):
        with world.transaction("read" if dry else "write") as session:
            _let_in(session, world, _Filling(shelved, live, anchor, dry), part, count)
        world.rest()
    peak = max(count.hours.values(), default=0)
    refused = tuple(sorted(count.refused.items()))
    return Backfilled(campaign, len(ids), count.entered, count.day, count.week, peak, refused, dry)


@dataclass(frozen=True, slots=True)
class _Filling:
    shelved: Shelved
    campaign: Campaign
    anchor: Anchor
    is_dry: bool


class _Count:
    def __init__(self) -> None:
        self.entered = self.day = self.week = 0
        self.hours: dict[int, int] = {}
        self.refused: dict[str, int] = {}

    def add(self, answer: Advance, filling: _Filling, now: Instant) -> None:
        refusals = (
            d.code for d in answer.decisions if d.run is None and d.seen.get("campaign") == filling.campaign.key
        )
        code = next(iter(refusals), None)
        if code is not None:
            self.refused[code.value] = self.refused.get(code.value, 0) + 1
        if not any(
            d.code is Code.ENTERED and d.run and d.run.campaign == filling.campaign.key for d in answer.decisions
        ):
            return
        self.entered += 1
        passage = project(filling.shelved.book, Start(answer.person, (), now), now, now + 7 * DAY)
        for left in passage.left:
            if left.message.key.run and left.message.key.run.campaign == filling.campaign.key:
                self.week += 1
                self.day += left.at < now + DAY
                hour = (left.at - now) // HOUR
                self.hours[hour] = self.hours.get(hour, 0) + 1


def _let_in(session: Session, world: World, filling: _Filling, ids: object, count: _Count) -> None:
    shelved, now = filling.shelved, world.now()
    kinds = shelved.kinds | set(_kinds_of(filling.campaign))
    decided = []
    people = load_people(session, list(ids), kinds)  # type: ignore[call-overload]
    lanes = lanes_of(world, session, [each.address for each in people])
    for loaded in people:
        answer = _asked(filling, loaded, now)
        if answer is None:
            continue
        count.add(answer, filling, now)
        decided.append(Decided(loaded, answer, lanes[loaded.address]))
    if not filling.is_dry:
        save_people(session, decided, Context(now, shelved.release_id, shelved.scoring, world.new_id))


def _asked(filling: _Filling, loaded: Loaded, now: Instant) -> Advance | None:
    """Her entry; nothing for people with news: those are decided about first, and a second backfill finds them."""
    if loaded.news:
        return None
    return let_in(filling.shelved.book, loaded.person, filling.campaign.key, filling.anchor, now)


def _kinds_of(campaign: Campaign) -> Iterator[FactKind]:
    """The sorts of fact its entries begin with, which no condition may ask for."""
    if campaign.entries:
        yield from (FactKind.EVENT, FactKind.ORDERED, FactKind.REFERRED, FactKind.VISITED, FactKind.REPLIED)
