"""Rules 8–13: identity, versions, entry."""

from __future__ import annotations

from app.core.facts import FactKind
from app.core.instants import DAY, HOUR, MINUTE
from app.core.person import Code, RunResult, RunState
from app.core.subscriber import SubscriberState
from tests.core.nurture.life import START, Life, book, welcome

ONE = "sequences:\n  any: [{send: a}]"


def cart(
    body: str = "sequences:\n  any: [{wait: 1h}, {send: a}]", again: str = "{each: cart_id}", where: str = ""
) -> str:
    more = f', where: "{where}"' if where else ""
    head = f"campaign: cart\ntitle: Cart\nstate: live\nenter: {{on: cart, again: {again}{more}}}\n"
    return head + body


def test_rule_9_a_changed_wait_is_counted_from_when_it_began() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{wait: 3d}, {send: a}]")))
    alice.sign_up()
    alice.pass_time(DAY)
    alice.publish(book(welcome("sequences:\n  any: [{wait: 5d}, {send: a}]")))
    assert alice.run("welcome").until == START + 5 * DAY


def test_rule_9_a_wait_that_is_over_by_an_edit_is_spread_over_the_stagger() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{wait: 9d}, {send: a}]")))
    alice.sign_up()
    alice.pass_time(3 * DAY)
    alice.publish(book(welcome("sequences:\n  any: [{wait: 1d}, {send: a}]", overdue="{stagger: 10h}")))
    until = alice.run("welcome").until
    assert until is not None
    assert alice.now <= until < alice.now + 10 * HOUR
    alice.pass_time(11 * HOUR)
    assert alice.mails == ["a"]


def test_rule_9_a_step_inserted_before_the_cursor_is_not_run_and_after_it_is() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {wait: 3d}, {send: b}]")))
    alice.sign_up()
    alice.pass_time(DAY)
    edited = "sequences:\n  any: [{send: a}, {send: c}, {wait: 3d}, {send: b}, {send: d}]"
    alice.publish(book(welcome(edited)))
    alice.pass_time(9 * DAY)
    assert alice.mails == ["a", "b", "d"]


def test_rule_9_finish_old_keeps_its_steps() -> None:
    old = book(welcome("sequences:\n  any: [{send: a}, {wait: 3d}, {send: b}]", on_edit="finish_old"))
    new = book(welcome("sequences:\n  any: [{send: a}, {wait: 1d}, {send: c}]", on_edit="finish_old"))
    alice = Life(old)
    alice.sign_up()
    kept = old.campaigns["welcome"]
    from dataclasses import replace

    alice.publish(replace(new, older={("welcome", kept.digest): kept}))
    alice.pass_time(9 * DAY)
    assert alice.mails == ["a", "b"]


def test_rule_9_exit_ends_the_runs_of_the_old_version() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {wait: 3d}, {send: b}]")))
    alice.sign_up()
    alice.publish(book(welcome("sequences:\n  any: [{send: a}, {wait: 2d}, {send: b}]", on_edit="exit")))
    assert alice.run("welcome").result is RunResult.REMOVED


def test_rule_8_removed_says_where_people_go() -> None:
    before = "sequences:\n  any: [{send: a}, {wait: 3d}, {send: b}, {send: c}]"
    on = Life(book(welcome(before)))
    on.sign_up()
    on.publish(book(welcome("sequences:\n  any: [{send: a}, {send: c}]\nremoved: {before b: next}")))
    assert on.mails == ["a", "c"]
    out = Life(book(welcome(before)))
    out.sign_up()
    out.publish(book(welcome("sequences:\n  any: [{send: a}, {send: c}]\nremoved: {before b: exit}")))
    assert out.run("welcome").result is RunResult.REMOVED


def test_rule_8_moved_carries_the_finished_mark() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a, id: first}, {wait: 1d}, {send: b}]")))
    alice.sign_up()
    alice.publish(
        book(welcome("sequences:\n  any: [{send: a, id: hello}, {wait: 1d}, {send: b}]\nmoved: {first: hello}"))
    )
    alice.pass_time(3 * DAY)
    assert alice.mails == ["a", "b"]


def test_rule_10_never_counts_every_earlier_run() -> None:
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, end]")))
    alice.sign_up()
    assert alice.run("welcome").state is RunState.ENDED
    alice.tick(DAY)
    alice.sign_up()
    assert alice.mails == ["a"]
    assert Code.ENTRY_AGAIN in alice.codes("welcome")


def test_rule_10_after_counts_from_when_it_began_to_rest() -> None:
    alice = Life(book(welcome(ONE, enter="{box: book, again: {after: 30d}}")))
    alice.sign_up()
    alice.pass_time(29 * DAY)
    alice.sign_up()
    assert alice.mails == ["a"]
    alice.pass_time(2 * DAY)
    alice.sign_up()
    assert alice.mails == ["a", "a"]
    assert alice.runs("welcome")[0].key.turn == 2


def test_rule_10_each_begins_one_run_per_value_for_ever() -> None:
    alice = Life(book(cart()))
    alice.sign_up()
    alice.event("cart", cart_id="1", total=5)
    alice.event("cart", cart_id="2", total=5)
    assert len(alice.runs("cart")) == 2
    alice.event("cart", cart_id="1", total=6)
    assert Code.ENTRY_LIVE in alice.codes("cart")
    assert len(alice.runs("cart")) == 2


def test_rule_10_restart_begins_anew_until_the_first_mail_has_left() -> None:
    alice = Life(book(cart(again="{each: cart_id, restart: true}")))
    alice.sign_up()
    alice.event("cart", cart_id="1", total=5)
    alice.pass_time(30 * MINUTE)
    alice.event("cart", cart_id="1", total=6)
    run = alice.runs("cart")[0]
    assert (run.key.turn, run.event["total"]) == (2, 6)
    alice.pass_time(2 * HOUR)
    assert alice.mails == ["a"]
    alice.event("cart", cart_id="1", total=7)
    assert alice.runs("cart")[0].key.turn == 2


def test_rule_11_a_failed_where_is_asked_again_when_a_fact_arrives_within_30_minutes() -> None:
    asking = cart(where="did('asked')")
    alice = Life(book(asking))
    alice.sign_up()
    alice.event("cart", cart_id="1", total=5)
    assert alice.runs("cart") == []
    alice.pass_time(20 * MINUTE)
    alice.ask()
    assert len(alice.runs("cart")) == 1
    bob = Life(book(asking))
    bob.sign_up()
    bob.event("cart", cart_id="1", total=5)
    bob.pass_time(40 * MINUTE)
    bob.ask()
    assert bob.runs("cart") == []


def test_rule_11_when_enters_at_the_change_and_never_because_it_is_true_already() -> None:
    asked = "campaign: asked\ntitle: Asked\nstate: live\nenter: {when: \"stage == 'prospect'\"}\n" + ONE
    alice = Life(book(asked))
    alice.sign_up()
    alice.ask()
    assert alice.mails == ["a"]
    bob = Life(book(welcome("sequences:\n  any: []")))
    bob.sign_up()
    bob.ask()
    bob.publish(book(asked))
    bob.pass_time(10 * DAY)
    assert bob.mails == []


def test_rule_11_what_a_page_wrote_together_with_its_fact_was_not_so_before() -> None:
    whens = ("confirmed", "tagged('vip')", "attribute('budget') == 'high'", "not tagged('vip')")
    asked = [f'campaign: w{n}\ntitle: W\nstate: live\nenter: {{when: "{when}"}}\n{ONE}' for n, when in enumerate(whens)]
    alice = Life(book(*asked))
    alice.happen(alice.fact(FactKind.SIGNED_UP, "book"))
    alice.tick()
    alice.wrote(confirmed_at=alice.now, state=SubscriberState.ACTIVE)
    alice.happen(alice.fact(FactKind.CONFIRMED, "book"))
    assert {run.key.campaign for run in alice.person.runs} == {"w0"}
    alice.tick()
    alice.wrote(tags=frozenset({"vip"}))
    alice.happen(alice.fact(FactKind.CHANGED, "tag:vip"))
    alice.tick()
    alice.wrote(attributes={"budget": "high"})
    alice.happen(alice.fact(FactKind.CHANGED, "attribute:budget"))
    assert {run.key.campaign for run in alice.person.runs} == {"w0", "w1", "w2"}
    alice.tick()
    alice.wrote(tags=frozenset())
    alice.happen(alice.fact(FactKind.CHANGED, "tag:vip"))
    assert {run.key.campaign for run in alice.person.runs} == {"w0", "w1", "w2", "w3"}


def test_rule_12_quiet_facts_move_the_stage_and_enter_nobody() -> None:
    asked = "campaign: asked\ntitle: Asked\nstate: live\nenter: [{when: \"stage == 'prospect'\"}, {on: asked}]\n" + ONE
    alice = Life(book(asked))
    alice.sign_up()
    alice.tick()
    alice.happen(alice.fact(FactKind.EVENT, "asked", is_quiet=True))
    assert alice.stage == "prospect"
    assert alice.mails == []
    alice.pass_time(5 * DAY)
    assert alice.mails == []


def test_rule_12_quiet_facts_still_change_the_sequence_of_live_runs() -> None:
    alice = Life(book(welcome("sequences:\n  lead: [{send: a}]\n  prospect: [{send: b}]")))
    alice.sign_up()
    alice.tick()
    alice.happen(alice.fact(FactKind.EVENT, "asked", is_quiet=True))
    assert alice.mails == ["a", "b"]


def test_rule_13_a_goal_that_is_true_already_refuses_the_entry() -> None:
    alice = Life(book(welcome(ONE, goal="\"stage == 'lead'\"")))
    alice.sign_up()
    assert alice.codes("welcome") == [Code.ENTRY_GOAL]


def test_a_run_does_not_reach_its_goal_by_the_order_that_began_it() -> None:
    thanks = (
        'campaign: order\ntitle: Order\nstate: live\nenter: {on: order, again: {each: order_id}}\ngoal: "bought()"\n'
    )
    alice = Life(book(thanks + "sequences:\n  any: [{wait: 1d}, {send: a}]"))
    alice.sign_up()
    alice.buy(order_id="7")
    alice.pass_time(2 * DAY)
    assert alice.mails == ["a"]


def test_hand_over_ends_this_run_and_begins_that_one() -> None:
    other = "campaign: other\ntitle: Other\nstate: live\nenter: []\nsequences:\n  any: [{send: b}]"
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {hand_over: other}, {send: c}]"), other))
    alice.sign_up()
    assert alice.mails == ["a", "b"]
    assert alice.run("welcome").result is RunResult.HANDED_OVER


def test_a_hand_over_that_is_refused_goes_on() -> None:
    other = "campaign: other\ntitle: Other\nstate: live\nenter: []\nsequences:\n  customer: [{send: b}]"
    alice = Life(book(welcome("sequences:\n  any: [{send: a}, {hand_over: other}, {send: c}]"), other))
    alice.sign_up()
    assert alice.mails == ["a", "c"]
