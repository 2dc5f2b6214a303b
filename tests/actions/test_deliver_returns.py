"""What comes back: bounces, complaints, farewells and answers, matched to their mail, acted upon once."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from app.actions import breakers, steer
from app.actions.bounces import take_in
from app.actions.shelf import Shelf
from app.cli.messages import stop_sentence
from app.core.instants import DAY, HOUR
from app.mail.inbound import read_mail
from app.mail.inbound_event import InboundEvent, InboundKind
from app.mail.replies import ReplyClass
from app.store import accounts, alarms, claims, steering
from app.store.events import EventRow
from app.store.messages import MessageRow
from app.store.permissions import address_hash, is_suppressed
from app.store.releases import LiveRow
from tests.actions.post_office import PostOffice

HARD = InboundEvent(InboundKind.BOUNCE, "e1", "mail", ReplyClass.HARD, status="5.1.1", diagnosis="No such user")


def local(office: PostOffice, message: MessageRow) -> str:
    return office.world.links.bounce_local(message.id, 0)


def facts(office: PostOffice, person: int) -> list[tuple[str, str]]:
    with office.world.transaction("read") as session:
        rows = session.scalars(select(EventRow).where(EventRow.subscriber_id == person).order_by(EventRow.at))
        return [(row.kind, row.name) for row in rows]


def test_a_bounce_to_our_signed_address_suppresses_once(office: PostOffice, sent: MessageRow) -> None:
    event = replace(HARD, bounce_local=local(office, sent))
    assert take_in(office.world, (event,)) == 1
    office.clock.advance(HOUR)
    assert take_in(office.world, (event,)) == 0, "told again"
    assert office.subscriber(sent.subscriber_id).is_suppressed
    assert facts(office, sent.subscriber_id) == [("bounced", "a")]
    with office.world.transaction("read") as session:
        assert is_suppressed(session, address_hash(office.world.secret, "alice@example.com"))


def test_a_bounce_that_nobody_signed_is_held_against_nobody(office: PostOffice, sent: MessageRow) -> None:
    forged = replace(HARD, bounce_local="b+" + "a" * 32, recipient="alice@example.com")
    assert take_in(office.world, (forged,)) == 0
    assert not office.subscriber(sent.subscriber_id).is_suppressed


def test_a_bounce_is_matched_by_the_message_id_it_returns(office: PostOffice, sent: MessageRow) -> None:
    event = replace(HARD, message_id=f"<{sent.public_id.hex()}@example.com>")
    assert take_in(office.world, (event,)) == 1
    assert office.subscriber(sent.subscriber_id).is_suppressed


def test_a_block_that_comes_back_is_kept_and_suppresses_nobody(office: PostOffice, sent: MessageRow) -> None:
    event = replace(HARD, reply_class=ReplyClass.BLOCK, bounce_local=local(office, sent))
    assert take_in(office.world, (event,)) == 1
    assert not office.subscriber(sent.subscriber_id).is_suppressed


def test_a_complaint_ends_all_mail_at_once(office: PostOffice, sent: MessageRow) -> None:
    queued = office.mail(sent.subscriber_id, mail="b")
    event = InboundEvent(InboundKind.COMPLAINT, "c1", "mail", ReplyClass.COMPLAINT, bounce_local=local(office, sent))
    assert take_in(office.world, (event,)) == 1
    assert office.state(queued) == "withdrawn"
    assert facts(office, sent.subscriber_id) == [("complained", "a")]


def test_a_mail_to_the_unsubscribe_address_is_a_farewell(office: PostOffice, sent: MessageRow) -> None:
    person = office.subscriber(sent.subscriber_id)
    address = f"{office.world.links.unsubscribe_local(person.public_id, sent.id)}@bounce.example.com"
    raw = f"From: Alice <alice@example.com>\r\nTo: {address}\r\nSubject: unsubscribe\r\n\r\nbye\r\n".encode()
    assert take_in(office.world, read_mail(raw)) == 1
    assert office.subscriber(sent.subscriber_id).state == "unsubscribed"
    assert take_in(office.world, read_mail(raw)) == 0
    assert facts(office, sent.subscriber_id) == [("unsubscribed", "a")]


def test_an_answer_by_the_reader_herself_is_engagement_and_an_automatic_one_is_not(
    office: PostOffice, sent: MessageRow
) -> None:
    head = f"In-Reply-To: <{sent.public_id.hex()}@example.com>\r\nTo: sara@example.com\r\n"
    automatic = f"From: alice@example.com\r\nAuto-Submitted: auto-replied\r\n{head}Subject: Away\r\n\r\nlater\r\n"
    stranger = f"From: mallory@example.org\r\n{head}Subject: Re: a\r\n\r\nhello\r\n"
    hers = f"From: Alice <alice@example.com>\r\n{head}Subject: Re: Mail a\r\n\r\nHow much is it?\r\n"
    assert [take_in(office.world, read_mail(raw.encode())) for raw in (automatic, stranger, hers)] == [0, 0, 1]
    assert facts(office, sent.subscriber_id) == [("replied", "a")]


def test_what_a_provider_proves_to_have_is_no_longer_uncertain(office: PostOffice, sent: MessageRow) -> None:
    office.change(MessageRow, sent.id, state="uncertain")
    message_id = f"<{sent.public_id.hex()}@example.com>"
    event = InboundEvent(InboundKind.DELIVERED, "d1", "postmark", ReplyClass.DELIVERED, message_id=message_id)
    assert take_in(office.world, (event,)) == 1
    assert office.row(sent.id).reason == "proved"


# ── Breakers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def campaign_day(office: PostOffice, sent: int, **returned: int) -> None:
    """A day of the campaign `welcome`: so many sent, and who came back."""
    office.clock.advance(1)
    with office.world.transaction("write") as session:
        alarms.count_mails(session, {("welcome", "sent"): sent}, office.clock())
    for kind, number in returned.items():
        for each in range(number):
            message = office.mail(office.person(f"{kind}{each}-{office.clock()}"))
            office.change(MessageRow, message, campaign="welcome", state="sent")
            reply_class = ReplyClass.HARD if kind == "bounce" else ReplyClass.COMPLAINT
            event = InboundEvent(
                InboundKind(kind),
                f"{kind}{message}",
                "mail",
                reply_class,
                bounce_local=local(office, office.row(message)),
            )
            take_in(office.world, (event,))


def standing(office: PostOffice) -> str | None:
    with office.world.transaction("read") as session:
        return session.get_one(LiveRow, "welcome").standing


def test_too_many_complaints_pause_the_campaign_with_evidence_and_it_stays_so(office: PostOffice) -> None:
    shelf = Shelf(office.world.secret)
    campaign_day(office, sent=1_000, complaint=1)
    assert breakers.watch(office.world, shelf) == ()
    campaign_day(office, sent=0, complaint=1)
    office.clock.advance(1)
    (evidence,) = breakers.watch(office.world, shelf)
    assert (evidence.campaign, evidence.what, evidence.number, evidence.sent) == ("welcome", "complaints", 2, 1_000)
    assert standing(office) == "paused"
    with office.world.transaction("read") as session:
        (deed,) = accounts.deeds(session, None, 10)
    assert (deed.who, deed.subject) == ("breaker", "welcome")
    assert '"number": 2' in deed.detail
    (lasting,) = breakers.lasting(office.world)
    assert lasting.evidence == evidence
    assert stop_sentence(lasting).endswith(
        "2 of 1,000 mails marked as spam (0.20%, at most 0.10%). When it is mended: parvar resume welcome"
    )
    office.clock.advance(3 * DAY)
    assert breakers.watch(office.world, shelf) == ()
    assert standing(office) == "paused", "never resumed by itself"


def test_dead_addresses_beyond_three_in_a_hundred_pause_the_campaign(office: PostOffice) -> None:
    shelf = Shelf(office.world.secret)
    campaign_day(office, sent=200, bounce=6)
    office.clock.advance(1)
    assert breakers.watch(office.world, shelf) == ()
    campaign_day(office, sent=0, bounce=1)
    office.clock.advance(1)
    (evidence,) = breakers.watch(office.world, shelf)
    assert evidence.what == "hard_bounces"


def test_what_stopped_a_campaign_once_does_not_stop_it_again_after_a_person_resumed_it(office: PostOffice) -> None:
    shelf = Shelf(office.world.secret)
    campaign_day(office, sent=100, complaint=2)
    office.clock.advance(1)
    assert breakers.watch(office.world, shelf)
    with office.world.transaction("write") as session:
        steering.stand(session, "welcome", None, None)
    assert breakers.watch(office.world, shelf) == ()


def test_a_day_of_refusals_that_are_about_us_pauses_everything(office: PostOffice) -> None:
    shelf = Shelf(office.world.secret)
    with office.world.transaction("write") as session:
        alarms.count_mails(session, {("welcome", "sent"): 100, ("welcome", "block"): 25}, office.clock())
    (evidence,) = breakers.watch(office.world, shelf)
    assert (evidence.campaign, evidence.what) == ("", "blocks")
    with office.world.transaction("read") as session:
        shelved = shelf.look(session)
    assert shelved is not None
    assert shelved.book.is_paused
    assert breakers.watch(office.world, shelf) == ()
    assert [each.evidence.command for each in breakers.lasting(office.world)] == ["parvar resume --all"]
    steer.resume_all(office.world, shelf)
    with office.world.transaction("read") as session:
        shelved = shelf.look(session)
    assert shelved is not None
    assert not shelved.book.is_paused
    assert breakers.lasting(office.world) == ()
    assert breakers.watch(office.world, shelf) == (), "what was held against it is not held against it twice"


def test_the_alert_says_in_the_sites_language_what_happened_and_what_helps(office: PostOffice) -> None:
    shelf = Shelf(office.world.secret)
    person = office.person("alice")
    mail = office.mail(person)
    office.change(MessageRow, mail, state="refused", reason="block")
    with office.world.transaction("write") as session:
        blocked = "550 5.7.1 <alice@example.com> blocked, see a list"
        claims.record_attempts(session, [claims.Attempt(mail, 1, office.clock(), outcome="refused", text=blocked)])
        alarms.count_mails(session, {("welcome", "sent"): 100, ("welcome", "block"): 25}, office.clock())
        assert alarms.newest_block(session) == blocked
    assert breakers.watch(office.world, shelf)
    evidence = breakers.Evidence("", "blocks", 1_250, 5_000, 0.05, 0)
    words = breakers._words(evidence, "", "fa")
    assert (words["number"], words["share"], words["most"]) == ("۱٬۲۵۰", "۲۵٪", "۵٪")
    assert breakers._words(evidence, "", "en")["share"] == "25%"
