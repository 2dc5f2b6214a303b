"""A personal link, friends who come by it, and what they come to."""

import json

import pytest

from app.actions.referrals import inviter, settle_due, withdraw_complaints
from app.actions.shelf import Shelf
from app.core.facts import Fact, FactKind
from app.core.instants import DAY, HOUR
from app.store.events import record_facts
from app.store.people import SubscriberRow
from app.store.referrals import ReferralRow
from tests.web.desk import Desk

ALICE, BOB = "alice@example.com", "bob@example.org"
TRUSTED = "10.1.1.1"


@pytest.fixture
def site(desk_on_both: Desk) -> Desk:
    desk_on_both.confirmed(ALICE)
    return desk_on_both


def friend(desk: Desk, address: str) -> int:
    token = desk.world.links.referral_token(desk.person(ALICE).public_id)
    return int(desk.confirmed(address, pv_friend=token).id)


def spread(desk: Desk) -> None:
    """Every friend signed up from a place of her own."""
    with desk.world.transaction("write") as session:
        for number, row in enumerate(session.query(ReferralRow).order_by(ReferralRow.id)):
            row.network = f"198.51.{number}.0/24"


def outcomes(desk: Desk) -> list[tuple[str, str]]:
    return [(row.state, row.reason) for row in sorted(desk.rows(ReferralRow), key=lambda row: row.id)]


def milestones(desk: Desk) -> list[int]:
    facts = [fact for fact in desk.facts(ALICE) if fact.name == "referral_milestone"]
    return [json.loads(fact.payload)["number"] for fact in facts]


def test_a_friend_counts_once_she_confirmed_and_stayed_a_day(site: Desk) -> None:
    friend(site, BOB)
    site.clock.advance(23 * HOUR)
    assert settle_due(site.world) == 0
    assert "referred" not in site.kinds(ALICE)
    site.clock.advance(2 * HOUR)
    assert settle_due(site.world) == 1
    assert settle_due(site.world) == 0
    assert outcomes(site) == [("counted", "")]
    assert site.kinds(ALICE).count("referred") == 1
    assert milestones(site) == [1]
    assert site.person(BOB).is_referred


def test_a_friend_counts_who_came_by_a_box_that_asks_no_confirmation(site: Desk) -> None:
    token = site.world.links.referral_token(site.person(ALICE).public_id)
    site.sign_up(BOB, "single", pv_friend=token)
    site.clock.advance(DAY)
    settle_due(site.world)
    assert milestones(site) == [1]


def test_each_friend_has_her_own_number(site: Desk) -> None:
    for name in ("bob", "carol", "dora"):
        friend(site, f"{name}@example.org")
    spread(site)
    site.clock.advance(DAY)
    assert settle_due(site.world) == 3
    assert milestones(site) == [1, 2, 3]


def test_a_friend_who_left_within_the_day_does_not_count(site: Desk) -> None:
    who = friend(site, BOB)
    with site.world.transaction("write") as session:
        session.query(SubscriberRow).filter_by(id=who).update({"state": "unsubscribed"})
    site.clock.advance(DAY)
    settle_due(site.world)
    assert outcomes(site) == [("refused", "gone")]
    assert milestones(site) == []


def test_the_same_mailbox_under_another_spelling_is_no_friend(site: Desk) -> None:
    friend(site, "alice+friend@example.com")
    site.clock.advance(DAY)
    settle_due(site.world)
    assert outcomes(site) == [("refused", "self")]


def test_many_friends_from_one_place_count_as_one_household(site: Desk) -> None:
    for name in ("bob", "carol", "dora", "emil"):
        friend(site, f"{name}@example.org")
    with site.world.transaction("write") as session:
        session.query(ReferralRow).update({"network": "203.0.113.0/24"})
    site.clock.advance(DAY)
    settle_due(site.world)
    assert [state for state, _ in outcomes(site)].count("counted") == 0
    assert {reason for _, reason in outcomes(site)} == {"same_network"}


def test_a_friend_who_calls_it_spam_is_taken_back_and_her_number_stays_used(site: Desk) -> None:
    who = friend(site, BOB)
    site.clock.advance(DAY)
    settle_due(site.world)
    with site.world.transaction("write") as session:
        session.query(SubscriberRow).filter_by(address=ALICE).update({"referrals": 1})
        record_facts(session, who, [Fact(b"c" * 16, FactKind.COMPLAINED, site.clock())], site.clock())
    assert withdraw_complaints(site.world, Shelf(site.world.secret)) == 1
    assert withdraw_complaints(site.world, Shelf(site.world.secret)) == 0
    assert outcomes(site) == [("withdrawn", "complained")]
    assert site.person(ALICE).referrals == 0
    friend(site, "carol@example.org")
    spread(site)
    site.clock.advance(DAY)
    settle_due(site.world)
    assert milestones(site) == [1, 2]


def test_two_who_bring_each_other_bring_one(site: Desk) -> None:
    friend(site, BOB)
    back = site.world.links.referral_token(site.person(BOB).public_id)
    site.clock.advance(DAY)
    site.sign_up(ALICE, "full", pv_friend=back)
    settle_due(site.world)
    assert len(site.rows(ReferralRow)) == 1


def test_the_page_shows_her_link_and_her_friends_by_one_letter(site: Desk) -> None:
    friend(site, BOB)
    path = site.world.links.share_url(site.person(ALICE).public_id).removeprefix(site.world.settings.base_url)
    page = site.get(path).text
    assert site.world.links.referral_url(site.person(ALICE).public_id) in page
    assert "B…" in page
    assert BOB not in page
    assert "t.me/share" in page
    assert 'dir="rtl"' in site.get(path + "?lang=fa").text
    assert site.get(path.replace("/share/", "/share/A")).status_code == 404


def test_she_is_named_to_friends_only_when_she_says_so(site: Desk) -> None:
    alice = site.person(ALICE)
    with site.world.transaction("write") as session:
        from app.store.signups import put_attributes

        put_attributes(session, alice.id, {"first_name": "Alice"}, site.clock())
    path = site.world.links.share_url(alice.public_id).removeprefix(site.world.settings.base_url)
    assert inviter(site.world, alice.public_id) == ""
    site.get(path + "?named=1")
    assert inviter(site.world, alice.public_id) == ""
    site.post(path + "/name", {"named": "1"})
    assert inviter(site.world, alice.public_id) == "Alice"
    site.post(path + "/name", {})
    assert inviter(site.world, alice.public_id) == ""
