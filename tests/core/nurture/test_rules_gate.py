"""Rules 20–28: the ladder's hysteresis, the gate before a mail, caps and priorities, rivals, holdout, pauses."""

from __future__ import annotations

from dataclasses import replace

from app.core.book import Book, Standing
from app.core.engagement import score
from app.core.facts import FactKind
from app.core.instants import DAY, HOUR, MINUTE
from app.core.pacing import parse_limit
from app.core.person import Code, Finish, MailClass, MessageState, PausedBy, RunResult, RunState
from app.core.site import Contact
from app.core.windows import QuietRules, parse_quiet_hours
from tests.core.nurture.life import START, Life, book, welcome

SEND = "sequences:\n  any: [{send: a}]"


def contact(rules: Book, *limits: str, quiet: str = "", delay: int = 7 * DAY) -> Book:
    hours = QuietRules(parse_quiet_hours(quiet)) if quiet else QuietRules()
    return replace(
        rules, site=replace(rules.site, contact=Contact(tuple(parse_limit(text) for text in limits), delay, hours))
    )


def campaign(key: str, mail: str, event: str = "asked", **head: str) -> str:
    lines = "\n".join(f"{name}: {value}" for name, value in head.items())
    body = f"sequences:\n  any: [{{send: {mail}}}]"
    return f"campaign: {key}\ntitle: {key}\nstate: live\nenter: {{on: {event}}}\n{lines}\n{body}"


# ── The ladder ───────────────────────────────────────────────────────────────────────────────────────────────────────

HOT = """
stages:
  potential: {label: Potential}
  lead: {rise: "confirmed"}
  prospect: {rise: "score >= 30", fall: "held_for('14d', score < 20)"}
scoring:
  half_life: 30d
  engagement:
    - {on: confirmed, points: 5}
    - {on: visit, path: "/pricing*", points: 10, at_most: 40 per 30d}
"""


def visit(life: Life, times: int) -> None:
    for _ in range(times):
        life.tick()
        life.happen(life.fact(FactKind.VISITED, path="/pricing/all"))


def test_rule_20_a_fall_waits_out_its_time_and_a_rise_needs_a_new_fact_afterwards() -> None:
    alice = Life(book(welcome(SEND), ladder=HOT))
    alice.sign_up()
    visit(alice, 3)
    assert alice.stage == "prospect"
    alice.pass_time(24 * DAY)
    assert alice.stage == "prospect", "35 points halve to 20 after 24 days; then 14 days have to pass"
    alice.pass_time(16 * DAY)
    assert alice.stage == "lead"
    falls = [d for d in alice.decisions if d.code is Code.STAGE and d.seen["rule"] == "fall:prospect"]
    assert len(falls) == 1
    assert START + 38 * DAY < falls[0].at < START + 40 * DAY


def test_rule_20_a_person_may_jump_and_falls_one_rung_at_a_time() -> None:
    steep = HOT + "segments: {}\n"
    steep = steep.replace("scoring:", '  fan: {rise: "score >= 34.5", fall: "score < 34"}\nscoring:')
    alice = Life(book(welcome(SEND), ladder=steep))
    alice.sign_up()
    visit(alice, 3)
    assert alice.stage == "fan"
    alice.pass_time(2 * DAY)
    assert alice.stage == "prospect"


def test_rule_21_points_are_capped_per_bucket_and_decay_by_half_in_a_half_life() -> None:
    alice = Life(book(welcome(SEND), ladder=HOT))
    alice.sign_up()
    visit(alice, 9)
    now = score(alice.person.subscriber, alice.now, 30 * DAY)
    assert 44.9 < now <= 45
    later = score(alice.person.subscriber, alice.now + 30 * DAY, 30 * DAY)
    assert abs(later - now / 2) < 1e-6


def test_machine_visits_earn_nothing() -> None:
    alice = Life(book(welcome(SEND), ladder=HOT))
    alice.sign_up()
    alice.happen(alice.fact(FactKind.VISITED, path="/pricing", is_human=False))
    assert score(alice.person.subscriber, alice.now, 30 * DAY) < 6


# ── The gate ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rule_23_quiet_hours_and_caps_are_solved_together() -> None:
    rules = contact(book(welcome("sequences:\n  any: [{send: a}, {send: b}]")), "1 per 24h", quiet="09:00-11:00")
    alice = Life(rules)
    alice.sign_up()
    assert alice.message("a").slot_at == START + HOUR
    alice.pass_time(HOUR)
    assert alice.mails == ["a"]
    assert alice.message("b").slot_at == START + 25 * HOUR
    alice.pass_time(DAY)
    assert alice.when("b") == "11-02 11:00"


def test_rule_23_beyond_the_delay_a_mail_is_skipped_with_its_reason() -> None:
    rules = contact(book(welcome("sequences:\n  any: [{send: a}, {send: b}, {send: c}]")), "1 per 7d", delay=2 * DAY)
    alice = Life(rules)
    alice.sign_up()
    run = alice.run("welcome")
    assert run.finished["b"].finish is Finish.SKIPPED
    assert Code.SKIPPED_LIMIT in alice.codes("welcome")
    assert alice.mails == ["a"]


def test_rule_23_a_mail_that_was_wanted_too_long_ago_is_skipped_as_stale() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{wait: 1d}, {send: a, fresh_for: 24h}, {send: b}]")))
    alice.sign_up()
    alice.sleep(9 * DAY)
    alice.decide(())
    assert Code.SKIPPED_STALE in alice.codes("welcome")
    alice.pass_time(8 * DAY)
    assert alice.mails == ["b"]


def test_rule_23_an_outage_spreads_what_is_overdue() -> None:
    rules = book(welcome("sequences:\n  any: [{wait: 1d}, {send: a}]"))
    slots = set()
    for number in range(20):
        life = Life(rules)
        person = replace(life.person.subscriber, public_id=number.to_bytes(16, "big"))
        life.person = replace(life.person, subscriber=person)
        life.sign_up()
        life.is_mail_stuck = True
        life.sleep(3 * DAY)
        life.decide(())
        slots.add(life.message("a").slot_at - life.now)
    assert len(slots) > 15
    assert all(0 <= slot < DAY for slot in slots)


def test_rule_24_half_past_nine_daily_passes_one_per_24_hours() -> None:
    steps = ", ".join(f'{{wait: {{days: 1, at: "09:30"}}}}, {{send: {mail}}}' for mail in "abcd")
    alice = Life(contact(book(welcome(f"sequences:\n  any: [{steps}]")), "1 per 24h"))
    alice.sign_up()
    alice.pass_time(6 * DAY)
    assert [alice.when(mail) for mail in "abcd"] == ["11-02 09:30", "11-03 09:30", "11-04 09:30", "11-05 09:30"]


def test_rule_24_a_higher_priority_takes_the_slot_and_the_loser_is_solved_again() -> None:
    rules = contact(
        book(campaign("low", "a", priority="second"), campaign("high", "b", "cart", priority="first")),
        "1 per 24h",
        quiet="09:00-11:00",
    )
    alice = Life(rules)
    alice.sign_up()
    alice.ask()
    assert alice.message("a").slot_at == START + HOUR
    alice.event("cart", cart_id="1", total=1)
    assert alice.message("b").slot_at == START + HOUR
    assert alice.message("a").slot_at == START + 25 * HOUR
    assert Code.DISPLACED in alice.codes("low")
    alice.pass_time(2 * DAY)
    assert alice.mails == ["b", "a"]


def test_rule_24_a_lower_priority_waits_behind_a_slot_that_is_taken() -> None:
    rules = contact(
        book(campaign("low", "a", "cart", priority="second"), campaign("high", "b", priority="first")), "1 per 24h"
    )
    alice = Life(rules)
    alice.sign_up()
    alice.ask()
    alice.event("cart", cart_id="1", total=1)
    alice.pass_time(2 * DAY)
    assert alice.mails == ["b", "a"]
    assert alice.sent[1][0] - alice.sent[0][0] >= DAY


def test_rule_27_service_mail_skips_caps_and_quiet_time_but_never_an_unsubscribe() -> None:
    rules = contact(book(welcome("sequences:\n  any: [{send: a}, {send: b}]"), service=("b",)), "1 per 7d")
    alice = Life(rules)
    alice.sign_up()
    assert alice.mails == ["a", "b"]
    assert alice.message("b").mail_class is MailClass.SERVICE
    carol = Life(rules)
    carol.sign_up()
    carol.leave()
    carol.pass_time(DAY)
    carol.sign_up()
    assert carol.mails == ["a", "b"]


def test_rule_27_after_leaving_an_order_of_ones_own_still_brings_its_service_mail() -> None:
    order = "campaign: order\ntitle: Order\nstate: live\nenter: {on: order, again: {each: order_id}}\n"
    rules = book(order + "sequences:\n  any: [{send: b}, {send: a}]", service=("b",))
    carol = Life(rules)
    carol.sign_up()
    carol.leave()
    carol.tick(HOUR)
    carol.buy()
    assert carol.mails == ["b"]
    assert carol.run("order").result is RunResult.UNSUBSCRIBED


# ── Rivals ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def rivals() -> Book:
    long = "campaign: long\ntitle: Long\nstate: live\nenter: {box: book}\nexclusive: nurture\npriority: second\n"
    short = "campaign: short\ntitle: Short\nstate: live\nenter: {on: cart}\nexclusive: nurture\npriority: first\n"
    return book(
        long + "sequences:\n  any: [{wait: 4d}, {send: a}]", short + "sequences:\n  any: [{wait: 2d}, {send: b}]"
    )


def test_rule_25_the_lower_one_pauses_and_keeps_what_is_left_of_its_wait() -> None:
    alice = Life(rivals())
    alice.sign_up()
    alice.pass_time(DAY)
    alice.event("cart", cart_id="1", total=1)
    began = alice.now
    assert alice.run("long").paused_by is PausedBy.EXCLUSIVE
    alice.pass_time(2 * DAY)
    assert alice.mails == ["b"]
    alice.pass_time(4 * DAY)
    assert alice.mails == ["b", "a"]
    assert alice.sent[1][0] == began + 2 * DAY + 3 * DAY - (began - START - DAY)


def test_rule_25_the_paused_one_still_watches_its_goal() -> None:
    rules = rivals()
    goal = welcome(SEND, goal='"bought()"')
    wish = book(goal).campaigns["welcome"].goal
    long = replace(rules.campaigns["long"], goal=wish)
    alice = Life(replace(rules, campaigns={**rules.campaigns, "long": long}))
    alice.sign_up()
    alice.event("cart", cart_id="1", total=1)
    alice.buy()
    assert alice.run("long").result is RunResult.GOAL


def test_rule_26_a_ghost_is_decided_and_recorded_and_never_mailed() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {tag: x}, {wait: 1d}, {send: b}]", holdout="100%")))
    alice.sign_up()
    alice.pass_time(3 * DAY)
    run = alice.run("welcome")
    assert run.is_ghost
    assert alice.mails == []
    assert [run.finished[step].finish for step in ("a", "b")] == [Finish.GHOST, Finish.GHOST]
    assert alice.person.subscriber.tags == frozenset()


def test_rule_26_a_ghost_gets_the_service_mail_she_asked_for() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {send: b}]", holdout="100%"), service=("b",)))
    alice.sign_up()
    assert alice.mails == ["b"]


def test_rule_28_a_personal_pause_holds_and_waits_keep_their_dates() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{wait: 5d}, {send: a}]")))
    alice.sign_up()
    alice.tick()
    alice.happen(alice.fact(FactKind.PAUSED, value=START + 3 * DAY))
    assert alice.run("welcome").state is RunState.PAUSED
    alice.pass_time(4 * DAY)
    assert alice.run("welcome").state is RunState.WAITING
    alice.pass_time(2 * DAY)
    assert alice.when("a") == "11-06 10:00"


def test_rule_28_a_campaign_pause_withdraws_and_resuming_sends() -> None:
    alice = Life(book(welcome(SEND)))
    alice.is_mail_stuck = True
    alice.sign_up()
    alice.stand("welcome", Standing.PAUSED)
    assert alice.message("a").state is MessageState.WITHDRAWN
    alice.is_mail_stuck = False
    alice.stand("welcome", Standing.LIVE)
    alice.pass_time(MINUTE)
    assert alice.mails == ["a"]


def test_dormant_stops_marketing_until_a_human_act() -> None:
    alice = Life(book(welcome("sequences:\n  any: [dormant, {send: a}]")))
    alice.sign_up()
    alice.pass_time(90 * DAY)
    assert alice.mails == []
    alice.happen(alice.fact(FactKind.VISITED, path="/", is_human=False))
    assert alice.mails == []
    alice.ask()
    alice.pass_time(2 * DAY)
    assert Code.SKIPPED_STALE in alice.codes("welcome") or alice.mails == ["a"]


def test_notify_tells_our_people_without_waiting_for_caps() -> None:
    steps = "sequences:\n  any: [{send: a}, {notify: {to: sales@example.com, mail: team}}]"
    alice = Life(contact(book(welcome(steps)), "1 per 7d", quiet="00:00-23:59"))
    alice.sign_up()
    alice.pass_time(DAY)
    assert alice.told == ["sales@example.com"]


def test_rule_18_a_look_that_comes_late_sets_the_timer_to_when_it_became_true() -> None:
    alice = Life(book(welcome(SEND), ladder=HOT))
    alice.sign_up()
    visit(alice, 3)
    alice.sleep(30 * DAY)
    alice.decide(())
    (since,) = alice.person.subscriber.timers.values()
    assert START + 23 * DAY < since < START + 25 * DAY


# ── Less mail, by her own wish ───────────────────────────────────────────────────────────────────────────────────────

TWO = ("first", "a"), ("second", "b")


def queued_twice() -> Life:
    """Alice got the book's mail today; two more are queued for the next two days."""
    rules = contact(
        book(
            welcome("sequences:\n  any: [{send: c}]"),
            *(campaign(*each, overdue="{skip_older_than: 30d}") for each in TWO),
        ),
        "1 per day",
        delay=40 * DAY,
    )
    alice = Life(rules)
    alice.sign_up()
    alice.pass_time(HOUR)
    alice.ask()
    assert alice.mails == ["c"]
    assert [alice.message(mail).state for mail in "ab"] == [MessageState.QUEUED] * 2
    return alice


def test_mail_queued_before_obeys_a_wish_for_less_in_its_order() -> None:
    alice = queued_twice()
    before = alice.message("a").slot_at, alice.message("b").slot_at
    assert before[1] - alice.now < 3 * DAY
    alice.wrote(tags=frozenset({"at-most-weekly"}))
    alice.happen(alice.fact(FactKind.CHANGED, "tag:at-most-weekly"))
    sent = alice.message("c").settled_at
    assert sent is not None
    first, second = alice.message("a").slot_at, alice.message("b").slot_at
    assert first - sent >= 7 * DAY
    assert second - first >= 7 * DAY
    assert Code.DISPLACED in alice.codes()
    alice.pass_time(6 * DAY)
    assert alice.mails == ["c"]
    alice.pass_time(10 * DAY)
    assert alice.mails == ["c", "a", "b"]


def test_a_wish_for_more_and_other_tags_move_nothing() -> None:
    alice = queued_twice()
    before = alice.message("a").slot_at, alice.message("b").slot_at
    alice.wrote(tags=frozenset({"vip"}))
    alice.happen(alice.fact(FactKind.CHANGED, "tag:vip"))
    alice.happen(alice.fact(FactKind.CHANGED, "tag:at-most-weekly"))  # taken away again
    assert (alice.message("a").slot_at, alice.message("b").slot_at) == before
