"""Plan says in campaign words what changes, whom it moves and which mails come, and apply then does exactly that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.inspect import Inspection
from app.actions.plan import Plan, make_plan
from app.actions.plan.applying import (
    Applied,
    NotConfirmed,
    Order,
    OtherPlan,
    PlanFirst,
    RefusedPlan,
    apply_planned,
)
from app.actions.publish import Authorship
from app.actions.rehearse.stage import Stage
from app.cli.plans import lines
from app.core.instants import DAY, HOUR, Instant
from tests.actions.small_site import LADDER, SITE, WELCOME, Player, people_on, play, site_with

ME = Authorship("leila", "a test", "abc123")


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = play(site_with(WELCOME))
    yield stage
    stage.world.database.dispose()


def plan_of(stage: Stage, files: Inspection) -> Plan:
    plan = make_plan(stage.world, stage.shelf, files)
    assert isinstance(plan, Plan), plan
    return plan


def apply(stage: Stage, files: Inspection, digest: str = "", confirmed: int | None = None):  # type: ignore[no-untyped-def]
    return apply_planned(stage.world, stage.shelf, files, Order(ME, digest, confirmed))


def edited(*changes: tuple[str, str], text: str = WELCOME) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


SOONER = edited(("{days: 2,", "{days: 1,"))


def test_a_shorter_wait_is_said_in_campaign_words_with_its_line(stage: Stage) -> None:
    people_on(stage)
    (campaign,) = plan_of(stage, site_with(SOONER)).campaigns
    (step,) = campaign.steps
    assert step.change.name == "before b"
    assert step.change.words == "wait 2 days, 09:30 → 1 day, 09:30"
    assert "days: 1" in SOONER.splitlines()[step.change.place.line - 1]


def test_comments_and_order_of_keys_are_no_change(stage: Stage) -> None:
    same = edited(("state: live\n", ""), ("title: Welcome\n", "state: live\ntitle: Welcome\n# why\n"))
    assert plan_of(stage, site_with(same)).difference.is_empty


def test_who_stands_there_is_counted_by_deciding_not_by_standing(stage: Stage) -> None:
    """Two people stand at the wait; by the shorter one the first is due at once, the second on a day to come."""
    Player(stage, "alice").joins()
    stage.run_to(stage.clock + DAY)
    Player(stage, "dora").joins()
    (campaign,) = plan_of(stage, site_with(SOONER)).campaigns
    (step,) = campaign.steps
    assert (step.standing, step.at_once) == (2, 1)
    assert [count for _, count in step.later] == [1]
    assert campaign.example is not None
    assert campaign.example.who.name == "Alice"


def test_people_past_the_change_are_not_even_looked_at(stage: Stage) -> None:
    Player(stage, "alice").joins()
    stage.run_to(stage.clock + 3 * DAY)
    Player(stage, "dora").joins()
    plan = plan_of(stage, site_with(SOONER))
    assert (plan.people, plan.decided) == (2, 1)


def test_a_ladder_change_says_who_rises_and_who_falls(stage: Stage) -> None:
    people_on(stage)
    lower = LADDER.replace("score >= 10", "score >= 4")
    (move,) = plan_of(stage, site_with(WELCOME, ladder=lower)).ladder
    assert (move.before, move.after, move.is_rise) == ("lead", "prospect", True)
    assert move.people == 2  # Carol too: stages are about everybody, mail is not
    assert move.example is not None


def test_a_removed_step_that_holds_people_is_refused_with_the_text_to_write(stage: Stage) -> None:
    people_on(stage)
    gone = edited(('    - wait: {days: 2, at: "09:30"}\n    - send: b\n', ""), ("clicked('b')", "bought()"))
    plan = plan_of(stage, site_with(gone))
    (refusal,) = plan.refusals
    assert refusal.code == "lost"
    assert 'removed: {"before b": next}' in refusal.fix.in_locale("en")
    assert refusal.words.in_locale("fa").startswith("۱ نفر در گام «پیش از \u2068b\u2069» ایستاده است")
    assert isinstance(apply(stage, site_with(gone), plan.digest), RefusedPlan)
    mended = gone.replace("sequences:", 'removed: {"before b": next}\nsequences:')
    assert not plan_of(stage, site_with(mended)).refusals


def test_the_same_mail_twice_is_refused(stage: Stage) -> None:
    people_on(stage)
    again = edited(("    - send: b\n", "    - send: b\n    - {send: a, id: a-again}\n"))
    plan = plan_of(stage, site_with(again))
    assert [refusal.code for refusal in plan.refusals] == ["twice"]
    assert "Alice" in plan.refusals[0].words.in_locale("en")


def test_a_new_campaign_enters_nobody(stage: Stage) -> None:
    people_on(stage)
    new = "campaign: more\ntitle: More\nstate: live\nenter: {box: book}\nsequences:\n  any: [{send: e}]\n"
    plan = plan_of(stage, site_with(WELCOME, new))
    assert plan.is_harmless
    assert isinstance(apply(stage, site_with(WELCOME, new)), Applied)
    stage.run_to(stage.clock + DAY)
    assert "e" not in {mail.mail for mail in stage.inbox}


def test_overlapping_campaigns_are_named_with_a_person(stage: Stage) -> None:
    more = "campaign: more\ntitle: More\nstate: live\nenter: {box: book}\nsequences:\n  any: [{wait: 9d}, {send: e}]\n"
    stage.publish(site_with(WELCOME, more))
    people_on(stage)
    (overlap,) = plan_of(stage, site_with(SOONER, more)).overlaps
    assert (overlap.one, overlap.two, overlap.people, overlap.example.name) == ("more", "welcome", 1, "Alice")


# ── Applying ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_what_was_planned_is_applied(stage: Stage) -> None:
    people_on(stage)
    plan = plan_of(stage, site_with(SOONER))
    other = edited(("{days: 2,", "{days: 3,"))
    assert isinstance(apply(stage, site_with(other), plan.digest), OtherPlan)
    assert isinstance(apply(stage, site_with(SOONER)), PlanFirst)
    applied = apply(stage, site_with(SOONER), plan.digest)
    assert isinstance(applied, Applied)
    assert isinstance(apply(stage, site_with(other), plan.digest), OtherPlan)
    assert applied.release_id == stage.shelved().release_id


def test_a_change_of_what_is_live_makes_the_plan_void(stage: Stage) -> None:
    people_on(stage)
    plan = plan_of(stage, site_with(SOONER))
    stage.publish(site_with(edited(("at_most: 4d", "at_most: 5d"))))
    assert isinstance(apply(stage, site_with(SOONER), plan.digest), OtherPlan)


def test_above_the_guard_the_number_has_to_be_confirmed() -> None:
    strict = SITE.replace("500 per hour", "1 per hour")
    stage = play(site_with(WELCOME, site=strict))
    for name in ("alice", "dora", "eve"):
        Player(stage, name).joins()
    files = site_with(edited(('wait: {days: 2, at: "09:30"}', "wait: 1m")), site=strict)
    stage.run_to(stage.clock + 2 * HOUR)
    plan = plan_of(stage, files)
    assert plan.guard.is_over
    assert isinstance(apply(stage, files, plan.digest), NotConfirmed)
    assert isinstance(apply(stage, files, plan.digest, plan.guard.mails + 1), NotConfirmed)
    assert isinstance(apply(stage, files, plan.digest, plan.guard.mails), Applied)
    stage.world.database.dispose()


def test_who_and_why_are_kept_with_the_release(stage: Stage) -> None:
    from app.store import plans

    people_on(stage)
    plan = plan_of(stage, site_with(SOONER))
    applied = apply(stage, site_with(SOONER), plan.digest)
    assert isinstance(applied, Applied)
    with stage.world.transaction("read") as session:
        kept = plans.released(session, applied.release_id)
    assert kept is not None
    assert (kept.author, kept.note, kept.commit) == ("leila", "a test", "abc123")


# ── The promise: the plan's numbers are what apply then does ─────────────────────────────────────────────────────────

_first = st.sampled_from(
    (
        'wait: {days: 2, at: "09:30"}',
        'wait: {days: 1, at: "09:30"}',
        "wait: 3d",
        "wait: 90m",
        'wait: {days: 4, at: "12:00"}',
    )
)
_limit = st.sampled_from(("at_most: 4d", "at_most: 1d", "at_most: 6d"))
_extra = st.sampled_from(("", "    - send: e\n", "    - wait: 12h\n    - send: e\n", "    - tag: seen\n"))
_joined = st.lists(st.integers(0, 140), min_size=1, max_size=5)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(first=_first, limit=_limit, extra=_extra, hours=_joined, threshold=st.sampled_from((10, 4, 6)))
def test_what_the_plan_counts_is_what_apply_then_does(
    first: str, limit: str, extra: str, hours: list[int], threshold: int
) -> None:
    stage = play(site_with(WELCOME))
    began = stage.clock
    for number, hour in enumerate(sorted(hours)):
        stage.run_to(began + hour * HOUR)
        Player(stage, f"p{number}").joins()
    text = edited(('wait: {days: 2, at: "09:30"}', first), ("at_most: 4d", limit), ("  any: []", f"{extra}  any: []"))
    files = site_with(text, ladder=LADDER.replace("score >= 10", f"score >= {threshold}"))
    plan = plan_of(stage, files)
    before, stages = stage.clock, _stages(stage)
    if plan.refusals:
        stage.world.database.dispose()
        return
    applied = apply(stage, files, plan.digest)
    assert isinstance(applied, Applied)
    mails_before = len(stage.inbox)
    stage.run_to(before)
    climbed = Counter((was, now) for was, now in zip(stages, _stages(stage), strict=True) if was != now)
    assert climbed == Counter({(move.before, move.after): move.people for move in plan.ladder})
    stage.run_to(before + 7 * DAY)
    came = _per_day([mail.at for mail in stage.inbox[mails_before:]], before)
    if plan.decided == len(hours):
        assert came == list(plan.days)
    else:
        assert all(real >= planned for real, planned in zip(came, plan.days, strict=True))
    stage.world.database.dispose()


def _stages(stage: Stage) -> list[str]:
    from sqlalchemy import select

    from app.store.people import SubscriberRow

    with stage.world.transaction("read") as session:
        return list(session.scalars(select(SubscriberRow.stage).order_by(SubscriberRow.id)))


def _per_day(instants: list[Instant], since: Instant) -> list[int]:
    days = Counter((at - since) // DAY for at in instants)
    return [days[day] for day in range(7)]


def test_every_line_of_a_persian_plan_begins_in_persian_and_sets_keys_apart(stage: Stage) -> None:
    people_on(stage)
    Player(stage, "dora").joins()
    more = "campaign: more\ntitle: More\nstate: live\nenter: {box: book}\nsequences:\n  any: [{wait: 9d}, {send: e}]\n"
    gone = edited(('    - wait: {days: 2, at: "09:30"}\n    - send: b\n', ""), ("clicked('b')", "bought()"))
    found: list[str] = []
    for files in (site_with(SOONER, more, ladder=LADDER.replace("score >= 10", "score >= 4")), site_with(gone)):
        found = list(lines(plan_of(stage, files), "Asia/Tehran", "fa"))
        assert len(found) > 5
        for line in found:
            assert re.match(r" *[\u0600-\u06ff]", line), line
            assert not re.search("[A-Za-z0-9]", re.sub("\u2068[^\u2069]*\u2069", "", line)), line
    assert any("رد شد: " in line for line in found)
    assert not any(re.search("[\u0600-\u06ff]", line) for line in lines(plan_of(stage, files), "Asia/Tehran"))
