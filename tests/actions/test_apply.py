"""Commands about what is live: pause, resume with each policy, stop, the kill switch, rollback, backfill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from app.actions.plan.applying import Applied, NoSuchRelease, Order, apply_planned, files_of
from app.actions.publish import Authorship
from app.actions.rehearse.stage import Stage
from app.actions.steer import Backfilled, NoSuchCampaign, Stop, backfill, kill, pause, resume, revive, stop
from app.core.book import Resumption
from app.core.instants import DAY, HOUR, Instant
from app.core.nurture.backfill import Anchor
from tests.actions.small_site import WELCOME, Player, people_on, play, site_with

LATER = """
campaign: later
title: Later
state: live
enter: {box: book}
sequences:
  any: [{wait: 1d}, {send: e}]
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = play(site_with(WELCOME.replace('{days: 2, at: "09:30"}', "2d")))
    yield stage
    stage.world.database.dispose()


def when(stage: Stage, mail: str) -> Instant:
    return next(letter.at for letter in stage.inbox if letter.mail == mail)


def came(stage: Stage) -> set[str]:
    return {letter.mail for letter in stage.inbox}


def test_nothing_leaves_a_paused_campaign_even_after_a_publication(stage: Stage) -> None:
    people_on(stage)
    pause(stage.world, stage.shelf, "welcome")
    stage.publish(site_with(WELCOME.replace('{days: 2, at: "09:30"}', "1d")))
    stage.run_to(stage.clock + 10 * DAY)
    assert "b" not in came(stage)


@pytest.mark.parametrize(
    ("policy", "after"),
    [(Resumption.KEEP_DATES, 2 * DAY), (Resumption.COUNT_ACTIVE, 3 * DAY), (Resumption.RESTART, 2 * DAY + 36 * HOUR)],
)
def test_a_resumed_wait_ends_as_the_policy_says(stage: Stage, policy: Resumption, after: int) -> None:
    """The wait of two days began at ten; the pause lasts from twelve hours on for one day."""
    Player(stage, "alice").joins()
    began = stage.clock
    stage.run_to(began + 12 * HOUR)
    pause(stage.world, stage.shelf, "welcome")
    stage.run_to(began + 36 * HOUR)
    resume(stage.world, stage.shelf, "welcome", policy)
    stage.run_to(began + 5 * DAY)
    wanted = began + after
    assert wanted <= when(stage, "b") <= wanted + 12 * HOUR


def test_a_drained_campaign_lets_its_people_finish_and_nobody_in(stage: Stage) -> None:
    people_on(stage)
    stop(stage.world, stage.shelf, "welcome", Stop.DRAIN)
    eve = Player(stage, "eve").joins()
    stage.run_to(stage.clock + 4 * DAY)
    assert [letter.recipient for letter in stage.inbox if letter.mail == "b"] == ["alice@example.com"]
    assert not eve.runs()


def test_a_campaign_stopped_now_ends_every_run(stage: Stage) -> None:
    alice, _, _ = people_on(stage)
    stop(stage.world, stage.shelf, "welcome", Stop.NOW)
    stage.work()
    assert [run.result for run in alice.runs()] == ["stopped"]


def test_the_kill_switch_stops_the_next_mail_and_loses_none(stage: Stage) -> None:
    people_on(stage)
    kill(stage.world)
    before = len(stage.inbox)
    stage.clock += 2 * DAY
    for _ in range(3):
        stage.work()
        stage.clock += 1_000_000
    assert len(stage.inbox) == before
    revive(stage.world)
    stage.run_to(stage.clock + DAY)
    assert "b" in came(stage)


def test_a_campaign_nobody_knows_is_said_with_those_that_are(stage: Stage) -> None:
    answer = pause(stage.world, stage.shelf, "welcom")
    assert isinstance(answer, NoSuchCampaign)
    assert answer.known == ("welcome",)


def test_a_rollback_is_a_publication_of_the_files_before(stage: Stage) -> None:
    people_on(stage)
    first = stage.shelved().book.campaigns["welcome"].digest
    stage.publish(site_with(WELCOME.replace('{days: 2, at: "09:30"}', "6d")))
    assert stage.shelved().book.campaigns["welcome"].digest != first
    files = files_of(stage.world, None, date(2026, 11, 1), None)
    assert not isinstance(files, NoSuchRelease)
    from app.actions.plan import Plan, make_plan

    plan = make_plan(stage.world, stage.shelf, files)
    assert isinstance(plan, Plan)
    done = apply_planned(stage.world, stage.shelf, files, Order(Authorship("leila", "back"), plan.digest))
    assert isinstance(done, Applied)
    assert stage.shelved().book.campaigns["welcome"].digest == first
    stage.run_to(stage.clock + 3 * DAY)
    assert "b" in came(stage)


def test_there_is_nothing_before_the_first_release(stage: Stage) -> None:
    assert isinstance(files_of(stage.world, None, date(2026, 11, 1), None), NoSuchRelease)


@pytest.mark.parametrize(("anchor", "days"), [(Anchor.ORIGINAL, 0), (Anchor.NOW, 1)])
def test_a_backfill_lets_in_who_signed_up_before_and_plans_it_dry(stage: Stage, anchor: Anchor, days: int) -> None:
    people_on(stage)
    stage.run_to(stage.clock + 3 * DAY)
    stage.publish(site_with(WELCOME.replace('{days: 2, at: "09:30"}', "2d"), LATER))
    counted = backfill(stage.world, stage.shelf, "later", anchor, dry=True)
    assert isinstance(counted, Backfilled)
    assert (counted.looked_at, counted.entered, counted.mails_week) == (3, 1, 1)
    assert "e" not in came(stage)
    began = stage.clock
    done = backfill(stage.world, stage.shelf, "later", anchor, dry=False)
    assert isinstance(done, Backfilled)
    assert done.entered == 1
    stage.run_to(stage.clock + 4 * DAY)
    assert [letter.recipient for letter in stage.inbox if letter.mail == "e"] == ["alice@example.com"]
    assert when(stage, "e") >= began + days * DAY
    again = backfill(stage.world, stage.shelf, "later", anchor, dry=True)
    assert isinstance(again, Backfilled)
    assert (again.entered, dict(again.refused).get("entry_again", 0) + dict(again.refused).get("entry_live", 0)) == (
        0,
        1,
    )
