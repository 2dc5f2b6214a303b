from sqlalchemy import delete

from app.core.instants import DAY
from app.store.engine import Database
from app.store.people import SubscriberRow
from app.store.permissions import (
    Consent,
    Suppression,
    address_hash,
    append_consent,
    consents,
    is_suppressed,
    latest_consents,
    release,
    suppress,
    suppressed,
    suppression_counts,
)
from tests.services.clock import START
from tests.store.cast import alice, bob

SECRET = b"a secret of at least thirty-two bytes"
ALICE = address_hash(SECRET, "alice@example.com")
BOB = address_hash(SECRET, "bob@example.com")


def test_the_ledger_keeps_every_line_and_says_which_is_newest(database: Database) -> None:
    with database.transaction() as session:
        person, other = alice(session).id, bob(session).id
        asked = Consent(person, "mail", "asked", START, wording="یک نامه در هفته", box="ebook", page="/blog")
        append_consent(session, asked)
        append_consent(session, Consent(person, "mail", "confirmed", START + 1))
        append_consent(session, Consent(person, "tracking", "refused", START))
        append_consent(session, Consent(other, "mail", "withdrawn", START + DAY))
    with database.transaction("read") as session:
        latest = latest_consents(session, person)
        assert {kind: row.answer for kind, row in latest.items()} == {"mail": "confirmed", "tracking": "refused"}
        first, *rest = consents(session, person)
        assert (first.wording, first.box, len(first.wording_digest), len(rest)) == ("یک نامه در هفته", "ebook", 32, 2)


def test_of_two_answers_at_one_instant_the_one_written_last_counts(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session).id
        append_consent(session, Consent(person, "mail", "given", START))
        append_consent(session, Consent(person, "mail", "withdrawn", START))
        assert latest_consents(session, person)["mail"].answer == "withdrawn"


def test_a_late_line_about_earlier_times_does_not_win(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session).id
        append_consent(session, Consent(person, "mail", "withdrawn", START))
        append_consent(session, Consent(person, "mail", "given", START - DAY))
        assert latest_consents(session, person)["mail"].answer == "withdrawn"


def test_an_address_on_the_list_stays_with_its_first_reason(database: Database) -> None:
    with database.transaction() as session:
        assert not is_suppressed(session, ALICE)
        assert suppress(session, Suppression(ALICE, "hard_bounce", START)) == 1
        assert suppress(session, Suppression(ALICE, "complaint", START), Suppression(BOB, "complaint", START)) == 1
        assert suppressed(session, [ALICE, BOB, address_hash(SECRET, "carol@example.com")]) == {ALICE, BOB}
        assert suppression_counts(session) == {"hard_bounce": 1, "complaint": 1}
        assert suppress(session) == 0
        assert suppressed(session, []) == frozenset()


def test_the_list_outlives_the_person(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session).id
        suppress(session, Suppression(ALICE, "erased", START))
        append_consent(session, Consent(person, "mail", "withdrawn", START))
        session.execute(delete(SubscriberRow).where(SubscriberRow.id == person))
        assert consents(session, person) == []
        assert is_suppressed(session, ALICE)


def test_an_address_leaves_the_list_on_demand(database: Database) -> None:
    with database.transaction() as session:
        suppress(session, Suppression(ALICE, "manual", START))
        assert release(session, ALICE)
        assert not release(session, ALICE)
        assert not is_suppressed(session, ALICE)


def test_the_hash_needs_the_secret_and_tells_addresses_apart() -> None:
    assert len(ALICE) == 32
    assert ALICE != BOB
    assert address_hash(SECRET + b"!", "alice@example.com") != ALICE
    assert address_hash(b"x" * 200, "alice@example.com") != ALICE, "a secret longer than a key of BLAKE2b"
