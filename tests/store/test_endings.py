"""How claims ended, written down with what hangs on it; the same on both databases."""

from dataclasses import replace

import pytest
from sqlalchemy import select, text

from app.core.instants import HOUR, MINUTE, SECOND
from app.core.person import MailClass, MessageState
from app.store import claims, endings, signups
from app.store.claims import Claim, Wanted
from app.store.endings import Ending, Way
from app.store.engine import Database
from app.store.messages import BodyRow, DeliveryRow, MessageRow
from app.store.people import SubscriberRow
from tests.services.clock import START
from tests.store.cast import alice, bob, queued

ME, OTHER = "node-a:1", "node-b:1"
GMAIL = Wanted(MailClass.MARKETING, "gmail", 10, START, START + MINUTE)
SENT = Way(MessageState.SENT, MessageState.SENT, "", None, True, 7, True, "main", "", 250, "2.0.0")
LATER = Way(
    MessageState.WAITING, MessageState.WAITING, "throttle", START + HOUR, True, 7, True, "main", "rcpt", 451, ""
)
GIVEN_UP = LATER._replace(state=MessageState.SKIPPED, reason="gave_up", due_at=None)
PARKED = Way(MessageState.PARKED, MessageState.PARKED, "not_rendered", None, False, 7, False, "", "", 0, "")
AT = START + SECOND


@pytest.fixture
def taken(database: Database) -> list[Claim]:
    """Two mails for Alice and one for Bob, all taken; nobody is due."""
    with database.transaction() as session:
        hers, his = alice(session).id, bob(session).id
        for number, person in enumerate((hers, hers, his)):
            queued(session, person, f"{number}", START - MINUTE + number)
        session.execute(text("UPDATE subscriber SET due_at = NULL"))
    with database.transaction() as session:
        return claims.claim(session, ME, GMAIL)


def write(database: Database, *found: Ending, owner: str = ME) -> set[int]:
    with database.transaction() as session:
        return endings.write(session, owner, found, AT)


def ended(claim: Claim, way: Way = SENT, reply: str = "250 ok", body: bytes | None = b"\x02body") -> Ending:
    return Ending(claim.id, claim.claim_no, way, reply, body)


def mail(database: Database, message_id: int) -> MessageRow:
    with database.transaction("read") as session:
        return session.get_one(MessageRow, message_id)


def attempts(database: Database) -> list[tuple[int, str, str, int, str]]:
    with database.transaction("read") as session:
        rows = session.scalars(select(DeliveryRow).order_by(DeliveryRow.message_id))
        return [(row.message_id, row.outcome, row.stage, row.code, row.text) for row in rows]


def kept(database: Database) -> dict[int, bytes]:
    with database.transaction("read") as session:
        return {row.message_id: row.blob for row in session.scalars(select(BodyRow))}


def due(database: Database) -> dict[str, int | None]:
    with database.transaction("read") as session:
        return {row.address.partition("@")[0]: row.due_at for row in session.scalars(select(SubscriberRow))}


def test_each_ends_in_its_own_way(database: Database, taken: list[Claim]) -> None:
    first, second, third = taken
    assert write(database, ended(first), ended(second, LATER, "451 later", None), ended(third, PARKED, "", None)) == {
        claim.id for claim in taken
    }
    row = mail(database, first.id)
    assert (row.state, row.settled_at, row.reply, row.attempts, row.mail_version_id) == ("sent", AT, "250 ok", 1, 7)
    assert row.lease_until is None
    row = mail(database, second.id)
    assert (row.state, row.settled_at, row.due_at, row.reason, row.attempts) == (
        "waiting",
        None,
        START + HOUR,
        "throttle",
        1,
    )
    row = mail(database, third.id)
    assert (row.state, row.settled_at, row.due_at, row.attempts) == ("parked", AT, START - MINUTE + 2, 0)
    assert attempts(database) == [
        (first.id, "sent", "", 250, "250 ok"),
        (second.id, "waiting", "rcpt", 451, "451 later"),
    ]
    assert kept(database) == {first.id: b"\x02body"}


def test_whose_mail_is_over_is_woken_and_nobody_else(database: Database, taken: list[Claim]) -> None:
    hers, _, his = taken
    write(database, ended(his, LATER, body=None))
    assert due(database) == {"alice": None, "bob": None}
    write(database, ended(hers))
    assert due(database) == {"alice": AT, "bob": None}


def test_bodies_of_any_length_come_back_as_they_were(database: Database, taken: list[Claim]) -> None:
    bodies = (b"", bytes(range(256)) * 20, "چای".encode())
    write(database, *(ended(claim, body=body) for claim, body in zip(taken, bodies, strict=True)))
    assert kept(database) == {claim.id: body for claim, body in zip(taken, bodies, strict=True)}


def test_answers_in_any_words_are_kept_as_they_are(database: Database, taken: list[Claim]) -> None:
    words = ('250 "quoted" \\ {a,b} NULL', "نامه رسید", "")
    write(database, *(ended(claim, reply=reply) for claim, reply in zip(taken, words, strict=True)))
    assert tuple(mail(database, claim.id).reply for claim in taken) == words
    assert tuple(each[-1] for each in attempts(database)) == words


def test_an_endless_answer_is_cut_and_holds_no_nul(database: Database, taken: list[Claim]) -> None:
    write(database, ended(taken[0], reply="\0" + "x" * 5_000), ended(taken[1], SENT._replace(reason="r" * 200)))
    assert mail(database, taken[0].id).reply == "x" * 1_000
    assert attempts(database)[0][-1] == "x" * 1_000
    assert mail(database, taken[1].id).reason == "r" * 64


def test_what_is_not_ours_any_more_is_left_alone_but_its_attempt_is_remembered(
    database: Database, taken: list[Claim]
) -> None:
    first, second, _ = taken
    assert write(database, ended(first), owner=OTHER) == set()
    assert write(database, ended(replace(second, claim_no=second.claim_no + 1))) == set()
    assert mail(database, first.id).state == mail(database, second.id).state == "claimed"
    assert kept(database) == {}
    assert [each[0] for each in attempts(database)] == [first.id, second.id]
    assert due(database) == {"alice": None, "bob": None}


def test_a_late_good_answer_makes_an_uncertain_mail_sent_and_no_other_answer_does(
    database: Database, taken: list[Claim]
) -> None:
    first, second, _ = taken
    with database.transaction() as session:
        claims.lose(session, ME, [first, second], START)
    assert write(database, ended(first), ended(second, GIVEN_UP, "451", None)) == {first.id}
    assert (mail(database, first.id).state, mail(database, second.id).state) == ("sent", "uncertain")
    assert kept(database) == {first.id: b"\x02body"}


def test_written_twice_nothing_more_changes(database: Database, taken: list[Claim]) -> None:
    assert write(database, ended(taken[0])) == {taken[0].id}
    assert write(database, ended(taken[0], reply="again", body=b"again")) == set()
    assert mail(database, taken[0].id).reply == "250 ok"
    assert mail(database, taken[0].id).attempts == 1
    assert attempts(database) == [(taken[0].id, "sent", "", 250, "250 ok")]
    assert kept(database) == {taken[0].id: b"\x02body"}


def test_given_up_is_skipped_and_its_attempt_made_it_wait(database: Database, taken: list[Claim]) -> None:
    write(database, ended(taken[0], GIVEN_UP, "451 later", None))
    assert (mail(database, taken[0].id).state, mail(database, taken[0].id).reason) == ("skipped", "gave_up")
    assert attempts(database) == [(taken[0].id, "waiting", "rcpt", 451, "451 later")]


def test_of_an_erased_person_nothing_is_written(database: Database, taken: list[Claim]) -> None:
    with database.transaction() as session:
        signups.erase(session, session.scalars(select(MessageRow.subscriber_id)).first() or 0)
    hers, _, his = taken
    assert write(database, ended(hers), ended(his)) == {his.id}
    assert [each[0] for each in attempts(database)] == [his.id]
    assert list(kept(database)) == [his.id]


def test_nothing_to_write_is_nothing_to_ask(database: Database) -> None:
    assert write(database) == set()
