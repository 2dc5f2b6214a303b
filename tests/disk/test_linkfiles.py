"""Link files: written whole, remembered, and a database that hangs or fails holds up nobody."""

import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import pytest

from app.core.instants import SECOND
from app.disk.linkfiles import Destinations, ShopDestinations, read_link_file, write_link_file

TARGETS = ("https://example.com/?q=کتاب&x=%41", None)


class Clock:
    """The machine's clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class Database:
    """Answers from a table, counts its questions, and can be down."""

    def __init__(self, **known: Sequence[str | None]) -> None:
        self.known = {int(key[1:]): value for key, value in known.items()}
        self.asked: list[int] = []
        self.down = False

    def __call__(self, version: int) -> Sequence[str | None] | None:
        self.asked.append(version)
        if self.down:
            raise ConnectionError("the database is down")
        return self.known.get(version)


def test_a_link_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_link_file(tmp_path / "links", 7, TARGETS)
    assert read_link_file(tmp_path / "links", 7) == TARGETS
    assert read_link_file(tmp_path / "links", 8) is None
    assert [path.name for path in (tmp_path / "links").iterdir()] == ["7"]


def test_a_damaged_file_is_said_and_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "7").write_text('{"links": [3]}')
    with pytest.raises(ValueError, match="damaged"):
        read_link_file(tmp_path, 7)
    assert Destinations(tmp_path, Database(v7=TARGETS), Clock()).find(7) == TARGETS
    assert read_link_file(tmp_path, 7) == TARGETS


def test_a_known_version_never_asks_the_database(tmp_path: Path) -> None:
    write_link_file(tmp_path, 7, TARGETS)
    database = Database()
    destinations = Destinations(tmp_path, database, Clock())
    assert [destinations.find(7), destinations.find(7)] == [TARGETS, TARGETS]
    assert database.asked == []


def test_an_unknown_version_is_asked_for_once_and_kept_on_disk(tmp_path: Path) -> None:
    database = Database(v7=TARGETS)
    destinations = Destinations(tmp_path, database, Clock())
    assert [destinations.find(7), destinations.find(7)] == [TARGETS, TARGETS]
    assert database.asked == [7]
    assert read_link_file(tmp_path, 7) == TARGETS


def test_a_database_that_is_down_is_asked_again_after_five_seconds(tmp_path: Path) -> None:
    clock, database = Clock(), Database(v7=TARGETS)
    database.down = True
    destinations = Destinations(tmp_path, database, clock)
    assert [destinations.find(7), destinations.find(7)] == [None, None]
    database.down = False
    clock.now = 5 * SECOND - 1
    assert destinations.find(7) is None
    clock.now = 5 * SECOND
    assert destinations.find(7) == TARGETS
    assert database.asked == [7, 7]


def test_a_database_that_never_answers_costs_one_caller_a_moment_and_the_others_nothing(tmp_path: Path) -> None:
    answer, patience, asked = threading.Event(), 0.1, []

    def hang(version: int) -> tuple[str | None, ...]:
        asked.append(version)
        answer.wait(60)
        return TARGETS

    destinations = Destinations(tmp_path, hang, Clock(), patience)
    assert destinations.find(7) is None
    began = monotonic()
    assert [destinations.find(version) for version in range(8, 40)] == [None] * 32
    assert monotonic() - began < 32 * patience / 2, "they did not wait, each her moment"
    assert asked == [7]
    answer.set()
    assert sooner_or_later(destinations, 7) == TARGETS
    assert sooner_or_later(destinations, 8) == TARGETS, "once the question is closed, the next may be asked"


def sooner_or_later(destinations: Destinations, version: int) -> tuple[str | None, ...] | None:
    """What is found once the thread that asks had its turn; it still writes the file when others know already."""
    deadline = monotonic() + 20
    while (found := destinations.find(version)) is None and monotonic() < deadline:
        threading.Event().wait(0.01)
    return found


def test_many_callers_at_once_ask_one_question(tmp_path: Path) -> None:
    database = Database(v7=TARGETS)
    destinations = Destinations(tmp_path, database, Clock(), patience=5)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(destinations.find(7))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [TARGETS] * 20
    assert database.asked == [7]


def test_a_folder_that_cannot_be_written_does_not_lose_the_answer(tmp_path: Path) -> None:
    (tmp_path / "links").write_text("a file where the folder should be")
    destinations = Destinations(tmp_path / "links", Database(v7=TARGETS), Clock())
    assert destinations.find(7) == TARGETS


def test_in_a_demo_the_example_site_is_its_shop_and_nothing_else_is(tmp_path: Path) -> None:
    site, shop = "https://example.com", "http://127.0.0.1:8001"
    told = (site, f"{site}/cart?a=1", f"{site}?q=1", "https://example.com.evil.org/cart", "https://other.org/", None)
    write_link_file(tmp_path, 7, told)
    moved = ShopDestinations(Destinations(tmp_path, Database(), Clock()), f"{site}/", shop)
    assert moved.find(7) == (shop, f"{shop}/cart?a=1", f"{shop}?q=1", *told[3:])
    assert moved.at_hand(7) == moved.find(7)
    assert moved.find(8) is None
