"""Warm-up: a new domain sends a little more each day, and holds still when a provider frowns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.actions.pace import Allowance, Paces, lane_tally
from app.actions.warming import WarmUp, level_of
from app.core.instants import DAY
from app.core.person import MessageState
from app.mail.lanes import shipped_lanes
from app.store import paces as figures
from app.store.engine import Database
from tests.actions.post_office import PostOffice, open_office
from tests.servers.smtp import SmtpServer
from tests.services.clock import START, Clock

TODAY = START // DAY
SENDER_DOMAIN = "example.com"


@pytest.fixture
def office(database: Database, tmp_path: Path, clock: Clock) -> Iterator[PostOffice]:
    with open_office(database, tmp_path, clock) as office:
        yield office


def past(office: PostOffice, days_ago: int, **found: int) -> None:
    """What became of mails to Google on a day before."""
    with office.world.transaction("write") as session:
        figures.count_lanes(
            session, SENDER_DOMAIN, {("google", what): n for what, n in found.items()}, START - days_ago * DAY
        )


def allowed(office: PostOffice, since: int = 0) -> Allowance | None:
    paces = Paces(shipped_lanes(), lambda: 0.0)
    with office.world.transaction("read") as session:
        WarmUp({SENDER_DOMAIN: since}).refresh(session, f"sara@{SENDER_DOMAIN}", paces, office.clock())
    return next((state.allowance for state in paces.states() if state.name == "google"), None)


def test_the_first_day_of_a_domain_allows_fifty_to_each_provider(office: PostOffice) -> None:
    people = [office.person(f"g{n}") for n in range(56)]
    mails = [office.mail(person, lane="google") for person in people]
    other = office.mail(office.person("dave"), lane="yahoo")
    with SmtpServer() as server:
        courier = office.courier(server.port)
        object.__setattr__(courier.post, "warm_up", WarmUp({SENDER_DOMAIN: 0}))
        office.round(courier)
        assert sum(office.state(mail) == "sent" for mail in mails) == 50
        assert office.state(other) == "sent"
        office.round(courier)
        assert office.states() == {"sent": 51, "queued": 6}
        office.clock.advance(DAY)
        courier.lanes.looked_at = -1e9
        office.round(courier)
        assert office.states() == {"sent": 57}


def test_a_good_day_that_was_used_rises_and_a_day_of_frowns_stays(office: PostOffice) -> None:
    past(office, 3, tried=50)
    past(office, 2, tried=90, deferred=2)
    assert allowed(office) == Allowance(2, 200, 0)
    past(office, 1, tried=200, deferred=11)
    assert allowed(office) == Allowance(2, 200, 0)


def test_what_left_today_and_what_is_under_way_count(office: PostOffice) -> None:
    past(office, 0, tried=20)
    past(office, 0, tried=12)
    assert allowed(office) == Allowance(0, 50, 32)


def test_complaints_stop_it_until_somebody_begins_anew(office: PostOffice) -> None:
    past(office, 2, tried=50)
    past(office, 1, tried=100, complained=2)
    assert allowed(office) == Allowance(-1, 0, 0)
    assert allowed(office, since=TODAY) == Allowance(0, 50, 0)


def test_a_domain_without_a_plan_is_not_limited(office: PostOffice) -> None:
    paces = Paces(shipped_lanes(), lambda: 0.0)
    with office.world.transaction("read") as session:
        WarmUp({"other.example": 0}).refresh(session, f"sara@{SENDER_DOMAIN}", paces, START)
    assert paces.room("google") == 100


def test_a_day_without_mails_changes_nothing() -> None:
    counts = {("google", 1, "tried"): 50, ("google", 9, "tried"): 100}
    assert level_of(counts, "google", range(1, 10)) == 2
    assert level_of(counts, "yahoo", range(1, 10)) == 0


def test_the_counters_keep_what_a_plan_has_to_know() -> None:
    ends = [
        ("google", MessageState.SENT, ""),
        ("google", MessageState.WAITING, "throttle"),
        ("google", MessageState.REFUSED, "block"),
        ("google", MessageState.REFUSED, "hard"),
    ]
    assert lane_tally(ends) == {("google", "tried"): 4, ("google", "deferred"): 1, ("google", "blocked"): 1}
