"""Rules 1–7: runs, places, steps, what is withdrawn."""

from __future__ import annotations

from dataclasses import replace

from app.core.book import Standing
from app.core.facts import FactKind
from app.core.instants import DAY, HOUR, MINUTE
from app.core.person import Code, Finish, MessageState, RunResult, RunState, Settled, apply
from tests.core.nurture.life import Life, book, welcome

TWO = "sequences:\n  lead: [{send: a}, {wait: 2d}, {send: b}]\n  prospect: [{send: c}]\n  any: []"


def test_rule_1_every_run_ends_rests_or_waits_for_something_nameable() -> None:
    alice = Life(book(welcome(TWO)))
    alice.sign_up()
    run = alice.run("welcome")
    assert (run.state, run.reason) == (RunState.WAITING, Code.WAITS)
    assert run.due_at == alice.now + 2 * DAY


def test_rule_2_a_run_at_the_end_of_its_sequence_rests_and_still_watches_the_stage() -> None:
    alice = Life(book(welcome(TWO)))
    alice.sign_up()
    alice.pass_time(10 * DAY)
    assert alice.run("welcome").state is RunState.RESTING
    assert alice.mails == ["a", "b"]
    alice.ask()
    assert alice.mails == ["a", "b", "c"]


def test_rule_2_rest_ends_when_nobody_listens_any_more() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}]", listen="30d")))
    alice.sign_up()
    alice.pass_time(29 * DAY)
    assert alice.run("welcome").state is RunState.RESTING
    alice.pass_time(2 * DAY)
    assert alice.run("welcome").result is RunResult.LISTENED


def test_rule_2_steps_appended_by_a_later_version_continue_a_resting_run() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}]")))
    alice.sign_up()
    alice.pass_time(DAY)
    alice.publish(book(welcome("sequences:\n  any: [{send: a}, {send: b}]")))
    assert alice.mails == ["a", "b"]


def test_rule_2_on_goal_steps_run_after_the_goal_and_then_the_run_has_ended() -> None:
    alice = Life(book(welcome(TWO, goal='"bought()"', on_goal="[{send: thanks}]")))
    alice.sign_up()
    alice.buy()
    assert alice.mails == ["a", "thanks"]
    assert alice.run("welcome").result is RunResult.GOAL
    alice.pass_time(30 * DAY)
    assert alice.mails == ["a", "thanks"]


def test_rule_3_leaving_a_sequence_and_coming_back_continues_after_the_last_finished_step() -> None:
    steps = "sequences:\n  lead: [{send: a}, {wait: 2d}, {send: b}, {wait: 1d}, {send: d}]\n  prospect: [{send: c}]"
    ladder_back = 30 + 14
    alice = Life(book(welcome(steps)))
    alice.sign_up()
    alice.pass_time(DAY)
    alice.ask()
    assert alice.mails == ["a", "c"]
    alice.pass_time((ladder_back + 1) * DAY)
    assert alice.stage == "lead"
    assert alice.mails == ["a", "c"], "the wait that was interrupted starts over"
    alice.pass_time(4 * DAY)
    assert alice.mails == ["a", "c", "b", "d"]


def test_rule_3_without_a_sequence_for_the_stage_the_run_ends() -> None:
    alice = Life(book(welcome("sequences:\n  lead: [{send: a}, {wait: 9d}]")))
    alice.sign_up()
    alice.ask()
    assert alice.run("welcome").result is RunResult.NO_SEQUENCE


def test_rule_3_a_person_whose_stage_has_no_sequence_does_not_enter() -> None:
    alice = Life(book(welcome("sequences:\n  customer: [{send: a}]")))
    alice.sign_up()
    assert alice.codes("welcome") == [Code.ENTRY_NO_SEQUENCE]


def test_rule_3_any_is_one_sequence_with_one_cursor() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {wait: 2d}, {send: b}]")))
    alice.sign_up()
    alice.pass_time(DAY)
    alice.ask()
    assert Code.SEQUENCE not in alice.codes("welcome")
    alice.pass_time(DAY + MINUTE)
    assert alice.mails == ["a", "b"]


def test_rule_4_the_same_mail_in_two_sequences_is_sent_once() -> None:
    alice = Life(book(welcome("sequences:\n  lead: [{send: a}]\n  prospect: [{send: a}, {send: b}]")))
    alice.sign_up()
    alice.ask()
    assert alice.mails == ["a", "b"]


def test_rule_4_an_effect_is_had_once_per_run() -> None:
    alice = Life(book(welcome("sequences:\n  lead: [{score: +10}]\n  prospect: [{score: +10}, {tag: vip}]")))
    alice.sign_up()
    weight = alice.person.subscriber.weight
    alice.ask()
    assert alice.person.subscriber.weight == weight
    assert alice.person.subscriber.tags == {"vip"}


def test_rule_4_a_hundred_moves_at_one_instant_park_the_run_as_an_error() -> None:
    many = ", ".join(f"{{tag: t{n}}}" for n in range(120))
    alice = Life(book(welcome(f"sequences:\n  any: [{many}]")))
    alice.sign_up()
    run = alice.run("welcome")
    assert run.reason is Code.TOO_MANY_MOVES
    assert "100" in run.error
    assert len(alice.person.subscriber.tags) <= 100


def test_rule_5_a_goal_withdraws_what_is_queued_and_not_what_is_claimed() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}]", goal='"bought()"')))
    alice.is_mail_stuck = True
    alice.sign_up()
    alice.buy()
    assert alice.message("a").state is MessageState.WITHDRAWN
    bob = Life(book(welcome("sequences:\n  any: [{send: a}]", goal='"bought()"')))
    bob.is_mail_stuck = True
    bob.sign_up()
    bob.person = apply(bob.person, Settled(bob.message("a").key, MessageState.CLAIMED, bob.now))
    bob.buy()
    assert bob.message("a").state is MessageState.CLAIMED


def test_rule_5_a_withdrawn_message_is_opened_again_and_never_doubled() -> None:
    steps = "sequences:\n  lead: [{send: a}]\n  prospect: [{send: a}]"
    alice = Life(book(welcome(steps)))
    alice.is_mail_stuck = True
    alice.sign_up()
    first = alice.message("a")
    alice.ask()
    again = alice.message("a")
    assert (again.key, again.state) == (first.key, MessageState.QUEUED)
    assert len(alice.person.messages) == 1


def test_rule_6_the_next_wait_counts_from_the_hand_over() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {wait: 2d}, {send: b}]")))
    alice.is_mail_stuck = True
    alice.sign_up()
    alice.tick(5 * HOUR)
    alice.is_mail_stuck = False
    alice.decide(())
    handed_over = alice.now
    alice.pass_time(3 * DAY)
    assert alice.sent[1] == (handed_over + 2 * DAY, "b")


def test_rule_6_a_refusal_goes_on_and_a_hard_one_ends_the_run() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {send: b}]")))
    alice.is_mail_stuck = True
    alice.sign_up()
    alice.person = apply(alice.person, Settled(alice.message("a").key, MessageState.REFUSED, alice.now, "block"))
    alice.decide(())
    assert alice.run("welcome").finished["a"].finish is Finish.REFUSED
    assert alice.message("b").state is MessageState.QUEUED
    suppressed = replace(alice.person.subscriber, is_suppressed=True)
    alice.person = replace(alice.person, subscriber=suppressed)
    alice.decide(())
    assert alice.run("welcome").result is RunResult.SUPPRESSED


def test_rule_6_uncertain_counts_as_handed_over() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {send: b}]")))
    alice.is_mail_stuck = True
    alice.sign_up()
    alice.person = apply(alice.person, Settled(alice.message("a").key, MessageState.UNCERTAIN, alice.now))
    alice.decide(())
    assert alice.run("welcome").finished["a"].finish is Finish.DONE


def test_rule_7_a_branch_once_taken_stays() -> None:
    steps = """sequences:
  any:
    - if: "attribute('budget') == 'high'"
      then: [{wait: 1d}, {send: a}]
      else: [{wait: 1d}, {send: b}]
    - send: c
"""
    alice = Life(book(welcome(steps)), attributes={"budget": "high"})
    alice.sign_up()
    low = replace(alice.person.subscriber, attributes={"budget": "low"})
    alice.person = replace(alice.person, subscriber=low)
    alice.pass_time(3 * DAY)
    assert alice.mails == ["a", "c"]


def test_rule_7_an_arm_stays_even_if_the_shares_change() -> None:
    def split(share: str, other: str) -> str:
        return f"""sequences:
  any:
    - split: test
      metric: click
      arms:
        one: {{share: {share}, then: [{{wait: 1d}}, {{send: a}}]}}
        two: {{share: {other}, then: [{{wait: 1d}}, {{send: b}}]}}
"""

    alice = Life(book(welcome(split("100%", "0%"))))
    alice.sign_up()
    alice.publish(book(welcome(split("0%", "100%"))))
    alice.pass_time(2 * DAY)
    assert alice.mails == ["a"]


def test_a_person_who_leaves_has_no_runs_and_gets_nothing_more() -> None:
    carol = Life(book(welcome(TWO)))
    carol.sign_up()
    carol.leave()
    assert carol.run("welcome").result is RunResult.UNSUBSCRIBED
    carol.pass_time(90 * DAY)
    assert carol.mails == ["a"]


def test_a_campaign_that_is_stopped_ends_its_runs() -> None:
    alice = Life(book(welcome(TWO)))
    alice.sign_up()
    alice.stand("welcome", Standing.STOPPED)
    assert alice.run("welcome").result is RunResult.STOPPED


def test_bob_who_has_not_confirmed_enters_nothing() -> None:
    bob = Life(book(welcome(TWO)))
    bob.happen(bob.fact(FactKind.SIGNED_UP, "book"))
    assert bob.person.runs == ()
    assert bob.stage == "potential"
