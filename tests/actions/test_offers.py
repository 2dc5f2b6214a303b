"""What mails promise: a code that is hers alone, an end that never moves, stock that is true."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.actions.offers import Given, Prepared
from app.actions.stock import Imported, Used, import_codes, pool_reports, redeem
from app.core.instants import DAY, HOUR
from app.core.offering import Redeemed
from app.core.offers import CodePool, FixedEnd, SharedCode, WhenEmpty
from app.core.person import MessageState
from app.core.windows import Clock as WallClock
from app.core.windows import local, zone_of
from app.store import offers as store
from app.store import redemptions
from app.store.engine import Database, open_database
from app.store.messages import MessageRow
from app.store.tables import metadata
from tests.actions.promising import Shop, open_shop, spring
from tests.services.clock import Clock


@pytest.fixture
def shop(database: Database, tmp_path: Path, clock: Clock) -> Shop:
    return open_shop(database, tmp_path, clock)


@pytest.fixture
def light(sqlite_database_url: str, tmp_path: Path, clock: Clock) -> Iterator[Database]:
    """SQLite only, for what does not depend on the database."""
    opened = open_database(sqlite_database_url)
    yield opened
    opened.dispose()


def codes_of(made: Prepared) -> list[Given]:
    return [each for each in made.given.values() if isinstance(each, Given)]


# ── Codes ──


def test_two_people_get_two_codes_and_each_keeps_hers(shop: Shop) -> None:
    shop.fill("SP-1", "SP-2", "SP-3")
    alice, bob = shop.person("alice"), shop.person("bob")
    first = shop.promise(shop.mail(alice), shop.mail(bob))
    assert sorted(each.code for each in codes_of(first)) == ["SP-1", "SP-2"]
    hers = shop.code(alice)
    again = shop.mail(alice)
    shop.clock.advance(30 * HOUR)
    assert shop.given(again).code == hers


def test_two_mails_of_one_person_in_one_batch_carry_one_code(shop: Shop) -> None:
    shop.fill("SP-1", "SP-2")
    alice = shop.person()
    made = shop.promise(shop.mail(alice), shop.mail(alice))
    assert {each.code for each in codes_of(made)} == {"SP-1"}
    with shop.world.transaction("read") as session:
        assert store.free_codes(session, "spring", 9) == 1


def test_the_codes_of_two_offers_on_one_pool_differ(database: Database, tmp_path: Path, clock: Clock) -> None:
    shop = open_shop(database, tmp_path, clock, spring(), replace(spring(), key="summer"))
    shop.fill("SP-1", "SP-2")
    alice = shop.person()
    made = shop.promise(shop.mail(alice), shop.mail(alice, "summer"))
    assert len({each.code for each in codes_of(made)}) == 2


@pytest.mark.parametrize("worker_count", [4])
def test_many_workers_never_give_one_code_twice(shop: Shop, worker_count: int) -> None:
    people = [shop.person() for _ in range(40)]
    shop.fill(*(f"SP-{number}" for number in range(35)))
    mails = [(shop.mail(who), shop.mail(who)) for who in people]
    start, wrong = threading.Barrier(worker_count), []

    def work(number: int) -> None:
        start.wait()
        try:
            for pair in mails[number % 2 :: 2]:  # two workers each serve the same people
                shop.promise(pair[number // 2])
        except Exception as error:  # noqa: BLE001 - told to the test below
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(worker_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    with shop.world.transaction("read") as session:
        held = store.grants(session, [(who, "spring") for who in people])
        free = store.free_codes(session, "spring", 99)
    codes = [grant.code for grant in held.values()]
    assert len(codes) == len(set(codes)) == 35
    assert free == 0, "no code was lost on the way"


def test_an_empty_pool_holds_the_mail_and_new_codes_set_it_free(shop: Shop) -> None:
    alice = shop.person()
    mail = shop.mail(alice)
    made = shop.promise(mail)
    assert made.held == {mail}
    assert not made.given
    with shop.world.transaction("write") as session:
        row = session.get(MessageRow, mail)
        assert row is not None
        row.state, row.due_at = "queued", shop.clock() + HOUR
    done = import_codes(shop.world, [spring()], "spring", ["SP-9"])
    assert done.released == 1
    assert shop.given(mail).code == "SP-9"


def test_an_empty_pool_skips_or_falls_back_where_the_file_says_so(
    light: Database, tmp_path: Path, clock: Clock
) -> None:
    skipping = open_shop(light, tmp_path, clock, spring(codes=CodePool("spring", when_empty=WhenEmpty.SKIP)))
    mail = skipping.mail(skipping.person())
    assert skipping.promise(mail).skipped == {mail: "no_code"}
    sharing = open_shop(light, tmp_path, clock, spring(codes=CodePool("spring", when_empty=SharedCode("SPRING15"))))
    other = sharing.mail(sharing.person())
    assert sharing.given(other).code == "SPRING15"


def test_running_low_is_told_once_until_the_pool_is_filled(light: Database, tmp_path: Path, clock: Clock) -> None:
    shop = open_shop(light, tmp_path, clock, spring(codes=CodePool("spring", low_at=3)))
    shop.fill("SP-1", "SP-2", "SP-3", "SP-4")
    told = []
    for _ in range(3):
        shop.promise(shop.mail(shop.person()))
        with shop.world.transaction("write") as session:
            told.append(store.tell_once(session, "spring", "low", clock()))
    assert told == [True, False, False], "with the second code the pool was low, and somebody was told"
    import_codes(shop.world, [spring()], "spring", ["SP-5"])
    with shop.world.transaction("write") as session:
        assert store.tell_once(session, "spring", "low", clock())


def test_an_offer_that_is_gone_from_the_files_skips_its_mails(light: Database, tmp_path: Path, clock: Clock) -> None:
    shop = open_shop(light, tmp_path, clock)
    mail = shop.mail(shop.person(), "winter")
    assert shop.promise(mail).skipped == {mail: "no_such_offer"}


# ── Ends ──


def test_the_clock_starts_with_the_first_mail_that_leaves_and_is_never_set_again(shop: Shop) -> None:
    shop.fill("SP-1")
    alice = shop.person()
    first = shop.mail(alice)
    told = shop.given(first).ends_at
    shop.settle(first, MessageState.SENT)
    for _ in range(3):
        shop.clock.advance(DAY)
        mail = shop.mail(alice)
        assert shop.given(mail).ends_at == told
        shop.settle(mail, MessageState.SENT)


def test_a_mail_that_did_not_get_through_has_not_started_the_clock(shop: Shop) -> None:
    shop.fill("SP-1")
    mail = shop.mail(shop.person())
    early = shop.given(mail).ends_at
    shop.settle(mail, MessageState.WAITING)
    shop.clock.advance(DAY)
    late = shop.given(mail).ends_at
    assert early is not None
    assert late is not None
    assert late == early + DAY


def test_a_mail_that_may_have_arrived_counts_as_one_that_did(shop: Shop) -> None:
    shop.fill("SP-1")
    alice = shop.person()
    mail = shop.mail(alice)
    told = shop.given(mail).ends_at
    shop.settle(mail, MessageState.UNCERTAIN)
    with shop.world.transaction("write") as session:
        row = session.get(MessageRow, mail)
        assert row is not None
        row.state, row.reason = "claimed", "resend"
    shop.clock.advance(DAY)
    assert shop.given(mail).ends_at == told


def test_two_campaigns_leaving_at_once_tell_the_same_end(shop: Shop) -> None:
    shop.fill("SP-1")
    alice = shop.person()
    first, second = shop.mail(alice), shop.mail(alice)
    one = shop.given(first).ends_at
    shop.clock.advance(DAY)
    assert shop.given(second).ends_at == one


def test_a_mail_after_the_end_is_skipped_with_its_reason(shop: Shop) -> None:
    shop.fill("SP-1")
    alice = shop.person()
    first = shop.mail(alice)
    shop.promise(first)
    shop.settle(first, MessageState.SENT)
    shop.clock.advance(8 * DAY)
    late = shop.mail(alice)
    assert shop.promise(late).skipped == {late: "offer_ended"}


def test_a_fixed_end_takes_no_code_once_it_is_past(light: Database, tmp_path: Path, clock: Clock) -> None:
    shop = open_shop(light, tmp_path, clock, spring(ends=FixedEnd("2026-03-02", WallClock(21, 0))))
    shop.fill("SP-1")
    mail = shop.mail(shop.person())
    told = shop.given(mail).ends_at
    assert told is not None
    assert f"{local(told, zone_of('', 'Asia/Tehran')):%H:%M}" == "21:00"
    clock.advance(3 * DAY)
    late = shop.mail(shop.person())
    assert shop.promise(late).skipped == {late: "offer_ended"}


# ── Seats ──


def test_no_more_people_hold_an_offer_than_it_has_seats(database: Database, tmp_path: Path, clock: Clock) -> None:
    shop = open_shop(database, tmp_path, clock, spring(seats=5))
    shop.fill(*(f"SP-{number}" for number in range(50)))
    mails = [shop.mail(shop.person()) for _ in range(12)]
    start, outcomes = threading.Barrier(3), []

    def work(number: int) -> None:
        start.wait()
        for mail in mails[number::3]:
            outcomes.append(shop.promise(mail))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(made.given) for made in outcomes) == 5
    assert {reason for made in outcomes for reason in made.skipped.values()} == {"sold_out"}
    shown = [each.left for made in outcomes for each in codes_of(made)]
    assert sorted(number for number in shown if number is not None) == [0, 1, 2, 3, 4]


def test_what_was_sold_elsewhere_is_not_left(light: Database, tmp_path: Path, clock: Clock) -> None:
    shop = open_shop(light, tmp_path, clock, spring(seats=300))
    shop.fill("SP-1")
    with shop.world.transaction("write") as session:
        store.set_sold_elsewhere(session, "spring", 200)
    mail = shop.mail(shop.person())
    assert shop.given(mail).left == 99


# ── Importing ──


def test_an_import_names_bad_lines_and_goes_on(shop: Shop) -> None:
    seen: list[Imported] = []
    lines = ["\ufeffSP-1\n", "\n", "SP-2\n", "sp-1\n", "two words\n", "x" * 65, "SP-3"]
    done = import_codes(shop.world, [spring()], "spring", lines, seen.append)
    assert (done.read, done.taken, done.refused) == (7, 3, 3)
    assert [(refusal.line, refusal.why) for refusal in done.named] == [
        (4, "the same as line 1"),
        (5, "a code is one word on a line"),
        (6, "longer than 64 characters"),
    ]
    assert seen[-1].read == 7


def test_an_import_done_twice_changes_nothing_and_a_code_lies_in_one_pool_only(shop: Shop) -> None:
    import_codes(shop.world, [spring()], "spring", ["SP-1", "SP-2"])
    again = import_codes(shop.world, [spring()], "summer", ["sp-2", "SU-1"])
    assert (again.taken, again.refused) == (1, 1)
    assert again.named[0].why == "imported before"
    with shop.world.transaction("read") as session:
        reports = {report.pool.pool: report for report in pool_reports(session, [spring()])}
    assert reports["spring"].pool.free == 2
    assert reports["summer"].offers == ()


def test_a_large_import_tells_how_far_it_is(light: Database, tmp_path: Path, clock: Clock) -> None:
    shop, seen = open_shop(light, tmp_path, clock), []
    done = import_codes(
        shop.world,
        [spring()],
        "spring",
        (f"SP-{number}" for number in range(1_200)),
        lambda each: seen.append(each.read),
    )
    assert done.taken == 1_200
    assert seen == [500, 1_000, 1_200]


# ── The counter ──


def redeemed(shop: Shop, who: int | None, order: str, coupon: str) -> Redeemed:
    with shop.world.transaction("write") as session:
        return redeem(session, shop.shelved, Used("api", order, coupon, who, shop.clock()))


def test_a_code_used_for_two_orders_is_noticed_and_the_same_order_told_twice_is_not(shop: Shop) -> None:
    shop.fill("SP-1", "SP-2")
    alice, bob = shop.person(), shop.person()
    mail = shop.mail(alice)
    shop.promise(mail)
    shop.settle(mail, MessageState.SENT)
    assert redeemed(shop, alice, "o-1", "sp-1") is Redeemed.GOOD
    assert redeemed(shop, alice, "o-1", "sp-1") is Redeemed.GOOD
    assert redeemed(shop, alice, "o-2", "SP-1") is Redeemed.AGAIN
    assert redeemed(shop, bob, "o-3", "SP-2") is Redeemed.NOT_GIVEN
    assert redeemed(shop, bob, "o-4", "NONSENSE") is Redeemed.UNKNOWN
    with shop.world.transaction("read") as session:
        assert redemptions.redemptions(session)["good"] == 1
        assert len(redemptions.misused(session)) == 3


def test_two_orders_at_once_with_one_code_are_one_good_and_one_again(shop: Shop) -> None:
    shop.fill("SP-1")
    alice = shop.person()
    shop.promise(shop.mail(alice))
    start, verdicts = threading.Barrier(2), []

    def work(number: int) -> None:
        start.wait()
        verdicts.append(redeemed(shop, alice, f"o-{number}", "SP-1"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(verdicts) == [Redeemed.AGAIN, Redeemed.GOOD]


# ── Any order of things ──

_DEEDS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([MessageState.SENT, MessageState.WAITING, MessageState.UNCERTAIN, MessageState.REFUSED]),
        st.integers(0, 2 * DAY),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=25)
@given(deeds=_DEEDS, codes=st.integers(0, 4))
def test_whatever_happens_no_code_is_given_twice_and_no_end_that_was_told_moves(
    deeds: list[tuple[int, MessageState, int]], codes: int
) -> None:
    database = open_database("sqlite://")
    metadata().create_all(database.engine)
    shop = open_shop(database, Path("unused"), Clock())
    shop.fill(*(f"SP-{number}" for number in range(codes)))
    people = [shop.person() for _ in range(4)]
    hers: dict[int, str] = {}
    told: dict[int, int | None] = {}
    for number, state, later in deeds:
        mail = shop.mail(people[number])
        promised = shop.promise(mail).given.get(mail)
        if isinstance(promised, Given):
            assert hers.setdefault(number, promised.code) == promised.code
            assert told.get(number, promised.ends_at) == promised.ends_at
            if state in (MessageState.SENT, MessageState.UNCERTAIN):
                told[number] = promised.ends_at
            shop.settle(mail, state)
        else:
            shop.settle(mail, MessageState.SKIPPED)
        shop.clock.advance(later)
    assert len(set(hers.values())) == len(hers) <= codes
    database.dispose()
