"""Where shares of clicks and opens are shown: all of them as they came stand beside the people's, with the reasons."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.instants import DAY
from app.store.engine import Database
from app.store.ledgers import add_counts
from tests.services.clock import Clock
from tests.web.dashboard_stage import House, open_house

KEPT = {
    "clicked": 9,
    "clicked:machine": 6,
    "clicked:human": 3,
    "clicked:burst": 6,
    "clicked:plain": 3,
    "clicked:people": 2,
}


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: Clock) -> Iterator[House]:
    opened = open_house(database, tmp_path, clock, demo=True)
    yield opened
    opened.desk.parts.spool.close()


@pytest.mark.parametrize(
    ("lang", "wanted"),
    [
        (
            "en",
            "every link was opened at once: 6 · nothing speaks against it: 3",
        ),
        ("fa", "۹ همه"),
    ],
)
def test_a_campaign_shows_all_its_clicks_beside_the_peoples(house: House, clock: Clock, lang: str, wanted: str) -> None:
    before = house.read("/dashboard/campaigns/welcome", lang)
    with house.desk.world.transaction("write") as session:
        add_counts(session, {(clock() // DAY, "welcome", "", "", metric): number for metric, number in KEPT.items()})
    page = house.read("/dashboard/campaigns/welcome", lang)
    said = re.sub(r"<[^>]+>", "", page)
    assert wanted in said
    assert wanted not in re.sub(r"<[^>]+>", "", before)


def test_every_share_of_a_mail_and_in_the_list_stands_beside_all_touches(house: House, clock: Clock) -> None:
    pages = ("/dashboard/campaigns", "/dashboard/campaigns/welcome")
    assert not any("(11 all)" in plain(house, path) for path in pages)
    with house.desk.world.transaction("write") as session:
        kept = {"sent": 20, "opened": 13, "opened:people": 5, "clicked": 11, "clicked:people": 4}
        add_counts(
            session,
            {(clock() // DAY, "welcome", "book/deliver", "", metric): number for metric, number in kept.items()},
        )
    listed, shown = (plain(house, path) for path in pages)
    assert "20% (11 all)" in listed
    assert "25% opened (estimate) (13 all)" in shown
    assert "20% clicked (11 all)" in shown


def plain(house: House, path: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", house.read(path, "en")).split())
