"""Simulated lives are decided as the store decides, to the byte; and the same seed gives the same year."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.actions.rehearse.stage import Stage
from app.actions.shelf import Shelf
from app.actions.simulate import SECRET, Wanted, forecast, simulate, town_of
from app.actions.simulate.report import bars, html
from app.cli.simulating import lines, plain
from app.core.facts import FactKind
from app.core.figures import grouped
from app.core.instants import DAY
from app.core.person import MailClass
from app.core.simulating import BEHAVIOURS, Behaviour, BehaviourFault, Deed, Dice, Life, behaviours_of
from app.store import events, people, queue, stories
from app.store.messages import NewMessage, queue_by_cause
from tests.actions.small_site import LADDER, WELCOME, people_on, play, site_with

RIVAL = """
campaign: rival
title: Rival
state: live
priority: first
exclusive: one
enter: {on: asked, again: {after: 7d}}
goal: "bought()"
sequences:
  any:
    - send: e
    - wait: 3d
    - if: "visited('*', times=2, within='14d')"
      then: [{tag: keen}]
      else: [{send: d}]
"""
LADDER_WITH_FALL = LADDER.replace(
    'prospect: {rise: "score >= 10"}', 'prospect: {rise: "score >= 6", fall: "held_for(\'5d\', score < 5)"}'
)
KEEN = Behaviour(share=1.0, opens=0.6, clicks=0.5, visits_per_30d=6, buys=0.1, asks_for_advice=0.4, unsubscribes=0.02)


def wanted(audience: int, days: int = 40, **changes: Any) -> Wanted:
    return replace(Wanted(days, audience, 7, (("keen", KEEN), ("silent", BEHAVIOURS["silent"]))), **changes)


@pytest.fixture(scope="module")
def files():  # type: ignore[no-untyped-def]
    welcome = WELCOME.replace("goal:", "exclusive: one\npriority: second\nholdout: 20%\ngoal:")
    return site_with(welcome, RIVAL, ladder=LADDER_WITH_FALL)


# ── As the store decides ─────────────────────────────────────────────────────────────────────────────────────────────


def test_two_hundred_lives_leave_the_same_trace_in_the_store(files) -> None:  # type: ignore[no-untyped-def]
    """Each life is lived in memory first; then her deeds alone are told to the real store, which must decide alike."""
    town = town_of(files, wanted(200, days=16))
    lives = [Life(town, number, keeps=True) for number in range(1, 201)]
    for life in lives:
        life.run()
    assert sum(life.account.orders for life in lives) > 20
    assert sum(life.account.unsubscribed for life in lives) > 0
    stage = play(files)
    stage.shelf = Shelf(SECRET)  # type: ignore[assignment]  # the same draws, and the holdout a story leaves out
    stage.clock = town.began
    _retell(stage, lives, town.ends)
    with stage.world.transaction("read") as session:
        for life in lives:
            told = stories.told(session, life.stored_id)  # type: ignore[attr-defined]
            real = [(t.at, t.code, t.step, _plain(dict(t.seen))) for t in told]
            made = [(d.at, d.code.value, d.step, _plain(dict(d.seen))) for d in life.decisions]
            assert made == real, f"life {life.number}"
    mine = sorted((at, mail) for life in lives for at, mail in life.mails)
    assert mine == sorted((letter.at, letter.mail) for letter in stage.inbox)
    stage.world.database.dispose()


def _plain(seen: dict[str, object]) -> str:
    return json.dumps(seen, sort_keys=True)


def _retell(stage: Stage, lives: list[Life], ends: int) -> None:
    deeds = sorted(_ordered(lives), key=lambda each: (each[0], each[1]))
    for at, _, life, deed in deeds:
        stage.run_to(at)
        _do(stage, life, deed)
        stage.work()
    stage.run_to(ends)


def _ordered(lives: list[Life]) -> Iterator[tuple[int, int, Life, Deed]]:
    for life in lives:
        for place, deed in enumerate(life.deeds or ()):
            yield deed.at, place, life, deed


def _do(stage: Stage, life: Life, deed: Deed) -> None:
    with stage.world.transaction("write") as session:
        if not hasattr(life, "stored_id"):
            object.__setattr__(life, "stored_id", _arrive(stage, session, life))
        who = life.stored_id  # type: ignore[attr-defined]
        if deed.withdraws:
            queue.withdraw_causes(session, f"{life.number}:confirm:", stage.clock)
        for message in deed.messages:
            cause, at = message.key.step, message.slot_at
            queue_by_cause(session, NewMessage(stage.new_id(), who, cause, message.mail, MailClass.SERVICE, at))
        rows = [events.fact_row(who, fact, message_id=_message(session, who, fact), verdict="") for fact in deed.facts]
        if rows:
            events.record(session, rows)
            events.announce(session, rows)
            people.wake(session, [who], stage.clock)


def _message(session, who: int, fact) -> int | None:  # type: ignore[no-untyped-def]
    from sqlalchemy import select

    from app.store.messages import MessageRow

    if fact.kind not in (FactKind.OPENED, FactKind.CLICKED, FactKind.REPLIED):
        return None
    mine = select(MessageRow.id).where(MessageRow.subscriber_id == who, MessageRow.mail_key == fact.name)
    return session.scalar(mine.where(MessageRow.state == "sent").order_by(MessageRow.id.desc()).limit(1))  # type: ignore[no-any-return]


def _arrive(stage: Stage, session, life: Life) -> int:  # type: ignore[no-untyped-def]
    address = f"p{life.number}@example.com"
    new = people.NewSubscriber(life.public_id, address, address, "potential", life.arrived, locale="en")
    return people.create(session, new).id


# ── The same every time ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_year_in_one_process_and_in_two(files) -> None:  # type: ignore[no-untyped-def]
    one, two = simulate(files, wanted(120)), simulate(files, wanted(120, processes=2))
    assert plain(one) == plain(two)
    other = simulate(files, wanted(120, seed=8))
    assert plain(one)["trace"] != plain(other)["trace"]


def test_a_larger_audience_holds_the_same_people_first(files) -> None:  # type: ignore[no-untyped-def]
    small, large = simulate(files, wanted(20)).summary, simulate(files, wanted(40)).summary
    assert large.digests[:20] == small.digests


def test_what_is_counted_adds_up(files) -> None:  # type: ignore[no-untyped-def]
    summary = simulate(files, wanted(150)).summary
    assert summary.mails == summary.by_campaign.total()
    assert summary.reached["potential"] == summary.people == 150
    assert summary.final.total() == 150
    assert summary.worst_weeks.total() == 150
    assert summary.worst[0] <= 8
    assert summary.ghosts["welcome"] > 0


def test_summary_report_and_json_say_the_same_number(files) -> None:  # type: ignore[no-untyped-def]
    done = simulate(files, wanted(60))
    said, page = "\n".join(lines(done)), html(done)
    assert f"{done.summary.mails:,} marketing" in said
    assert f">{done.summary.mails:,}<" in page
    assert "<svg" in page
    assert "<script" not in page
    per_day = plain(done)["mails_per_day"]
    assert isinstance(per_day, list)
    assert sum(per_day) == done.summary.mails


def test_summary_and_report_are_told_in_persian_too(files) -> None:  # type: ignore[no-untyped-def]
    done = simulate(files, wanted(60))
    said = list(lines(done, files.workspace.site, "fa"))
    assert len(said) > 10
    for line in said:
        assert re.match(" *[\u0600-\u06ff]", line), line
        assert not re.search("[A-Za-z0-9]", re.sub("\u2068[^\u2069]*\u2069", "", line)), line
    assert said[0] == "شبیه‌سازی: ۶۰ نفر · ۴۰ روز · بذر ۷ · ایمیلی برای کسی نرفت"
    assert any(line.startswith("    به سبب سقف ۱ در روز: ") for line in said)
    page = html(done, "fa")
    assert '<html lang="fa" dir="rtl">' in page
    assert f">{grouped(done.summary.mails)}<" in page
    words = re.sub(r"(?s)<style>.*?</style>|<[^>]+>", " ", page)
    known = {*done.stages, *done.campaigns}
    assert not [word for word in re.findall(r"[A-Za-z][\w/-]*|[0-9]+", words) if word not in known]


def test_a_persian_chart_begins_at_the_right() -> None:
    first, last = re.findall(r'<rect class="bar" x="([\d.]+)"', bars([1, 0, 0, 2], "روز", "fa"))
    assert float(first) > 500 > 1 > float(last)
    first, last = re.findall(r'<rect class="bar" x="([\d.]+)"', bars([1, 0, 0, 2], "day"))
    assert float(last) > 500 > 1 > float(first)


def test_the_real_list_is_looked_ahead_for_and_nobody_is_mailed(files) -> None:  # type: ignore[no-untyped-def]
    stage = play(files)
    people_on(stage)
    before = len(stage.inbox)
    done = forecast(stage.world, stage.shelf, files, wanted(0, days=30))
    assert done is not None
    assert done.summary.people == 3
    assert done.summary.by_mail["b"] == 1
    assert len(stage.inbox) == before
    stage.world.database.dispose()


def test_behaviours_are_read_from_a_file_and_a_wrong_key_is_named() -> None:
    read = behaviours_of(tomllib.loads("[silent]\nshare = 0.5\n[keen]\nshare = 1\nclicks = 0.3"))
    assert read["silent"].share == 0.5
    assert read["silent"].opens == BEHAVIOURS["silent"].opens
    assert read["keen"].clicks == 0.3
    with pytest.raises(BehaviourFault, match="'cliks'"):
        behaviours_of({"keen": {"cliks": 1}})


def test_the_dice_are_the_published_generator() -> None:
    """The stream of seed state 0 is known: splitmix64 begins 0xE220A8397B1DCDAF."""
    dice = Dice(0, 0)
    dice._state = 0
    assert dice.bits() == 0xE220A8397B1DCDAF
    assert 0 <= dice.share() < 1
    drawn = hashlib.sha256(b"".join(Dice(7, n).id() for n in range(1_000))).hexdigest()
    assert drawn == hashlib.sha256(b"".join(Dice(7, n).id() for n in range(1_000))).hexdigest()
    assert sum(Dice(7, n).hits(0.3) for n in range(10_000)) == pytest.approx(3_000, abs=150)


def test_a_wait_without_memory_has_its_mean() -> None:
    waits = [Dice(1, n).wait(DAY) for n in range(5_000)]
    assert sum(waits) / len(waits) == pytest.approx(DAY, rel=0.05)
