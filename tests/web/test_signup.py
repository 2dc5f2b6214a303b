"""Signing up: what one form sets in motion, and that it tells nobody who is known."""

import json
import re

import pytest

from app.actions.referrals import settle_due
from app.core.instants import DAY, HOUR, MINUTE, SECOND
from app.store import signups
from app.store.permissions import ConsentRow
from tests.web.desk import JSON, Desk
from tests.web.small_site import SHOP

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"


def test_a_signup_leaves_a_pending_person_a_consent_a_fact_and_a_confirmation(desk_on_both: Desk) -> None:
    desk = desk_on_both
    answer = desk.sign_up(BOB, first_name="Bob", pv_page=f"{SHOP}/blog/one?secret=1", pv_timezone="Asia/Tehran")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["state"] == "thanks"
    person = desk.person(BOB)
    assert (person.state, person.box, person.tz, person.stage) == ("pending", "book", "Asia/Tehran", "guest")
    assert desk.kinds(BOB) == ["signed_up"]
    assert desk.leaving(BOB) == ["system/confirm"]
    assert desk.consents(BOB) == [("mail", "asked"), ("tracking", "refused")]
    assert person.due_at == desk.clock()


def test_the_ledger_keeps_the_exact_words_the_box_the_page_and_a_truncated_address(desk: Desk) -> None:
    desk.client.post(
        "/b/book?lang=fa",
        json=desk.filled(BOB, pv_page=f"{SHOP}/blog/one?mail=bob"),
        headers=JSON,
        environ_overrides={"REMOTE_ADDR": "203.0.113.77"},
    )
    line = desk.rows(ConsentRow, ConsentRow.kind == "mail")[0]
    assert line.wording == "می‌پذیرم که نامه بگیرم."
    assert (line.box, line.page, line.network) == ("book", f"{SHOP}/blog/one", "203.0.113.0/24")
    assert re.fullmatch("[0-9a-f]{16}", line.box_version)


def test_a_form_without_script_does_the_same(desk: Desk) -> None:
    answer = desk.post("/b/book?lang=en", desk.filled(BOB, first_name="Bob"))
    assert answer.status_code == 200
    assert "Almost there" in answer.text
    assert desk.leaving(BOB) == ["system/confirm"]


def test_confirming_makes_her_active_and_sends_the_book_at_once(desk_on_both: Desk) -> None:
    desk = desk_on_both
    person = desk.confirmed(ALICE, first_name="Alice")
    assert person.state == "active"
    assert person.confirmed_at == desk.clock()
    assert desk.leaving(ALICE) == ["system/confirm", "book/deliver"]
    assert "confirmed" in desk.kinds(ALICE)
    assert desk.attributes(ALICE) == {"first_name": "Alice"}
    assert desk.consents(ALICE)[-1] == ("mail", "confirmed")


def test_no_word_of_the_visitor_stands_in_the_confirmation(desk: Desk) -> None:
    """The name is kept with the signup and becomes hers when the address does."""
    desk.sign_up(BOB, first_name="Buy http://evil.example now")
    assert desk.attributes(BOB) == {}


def test_reminders_are_planned_and_withdrawn_when_she_confirms(desk: Desk) -> None:
    desk.sign_up(ALICE)
    due = [mail.due_at - desk.clock() for mail in desk.mails(ALICE)]
    assert due == [0, 24 * HOUR, 72 * HOUR]
    desk.post(desk.confirm_path(ALICE))
    states = [mail.state for mail in desk.mails(ALICE) if mail.mail_key == "system/confirm"]
    assert states == ["sent", "withdrawn", "withdrawn"]
    desk.clock.advance(4 * DAY)
    assert desk.leaving(ALICE).count("system/confirm") == 1


def test_somebody_known_gets_the_same_answer_and_the_book_at_once(desk_on_both: Desk) -> None:
    desk = desk_on_both
    desk.confirmed(ALICE)
    desk.clock.advance(2 * DAY)
    known, new = desk.sign_up(ALICE), desk.sign_up(BOB)
    assert known.status_code == new.status_code == 200
    assert known.json is not None
    assert new.json is not None
    assert known.json.keys() == new.json.keys()
    assert len(known.json["ticket"]) == len(new.json["ticket"])
    assert desk.leaving(ALICE).count("book/deliver") == 2
    assert desk.leaving(ALICE).count("system/confirm") == 1


def test_everybody_sees_the_same_page_without_script(desk: Desk) -> None:
    desk.confirmed(ALICE)
    desk.confirmed(CAROL)
    unsubscribe = desk.world.links.unsubscribe_url(desk.person(CAROL).public_id)
    desk.post(unsubscribe.removeprefix(desk.world.settings.base_url))
    desk.clock.advance(2 * DAY)
    pages = [desk.post("/b/book?lang=en", desk.filled(one)).text for one in (ALICE, BOB, CAROL)]
    without_tokens = {re.sub(r"/(resend|later)/[\w-]+", "", page) for page in pages}
    assert len(without_tokens) == 1


def test_a_person_who_left_has_to_confirm_anew(desk: Desk) -> None:
    desk.confirmed(CAROL)
    unsubscribe = desk.world.links.unsubscribe_url(desk.person(CAROL).public_id)
    desk.post(unsubscribe.removeprefix(desk.world.settings.base_url))
    desk.clock.advance(2 * DAY)
    desk.sign_up(CAROL)
    assert desk.person(CAROL).state == "unsubscribed"
    assert desk.leaving(CAROL)[-1] == "system/confirm"
    desk.post(desk.confirm_path(CAROL))
    assert desk.person(CAROL).state == "active"
    assert desk.leaving(CAROL)[-1] == "book/deliver"


def test_an_old_link_does_not_undo_a_later_farewell(desk: Desk) -> None:
    desk.confirmed(CAROL)
    old = desk.confirm_path(CAROL)
    desk.clock.advance(DAY)
    unsubscribe = desk.world.links.unsubscribe_url(desk.person(CAROL).public_id)
    desk.post(unsubscribe.removeprefix(desk.world.settings.base_url))
    assert desk.post(old).status_code == 410
    assert desk.person(CAROL).state == "unsubscribed"


def test_a_suppressed_address_is_answered_alike_and_gets_nothing(desk: Desk) -> None:
    from app.store.permissions import Suppression, address_hash, suppress

    with desk.world.transaction("write") as session:
        suppress(session, Suppression(address_hash(desk.world.secret, BOB), "complaint", desk.clock()))
    answer = desk.sign_up(BOB)
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["state"] == "thanks"
    assert desk.people() == []


def test_one_confirmation_a_day_one_more_when_asked_for_three_in_all(desk: Desk) -> None:
    ticket = (desk.sign_up(BOB).json or {})["ticket"]

    def again() -> None:
        desk.client.post("/b/book/again", json={"pv_ticket": ticket}, headers=JSON)

    desk.sign_up(BOB)
    assert desk.leaving(BOB) == ["system/confirm"]
    again()
    assert len(desk.leaving(BOB)) == 1, "not within the first minute"
    desk.clock.advance(2 * MINUTE)
    again()
    assert len(desk.leaving(BOB)) == 2
    desk.clock.advance(2 * MINUTE)
    again()
    desk.sign_up(BOB)
    assert len(desk.leaving(BOB)) == 2
    for _day in range(20):
        desk.clock.advance(DAY)
        desk.sign_up(BOB)
        again()
    assert len(desk.leaving(BOB)) == 3


def test_a_box_with_single_opt_in_confirms_at_once(desk: Desk) -> None:
    desk.sign_up(ALICE, "single")
    assert desk.person(ALICE).state == "active"
    assert desk.leaving(ALICE) == ["book/deliver"]


def test_later_questions_wait_for_the_confirmation_too(desk: Desk) -> None:
    ticket = (desk.sign_up(ALICE).json or {})["ticket"]
    desk.clock.advance(5 * SECOND)
    saved = desk.client.post("/b/book/more", json={"pv_ticket": ticket, "budget": "high"}, headers=JSON)
    assert (saved.json or {})["state"] == "saved"
    assert desk.attributes(ALICE) == {}
    desk.post(desk.confirm_path(ALICE))
    assert desk.attributes(ALICE) == {"budget": "high"}


def test_a_strangers_answers_do_not_replace_what_a_known_person_told_us(desk: Desk) -> None:
    desk.confirmed(ALICE, first_name="Alice")
    desk.clock.advance(2 * DAY)
    desk.sign_up(ALICE, first_name="Mallory")
    assert desk.attributes(ALICE)["first_name"] == "Alice"


def test_a_friends_link_thanks_the_friend_when_the_guest_confirms(desk: Desk) -> None:
    alice = desk.confirmed(ALICE)
    desk.confirmed(BOB, pv_friend=desk.world.links.referral_token(alice.public_id))
    assert desk.kinds(ALICE).count("referred") == 0, "a friend counts once she has stayed a day"
    desk.clock.advance(DAY)
    settle_due(desk.world)
    assert desk.kinds(ALICE).count("referred") == 1
    assert desk.person(BOB).is_referred


def test_nobody_recommends_herself(desk: Desk) -> None:
    desk.sign_up(ALICE)
    token = desk.world.links.referral_token(desk.person(ALICE).public_id)
    desk.clock.advance(2 * DAY)
    desk.sign_up(ALICE, pv_friend=token)
    desk.post(desk.confirm_path(ALICE))
    assert "referred" not in desk.kinds(ALICE)


def test_where_a_signup_came_from_is_kept_without_queries(desk: Desk) -> None:
    desk.sign_up(
        BOB,
        pv_page=f"{SHOP}/blog/one?token=abc",
        pv_referrer="https://search.example/find?q=bob",
        pv_utm_source="letter",
        pv_landing=f"{SHOP}/?x=1",
        pv_language="fa-IR",
    )
    told = json.loads(desk.facts(BOB)[0].payload)
    assert told["referrer"] == "search.example"
    assert told["landing"] == f"{SHOP}/"
    assert told["language"] == "fa-IR"
    assert desk.person(BOB).source == "letter"
    assert "abc" not in desk.facts(BOB)[0].path


def test_signups_and_confirmations_are_counted_by_page_source_and_arm(desk: Desk) -> None:
    desk.confirmed(ALICE, pv_page=f"{SHOP}/blog/one", pv_utm_source="letter", pv_arms="title:b")
    counts = desk.counts()
    for metric in ("submit", "confirm"):
        assert counts["book", "", "/blog/one", metric] == 1
        assert counts["book", "", "from:letter", metric] == 1
        assert counts["book", "title:b", "", metric] == 1


def test_people_who_never_confirm_are_forgotten_after_thirty_days(desk_on_both: Desk) -> None:
    from app.actions.leaving import purge_unconfirmed

    desk = desk_on_both
    desk.sign_up(BOB)
    desk.confirmed(ALICE)
    desk.clock.advance(29 * DAY)
    assert purge_unconfirmed(desk.world) == 0
    desk.clock.advance(2 * DAY)
    assert purge_unconfirmed(desk.world) == 1
    assert [person.address for person in desk.people()] == [ALICE]


def test_two_signups_of_one_new_address_at_once_make_one_person(desk_on_both: Desk) -> None:
    import threading

    from werkzeug.test import Client

    from app.web.application import create_app

    desk = desk_on_both
    bodies = [desk.filled(BOB) for _ in range(6)]
    answers: list[int] = []
    app = create_app(desk.parts)

    def send(body: dict[str, str]) -> None:
        answers.append(Client(app).post("/b/book", json=body, headers=JSON).status_code)

    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 6
    assert len(desk.people()) == 1
    assert desk.leaving(BOB) == ["system/confirm"]


@pytest.mark.parametrize("typed", ["  ALICE@Example.com ", "mailto:alice@example.com", "<alice@example.com>\u200f"])
def test_an_address_is_known_however_it_was_pasted(desk: Desk, typed: str) -> None:
    desk.sign_up(typed)
    assert [person.address_key for person in desk.people()] == [ALICE]


def test_the_held_row_of_a_new_person_is_the_one_read_later(desk: Desk) -> None:
    desk.sign_up(BOB)
    with desk.world.transaction("write") as session:
        held = signups.hold(session, desk.person(BOB).public_id)
        assert held is not None
        assert held.address == BOB
