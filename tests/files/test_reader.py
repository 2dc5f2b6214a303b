"""Reading a whole site: what the workspace holds, and what is said when several files are wrong at once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from app.core.campaign import Ask, ForCondition, ForDate, ForDays, ForSpan, Use, Wait
from app.core.instants import DAY, HOUR, to_datetime
from app.core.workspace import MailFacts, Workspace
from app.files import check, load, read
from tests.files.sites import TODAY, base_site, changed, with_file

WAITS = """\
campaign: waits
title: Waits
state: draft
enter: []
sequences:
  any:
    - wait: 36h
    - wait: {days: 2, at: "09:30"}
    - wait: {day: workday, at: "09:30"}
    - wait: {date: 1405-12-29, days: -1, if_past: exit}
    - wait: {date: birthday, at: "09:00"}
    - send: ready/push
      offer: spring
    - wait: {date: offer.ends, before: 12h}
    - wait: {until: "confirmed", at_most: 3d, then: [], else: [end]}
    - dormant
"""


def workspace(sources: dict[str, str]) -> Workspace:
    found, problems = read(sources)
    assert found is not None, [str(problem) for problem in problems]
    return found


def test_a_clean_site_is_read_whole() -> None:
    site = workspace(base_site())
    assert site.site.locales == ("en", "fa")
    assert [stage.key for stage in site.ladder.stages] == ["visitor", "lead", "prospect", "customer"]
    assert set(site.campaigns) == {"welcome", "ready"}
    assert set(site.boxes) == {"book"}
    assert site.people["alice"].attributes["budget"] == "high"
    assert site.mails["book/story"]["fa"] == "email_templates/book/story.fa.md"


def test_steps_have_ids_and_fragments_stand_in_their_place() -> None:
    welcome = workspace(base_site()).campaigns["welcome"]
    assert [step.id for step in welcome.steps()] == [
        "before book/chapter",
        "book/chapter",
        "before book/story",
        "book/story",
        "book/second-look",
        "before subject-test",
        "subject-test",
        "book/objection",
        "book/objection",
        "team/hot to sales@shop.example",
        "before ready",
        "hand_over ready",
        "offer/compare",
        "before after/question",
        "after/question",
        "review",
        "review/before after/review",
        "review/after/review",
        "after/thanks",
    ]


def test_waits_are_read_in_all_their_forms() -> None:
    campaign = workspace(with_file("waits.yaml", WAITS)).campaigns["waits"]
    rules = [step.rule for step in campaign.steps() if isinstance(step, Wait)]
    assert rules[0] == ForSpan(36 * HOUR)
    assert isinstance(rules[1], ForDays)
    assert rules[3] == ForDate(date="2027-03-20", days=-1, if_past=rules[3].if_past)  # type: ignore[union-attr]
    assert isinstance(rules[4], ForDate)
    assert rules[4].attribute == "birthday"
    assert isinstance(rules[5], ForDate)
    assert rules[5].is_offer_end
    assert isinstance(rules[6], ForCondition)


def test_defaults_of_the_site_complete_a_campaign() -> None:
    site = workspace(base_site())
    assert [str(condition) for condition in site.campaigns["ready"].while_] == ["not tagged('no-nurture')"]
    assert site.campaigns["ready"].holdout == 0
    assert site.campaigns["ready"].rank == 1
    assert site.campaigns["ready"].listen == 365 * DAY


def test_until_with_a_date_alone_lasts_through_that_day() -> None:
    sources = changed(
        "nurture/welcome.yaml", "enter: {box: book}", "enter: {box: book, from: 2026-12-01, until: 2026-12-24}"
    )
    entry = workspace(sources).campaigns["welcome"].entries[0]
    assert entry.from_at is not None
    assert entry.until_at is not None
    assert to_datetime(entry.until_at).date() == date(2026, 12, 25)


def test_an_answer_may_be_a_range_a_number_or_an_option() -> None:
    welcome = workspace(base_site()).campaigns["welcome"]
    ask = next(step for step in welcome.steps() if isinstance(step, Ask))
    assert [(case.low, case.high) for case in ask.answers] == [(9, 10), (0, 8)]
    assert ask.answers[0].matches(9)
    assert not ask.answers[0].matches(8)
    assert isinstance(ask.answers[0].then[0], Use)


def test_comments_and_line_breaks_change_no_digest() -> None:
    before = workspace(base_site()).campaigns["welcome"]
    after = workspace(changed("nurture/welcome.yaml", "sequences:\n", "\n# the sequences\n\nsequences:\n")).campaigns[
        "welcome"
    ]
    assert before.digest == after.digest
    moved = workspace(changed("nurture/welcome.yaml", "wait: 2d", "wait: 3d")).campaigns["welcome"]
    assert moved.digest != before.digest


def test_problems_of_all_files_come_at_once_in_order_of_file_and_line() -> None:
    sources = changed("nurture/welcome.yaml", "wait: 2d", "wait: two") | {
        "campaigns/boxes/book.yaml": base_site()["campaigns/boxes/book.yaml"].replace("shape: inline", "shape: round"),
        "campaigns/ladder.yaml": base_site()["campaigns/ladder.yaml"].replace("orders >= 1", "orders >> 1"),
    }
    found, problems = read(sources)
    assert found is None
    places = [(problem.file, problem.line) for problem in problems]
    assert places == sorted(places)
    assert {file for file, _ in places} == {
        "campaigns/boxes/book.yaml",
        "campaigns/ladder.yaml",
        "campaigns/nurture/welcome.yaml",
    }


def test_a_fault_in_the_site_does_not_make_every_other_file_look_wrong() -> None:
    _, problems = read(changed("site.yaml", "  timezone: Europe/London\n", ""))
    assert [problem.code for problem in problems] == ["missing-key"]


def test_a_faulty_attribute_is_still_known_by_its_name() -> None:
    _, problems = read(changed("site.yaml", "first_name: {type: text,", "first_name: {type: txt,"))
    assert [problem.code for problem in problems] == ["unknown-word"]


def test_a_campaign_that_cannot_be_read_is_still_a_name() -> None:
    _, problems = read(changed("nurture/ready.yaml", "state: live", "state: liv"))
    assert [problem.code for problem in problems] == ["unknown-word"]


@pytest.mark.parametrize("path", ["campaigns/site.yaml", "campaigns/ladder.yaml"])
def test_site_and_ladder_must_exist(path: str) -> None:
    sources = base_site()
    del sources[path]
    found, problems = read(sources)
    assert found is None
    assert [problem.code for problem in problems] == ["missing-file"]


def test_names_of_links_are_compared_when_the_mails_are_known() -> None:
    sources = changed("nurture/welcome.yaml", "clicked('book/chapter')", "clicked('book/chapter', link='raed')")
    assert not [problem for problem in read(sources)[1] if problem.is_error]
    facts = [MailFacts("book/chapter", "en", links=("read",))]
    assert [problem.code for problem in read(sources, facts)[1]] == ["condition-unknown-link"]


def test_a_test_file_may_hold_several_stories() -> None:
    sources = base_site()
    path = "campaigns/nurture/welcome.test.yaml"
    second = sources[path].replace("a reader gets the chapter", "and another")
    site = workspace(sources | {path: sources[path] + "---\n" + second})
    assert [scenario.key for scenario in site.scenarios] == ["nurture/welcome", "nurture/welcome#2"]
    assert site.scenarios[0].person.address == "alice.brown@shop.example"


def test_files_are_loaded_from_the_disk_with_their_bytes_kept(tmp_path: Path) -> None:
    for name, text in base_site().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "campaigns" / ".draft.yaml").write_text("never read", "utf-8")
    assert dict(load(tmp_path)) == base_site()
    (tmp_path / "campaigns" / "late.yaml").write_bytes(b"campaign: late\ntitle: \xff\n")
    problems = check(load(tmp_path), (), TODAY)
    assert [problem.code for problem in problems if problem.is_error] == ["not-utf-8"]


@pytest.mark.parametrize("depth", [50, 5000])
def test_hostile_conditions_are_answered_with_a_problem(depth: int) -> None:
    goal = "(" * depth + "confirmed" + ")" * depth
    _, problems = read(changed("nurture/welcome.yaml", 'goal: "bought()"', f'goal: "{goal}"'))
    assert problems
    assert all(problem.file == "campaigns/nurture/welcome.yaml" for problem in problems)
