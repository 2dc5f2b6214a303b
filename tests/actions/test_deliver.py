"""A courier against a real SMTP server, on both databases: who gets what, and what is written down of it."""

from __future__ import annotations

import email
import email.policy
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.actions.deliver import Courier
from app.actions.deliver_recording import Recording
from app.actions.deliver_taking import Load, Taking
from app.core.instants import DAY, MINUTE, SECOND
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.mail.dkim import Signer, read_signer
from app.store import bodies, paces, steering
from app.store.engine import Database
from app.store.people import SubscriberRow
from app.store.permissions import address_hash, is_suppressed
from tests.actions.post_office import MARKETING, SERVICE, PostOffice, lose_leases, open_office, working
from tests.servers.smtp import Answer, Close, Rule, SmtpServer, Take, Talk, Wait, wait_until
from tests.services.clock import Clock


@pytest.fixture
def office(database: Database, tmp_path: Path, clock: Clock) -> Iterator[PostOffice]:
    with open_office(database, tmp_path, clock) as office:
        yield office


def only(stage: str, *answers: Answer) -> dict[str, Rule]:
    """The first times this stage is reached the server answers so; then as usual."""
    left = list(answers)

    def rule(_talk: Talk, _line: str) -> Answer | None:
        return left.pop(0) if left else None

    return {stage: rule}


def test_a_due_mail_is_handed_over_and_recorded(office: PostOffice) -> None:
    alice = office.person("alice")
    message = office.mail(alice)
    with SmtpServer() as server:
        assert office.courier(server.port).deliver() == 1
        (mail,) = server.mails
    assert mail.recipient == "alice@example.com"
    assert mail.sender.startswith("b+")
    assert mail.sender.endswith("@bounce.example.com")
    read = email.message_from_bytes(mail.data, policy=email.policy.default)
    row = office.row(message)
    assert read["Message-ID"] == f"<{row.public_id.hex()}@example.com>"
    assert (row.state, row.attempts, row.settled_at) == ("sent", 1, office.clock())
    (attempt,) = office.attempts(message)
    assert (attempt.relay, attempt.code, attempt.outcome) == ("relay", 250, "sent")
    with office.world.transaction("read") as session:
        kept = bodies.html_of(session, message)
    html = read.get_body(("html",))
    assert html is not None
    assert kept is not None
    assert kept.split() == html.get_content().split()


def test_many_mails_leave_once_each(office: PostOffice) -> None:
    ids = office.crowd(230)
    with SmtpServer() as server:
        assert office.courier(server.port, connections=3).deliver() == 230
        has = sorted(mail.recipient for mail in server.mails)
    assert len(has) == len(set(has)) == len(ids)
    assert office.states() == {"sent": 230}


def test_when_the_next_load_cannot_be_taken_the_last_one_is_recorded_by_itself(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = count()

    class Unlucky(Taking):
        def within(self, session: Session) -> tuple[Load | None, int]:
            found = super().within(session)
            if next(tries) % 2:
                raise OperationalError("COMMIT", None, Exception("the line is gone"))
            return found

    monkeypatch.setattr("app.actions.deliver.Taking", Unlucky)
    ids = office.crowd(130)
    with SmtpServer() as server:
        assert office.courier(server.port).deliver() == 130
        assert len({mail.recipient for mail in server.mails}) == len(server.mails) == 130
    assert office.states() == {"sent": 130}
    assert all(len(office.attempts(each)) == 1 for each in ids[:5])
    assert next(tries) > 2
    today = office.clock() // DAY
    with office.world.transaction("read") as session:
        assert paces.lanes_by_day(session, "example.com", today, today)["default", today, "tried"] == 130


def test_what_has_ended_is_recorded_though_its_load_goes_out_slowly(office: PostOffice) -> None:
    office.crowd(4)
    may_go_on = threading.Event()

    finals = count(1)

    def third_waits(_talk: Talk, _line: str) -> Answer | None:
        if next(finals) == 3:
            assert may_go_on.wait(10)
        return None

    with SmtpServer(rules={"final": third_waits}) as server, working(office.courier(server.port)):
        assert wait_until(lambda: office.states()["sent"] == 2)
        assert office.states()["claimed"] == 2
        may_go_on.set()
    assert office.states() == {"sent": 4}


def test_while_books_cannot_be_kept_nothing_more_is_taken_and_nothing_is_forgotten(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.crowd(130)
    is_away, tries = threading.Event(), count()

    class Away(Recording):
        def write(self, session: Session) -> None:
            if is_away.is_set():
                next(tries)
                raise OperationalError("UPDATE", None, Exception("the line is gone"))
            super().write(session)

    for module in ("deliver", "deliver_recording"):
        monkeypatch.setattr(f"app.actions.{module}.Recording", Away)
    is_away.set()
    with SmtpServer() as server, working(office.courier(server.port)):
        assert wait_until(lambda: next(tries) > 3)
        assert len(server.mails) <= 100
        is_away.clear()
    assert len({mail.recipient for mail in server.mails}) == len(server.mails) == 130
    assert office.states() == {"sent": 130}


def test_who_may_not_be_mailed_gets_nothing(office: PostOffice) -> None:
    bob = office.mail(office.person("bob", SubscriberState.PENDING))
    carol = office.mail(office.person("carol", SubscriberState.UNSUBSCRIBED))
    with SmtpServer() as server:
        office.courier(server.port).deliver()
        assert server.mails == []
    assert [office.row(one).reason for one in (bob, carol)] == ["not_confirmed", "unsubscribed"]
    assert office.states() == {"skipped": 2}


def test_a_4xx_is_tried_again_later_and_later(office: PostOffice) -> None:
    message = office.mail(office.person("alice"))
    with SmtpServer(rules=only("rcpt", b"451 4.7.1 Greylisted\r\n", b"451 4.7.1 Greylisted\r\n")) as server:
        courier = office.courier(server.port)
        waits = []
        for _ in range(2):
            office.round(courier)
            row = office.row(message)
            assert row.state == "waiting"
            waits.append(row.due_at - office.clock())
            office.clock.now = row.due_at
        office.round(courier)
    assert 10 * MINUTE <= waits[0] <= 12.5 * MINUTE
    assert 30 * MINUTE <= waits[1] <= 37.5 * MINUTE
    assert office.state(message) == "sent"
    assert [each.outcome for each in office.attempts(message)] == ["waiting", "waiting", "sent"]


def test_nothing_is_tried_longer_than_it_is_fresh(office: PostOffice) -> None:
    message = office.mail(office.person("alice"), fresh_until=office.clock() + 5 * MINUTE)
    with SmtpServer(rules=only("rcpt", b"451 4.3.0 Later\r\n")) as server:
        office.courier(server.port).deliver()
    row = office.row(message)
    assert (row.state, row.reason, row.attempts) == ("skipped", "gave_up", 1)


def test_a_hard_refusal_suppresses_the_address(office: PostOffice) -> None:
    alice = office.person("alice")
    message = office.mail(alice)
    with SmtpServer(rules=only("rcpt", b"550 5.1.1 No such user\r\n")) as server:
        office.courier(server.port).deliver()
    assert office.row(message).reason == "hard"
    assert office.subscriber(alice).is_suppressed
    with office.world.transaction("read") as session:
        assert is_suppressed(session, address_hash(office.world.secret, "alice@example.com"))


def test_a_block_is_never_held_against_the_reader(office: PostOffice) -> None:
    alice = office.person("alice")
    office.mail(alice)
    with SmtpServer(rules=only("final", b"550 5.7.1 Blocked by Spamhaus\r\n")) as server:
        office.courier(server.port).deliver()
    assert office.states() == {"refused": 1}
    assert not office.subscriber(alice).is_suppressed


def test_a_notice_our_own_server_refuses_suppresses_no_reader(office: PostOffice) -> None:
    alice = office.person("alice")
    office.mail(alice, MailClass.TEAM, recipient="boss@example.com")
    with SmtpServer(rules=only("rcpt", b"550 5.1.1 No such user\r\n")) as server:
        office.courier(server.port, kind=MailClass.TEAM).deliver()
    assert office.states() == {"refused": 1}
    assert not office.subscriber(alice).is_suppressed


def test_five_mails_refused_softly_over_two_weeks_give_an_address_up(office: PostOffice) -> None:
    alice = office.person("alice")
    with SmtpServer(rules={"rcpt": lambda *_: b"552 5.2.2 Mailbox full\r\n"}) as server:
        courier = office.courier(server.port)
        for number in range(6):
            office.mail(alice)
            office.round(courier)
            assert office.subscriber(alice).is_suppressed == (number == 5), number
            office.clock.advance(3 * DAY)


def test_a_mail_that_arrives_forgives_soft_bounces(office: PostOffice) -> None:
    alice = office.person("alice")
    full = [True]
    rules: dict[str, Rule] = {"rcpt": lambda *_: b"552 5.2.2 Mailbox full\r\n" if full[0] else None}
    with SmtpServer(rules=rules) as server:
        courier = office.courier(server.port)
        for number in range(8):
            full[0] = number != 4
            office.mail(alice)
            office.round(courier)
            office.clock.advance(4 * DAY)
    assert not office.subscriber(alice).is_suppressed


def test_a_relay_that_is_down_costs_no_mail_its_chances(office: PostOffice) -> None:
    message = office.mail(office.person("alice"))
    with SmtpServer() as server:
        port = server.port
    courier = office.courier(port)
    office.round(courier)
    row = office.row(message)
    assert (row.state, row.attempts, row.reason) == ("waiting", 0, "relay")
    assert not courier.transport.is_ready
    with SmtpServer(port=port) as server:
        office.clock.now = row.due_at
        Courier(courier.post, office.courier(port, courier.post).transport, (MARKETING,)).deliver()
        assert len(server.mails) == 1


def test_silence_after_the_final_dot_is_uncertain_and_never_sent_again(office: PostOffice) -> None:
    message = office.mail(office.person("alice"))
    with SmtpServer(rules=only("final", [Take(), Close()])) as server:
        courier = office.courier(server.port)
        office.round(courier)
        office.clock.advance(2 * DAY)
        office.round(courier)
        assert len(server.mails) == 1
    assert office.state(message) == "uncertain"


def test_a_mail_that_cannot_be_written_is_parked_and_takes_no_other_with_it(office: PostOffice) -> None:
    broken = office.mail(office.person("alice"), mail="no-such-mail")
    whole = office.mail(office.person("dave"))
    with SmtpServer() as server:
        office.courier(server.port).deliver()
        assert len(server.mails) == 1
    assert (office.row(broken).state, office.row(broken).reason) == ("parked", "no_such_mail")
    assert office.state(whole) == "sent"


# ── Permission at the last moment ────────────────────────────────────────────────────────────────────────────────────


def test_she_who_leaves_while_the_letters_before_hers_go_out_gets_nothing(office: PostOffice) -> None:
    ids = office.crowd(12)
    last = office.row(max(ids))

    def slow(_talk: Talk, _line: str) -> Answer | None:
        return [Wait(0.1), b"250 2.0.0 OK\r\n"]

    with SmtpServer(rules={"rcpt": slow}) as server, working(office.courier(server.port)):
        wait_until(lambda: len(server.mails) >= 2)
        office.change(SubscriberRow, last.subscriber_id, state="unsubscribed", unsubscribed_at=office.clock())
    assert office.states() == {"sent": 11, "skipped": 1}
    assert office.row(last.id).reason == "unsubscribed"


def test_signed_mails_are_written_ahead_and_each_is_her_own(office: PostOffice) -> None:
    office.crowd(40)
    signer = a_signer()
    with SmtpServer() as server:
        office.courier(server.port, replace(office.post(), signers=(signer,))).deliver()
        for mail in server.mails:
            assert dkim.verify(mail.data, dnsfunc=lambda *_, **__: signer.record.encode())
            assert email.message_from_bytes(mail.data)["To"] == mail.recipient
    assert office.states() == {"sent": 40}


def test_she_who_leaves_after_hers_was_written_and_signed_gets_nothing(office: PostOffice) -> None:
    last = office.row(max(office.crowd(8)))

    def slow(_talk: Talk, _line: str) -> Answer | None:
        return [Wait(0.15), b"250 2.0.0 OK\r\n"]

    post = replace(office.post(), signers=(a_signer(),))
    with SmtpServer(rules={"rcpt": slow}) as server, working(office.courier(server.port, post)):
        wait_until(lambda: len(server.mails) >= 1)
        office.change(SubscriberRow, last.subscriber_id, state="unsubscribed", unsubscribed_at=office.clock())
    assert office.states() == {"sent": 7, "skipped": 1}


def a_signer() -> Signer:
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return read_signer(pem, "example.com", "tests")


def test_the_kill_switch_holds_within_a_second(office: PostOffice) -> None:
    office.crowd(40)

    def slow(_talk: Talk, _line: str) -> Answer | None:
        return [Wait(0.1), b"250 2.0.0 OK\r\n"]

    with SmtpServer(rules={"rcpt": slow}) as server:
        with working(office.courier(server.port)):
            wait_until(lambda: len(server.mails) >= 3)
            with office.world.transaction("write") as session:
                steering.kill(session, is_killed=True)
            killed_at, before = time.monotonic(), len(server.mails)
        assert time.monotonic() - killed_at < 1.5
        assert len(server.mails) - before <= 10, "a second's worth at most"
    states = office.states()
    assert states["queued"] == 40 - states["sent"]
    assert states["queued"] > 0


def test_under_the_kill_switch_nothing_is_even_claimed(office: PostOffice) -> None:
    message = office.mail(office.person("alice"))
    with office.world.transaction("write") as session:
        steering.kill(session, is_killed=True)
    with SmtpServer() as server:
        assert office.courier(server.port).deliver() == 0
    assert office.row(message).claim_no == 0


def test_a_confirmation_does_not_wait_behind_a_campaign(office: PostOffice) -> None:
    office.crowd(60)

    def slow_crowd(_talk: Talk, text: str) -> Answer | None:
        return None if "alice@example.com" in text else [Wait(0.05), b"250 2.0.0 OK\r\n"]

    with SmtpServer(rules={"final": slow_crowd}) as server:
        post = office.post()
        marketing = office.courier(server.port, post)
        service = office.courier(server.port, post, kind=SERVICE)
        with working(marketing):
            wait_until(lambda: len(server.mails) >= 3)
            confirmation = office.mail(office.person("alice"), SERVICE)
            began = time.monotonic()
            service.deliver()
            took = time.monotonic() - began
            assert len(server.mails) < 60
    assert office.state(confirmation) == "sent"
    assert took < 2


# ── Pace ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_provider_that_asks_for_patience_gets_it_and_the_others_go_on(office: PostOffice) -> None:
    crowd = [office.mail(office.person(f"g{n}"), lane="google") for n in range(30)]
    other = office.mail(office.person("dave"), lane="yahoo")

    def rule(_talk: Talk, line: str) -> Answer | None:
        return None if "<dave@" in line else b"421 4.7.28 unusual rate of mail\r\n"

    with SmtpServer(rules={"rcpt": rule}) as server:
        courier = office.courier(server.port)
        office.round(courier)
        tried = sum(office.row(one).attempts for one in crowd)
        office.clock.advance(SECOND)
        office.round(courier)
    assert tried <= 10
    assert courier.post.paces.room("google") < 5
    assert office.state(other) == "sent", [(a.stage, a.code, a.text) for a in office.attempts(other)]


def test_one_small_servers_mood_does_not_stop_everybody_else(office: PostOffice) -> None:
    office.crowd(3)
    with SmtpServer(rules=only("rcpt", b"451 4.7.1 too many messages, slow down\r\n")) as server:
        courier = office.courier(server.port)
        office.round(courier)
    assert office.states() == {"sent": 2, "waiting": 1}
    assert courier.post.paces.room("default") > 0


# ── Leases ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_final_dot_is_written_on_a_lease_that_has_run_out(office: PostOffice) -> None:
    office.crowd(5)
    late = [0.0]
    object.__setattr__(office.world, "monotonic", lambda: time.monotonic() + late[0])

    def stall(_talk: Talk, _line: str) -> Answer | None:
        late[0] = 101.0  # as if this process had been stopped for a while
        return None

    with SmtpServer(rules={"data": stall}) as server:
        office.courier(server.port).deliver()
        first, *_ = server.talks
        assert first.mails == 0
        assert len(server.mails) == 5
    assert office.states() == {"sent": 5}
    assert min(office.row(one).claim_no for one in office.public_ids()) == 2, "all were claimed anew"


def test_a_renewed_lease_lets_them_go(office: PostOffice) -> None:
    office.crowd(5)
    late = [0.0]
    object.__setattr__(office.world, "monotonic", lambda: time.monotonic() + late[0])

    with SmtpServer() as server:
        courier = office.courier(server.port)

        def renew(_talk: Talk, _line: str) -> Answer | None:
            late[0] += 40.0
            courier.renewed(office.world.monotonic())
            return None

        server.rules["data"] = renew
        office.round(courier)
        assert len(server.mails) == 5


def test_what_was_called_uncertain_behind_our_back_and_never_began_goes_back(office: PostOffice) -> None:
    ids = office.crowd(4)
    asleep = [0.0]
    object.__setattr__(office.world, "monotonic", lambda: time.monotonic() + asleep[0])

    def oversleep(_talk: Talk, _line: str) -> Answer | None:
        if not asleep[0]:
            asleep[0] = 200.0
            assert lose_leases(office.world) == 4
        return None

    with SmtpServer(rules={"data": oversleep}) as server:
        courier = office.courier(server.port)
        courier.deliver()
        office.clock.advance(2 * SECOND)
        office.round(courier)
        assert len(server.mails) == 4
    assert [office.state(one) for one in ids] == ["sent"] * 4


def test_stopping_finishes_what_is_in_flight_and_gives_the_rest_back(office: PostOffice) -> None:
    office.crowd(50)

    def slow(_talk: Talk, _line: str) -> Answer | None:
        return [Wait(0.05), b"250 2.0.0 OK\r\n"]

    with SmtpServer(rules={"final": slow}) as server:
        courier = office.courier(server.port)
        with working(courier) as thread:
            wait_until(lambda: len(server.mails) >= 3)
            began = time.monotonic()
            courier.stop(10)
            thread.join(10)
            took = time.monotonic() - began
        has = len(server.mails)
    assert took < 5
    assert office.states() == {"sent": has, "queued": 50 - has}
