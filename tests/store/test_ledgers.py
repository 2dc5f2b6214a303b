import threading
from collections.abc import Callable

from sqlalchemy import select

from app.core.instants import DAY, HOUR, MINUTE, SECOND
from app.store import ledgers
from app.store.engine import Database
from app.store.ledgers import BoxCountRow, CountRow, Heartbeat, Rate, StageCountRow
from tests.services.clock import START

THREE_A_MINUTE = Rate(burst=3, each=20 * SECOND)


def taken(database: Database, wall: int, key: str = "network") -> bool:
    with database.transaction() as session:
        return ledgers.take_token(session, "signup", key, THREE_A_MINUTE, wall)


def test_a_burst_is_allowed_and_then_one_for_each_span(database: Database) -> None:
    assert [taken(database, START) for _ in range(4)] == [True, True, True, False]
    assert not taken(database, START + 19 * SECOND)
    assert taken(database, START + 20 * SECOND)
    assert not taken(database, START + 20 * SECOND)


def test_a_bucket_never_holds_more_than_its_burst(database: Database) -> None:
    taken(database, START)
    assert [taken(database, START + DAY) for _ in range(4)] == [True, True, True, False]


def test_asking_in_vain_costs_nothing(database: Database) -> None:
    for _ in range(9):
        taken(database, START)
    assert taken(database, START + 20 * SECOND)


def test_buckets_are_apart(database: Database) -> None:
    assert [taken(database, START) for _ in range(4)][-1] is False
    assert taken(database, START, "another network")


def test_a_clock_set_back_gives_nothing_away_and_locks_nobody_out(database: Database) -> None:
    for _ in range(3):
        taken(database, START)
    assert not taken(database, START - DAY)
    assert taken(database, START + 20 * SECOND)


def test_a_limit_of_nothing_allows_nothing(database: Database) -> None:
    with database.transaction() as session:
        assert not ledgers.take_token(session, "api", "key", Rate(0, SECOND), START)


def all_at_once(work: Callable[[], bool], number: int) -> list[bool]:
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(work())) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def test_of_many_at_once_no_more_than_the_burst_get_through(database: Database) -> None:
    assert sum(all_at_once(lambda: taken(database, START), 12)) == 3


def test_a_token_is_used_once_even_by_many_at_once(database: Database) -> None:
    def use() -> bool:
        with database.transaction() as session:
            return ledgers.use_token_once(session, "form", b"nonce", START + HOUR)

    assert sum(all_at_once(use, 8)) == 1
    with database.transaction() as session:
        assert ledgers.use_token_once(session, "confirm", b"nonce", START + HOUR), "another kind"
        assert ledgers.use_token_once(session, "form", b"other", START + HOUR)


def test_the_sweep_forgets_what_is_over_and_nothing_else(database: Database) -> None:
    with database.transaction() as session:
        ledgers.use_token_once(session, "form", b"old", START)
        ledgers.use_token_once(session, "form", b"new", START + 1)
        ledgers.take_token(session, "signup", "idle", THREE_A_MINUTE, START - DAY)
        ledgers.take_token(session, "signup", "busy", THREE_A_MINUTE, START - MINUTE)
        assert ledgers.sweep(session, START) == 2
        assert ledgers.sweep(session, START) == 0
        assert ledgers.use_token_once(session, "form", b"old", START + HOUR)
        assert not ledgers.use_token_once(session, "form", b"new", START + HOUR)


def test_the_sweep_takes_a_little_at_a_time(database: Database) -> None:
    with database.transaction() as session:
        for number in range(5):
            ledgers.use_token_once(session, "form", bytes([number]), START)
        assert [ledgers.sweep(session, START, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_counters_add_up(database: Database) -> None:
    key = (20_000, "ebook-welcome", "ebook/story", "", "sent")
    with database.transaction() as session:
        ledgers.add_counts(session, {key: 2, (20_000, "ebook-welcome", "z", "a", "sent"): 1})
        ledgers.add_counts(session, {key: 3})
        ledgers.add_counts(session, {key: -1})
        ledgers.add_counts(session, {})
        ledgers.add_box_counts(session, {(20_000, "ebook", "a", "/blog", "shown"): 4})
        ledgers.add_stage_counts(session, {(20_000, "lead", "prospect"): 1})
    with database.transaction("read") as session:
        assert session.get_one(CountRow, key).value == 4
        assert session.scalars(select(BoxCountRow.value)).all() == [4]
        assert session.scalars(select(StageCountRow.value)).all() == [1]


def test_counters_of_two_workers_do_not_block_each_other_for_ever(database: Database) -> None:
    keys = [(20_000, "c", f"step{number}", "", "sent") for number in range(30)]

    def count_all() -> bool:
        for turn in range(5):
            with database.transaction() as session:
                ledgers.add_counts(session, dict.fromkeys(keys if turn % 2 else reversed(keys), 1))
        return True

    assert all_at_once(count_all, 4) == [True] * 4
    with database.transaction("read") as session:
        assert set(session.scalars(select(CountRow.value))) == {20}


def test_the_newest_sign_of_life_counts(database: Database) -> None:
    with database.transaction() as session:
        ledgers.beat(session, Heartbeat("worker", "a", START, lag=5))
        ledgers.beat(session, Heartbeat("worker", "b", START + SECOND))
        ledgers.beat(session, Heartbeat("worker", "a", START + MINUTE, lag=7, detail='{"due":1}'))
    with database.transaction("read") as session:
        newest, other = ledgers.heartbeats(session)
    assert newest == Heartbeat("worker", "a", START + MINUTE, 7, '{"due":1}')
    assert other.node == "b"
