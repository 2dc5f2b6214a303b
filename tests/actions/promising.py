"""A shop with offers under test: letters to be, the transaction in which they are promised something, and the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

from app.actions.offers import Given, Prepared, prepare
from app.actions.shelf import Shelved, book_of
from app.core.campaign import Campaign, CampaignState
from app.core.offers import CodePool, FreeShipping, Offer, PersonalEnd
from app.core.person import MessageState
from app.core.text import Text
from app.core.windows import Clock as WallClock
from app.core.workspace import Workspace
from app.files.reader import read
from app.store import offers as store
from app.store.engine import Database
from app.store.letters import letters
from app.store.messages import MessageRow
from app.world import World
from tests.services.clock import START, Clock
from tests.store.cast import new_id, somebody
from tests.web.small_site import build_world, sources

_numbers = count(1)


def spring(**more: object) -> Offer:
    given = {"codes": CodePool("spring"), "ends": PersonalEnd(5, WallClock(21, 0)), **more}
    return Offer("spring", Text.plain("Free delivery"), FreeShipping(), **given)  # type: ignore[arg-type]


@dataclass
class Shop:
    """`person` and `mail` make rows; `promise` does what a worker does when it claims them."""

    world: World
    shelved: Shelved
    clock: Clock

    def fill(self, *codes: str, pool: str = "spring") -> None:
        with self.world.transaction("write") as session:
            store.add_codes(session, pool, codes)

    def person(self, name: str = "") -> int:
        with self.world.transaction("write") as session:
            return somebody(session, name or f"reader-{next(_numbers)}").id

    def mail(self, who: int, offer: str = "spring", state: str = "claimed") -> int:
        now = self.clock()
        with self.world.transaction("write") as session:
            row = MessageRow(
                public_id=bytes([9]) + new_id()[1:],
                subscriber_id=who,
                mail_key="ready/last-push",
                cause_key=f"test:{next(_numbers)}",
                mail_class="marketing",
                state=state,
                offer=offer,
                campaign="ready",
                wanted_at=now,
                slot_at=now,
                due_at=now,
                created_at=now,
                owner="w1",
            )
            session.add(row)
            session.flush()
            return row.id

    def given(self, message: int) -> Given:
        """What one mail may say."""
        found = self.promise(message).given[message]
        assert isinstance(found, Given)
        return found

    def promise(self, *ids: int) -> Prepared:
        with self.world.transaction("write") as session:
            return prepare(self.world, session, self.shelved, letters(session, ids))

    def settle(self, message: int, state: MessageState) -> None:
        with self.world.transaction("write") as session:
            row = session.get(MessageRow, message)
            assert row is not None
            row.state, row.settled_at = state.value, self.clock()

    def code(self, who: int, offer: str = "spring") -> str:
        with self.world.transaction("read") as session:
            return store.grants(session, [(who, offer)])[who, offer].code


def open_shop(database: Database, folder: object, clock: Clock, *offers: Offer, **more: object) -> Shop:
    world = build_world(database, folder, clock, **more)  # type: ignore[arg-type]
    workspace, problems = read(sources())
    assert workspace is not None, problems
    return Shop(world, _shelved(workspace, {offer.key: offer for offer in offers or (spring(),)}), clock)


def _shelved(workspace: Workspace, offers: Mapping[str, Offer]) -> Shelved:
    campaign = Campaign("ready", Text.plain("Ready"), CampaignState.LIVE, owner="leila@example.com")
    stocked = replace(workspace, offers=offers, campaigns={"ready": campaign})
    return Shelved(book_of(stocked, b"s" * 32), stocked, frozenset(), 1, {}, 1)


def shelved_with(*offers: Offer) -> Shelved:
    """A book of one live campaign, `ready`, without a database."""
    workspace, problems = read(sources())
    assert workspace is not None, problems
    return _shelved(workspace, {offer.key: offer for offer in offers})


__all__ = ["START", "Shop", "open_shop", "shelved_with", "spring"]
