"""What stays of an offer: seats and codes of people who are gone, gifts taken back, and numbers that are kept."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.actions.stock import Used, redeem
from app.core.instants import DAY
from app.core.offering import Redeemed
from app.core.person import MessageState
from app.store import offers as store
from app.store import signups, surveys
from app.store.engine import Database, open_database
from app.store.offers import CodeRow, GrantRow
from app.store.people import SubscriberRow
from app.store.surveys import Given, SurveyAnswerRow
from app.store.tables import metadata
from tests.actions.promising import Shop, open_shop, spring
from tests.services.clock import Clock


def holder(shop: Shop, name: str = "") -> int:
    """Somebody whose mail with the offer has left."""
    who = shop.person(name)
    mail = shop.mail(who)
    shop.promise(mail)
    shop.settle(mail, MessageState.SENT)
    return who


def erase(shop: Shop, who: int) -> None:
    with shop.world.transaction("write") as session:
        signups.erase(session, who)


def shown(shop: Shop, code: str, who: int | None, order: str) -> Redeemed:
    with shop.world.transaction("write") as session:
        return redeem(session, shop.shelved, Used("api", order, code, who, shop.clock()))


def test_the_seat_of_an_erased_person_is_not_sold_again(database: Database, tmp_path: Path, clock: Clock) -> None:
    shop = open_shop(database, tmp_path, clock, spring(seats=1))
    shop.fill("SP-1", "SP-2")
    erase(shop, holder(shop))
    mail = shop.mail(shop.person())
    assert shop.promise(mail).skipped == {mail: "sold_out"}


def test_the_code_of_an_erased_person_is_given_to_nobody_and_still_good_once_until_its_end(
    database: Database, tmp_path: Path, clock: Clock
) -> None:
    shop = open_shop(database, tmp_path, clock)
    shop.fill("SP-1", "SP-2")
    alice, bob = holder(shop), holder(shop)
    codes = {who: shop.code(who) for who in (alice, bob)}
    erase(shop, alice)
    erase(shop, bob)
    mail = shop.mail(shop.person())
    assert shop.promise(mail).held == {mail}
    assert shown(shop, codes[alice], shop.person(), "o-1") is Redeemed.GOOD
    assert shown(shop, codes[alice], None, "o-2") is Redeemed.AGAIN
    shop.clock.advance(9 * DAY)
    assert shown(shop, codes[bob], None, "o-3") is Redeemed.LATE


def test_what_was_taken_back_is_promised_no_more_and_refused_at_the_counter(
    database: Database, tmp_path: Path, clock: Clock
) -> None:
    shop = open_shop(database, tmp_path, clock)
    shop.fill("SP-1")
    alice = holder(shop)
    code = shop.code(alice)
    with shop.world.transaction("write") as session:
        assert store.withdraw_grants(session, alice, ["spring", "autumn"], clock()) == ["spring"]
        assert store.withdraw_grants(session, alice, ["spring"], clock()) == []
    mail = shop.mail(alice)
    assert shop.promise(mail).skipped == {mail: "offer_withdrawn"}
    assert shown(shop, code, alice, "o-1") is Redeemed.WITHDRAWN


def test_codes_lost_elsewhere_are_given_to_nobody(database: Database, tmp_path: Path, clock: Clock) -> None:
    shop = open_shop(database, tmp_path, clock)
    shop.fill("SP-1", "SP-2", "SP-3")
    with shop.world.transaction("write") as session:
        assert store.lose_codes(session, "spring", 2, clock()) == 2
        (pool,) = store.pools(session)
    assert (pool.total, pool.free) == (3, 1)
    assert shop.given(shop.mail(shop.person())).code == "SP-3"


_DEEDS = st.lists(st.sampled_from(["fill", "give", "lose", "erase"]), min_size=1, max_size=12)


@settings(max_examples=20)
@given(deeds=_DEEDS)
def test_the_numbers_of_a_pool_are_those_of_its_codes(deeds: list[str]) -> None:
    database = open_database("sqlite://")
    metadata().create_all(database.engine)
    shop = open_shop(database, Path("unused"), Clock())
    people: list[int] = []
    given_ever = 0
    for number, deed in enumerate(deeds):
        if deed == "fill":
            shop.fill(f"SP-{number}", f"SP-{number}", f"SP-{number}-B")
        elif deed == "give":
            people.append(shop.person())
            given_ever += bool(shop.promise(shop.mail(people[-1]), shop.mail(people[-1])).given)
        elif deed == "lose":
            with shop.world.transaction("write") as session:
                store.lose_codes(session, "spring", 1, shop.clock())
        elif people:
            erase(shop, people.pop())
    with shop.world.transaction("read") as session:
        rows = session.execute(select(func.count(), func.count(CodeRow.taken_at)).select_from(CodeRow)).one()
        kept = next(iter(store.pools(session)), store.Pool("spring", 0, 0))
        held = session.scalar(select(func.count()).select_from(GrantRow))
        assert (kept.total, kept.total - kept.free) == tuple(rows)
        assert store.stock(session, "spring")[0] == given_ever >= (held or 0)
    database.dispose()


_ANSWERS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from(["0", "7", "10"])), max_size=14)


@settings(max_examples=20)
@given(answers=_ANSWERS)
def test_the_kept_answers_are_those_that_would_be_counted(answers: list[tuple[int, int, str]]) -> None:
    database = open_database("sqlite://")
    metadata().create_all(database.engine)
    shop = open_shop(database, Path("unused"), Clock())
    people = [shop.person() for _ in range(3)]
    mails = {(who, number): shop.mail(who) for who in people for number in range(3)}
    for place, number, answer in answers:
        who = people[place]
        shop.clock.advance(DAY)
        with shop.world.transaction("write") as session:
            row = session.get(SubscriberRow, who)
            assert row is not None
            row.stage = f"stage-{number}"
            asked = surveys.asked(session, mails[who, number])
            assert asked is not None
            surveys.put_answer(session, asked, "nps", Given(answer, float(answer)), shop.clock())
    with shop.world.transaction("read") as session:
        counted = surveys.tallies(session, "nps", since=1)
        assert surveys.kept_tallies(session, "nps") == sorted(counted, key=lambda t: (t.stage, t.campaign, t.answer))
        voices = session.scalar(select(func.count(SurveyAnswerRow.subscriber_id.distinct())))
        assert sum(tally.count for tally in counted) == voices
    database.dispose()
