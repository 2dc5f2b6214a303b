"""What `parvar test` says: where a story turned and why, what no story walked, and the same as XML and JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from app.actions.inspect import Inspection, inspect
from app.actions.rehearse import Rehearsal, rehearse
from app.actions.rehearse.covering import coverage, whole
from app.actions.rehearse.snapshots import compare, snapshots
from app.actions.rehearse.telling import account
from app.cli import rehearsing
from app.cli.rehearsing import Told, cover_words, failure_lines, junit_xml, plain, snapshot_lines, sum_line
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
    assert "left: goal" in turn.what.in_locale("en")
    assert turn.place.line == WELCOME.splitlines().index('goal: "bought()"') + 1
    assert "goal" in told.why.in_locale("en")
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


# ── The real house ──


def failed(inspection: Inspection) -> str:
    (rehearsal,) = tell(inspection)
    assert rehearsal.failure is not None
    return rehearsal.failure.got.in_locale("en")


def test_a_code_is_shown_by_somebody_who_holds_one() -> None:
    sources = sources_of({"welcome": WELCOME}) | {
        "campaigns/welcome.test.yaml": story("she shows none", "buy: {amount: 100, code: spring}"),
        "campaigns/offers/spring.yaml": "offer: spring\ntitle: Spring\ngives: {percent: 15%}\ncodes: {pool: spring}\n",
    }
    inspection = inspect(sources, date(2026, 11, 1))
    assert not inspection.errors, [str(error) for error in inspection.errors]
    assert failed(inspection) == "she holds no code of spring"


def test_who_was_asked_to_confirm_by_no_mail_cannot_confirm() -> None:
    told = STORY.replace("  - signup: {{box: book}}\n", "").format(title="nobody", rest="")
    assert "no mail with a link to confirm" in failed(files(told))


def test_a_friend_comes_in_by_the_box_and_counts_a_day_later() -> None:
    inspection = files(
        story("she brings one", "refer", "pass: 23h", "pass: 2h", "complain: {friend: true}", "pass: 1d")
    )
    (rehearsal,) = tell(inspection)
    assert rehearsal.has_passed, rehearsal.failure
    alone = failed(files(story("nobody to complain", "complain: {friend: true}")))
    assert alone == "she has brought no friend"


# ── In Persian ──

MISSES = (
    "expect: {mail: b, by: 1h}",
    "expect: {mail: b, at: 2026-11-01 12:00}",
    'expect: {mail: a, by: 1m, subject: "Another one"}',
    "expect: {stage: customer}",
    "expect: {score: {least: 90}}",
    "expect: {tag: keen}",
    "expect: {run: {campaign: welcome, left: goal}}",
    "expect: {notified: sara@example.com}",
    "expect: {held: {mail: b}}",
    "click: {mail: d}",
    "refund",
)


def in_persian(line: str) -> str:
    """A line that begins in Persian and holds nothing foreign but what is set apart."""
    assert re.match(r" *(◂ )?[\u0600-\u06ff]", line), line
    assert not re.search("[A-Za-z0-9]", re.sub("\u2068[^\u2069]*\u2069", "", line)), line
    return line


@pytest.mark.parametrize("miss", MISSES)
def test_what_failed_is_told_in_persian_too(miss: str) -> None:
    inspection = files(story("a miss", miss))
    (rehearsal,) = tell(inspection)
    assert rehearsal.failure is not None
    assert inspection.workspace is not None
    told = account(rehearsal, inspection.workspace.campaigns)
    lines = [in_persian(line) for line in failure_lines(rehearsal, rehearsal.failure, told, "fa")]
    assert lines[0].startswith("رد: \u2068a miss\u2069، در \u2068campaigns/welcome.test.yaml:")
    assert not re.search("[\u0600-\u06ff]", "".join(failure_lines(rehearsal, rehearsal.failure, told)))


def test_the_turn_its_reason_and_the_sum_are_told_in_persian_too() -> None:
    inspection = files(BUYS)
    (rehearsal,) = tell(inspection)
    assert rehearsal.failure is not None
    assert inspection.workspace is not None
    campaigns = inspection.workspace.campaigns
    *_, turn, why, fix = failure_lines(rehearsal, rehearsal.failure, account(rehearsal, campaigns), "fa")
    assert turn.startswith(
        "  ◂ یکشنبه ۱۰ آبان ساعت ۱۱:۰۰: دور \u2068welcome\u2069 پایان یافت: رسیدن به هدف «خرید کرده است»"
    )
    assert why == "    چرا: به هدف رسید و دور پایان یافت"
    assert fix == "    چاره: پیش از هدف انتظارش را داشته باشید، یا خط ۶ را عوض کنید"
    summed = sum_line([Told(rehearsal, 0.25)], coverage(campaigns.values(), [rehearsal]), 1.25, "fa")
    assert in_persian(summed).startswith("جمع: ۰ قبول، ۱ رد · گام‌ها ۱ از ۶ · شاخه‌ها ۰ از ۲؛ هرگز پیموده نشد: ")
    assert summed.endswith("۱٫۲ ثانیه")


def test_the_command_answers_in_persian_and_programs_read_the_same(tmp_path: Path) -> None:
    for path, text in (sources_of({"welcome": WELCOME}) | {"campaigns/welcome.test.yaml": BUYS}).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    run = CliRunner().invoke
    said = run(rehearsing.test, [str(tmp_path), "--lang", "fa", "--cover", "90", "--snapshots", str(tmp_path / "kept")])
    assert said.exit_code == 1, said.output
    for line in filter(str.strip, said.output.splitlines()):
        in_persian(line)
    assert "پیموده شد: " in said.output
    assert "نمونه‌ها: " in said.output
    plain_of = [
        json.loads(run(rehearsing.test, [str(tmp_path), "--json", "--lang", lang]).output) for lang in ("en", "fa")
    ]
    wanted = [each["scenarios"][0]["wanted"] for each in plain_of]
    assert wanted == ["mail b within 5d"] * 2


# ── Snapshots ──


def test_snapshots_hold_nothing_that_changes_by_itself_and_a_changed_mail_is_a_readable_difference() -> None:
    kept = snapshots(tell(files(CLICKS)))
    assert {"a.en.txt", "a.en.html", "system/confirm.en.txt"} <= kept.keys()
    later = snapshots(tell(files(story("she comes later", "pass: 3h"), CLICKS)))
    assert list(compare(kept, later)) == []
    sources = sources_of({"welcome": WELCOME}) | {"campaigns/welcome.test.yaml": CLICKS}
    sources["email_templates/a.md"] = sources["email_templates/a.md"].replace("read on", "read more")
    changed = {each.name: each for each in compare(kept, snapshots(tell(inspect(sources, date(2026, 11, 1)))))}
    assert changed.keys() == {"a.en.txt", "a.en.html"}
    said = snapshot_lines(changed["a.en.txt"])
    assert said[0] == "~ a.en.txt"
    assert any(line.startswith("    -") and "read on" in line for line in said)
    assert any(line.startswith("    +") and "read more" in line for line in said)
    (new,) = compare({}, {"b.en.txt": "x"})
    assert snapshot_lines(new) == ["+ b.en.txt   not kept before"]
