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
