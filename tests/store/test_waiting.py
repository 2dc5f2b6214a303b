"""Counting and finding what waits: the same figures whichever way they are read, on both databases."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from sqlalchemy import update

from app.core.instants import HOUR, MINUTE
from app.core.person import MailClass
from app.store import troubles, waiting
from app.store.engine import Database
from app.store.messages import MessageRow, NewMessage, queue_by_cause
from app.store.troubles import LISTED, Sought
from tests.services.clock import START
from tests.store.cast import alice, new_id
from tests.store.seen import plan, statements

STATES = ("queued", "queued", "waiting", "claimed", "sent", "parked", "uncertain")
LANES = ("default", "google", "yahoo")
ANSWER = "421 4.7.0 [TSS04] try again later"
Mails = list[dict[str, object]]


@pytest.fixture
def mails(database: Database) -> Mails:
    """Ninety mails of all sorts, as plain values."""
    chance, found = Random(7), Mails()
    with database.transaction() as session:
        person = alice(session).id
        for number in range(90):
            lane, rank, at = chance.choice(LANES), chance.randrange(3), START + chance.randrange(-60, 60) * MINUTE
            kind = chance.choice((MailClass.MARKETING, MailClass.MARKETING, MailClass.SERVICE))
            mail = f"{chance.choice('ab')}/m"
            new = NewMessage(new_id(), person, f"c{number}", mail, kind, at, lane=lane, rank=rank)
            id_, state = queue_by_cause(session, new), chance.choice(STATES)
            reason, reply = chance.choice((("", ""), ("throttle", ANSWER)))
            more = {"state": state, "campaign": mail[0], "reason": reason, "reply": reply}
            session.execute(update(MessageRow).where(MessageRow.id == id_).values(**more))
            found.append({"id": id_, "lane": lane, "due_at": at, **more})
    return found


@pytest.fixture(params=[0, 6], ids=["by index", "row by row"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SPARSE", request.param)


@pytest.mark.usefixtures("_way")
def test_the_queue_is_counted_by_lane(database: Database, mails: Mails) -> None:
    with database.transaction("read") as session:
        found = {each.lane: each for each in waiting.queue(session, START)}
    for lane in LANES:
        mine = [each for each in mails if each["lane"] == lane and each["state"] in ("queued", "waiting")]
        due = [int(str(each["due_at"])) for each in mine if int(str(each["due_at"])) <= START]
        assert (found[lane].due, found[lane].later) == (len(due), len(mine) - len(due))
        assert found[lane].deferred == sum(each["state"] == "waiting" for each in mine)
        assert found[lane].oldest == min(due)


def test_numbers_and_the_oldest_are_those_of_all_rows(database: Database, mails: Mails) -> None:
    states = Counter(str(each["state"]) for each in mails)
    with database.transaction("read") as session:
        assert waiting.numbers(session) == waiting.Numbers(
            states["queued"] + states["waiting"], states["claimed"], states["uncertain"], states["parked"]
        )
        for now in (START - 2 * HOUR, START - 30 * MINUTE, START, START + HOUR):
            open_ones = [int(str(each["due_at"])) for each in mails if each["state"] in ("queued", "waiting")]
            assert waiting.oldest_due(session, now) == min((due for due in open_ones if due <= now), default=None)


def test_an_empty_queue_has_nothing_to_count(database: Database) -> None:
    with database.transaction("read") as session:
        assert waiting.queue(session, START) == []
        assert waiting.oldest_due(session, START) is None
        assert waiting.numbers(session) == waiting.Numbers(0, 0, 0, 0)
        assert troubles.find(session, Sought(LISTED), 5, 5) == ([], 0)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize(
    "sought",
    [
        Sought(),
        Sought(LISTED),
        Sought(("queued",)),
        Sought(("waiting", "claimed")),
        Sought(("queued", "waiting"), "a", "google"),
        Sought(("queued",), lane="nowhere"),
        Sought(("waiting", "parked"), reason="tss04"),
        Sought(("waiting",), reason="throttle", before=START),
        Sought(("queued", "uncertain"), before=START - 30 * MINUTE),
    ],
)
def test_mails_are_found_in_the_order_they_were_queued_and_the_rest_is_counted(
    database: Database, mails: Mails, sought: Sought
) -> None:
    wanted = [
        each["id"]
        for each in mails
        if each["state"] in sought.states
        and sought.campaign in (None, each["campaign"])
        and sought.lane in ("", each["lane"])
        and (not sought.reason or each["reply"])
        and (sought.before is None or int(str(each["due_at"])) <= sought.before)
    ]
    with database.transaction("read") as session:
        found, more = troubles.find(session, sought, 4, 1_000)
        assert [each.id for each in found] == wanted[:4]
        assert more == max(0, len(wanted) - 4)
        assert troubles.find(session, sought, 4, 2)[1] == min(2, more)


def test_heads_and_the_oldest_are_found_by_hopping_over_the_index(database: Database, mails: Mails) -> None:
    with database.transaction("read") as session, statements(session) as seen:
        heads = list(waiting.heads(session))
        hops = list(seen)
        assert len(hops) == len(heads) + 1
        assert len({(each.mail_class, each.lane, each.rank) for each in heads}) == len(heads)
        for hop in hops:
            assert "ix_message_due" in plan(session, hop)
