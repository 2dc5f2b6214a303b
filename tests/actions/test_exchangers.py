"""Domains go by where their mail is taken in: a real name server, both databases, a queue that follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select

from app.actions.exchangers import FAILURES, Exchangers
from app.actions.laning import Why, lanes_of, placed, placed_most, tally
from app.core.exchangers import Told
from app.core.instants import DAY, MINUTE
from app.core.person import MailClass
from app.core.scenario import Person
from app.mail.lanes_file import read_lanes, shipped_lanes
from app.store import exchangers as store
from app.store.engine import Database
from app.store.exchangers import Domain
from app.store.messages import MessageRow
from app.store.people import NewSubscriber, SubscriberRow, create
from app.world import World
from tests.actions.post_office import PostOffice, build_world, publish
from tests.actions.small_site import WELCOME, Player, play, site_with
from tests.servers.names import NameServer
from tests.services.clock import Clock
from tests.store.cast import new_id

GOOGLE, MICROSOFT = "aspmx.l.google.com", "firm-ir.mail.protection.outlook.com"
ZONE = (
    f"workspace.ir MX 1 {GOOGLE}.",
    f"firm.ir MX 0 {MICROSOFT}.",
    "own.ir MX 10 mx.own.ir.",
    "mx.own.ir A 127.0.0.1",
    "hidden.ir MX 10 mail.hidden.ir.",
    f"mail.hidden.ir CNAME {MICROSOFT}.",
    f"{MICROSOFT} A 127.0.0.1",
    f"split.ir MX 5 {GOOGLE}.",
    "split.ir MX 5 eu-smtp-inbound-1.mimecast.com.",
    "spare.ir MX 5 mx.own.ir.",
    f"spare.ir MX 50 {GOOGLE}.",
    "nomail.ir MX 0 .",
    "plain.ir A 127.0.0.1",
    f"xn--mgba3a4f16a.ir MX 1 {GOOGLE}.",
)


class Seconds:
    """A clock since boot that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def asking(database: Database, folder: Path, clock: Clock, server: NameServer | None) -> Iterator[PostOffice]:
    """An installation that asks this name server; without one, nobody is asked."""
    world = replace(
        build_world(database, folder, clock, mx=server.address if server else None),
        monotonic=Seconds(),
        new_id=lambda: bytes(16),
    )
    publish(replace(world, new_id=new_id))
    office = PostOffice(world, clock)
    yield office
    office.close()


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer(list(ZONE)) as names:
        yield names


@pytest.fixture
def office(database: Database, tmp_path: Path, clock: Clock, server: NameServer) -> Iterator[PostOffice]:
    with asking(database, tmp_path, clock, server) as found:
        yield found


def person(office: PostOffice, address: str, state: str = "active") -> int:
    with office.world.transaction("write") as session:
        at = office.clock()
        row = create(session, NewSubscriber(new_id(), address, address, "lead", at, locale="en"))
        row.state, row.confirmed_at, row.due_at = state, at, None
        session.flush()
        return row.id


def rows(world: World) -> dict[str, Domain]:
    with world.transaction("read") as session:
        return {each.domain: each for each in store.after(session, "", 1_000)}


def later(office: PostOffice, span: int) -> None:
    office.clock.advance(span)
    seconds = office.world.monotonic
    assert isinstance(seconds, Seconds)
    seconds.now += span / 1_000_000


def test_each_domain_goes_by_where_its_mail_is_taken_in(office: PostOffice, server: NameServer) -> None:
    domains = ["workspace.ir", "firm.ir", "own.ir", "hidden.ir", "split.ir", "spare.ir", "nomail.ir", "plain.ir",
               "gone.ir", "xn--mgba3a4f16a.ir"]  # fmt: skip
    for domain in [*domains, "gmail.com", "alice.test"]:
        person(office, f"alice@{domain}")
    assert Exchangers(office.world).round() == len(domains)
    with office.world.transaction("read") as session:
        lanes = lanes_of(office.world, session, [f"bob@{domain}" for domain in [*domains, "gmail.com", "new.ir"]])
    assert lanes == {
        "bob@workspace.ir": "google",
        "bob@firm.ir": "microsoft365",
        "bob@own.ir": "default",
        "bob@hidden.ir": "microsoft365",
        "bob@split.ir": "google",  # the tighter of two that both get its mail
        "bob@spare.ir": "default",  # Google is only asked when its own host is away
        "bob@nomail.ir": "default",
        "bob@plain.ir": "default",
        "bob@gone.ir": "default",
        "bob@xn--mgba3a4f16a.ir": "google",
        "bob@gmail.com": "google",
        "bob@new.ir": "default",
    }
    told = {domain: row.told for domain, row in rows(office.world).items()}
    assert told["nomail.ir"] is Told.NULL
    assert told["plain.ir"] is Told.ADDRESS
    assert told["gone.ir"] is Told.MISSING
    assert told["gmail.com"] is told["alice.test"] is Told.NOTHING
    assert {"gmail.com", "alice.test"}.isdisjoint(server.names())


def test_a_new_mail_is_queued_in_the_lane_that_was_found() -> None:
    stage = play(site_with(WELCOME))
    with stage.world.transaction("write") as session:
        known = Domain("firm.ir", 1, "microsoft365", Told.FOUND, (MICROSOFT,))
        store.put(session, [known])
        store.record(session, [known])
    alice, bob = Player(stage, "alice"), Player(stage, "bob")
    alice.person, bob.person = Person("alice", "alice@firm.ir"), Person("bob", "bob@own.ir")
    alice.joins()
    bob.joins()
    with stage.world.transaction("read") as session:
        query = select(SubscriberRow.address, MessageRow.lane).join_from(MessageRow, SubscriberRow)
        lanes = {row.address: row.lane for row in session.execute(query.where(MessageRow.mail_key == "a"))}
    assert lanes == {"alice@firm.ir": "microsoft365", "bob@own.ir": "default"}


def test_what_waits_moves_and_what_is_claimed_stays(office: PostOffice) -> None:
    alice, bob = person(office, "alice@firm.ir"), person(office, "bob@own.ir")
    queued, waiting, claimed, sent, service = (
        office.mail(alice, kind) for kind in (*[MailClass.MARKETING] * 4, MailClass.SERVICE)
    )
    elsewhere = office.mail(alice, lane="yahoo")
    bobs = office.mail(bob)
    for mail, state in ((waiting, "waiting"), (claimed, "claimed"), (sent, "sent")):
        office.change(MessageRow, mail, state=state)
    Exchangers(office.world).round()
    assert [office.row(mail).lane for mail in (queued, waiting)] == ["microsoft365"] * 2
    assert [office.row(mail).lane for mail in (claimed, sent, service, bobs)] == ["default"] * 4
    assert office.row(elsewhere).lane == "yahoo"
    assert rows(office.world)["firm.ir"].lane == "microsoft365"


def test_a_long_queue_is_moved_in_steps_across_ranks_and_times(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = person(office, "alice@firm.ir"), person(office, "bob@own.ir")
    hers = [office.mail(alice, rank=number % 3) for number in range(20)]
    his = [office.mail(bob, rank=number % 2) for number in range(9)]
    monkeypatch.setattr("app.actions.exchangers._WAITING", 4)
    Exchangers(office.world).round()
    assert {office.row(mail).lane for mail in hers} == {"microsoft365"}
    assert {office.row(mail).lane for mail in his} == {"default"}


def test_those_with_most_people_are_asked_about_first_and_few_at_a_time(office: PostOffice, server: NameServer) -> None:
    for domain, people in (("own.ir", 1), ("firm.ir", 3), ("workspace.ir", 2)):
        for number in range(people):
            person(office, f"p{number}@{domain}")
    asking = Exchangers(office.world, most=2)
    assert asking.round() == 2
    assert server.names() == ["firm.ir", "workspace.ir"]
    assert asking.round() == 1
    assert asking.round() == 0


def test_an_answer_holds_for_days_and_a_change_of_provider_moves_the_queue(
    office: PostOffice, server: NameServer
) -> None:
    alice = person(office, "alice@firm.ir")
    asking = Exchangers(office.world)
    asking.round()
    later(office, 6 * DAY)
    assert asking.round() == 0
    mail = office.mail(alice, lane="microsoft365")
    server.zone = [f"firm.ir MX 1 {GOOGLE}."]
    later(office, DAY)
    assert asking.round() == 1
    assert office.row(mail).lane == "google"


@pytest.mark.parametrize("way", ["SERVFAIL", "silence"])
def test_a_failure_keeps_the_last_answer_and_is_tried_again(office: PostOffice, server: NameServer, way: str) -> None:
    person(office, "alice@firm.ir")
    asking = Exchangers(office.world, patience=0.1)
    asking.round()
    known = rows(office.world)["firm.ir"]
    if way == "silence":
        server.silent.add("firm.ir")
    else:
        server.codes["firm.ir"] = way
    later(office, 7 * DAY)
    assert asking.round() == 1
    failed = rows(office.world)["firm.ir"]
    assert (failed.told, failed.hosts, failed.told_at) == (known.told, known.hosts, known.told_at)
    assert failed.failures == 1
    assert failed.fault == ("nobody answered in time" if way == "silence" else "the name server says SERVFAIL")
    server.silent.clear()
    server.codes.clear()
    later(office, 59 * MINUTE)
    assert asking.round() == 0
    later(office, MINUTE)
    assert asking.round() == 1
    assert rows(office.world)["firm.ir"].failures == 0


def test_without_any_dns_everything_is_as_names_tell_it_and_it_is_said_once(
    database: Database, tmp_path: Path, clock: Clock
) -> None:
    with (
        NameServer(silent={f"d{number}.ir" for number in range(9)}) as server,
        asking(database, tmp_path, clock, server) as office,
    ):
        for number in range(9):
            person(office, f"alice@d{number}.ir")
        mail = office.mail(person(office, "bob@d1.ir"))
        asking_, asked = Exchangers(office.world, patience=0.05), list[int]()
        with structlog.testing.capture_logs() as logs:
            for _ in range(9):
                asked.append(asking_.round())
                later(office, 2 * MINUTE)
        assert [each["event"] for each in logs] == ["mx_lookups_rest"]
        assert asked == [3, 0, 0, 3, 0, 0, 0, 0, 3]  # three a time, longer apart each time
        assert len(set(server.names())) == 9
        assert office.row(mail).lane == "default"


def test_a_server_that_refuses_everything_is_left_alone_for_a_while(office: PostOffice, server: NameServer) -> None:
    for number in range(FAILURES + 5):
        person(office, f"alice@r{number:02}.ir")
        server.codes[f"r{number:02}.ir"] = "REFUSED"
    asking = Exchangers(office.world)
    assert asking.round() == FAILURES
    assert asking.round() == 0
    later(office, 5 * MINUTE)
    assert asking.round() == 5


def test_domains_nobody_has_any_more_are_forgotten_and_counts_are_kept(office: PostOffice) -> None:
    alice = person(office, "alice@firm.ir")
    person(office, "bob@own.ir", "pending")
    person(office, "carol@own.ir", "unsubscribed")
    person(office, "carol@left.ir", "unsubscribed")
    asking = Exchangers(office.world)
    asking.round()
    assert {domain: row.people for domain, row in rows(office.world).items()} == {"firm.ir": 1, "own.ir": 1}
    person(office, "dora@later.ir")
    office.change(SubscriberRow, alice, state="erased", address_key=f"erased:{alice}")
    asking.round()
    assert set(rows(office.world)) == {"firm.ir", "own.ir", "later.ir"}
    later(office, DAY)
    asking.round()
    assert set(rows(office.world)) == {"own.ir", "later.ir"}


def test_switched_off_nobody_is_asked_and_what_was_known_is_forgotten(
    database: Database, tmp_path: Path, clock: Clock, server: NameServer
) -> None:
    with asking(database, tmp_path, clock, server) as office:
        person(office, "alice@firm.ir")
        Exchangers(office.world).round()
        off = replace(office.world, settings=replace(office.world.settings, mx=None))
        asked = len(server.asked)
        with off.transaction("read") as session:
            assert lanes_of(off, session, ["alice@firm.ir"]) == {"alice@firm.ir": "default"}
        assert Exchangers(off).round() == 0
        assert rows(off) == {}
        assert len(server.asked) == asked


def test_a_file_of_ones_own_moves_what_waits_when_the_worker_starts_again(office: PostOffice) -> None:
    alice, bob = person(office, "alice@own.ir"), person(office, "bob@workspace.ir")
    mails = office.mail(alice), office.mail(bob)
    Exchangers(office.world).round()
    assert [office.row(mail).lane for mail in mails] == ["default", "google"]
    own = read_lanes("[hosts]\nmx = ['own.ir']\n[mine]\ndomains = ['workspace.ir']\n", "own.toml", shipped_lanes())
    Exchangers(replace(office.world, lanes=own)).round()
    assert [office.row(mail).lane for mail in mails] == ["hosts", "mine"]
    assert rows(office.world)["workspace.ir"].due_at is None
    Exchangers(office.world).round()
    assert [office.row(mail).lane for mail in mails] == ["default", "google"]


def test_two_workers_ask_about_a_domain_once(office: PostOffice, server: NameServer) -> None:
    for number in range(4):
        person(office, f"alice@t{number}.ir")
    one, other = Exchangers(office.world, most=2), Exchangers(office.world, most=2)
    assert one.round() + other.round() == 4
    assert sorted(server.names()) == [f"t{number}.ir" for number in range(4)]


def test_it_stops_when_the_worker_is_told_to(office: PostOffice, server: NameServer) -> None:
    person(office, "alice@firm.ir")
    assert Exchangers(office.world).round(lambda: True) == 0
    assert server.asked == []
    assert Exchangers(office.world).round() == 1


def test_a_lookup_holds_no_transaction_open(office: PostOffice, server: NameServer) -> None:
    """While the name server thinks, somebody else may write."""
    person(office, "alice@firm.ir")
    wrote: list[int] = []

    before = server.answer

    def answer(wire: bytes, over: str) -> bytes | None:
        wrote.append(office.person("dora"))
        return before(wire, over)

    server.answer = answer  # type: ignore[method-assign]
    assert Exchangers(office.world).round() == 1
    assert len(wrote) == 1


def test_it_is_told_which_domain_is_where_and_why(office: PostOffice) -> None:
    for domain in ("firm.ir", "firm.ir", "own.ir", "gmail.com", "nomail.ir"):
        person(office, f"{new_id().hex()}@{domain}")
    Exchangers(office.world).round()
    names = ["firm.ir", "gmail.com", "own.ir", "unknown.ir"]
    found = [(each.lane, each.why, each.host) for each in placed(office.world, names)]
    assert found == [
        ("microsoft365", Why.MX, MICROSOFT),
        ("google", Why.NAME, ""),
        ("default", Why.DEFAULT, ""),
        ("default", Why.DEFAULT, ""),
    ]
    most = placed_most(office.world, 1)
    assert [(each.domain, each.known.people if each.known else 0) for each in most] == [("firm.ir", 2)]
    assert [(each.lane, each.told.value, each.is_named, each.domains, each.people) for each in tally(office.world)] == [
        ("default", "found", False, 1, 1),
        ("default", "null", False, 1, 1),
        ("google", "", True, 1, 1),
        ("microsoft365", "found", False, 1, 2),
    ]
