"""The page of delivery: how fast mails leave, what rests and why, and what a breaker stopped until somebody says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.actions import breakers
from app.actions.pace import Allowance, Paces
from app.actions.progress import Reporter
from app.actions.sweep import beat
from app.core.instants import MINUTE
from app.mail.lanes_file import shipped_lanes
from app.mail.smtp import SmtpTransport
from app.mail.transports import send_all
from app.store import alarms
from app.store.engine import Database
from app.store.releases import ControlRow, LiveRow
from tests.mail.test_smtp_relays import letters, member
from tests.servers.smtp import SmtpServer
from tests.services.clock import Clock
from tests.web.dashboard_stage import House, open_house

ALICE = "alice@example.com"


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: Clock) -> Iterator[House]:
    opened = open_house(database, tmp_path, clock, demo=True)
    yield opened
    opened.desk.parts.spool.close()


def resting() -> SmtpTransport:
    """A relay that nobody answers at."""
    with SmtpServer() as gone:
        transport = member(gone, "spare")
    send_all(transport, letters(1))
    return transport


def tell(house: House) -> None:
    """A worker's word: Yahoo asked for patience, Google warms up, one relay rests."""
    paces = Paces(shipped_lanes(), lambda: 0.0)
    paces.slowed("yahoo", "421 4.7.0 [TSS04] <alice@yahoo.com> deferred")
    paces.allow({"google": Allowance(1, 100, 40)})
    paces.done(120)
    beat(house.desk.world, "one", Reporter(house.desk.world, paces, [resting()]).words())


def test_the_page_says_what_rests_why_and_for_how_long(house: House) -> None:
    house.desk.confirmed(ALICE)
    house.mailed(ALICE)
    tell(house)
    page = house.read("/dashboard/delivery")
    for words in (
        "rests for 2 h 421 4.7.0 [TSS04] &lt;…&gt; deferred",
        "warm-up step 2: 40 of 100 today",
        "connect: Connection refused",
        "Leave in a minute 7,200",
    ):
        assert words in page, words
    assert "alice@yahoo.com" not in page
    persian = house.read("/dashboard/delivery", "fa")
    assert "پلهٔ ۲ گرم‌کردن: امروز ۴۰ از ۱۰۰" in persian
    assert "دیگر در استراحت" in persian


def test_without_a_worker_the_queue_is_counted_all_the_same(house: House) -> None:
    house.desk.confirmed(ALICE)
    house.mailed(ALICE)
    house.desk.clock.advance(MINUTE)
    page = house.read("/dashboard/delivery")
    assert "No worker gives a sign of life" in page
    assert "Everybody else" in page


def test_what_a_breaker_stopped_goes_on_only_with_the_box_ticked(house: House) -> None:
    world = house.desk.world
    with world.transaction("write") as session:
        alarms.count_mails(session, {("welcome", "sent"): 100, ("welcome", "block"): 25}, world.now())
    assert breakers.watch(world, house.desk.parts.shelf)
    page = house.read("/dashboard/delivery")
    assert "Mail servers refused 25 of 125 mails because of us. That is 20%; at most 5% is allowed." in page
    assert "Let all campaigns go on" not in page, "not without looking"
    house.send("/dashboard/delivery", "/dashboard/delivery/resume", campaign="")
    assert house.desk.rows(ControlRow)[0].is_paused
    house.send("/dashboard/delivery", "/dashboard/delivery/resume", campaign="", sure="yes")
    assert not house.desk.rows(ControlRow)[0].is_paused
    assert "Stopped by a breaker" not in house.read("/dashboard/delivery")


def test_one_campaign_goes_on_from_the_same_page(house: House) -> None:
    world = house.desk.world
    with world.transaction("write") as session:
        evidence = breakers.Evidence("welcome", "complaints", 3, 900, 0.001, 0)
        shelved = house.desk.parts.shelf.look(session)
        assert shelved is not None
        breakers._stop(world, session, shelved, evidence)
    page = house.read("/dashboard/delivery")
    assert "3 of 900 mails were marked as spam. That is 0.33%; at most 0.10% is allowed." in page
    house.send("/dashboard/delivery", "/dashboard/delivery/resume", campaign="welcome", sure="yes")
    (live,) = house.desk.rows(LiveRow, LiveRow.campaign == "welcome")
    assert live.standing is None
    assert breakers.lasting(world) == ()
    assert house.send("/dashboard/delivery", "/dashboard/delivery/resume", campaign="x", sure="yes").status_code == 404
