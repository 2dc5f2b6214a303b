"""What saves work while deciding changes no decision."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from app.actions.inspect import inspect_folder
from app.actions.simulate import Wanted, town_of
from app.core import nurture, projection
from app.core.nurture import Advance, steps
from app.core.nurture.desk import Desk
from app.core.person import Person
from app.core.simulating import BEHAVIOURS, Life, Town

ROOT = Path(__file__).parents[2]
PEOPLE = range(1, 21)


@pytest.fixture(scope="module")
def town() -> Town:
    inspection = inspect_folder(ROOT, date(2026, 11, 22))
    return town_of(inspection, Wanted(days=120, audience=len(PEOPLE), seed=11, behaviours=tuple(BEHAVIOURS.items())))


def lived(town: Town) -> list[tuple[str, Person]]:
    """The trace of each life, and the person at its end."""
    lives = [Life(town, number) for number in PEOPLE]
    return [(life.run().trace, life.passage.person) for life in lives]


def test_walking_every_run_and_asking_every_rule_again_decides_the_same(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = lived(town)

    def never(desk: Desk, *_: object) -> bool:
        assert desk.runs is not None
        return False

    def without_calm(*arguments: object) -> Advance:
        return nurture.advance(*arguments[:4])  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "_stands_still", never)
    monkeypatch.setattr(nurture, "is_ordinary", never)
    monkeypatch.setattr(projection, "advance", without_calm)
    thorough = lived(town)
    assert [trace for trace, _ in quick] == [trace for trace, _ in thorough]
    for (_, one), (_, other) in zip(quick, thorough, strict=True):
        assert one.runs == other.runs
        assert one.messages == other.messages
        assert one.subscriber.stage == other.subscriber.stage
