"""Replay rebuilds a life out of facts and hand-overs, proves it equal, and finds what was tampered with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from app.actions.rehearse.stage import Stage
from app.actions.replay import counterfactual, replay, replay_all
from app.actions.steer import pause, resume
from app.core.facts import FactKind
from app.core.instants import DAY
from app.store.people import SubscriberRow
from app.store.runs import RunRow
from tests.actions.small_site import WELCOME, people_on, play, site_with


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = play(site_with(WELCOME))
    alice, bob, _carol = people_on(stage)
    stage.run_to(stage.clock + 3 * DAY)
    alice.clicks("b")
    stage.run_to(stage.clock + 2 * DAY)
    bob.confirm()
    stage.run_to(stage.clock + DAY)
    bob.does(FactKind.VISITED)
    alice.buys()
    stage.run_to(stage.clock + 9 * DAY)
    yield stage
    stage.world.database.dispose()


def test_every_stored_life_is_proved(stage: Stage) -> None:
    lives = list(replay_all(stage.world, stage.shelf))
    assert len(lives) == 3
    assert all(life.decisions for life in lives)
    assert [life.differences for life in lives] == [(), (), ()]


def test_a_life_over_two_versions_and_a_pause_is_proved(stage: Stage) -> None:
    stage.publish(site_with(WELCOME.replace("at_most: 4d", "at_most: 6d")))
    pause(stage.world, stage.shelf, "welcome")
    stage.run_to(stage.clock + DAY)
    resume(stage.world, stage.shelf, "welcome")
    stage.run_to(stage.clock + 3 * DAY)
    assert [life.differences for life in replay_all(stage.world, stage.shelf)] == [(), (), ()]


def test_a_stage_written_by_hand_is_found(stage: Stage) -> None:
    with stage.world.transaction("write") as session:
        mine = update(SubscriberRow).where(SubscriberRow.address_key == "bob@example.com")
        session.execute(mine.values(stage="customer", weight=99.0))
    found = replay(stage.world, stage.shelf, "bob@example.com")
    assert found is not None
    assert {(each.what, each.stored, each.rebuilt) for each in found.differences if each.what == "stage"} == {
        ("stage", "customer", "lead")
    }
    assert "score" in {each.what for each in found.differences}


def test_a_run_moved_by_hand_is_found(stage: Stage) -> None:
    with stage.world.transaction("write") as session:
        session.execute(update(RunRow).where(RunRow.state != "ended").values(state="held"))
    found = replay(stage.world, stage.shelf, "bob@example.com")
    assert found is not None
    assert [each.what for each in found.differences] == ["run welcome"]


def test_another_version_is_asked_what_it_would_have_done(stage: Stage) -> None:
    same = counterfactual(stage.world, stage.shelf, site_with(WELCOME), 90)
    assert same is not None
    assert same.would == same.went
    assert same.went["b"] == 2
    without = WELCOME.replace("    - send: a\n", "")
    other = counterfactual(stage.world, stage.shelf, site_with(without), 90)
    assert other is not None
    assert (other.went["a"], other.would["a"], other.would["b"]) == (3, 0, 2)
