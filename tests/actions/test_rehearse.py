"""What `parvar test` says: where a story turned and why, what no story walked, and the same as XML and JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from xml.etree import ElementTree

import pytest

from app.actions.inspect import Inspection, inspect
from app.actions.rehearse import Rehearsal, rehearse
from app.actions.rehearse.covering import coverage, whole
from app.actions.rehearse.telling import account
from app.cli.rehearsing import Told, cover_words, failure_lines, junit_xml, plain
from tests.actions.small_site import WELCOME, sources_of

STORY = """
scenario: {title}
starts: 2026-11-01 10:00
subscriber: {{address: alice@example.com}}
story:
  - signup: {{box: book}}
  - confirm
  - expect: {{mail: a, by: 5m}}
{rest}
"""


def files(*stories: str, campaign: str = WELCOME) -> Inspection:
    sources = sources_of({"welcome": campaign}) | {"campaigns/welcome.test.yaml": "---".join(stories)}
    inspection = inspect(sources, date(2026, 11, 1))
    assert inspection.workspace is not None, inspection.problems
    assert not inspection.errors, [str(error) for error in inspection.errors]
    return inspection


def tell(inspection: Inspection) -> list[Rehearsal]:
    assert inspection.workspace is not None
    return [rehearse(inspection, s, lambda _: inspection) for s in inspection.workspace.scenarios]


def story(title: str, *lines: str) -> str:
    return STORY.format(title=title, rest="\n".join(f"  - {line}" for line in lines))


CLICKS = story("she clicks", "expect: {mail: b, by: 5d}", "click: {mail: b}", "expect: {mail: c, by: 2d}")
WAITS = story("she waits", "expect: {mail: d, by: 9d}")
BUYS = story("she buys", "pass: 1h", "buy: {amount: 100}", "expect: {mail: b, by: 5d}")


def test_the_turn_is_marked_with_its_reason_its_line_and_a_fix() -> None:
    inspection = files(BUYS)
    (rehearsal,) = tell(inspection)
    assert rehearsal.failure is not None
    assert inspection.workspace is not None
    told = account(rehearsal, inspection.workspace.campaigns)
    (turn,) = [line for line in told.lines if line.is_turn]
    assert "left: goal" in turn.what
    assert turn.place.line == WELCOME.splitlines().index('goal: "bought()"') + 1
    assert "goal" in told.why
    lines = failure_lines(rehearsal, rehearsal.failure, told)
    assert lines[0].startswith("✗ she buys")
    assert "welcome.test.yaml:" in lines[0]
    assert lines[1].strip().startswith("wanted   mail b within 5d · got nothing after a")
    assert sum("▸" in line for line in lines) == 1
    assert lines[-1].strip().startswith("why  ")


def test_coverage_names_the_way_nobody_took() -> None:
    inspection = files(WAITS)
    assert inspection.workspace is not None
    (covered,) = coverage(inspection.workspace.campaigns.values(), tell(inspection))
    assert (covered.steps_walked, covered.steps) == (5, 6)
    assert (covered.branches_walked, covered.branches) == (1, 2)
    assert {(each.step, each.branch) for each in covered.unwalked} == {("c", ""), ("before c", "then")}
    assert "never walked" in cover_words([covered])


def test_stories_together_walk_everything() -> None:
    inspection = files(CLICKS, WAITS)
    assert inspection.workspace is not None
    rehearsals = tell(inspection)
    assert all(each.has_passed for each in rehearsals)
    assert whole(coverage(inspection.workspace.campaigns.values(), rehearsals)) == 1.0


def test_the_xml_and_the_json_say_the_same() -> None:
    inspection = files(CLICKS, BUYS)
    assert inspection.workspace is not None
    campaigns = inspection.workspace.campaigns
    told = [Told(each, 0.25) for each in tell(inspection)]
    root = ElementTree.fromstring(junit_xml(told, campaigns))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failed = suite.find("testcase/failure")
    assert failed is not None
    assert "wanted mail b within 5d" in (failed.get("message") or "")
    as_json = plain(told, coverage(campaigns.values(), [each.rehearsal for each in told]))
    assert [each["passed"] for each in as_json["scenarios"]] == [True, False]  # type: ignore[attr-defined]


def test_a_copied_stage_tells_the_same_story_as_a_new_one() -> None:
    inspection = files(CLICKS)
    assert inspection.workspace is not None
    first = tell(inspection)[0]
    again = tell(inspection)[0]
    fresh = tell(replace(inspection))[0]
    assert first.told == again.told == fresh.told


@pytest.mark.parametrize("days", [1, 400])
def test_a_year_of_story_time_is_no_matter(days: int) -> None:
    inspection = files(story("she waits long", f"pass: {days}d", "expect: {stage: lead}"))
    (rehearsal,) = tell(inspection)
    assert rehearsal.has_passed
