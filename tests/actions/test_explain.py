"""Explain reads why out of what was stored, says no exactly once, and tells the future the engine then brings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.actions.explain import NotKnown, Question, explain
from app.actions.rehearse.stage import Stage
from app.core.conditions import Condition, parse, sentence
from app.core.explaining import Explanation, Mark, Topic, Verdict, lines
from app.core.explaining.labelling import labels_of
from app.core.facts import FactKind
from app.core.instants import DAY, HOUR
from app.core.site import Ladder, Site
from app.files.reader import read
from tests.actions.small_site import LADDER, SITE, WELCOME, people_on, play, site_with

RIVAL = """
campaign: rival
title: Rival
state: live
priority: first
enter: {on: asked, again: {after: 1d}}
sequences:
  any: [{send: e}]
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = play(site_with(WELCOME, RIVAL))
    yield stage
    stage.world.database.dispose()


def ask(stage: Stage, who: str, subject: str = "", at: int | None = None) -> Explanation:
    told = explain(stage.world, stage.shelf, Question(who, subject, at))
    assert isinstance(told, Explanation), told
    return told


def test_at_most_one_check_says_no_and_later_ones_are_not_reached(stage: Stage) -> None:
    people_on(stage)
    for who in ("alice", "bob", "carol"):
        for mail in ("a", "b", "c", "d", "e"):
            checks = ask(stage, f"{who}@example.com", mail).checks
            marks = [check.mark for check in checks]
            assert marks.count(Mark.NO) <= 1
            after = marks[marks.index(Mark.NO) + 1 :] if Mark.NO in marks else []
            assert all(mark is Mark.UNREACHED for mark in after)


def test_a_mail_that_left_has_every_check_and_its_time(stage: Stage) -> None:
    people_on(stage)
    told = ask(stage, "alice@example.com", "a")
    assert told.verdict is Verdict.GOT
    assert told.stopper is None
    assert told.at == stage.inbox[-1].at or told.at in {mail.at for mail in stage.inbox}


def test_a_mail_that_waits_leaves_when_explain_says(stage: Stage) -> None:
    alice, _, _ = people_on(stage)
    told = ask(stage, "alice@example.com", "b")
    assert told.verdict is Verdict.COMES
    assert told.stopper is not None
    assert told.stopper.topic is Topic.PLACE
    assert told.stopper.place.file == "campaigns/welcome.yaml"
    stage.run_to(stage.clock + 5 * DAY)
    assert told.at == next(mail.at for mail in stage.inbox if mail.mail == "b")
    assert alice.subscriber_id


def test_another_mail_of_the_day_is_named_with_the_limit_and_its_line(stage: Stage) -> None:
    alice, _, _ = people_on(stage)
    stage.run_to(stage.clock + 2 * DAY - 2 * HOUR)
    alice.does(FactKind.EVENT, "asked")
    stage.run_to(stage.clock + 3 * HOUR)
    told = ask(stage, "alice@example.com", "b")
    assert told.stopper is not None
    assert told.stopper.topic is Topic.LIMIT
    assert told.stopper.seen["taken_by"] == "e"
    assert told.stopper.place.file == "campaigns/site.yaml"
    assert "limits:" in site_line(told.stopper.place.line)
    stage.run_to(stage.clock + 2 * DAY)
    assert told.at == next(mail.at for mail in stage.inbox if mail.mail == "b")


def site_line(number: int) -> str:
    from tests.actions.small_site import SITE

    return SITE.splitlines()[number - 1]


def test_who_bought_is_stopped_by_the_goal_and_its_line(stage: Stage) -> None:
    alice, _, _ = people_on(stage)
    alice.buys()
    told = ask(stage, "alice@example.com", "b")
    assert told.verdict is Verdict.NEVER
    assert told.stopper is not None
    assert told.stopper.topic is Topic.GOAL
    assert "goal:" in WELCOME.splitlines()[told.stopper.place.line - 1]


def test_carol_left_and_bob_never_came(stage: Stage) -> None:
    people_on(stage)
    carol = ask(stage, "carol@example.com", "b")
    assert carol.stopper is not None
    assert carol.stopper.topic is Topic.PERMISSION
    assert ask(stage, "bob@example.com", "b").verdict is Verdict.OUTSIDE


def test_the_past_is_told_as_it_was_decided_then(stage: Stage) -> None:
    alice, _, _ = people_on(stage)
    before = stage.clock
    stage.run_to(stage.clock + 3 * DAY)
    alice.buys()
    then = ask(stage, "alice@example.com", "b", at=before + HOUR)
    assert then.stopper is not None
    assert then.stopper.topic is Topic.PLACE
    assert then.projected == ()


def test_the_branch_not_taken_is_named(stage: Stage) -> None:
    alice, _, _ = people_on(stage)
    stage.run_to(stage.clock + 3 * DAY)
    alice.clicks("b")
    told = ask(stage, "alice@example.com", "d")
    assert told.stopper is not None
    assert (told.stopper.topic, told.stopper.seen["branch"], told.stopper.seen["wanted"]) == (
        Topic.BRANCH,
        "then",
        "else",
    )
    assert told.verdict is Verdict.NEVER
    headline, why = lines(told, "en")[:2]
    assert headline == "Alice does not get d in this run."
    assert why == "Why: “has clicked a link in the mail b”: went then, the mail stands under else."
    assert lines(told, "fa")[0] == "مشترک \u2068Alice\u2069 در این دور ایمیل \u2068d\u2069 را نمی‌گیرد."


def test_a_mail_that_stands_under_both_branches_is_asked_about_where_she_went() -> None:
    both = WELCOME.replace("else: [{send: d}]", "else: [{send: d}, {wait: 1d}, {send: c, id: late}]")
    stage = play(site_with(both))
    people_on(stage)
    stage.run_to(stage.clock + 6 * DAY + 12 * HOUR)
    told = ask(stage, "alice@example.com", "c")
    assert told.verdict is Verdict.COMES
    assert told.stopper is not None
    assert told.stopper.topic is Topic.PLACE
    stage.run_to(stage.clock + 3 * DAY)
    assert ask(stage, "alice@example.com", "c").verdict is Verdict.GOT
    stage.world.database.dispose()


def test_the_receipt_adds_up_to_the_score(stage: Stage) -> None:
    alice, _, _ = people_on(stage)
    stage.run_to(stage.clock + 3 * DAY)
    alice.clicks("b")
    told = ask(stage, "alice@example.com")
    assert told.receipt is not None
    assert told.receipt.score == pytest.approx(sum(line.left for line in told.receipt.lines))
    assert [line.points for line in told.receipt.lines] == [5, 3]
    assert told.receipt.rule == "rise:lead"


def test_persian_lines_begin_with_a_persian_word_and_keep_keys_apart(stage: Stage) -> None:
    people_on(stage)
    for subject in ("", "a", "b", "welcome"):
        for line in lines(ask(stage, "alice@example.com", subject), "fa"):
            assert "\u0600" <= line[0] <= "\u06ff", line
            assert "   " not in line
            assert line.count("\u2068") == line.count("\u2069")


def test_persian_sentences_use_the_words_of_the_files_not_their_keys() -> None:
    ladder = LADDER.replace("lead: {rise", 'lead: {label: {en: "Lead", fa: "سرنخ"}, rise').replace(
        "label: Potential", 'label: {en: "Potential", fa: "بالقوه"}'
    )
    site = SITE.replace("locales: [en]", "locales: [en, fa]")
    known = labels_of(*_site_and_ladder(site, ladder), "fa")
    condition = parse("stage == 'lead'")
    assert isinstance(condition, Condition)
    assert "سرنخ" in sentence(condition, "fa", known)
    assert "lead" not in sentence(condition, "fa", known)


def _site_and_ladder(site: str, ladder: str) -> tuple[Site, Ladder]:
    workspace, problems = read({"campaigns/site.yaml": site, "campaigns/ladder.yaml": ladder})
    assert workspace is not None, [str(problem) for problem in problems]
    return workspace.site, workspace.ladder


def test_a_receipt_says_the_stage_by_its_name_and_the_future_with_its_dates(stage: Stage) -> None:
    people_on(stage)
    told = ask(stage, "alice@example.com")
    assert told.labels["fa"].texts
    said = lines(told, "en")
    assert any("Tue 3 Nov 09:30" in line and "b" in line for line in said)


def test_english_names_the_file_and_the_line(stage: Stage) -> None:
    people_on(stage)
    told = lines(ask(stage, "alice@example.com", "b"), "en")
    assert told[0].startswith("Alice has not got b yet. It leaves Tue 3 Nov 09:30 (Tehran)")
    assert any("✗ step" in line and "welcome.yaml:10" in line for line in told)


def test_nobody_and_nothing_are_said_so(stage: Stage) -> None:
    people_on(stage)
    assert isinstance(explain(stage.world, stage.shelf, Question("dave@example.com")), NotKnown)
    assert isinstance(explain(stage.world, stage.shelf, Question("alice@example.com", "nothing")), NotKnown)
