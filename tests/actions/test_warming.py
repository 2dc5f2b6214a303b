"""Warm-up: a new domain sends a little more each day, and holds still when a provider frowns."""

from __future__ import annotations

from collections import Counter

from app.actions.deliver import Courier
from app.actions.pace import Allowance, Paces, lane_tally
from app.actions.warming import WarmUp, level_of
from app.core.instants import DAY, HOUR
from app.core.person import MailClass, MessageState
from app.mail.lanes import shipped_lanes
from app.store import paces as figures
from app.store import warmth
from app.store.base import is_sqlite
from app.store.claims import Wanted
from app.store.messages import MessageRow
from app.store.people import SubscriberRow
from tests.actions.post_office import PostOffice
from tests.servers.smtp import SmtpServer
from tests.services.clock import START

TODAY = START // DAY
SENDER_DOMAIN = "example.com"


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
    assert lane_tally(Counter(ends)) == {("google", "tried"): 4, ("google", "deferred"): 1, ("google", "blocked"): 1}


def warming(office: PostOffice, port: int) -> Courier:
    courier = office.courier(port)
    object.__setattr__(courier.post, "warm_up", WarmUp({SENDER_DOMAIN: 0}))
    return courier


def active(office: PostOffice, name: str, last_signal_at: int | None, confirmed_at: int | None = None) -> int:
    """A mail due in the lane of Google to somebody who was active then."""
    person = office.person(name)
    office.change(SubscriberRow, person, last_signal_at=last_signal_at, confirmed_at=confirmed_at or START - 400 * DAY)
    return office.mail(person, lane="google")


def test_the_first_mails_of_a_new_domain_go_to_those_who_were_active_most_lately(office: PostOffice) -> None:
    asleep = [active(office, f"asleep{n}", None) for n in range(30)]
    long_ago = [active(office, f"long{n}", START - 90 * DAY) for n in range(30)]
    awake = [active(office, f"awake{n}", START - n * HOUR) for n in range(40)]
    newcomers = [active(office, f"new{n}", None, START - n * HOUR) for n in range(5)]
    with SmtpServer() as server:
        courier = warming(office, server.port)
        office.round(courier)
        assert {office.state(mail) for mail in (*awake, *newcomers)} == {"sent"}
        assert sum(office.state(mail) == "sent" for mail in long_ago) == 5
        assert {office.state(mail) for mail in asleep} == {"queued"}
        office.clock.advance(DAY)
        courier.lanes.looked_at = -1e9
        office.round(courier)
        assert {office.state(mail) for mail in long_ago} == {"sent"}
        assert sum(office.state(mail) == "sent" for mail in asleep) == 30, "the second day allows a hundred"


def test_whoever_waits_longest_is_first_when_nothing_warms_up(office: PostOffice) -> None:
    oldest = active(office, "asleep", None)
    office.clock.advance(HOUR)
    active(office, "awake", START)
    with office.world.transaction("write") as session:
        wanted = Wanted(MailClass.MARKETING, "google", 1, office.clock(), office.clock() + HOUR)
        assert [claim.id for claim in WarmUp({}).claim(session, "worker", wanted)] == [oldest]


def test_two_workers_who_chose_the_same_mails_take_each_of_them_once(office: PostOffice) -> None:
    mails = [active(office, f"awake{n}", START - n * HOUR) for n in range(10)]
    workers = [WarmUp({SENDER_DOMAIN: 0}) for _ in range(2)]
    for worker in workers:
        with office.world.transaction("read") as session:
            worker.refresh(session, f"sara@{SENDER_DOMAIN}", Paces(shipped_lanes(), lambda: 0.0), START)
            worker.choose(session, ["google"], START)
    taken: list[int] = []
    for worker, owner in ((workers[0], "one"), (workers[1], "two"), (workers[0], "one")):
        wanted = Wanted(MailClass.MARKETING, "google", 6, START, START + HOUR)
        with office.world.transaction("write") as session:
            taken += [claim.id for claim in worker.claim(session, owner, wanted)]
    assert taken == mails, "in the order of their people's last signs"


def test_what_was_chosen_and_is_no_longer_due_is_left_alone(office: PostOffice) -> None:
    gone, later, here = (active(office, name, START) for name in ("gone", "later", "here"))
    worker = WarmUp({SENDER_DOMAIN: 0})
    with office.world.transaction("read") as session:
        worker.refresh(session, f"sara@{SENDER_DOMAIN}", Paces(shipped_lanes(), lambda: 0.0), START)
        worker.choose(session, ["google"], START)
    office.change(MessageRow, gone, state="withdrawn")
    office.change(MessageRow, later, due_at=START + HOUR)
    with office.world.transaction("write") as session:
        wanted = Wanted(MailClass.MARKETING, "google", 10, START, START + HOUR)
        assert [claim.id for claim in worker.claim(session, "one", wanted)] == [here]


def test_a_lane_is_not_looked_through_again_before_a_while(office: PostOffice) -> None:
    active(office, "alice", START)
    second = iter([0.0, 1.0, 1.0, 1.5, 22.0, 22.0, 22.0])
    worker = WarmUp({SENDER_DOMAIN: 0}, lambda: next(second))
    wanted = Wanted(MailClass.MARKETING, "google", 10, START, START + HOUR)

    def taken() -> int:
        with office.world.transaction("write") as session:
            worker.refresh(session, f"sara@{SENDER_DOMAIN}", Paces(shipped_lanes(), lambda: 0.0), START)
            worker.choose(session, ["google"], START)
            return len(worker.claim(session, "one", wanted))

    assert taken() == 1
    active(office, "bob", START)
    assert taken() == 0, "the last look took a second"
    assert taken() == 1


def test_the_lane_is_read_by_its_index(office: PostOffice) -> None:
    given = {"mail_class": "marketing", "lane": "google", "now": START, "limit": 50}
    with office.world.transaction("read") as session:
        connection = session.connection()
        if is_sqlite(session):
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {warmth._MOST_ENGAGED._sqlite}", given).all()
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            rows = connection.exec_driver_sql(f"EXPLAIN {warmth._MOST_ENGAGED._postgres}", given).all()
    assert "ix_message_due" in str(rows)


def test_the_chosen_are_taken_by_their_own_rows_and_not_by_the_lane(office: PostOffice) -> None:
    given = {"mail_class": "marketing", "lane": "google", "now": START, "owner": "one", "lease_until": START}
    with office.world.transaction("read") as session:
        connection = session.connection()
        if is_sqlite(session):
            text = f"EXPLAIN QUERY PLAN {warmth._TAKE_THESE._sqlite}"
            rows = connection.exec_driver_sql(text, given | {"ids": "[1, 2]"}).all()
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            rows = connection.exec_driver_sql(f"EXPLAIN {warmth._TAKE_THESE._postgres}", given | {"ids": [1, 2]}).all()
    assert "PRIMARY KEY" in str(rows) or "message_pkey" in str(rows) or "pk_message" in str(rows)
    assert "ix_message_due" not in str(rows)
