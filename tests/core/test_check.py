"""Findings over a whole workspace, each with a site that has it and the small site that has not."""

from __future__ import annotations

from datetime import date

import pytest

from app.core.check import allowed, findings, reachable_score
from app.core.problem import Problem
from app.core.text import Place
from app.core.workspace import MailFacts, Workspace
from app.files import check, read
from tests.files.sites import TODAY, base_site, changed


def workspace(sources: dict[str, str]) -> Workspace:
    found, problems = read(sources)
    assert found is not None, [str(problem) for problem in problems]
    return found


def facts(key: str, locale: str = "en", **known: object) -> MailFacts:
    return MailFacts(key, locale, place=Place(f"email_templates/{key}.{locale}.md", 1, 1), **known)  # type: ignore[arg-type]


def codes(sources: dict[str, str], *mails: MailFacts, today: date = TODAY) -> set[str]:
    found = findings(workspace(sources), mails, today)
    return {problem.code for problem in found} - {"not-yet-acting"}


def only(code: str, sources: dict[str, str], *mails: MailFacts) -> Problem:
    found = [each for each in findings(workspace(sources), mails, TODAY) if each.code == code]
    assert len(found) == 1, found
    return found[0]


def test_the_small_site_has_no_findings() -> None:
    assert codes(base_site()) == set()


# ── Ladder ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_reachable_score_counts_limits_and_names_what_has_none() -> None:
    reach = reachable_score(workspace(base_site()).ladder)
    assert (reach.most, reach.each) == (35, ())
    with_replies = changed("ladder.yaml", "  fit:", "    - {on: reply, points: 15}\n  fit:")
    assert str(reachable_score(workspace(with_replies).ladder)) == "35 in 30 days, and 15 for each reply"


@pytest.mark.parametrize(("score", "is_found"), [(35, False), (36, True)])
def test_a_rung_is_unreachable_from_one_point_above_what_can_be_gathered(score: int, is_found: bool) -> None:
    sources = changed("ladder.yaml", "score >= 20 or did('demo_requested', within='30d')", f"score >= {score}")
    assert ("unreachable-rung" in codes(sources)) == is_found


def test_another_way_up_makes_a_rung_reachable() -> None:
    assert codes(changed("ladder.yaml", "score >= 20 or did", "score >= 90 or did")) == set()


def test_a_fall_that_leaves_no_room_flaps() -> None:
    assert codes(changed("ladder.yaml", "held_for('14d', score < 10)", "score < 25")) == {"ladder-flaps"}
    assert codes(changed("ladder.yaml", "held_for('14d', score < 10)", "score < 10")) == set()


def test_a_fall_without_a_way_back_is_found() -> None:
    sources = changed("ladder.yaml", "score >= 20 or did('demo_requested', within='30d')", "tagged('vip')")
    assert "ladder-stuck" in codes(sources)


# ── Steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_stands_behind_branches_that_all_end_is_unreachable() -> None:
    sources = changed(
        "nurture/ready.yaml",
        "    - send: ready/questions\n",
        '    - if: "confirmed"\n      then: [end]\n      else: [end]\n    - send: ready/questions\n',
    )
    assert "unreachable-step" in codes(sources)


def test_a_hand_over_that_may_be_refused_lets_the_next_step_be_reached() -> None:
    sources = changed("nurture/welcome.yaml", "    - notify:", "    - hand_over: ready\n    - notify:")
    assert "unreachable-step" not in codes(sources)


def test_mails_a_day_apart_keep_the_limit_and_mails_of_one_day_do_not() -> None:
    near = changed("nurture/ready.yaml", 'wait: {days: 2, at: "10:00"}', "wait: 5h")
    far = changed("nurture/ready.yaml", 'wait: {days: 2, at: "10:00"}', 'wait: {days: 1, at: "10:00"}')
    assert codes(near) == {"mails-too-close"}
    assert codes(far) == set()


def test_five_mails_in_a_week_break_the_limit_of_four() -> None:
    mails = ["book/story", "book/second-look", "book/objection", "book/chapter", "offer/compare"]
    steps = "".join(f"    - send: {mail}\n    - wait: 1d\n" for mail in mails)
    sources = changed(
        "nurture/ready.yaml", "    - send: ready/questions\n", steps + "    - wait: 9d\n    - send: ready/questions\n"
    )
    assert "4 per 7d" in only("mails-too-close", sources).message


def test_service_mails_count_for_no_limit() -> None:
    near = changed("nurture/ready.yaml", 'wait: {days: 2, at: "10:00"}', "wait: 5h")
    assert "mails-too-close" not in codes(near, facts("ready/questions", is_service=True))


def test_a_notice_in_another_branch_than_the_mail_is_not_late() -> None:
    sources = changed(
        "nurture/ready.yaml",
        "    - send: ready/questions\n",
        "    - if: \"kind == 'referred'\"\n      then: [{notify: {to: bob@shop.example, mail: team/hot}}]\n"
        "    - send: ready/questions\n",
    )
    assert codes(sources) == set()


# ── Coming in and going over ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("condition", "is_found"),
    [
        ("kind == 'ready'", True),
        ("visited('/pricing*', within='7d')", True),
        ("score >= 5", True),
        ("not tagged('vip')", False),
        ("confirmed", False),
        ("in_segment('big_spenders')", False),
    ],
)
def test_only_facts_that_lapse_by_themselves_are_refused_in_while(condition: str, is_found: bool) -> None:
    sources = changed("nurture/ready.yaml", "exclusive: nurture", f'while: "{condition}"\nexclusive: nurture')
    assert ("lapsing-while" in codes(sources)) == is_found


def test_a_target_without_a_sequence_for_the_stage_refuses() -> None:
    sources = changed("nurture/ready.yaml", "sequences:\n  any:", "sequences:\n  customer:")
    assert "no sequence for the stage prospect" in only("hand-over-refused", sources).message


def test_an_else_is_safe_once_the_unknown_is_asked_for() -> None:
    asks = """        - {when: "attribute('budget') == 'high'", then: []}\n"""
    guard = """        - {when: "not known('budget')", then: []}\n"""
    before = """        - {when: "kind == 'ready'","""
    assert codes(changed("nurture/welcome.yaml", before, asks + before)) == {"else-unknown"}
    assert codes(changed("nurture/welcome.yaml", before, asks + guard + before)) == set()


# ── Selling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_discount_for_customers_may_come_first() -> None:
    first = '    - send: ready/questions\n    - wait: {days: 2, at: "10:00"}\n'
    sources = changed("nurture/ready.yaml", first, "")
    assert "discount-first" in codes(sources)
    path = "campaigns/nurture/ready.yaml"
    sources[path] = sources[path].replace("stage == 'prospect' and kind", "stage == 'customer' and kind")
    assert "discount-first" not in codes(sources)


def test_a_deadline_is_real_only_with_a_code_of_ones_own() -> None:
    pool = "{pool: spring, low_at: 200, when_empty: hold}"
    assert "deadline-not-real" in codes(changed("offers/spring.yaml", pool, "none"))
    assert codes(changed("offers/spring.yaml", '{days: 5, at: "20:00"}', "2026-12-31 20:00")) == set()


def test_an_offer_that_has_ended_is_told() -> None:
    sources = changed("offers/spring.yaml", '{days: 5, at: "20:00"}', "2026-11-01 20:00")
    assert codes(sources) == {"offer-over"}
    assert codes(sources, today=date(2026, 10, 1)) == set()


def test_a_wait_for_the_end_of_an_offer_needs_one() -> None:
    assert "offer-end-unknown" in codes(changed("offers/spring.yaml", 'ends: {days: 5, at: "20:00"}\n', ""))


# ── Mails ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_twins_are_both_service_mails_or_neither_is() -> None:
    english, persian = facts("book/story"), facts("book/story", "fa", is_service=True)
    found = only("twin-service", base_site(), english, persian)
    assert found.message == "one of the twins is a service mail, the other (email_templates/book/story.en.md) is not"
    assert found.file == "email_templates/book/story.fa.md"
    assert codes(base_site(), english, facts("book/story", "fa")) == set()


def test_a_subject_a_step_names_must_be_there() -> None:
    assert codes(base_site(), facts("book/objection")) == {"unknown-subject"}
    assert codes(base_site(), facts("book/objection", subjects=("bold",))) == set()


def test_a_mail_nobody_sends_is_told_but_not_one_of_the_system() -> None:
    sources = base_site() | {
        f"email_templates/{key}.{locale}.md": "" for key in ("old/one", "system/digest") for locale in ("en", "fa")
    }
    assert only("mail-unused", sources).message == "no campaign and no box sends 'old/one'"


def test_a_mail_that_lacks_a_language_is_told_unless_it_is_for_the_team() -> None:
    sources = base_site()
    del sources["email_templates/book/story.fa.md"]
    del sources["email_templates/team/hot.fa.md"]
    assert only("missing-twin", sources).fix == "Create email_templates/book/story.fa.md"


def test_what_a_box_promises_must_be_a_service_mail() -> None:
    assert codes(base_site(), facts("book/deliver", links=("download",))) == {"deliver-not-service"}
    assert codes(base_site(), facts("book/deliver", links=("download",), is_service=True)) == set()


@pytest.mark.parametrize(
    ("mail", "variables", "code"),
    [
        ("ready/questions", {"offer.code"}, "mail-needs-offer"),
        ("book/story", {"survey"}, "mail-needs-ask"),
        ("book/story", {"event.total"}, "mail-needs-event"),
        ("ready/push", {"offer.left"}, "offer-lacks"),
    ],
)
def test_a_variable_that_not_every_step_provides_is_an_error(mail: str, variables: set[str], code: str) -> None:
    found = findings(workspace(base_site()), [facts(mail, variables=frozenset(variables))], TODAY)
    assert {problem.code for problem in found if problem.is_error} == {code}


@pytest.mark.parametrize(
    ("mail", "variables"),
    [
        ("ready/push", {"offer.code", "offer.ends"}),
        ("after/question", {"survey"}),
        ("book/story", {"subscriber.first_name"}),
    ],
)
def test_variables_that_are_provided_are_fine(mail: str, variables: set[str]) -> None:
    assert codes(base_site(), facts(mail, variables=frozenset(variables))) == set()


# ── Allowing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


LAPSING = "while: \"kind == 'ready'\""


def told(allow: str) -> list[str]:
    sources = changed("nurture/ready.yaml", "exclusive: nurture", f"{LAPSING}\nallow: [{allow}]\nexclusive: nurture")
    return [problem.code for problem in check(sources, (), TODAY) if problem.code != "not-yet-acting"]


def test_a_finding_is_silenced_by_a_reason_until_its_date() -> None:
    assert told('{finding: lapsing-while, because: "they are called"}') == []
    assert told('{finding: lapsing-while, because: "they are called", until: 2026-12-01}') == []
    assert told('{finding: lapsing-while, because: "x", until: 2026-11-22}') == ["lapsing-while", "allow-expired"]


def test_a_step_allows_for_itself_only() -> None:
    step = '      offer: spring\n      allow: [{finding: discount-first, because: "x"}]\n    - wait: {date'
    sources = changed("nurture/ready.yaml", "      offer: spring\n    - wait: {date", step)
    path = "campaigns/nurture/ready.yaml"
    first = '    - send: ready/questions\n    - wait: {days: 2, at: "10:00"}\n'
    sources[path] = sources[path].replace(first, "")
    left = {problem.code for problem in check(sources, (), TODAY)} - {"not-yet-acting"}
    assert left == {"mail-unused"}


def test_an_error_cannot_be_allowed() -> None:
    site = workspace(base_site())
    problem = Problem("unreachable-rung", "campaigns/ladder.yaml", 1, 1, "", "", "error")
    assert allowed([problem], site, TODAY) == (problem,)
