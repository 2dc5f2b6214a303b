"""What must hold whatever happens: a life shuffled out of signups, clicks, orders, pauses, publishes and outages."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from app.core.book import Book
from app.core.consent import may_be_mailed
from app.core.facts import FactKind
from app.core.instants import DAY, HOUR, MINUTE
from app.core.nurture import advance, is_settled
from app.core.pacing import parse_limit
from app.core.person import MailClass, RunState
from app.core.site import Contact
from app.core.windows import QuietRules, is_quiet, parse_quiet_hours, zone_of
from tests.core.nurture.life import Life, book, welcome

ZONES = ("Asia/Tehran", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Pacific/Apia", "UTC")

_NURTURE = """sequences:
  lead:
    - send: a
    - wait: {days: 1, at: "09:30"}
    - if: "clicked('a')"
      then: [{send: b}]
      else: [{wait: 2d}, {send: c}]
    - wait: {until: "clicked()", at_most: 3d, then: [{tag: warm}], else: [{send: d}]}
  prospect: [{send: c}, {wait: {day: saturday, at: "10:00"}}, {send: b}]
  any: []"""
_EDITED = """sequences:
  lead:
    - send: a
    - send: d
    - wait: {days: 3, at: "11:00"}
    - if: "clicked('a')"
      then: [{send: b}]
      else: [{wait: 1d}, {send: c}]
    - wait: {until: "clicked()", at_most: 3d, then: [{tag: warm}], else: [{send: thanks}]}
  prospect: [{send: c}, {wait: {day: saturday, at: "10:00"}}, {send: b}]
  any: []"""
_CART = """campaign: cart
title: Cart
state: live
enter: {on: cart, again: {each: cart_id, restart: true}}
goal: "bought(within='7d')"
exclusive: nurture
priority: first
sequences:
  any: [{wait: 1h}, {send: thanks}, {wait: 1d}, {send: d}]
"""


def _book(body: str) -> Book:
    made = book(welcome(body, goal='"bought()"', exclusive="nurture", priority="second"), _CART)
    hours = QuietRules(parse_quiet_hours("21:00-08:00"))
    limits = (parse_limit("1 per day"), parse_limit("4 per 7d"))
    return replace(made, site=replace(made.site, contact=Contact(limits, 7 * DAY, hours)))


FIRST, SECOND = _book(_NURTURE), _book(_EDITED)

acts = st.lists(
    st.one_of(
        st.sampled_from(["signup", "ask", "click", "buy", "leave", "publish", "back", "stuck", "unstuck", "pause"]),
        st.tuples(st.just("cart"), st.integers(1, 3)),
        st.tuples(st.just("pass"), st.integers(1, 60 * 24 * 9)),
        st.tuples(st.just("sleep"), st.integers(1, 60 * 24 * 12)),
    ),
    max_size=14,
)


class Watched(Life):
    """A life that checks, at each hand-over, what may never be otherwise."""

    def _deliver(self) -> bool:
        before = len(self.sent)
        moved = super()._deliver()
        for _, mail in self.sent[before:]:
            assert may_be_mailed(self.person.subscriber), f"{mail} went to somebody who must not get it"
        return moved


def live(life: Life, act: str | tuple[str, int]) -> None:
    match act:
        case "signup":
            life.sign_up()
        case "ask":
            life.ask()
        case "click":
            life.click(life.mails[-1] if life.mails else "a")
        case "buy":
            life.buy(order_id=str(life.now))
        case "leave":
            life.leave()
        case "publish":
            life.publish(SECOND)
        case "back":
            life.publish(FIRST)
        case "stuck":
            life.is_mail_stuck = True
        case "unstuck":
            life.is_mail_stuck = False
        case "pause":
            life.tick()
            life.happen(life.fact(FactKind.PAUSED, value=life.now + 3 * DAY))
        case ("cart", number):
            life.event("cart", cart_id=str(number), total=10)
        case ("pass", minutes):
            life.pass_time(minutes * MINUTE)
        case ("sleep", minutes):
            life.sleep(minutes * MINUTE)
        case _:
            raise AssertionError(f"no such act: {act}")


Story: TypeAlias = list[str | tuple[str, int]]


def lived(story: Story, zone: str) -> Watched:
    alice = Watched(FIRST, tz=zone)
    for act in story:
        live(alice, act)
    return alice


@given(acts, st.sampled_from(ZONES))
def test_each_step_is_sent_at_most_once_per_run_across_publishes_too(story: Story, zone: str) -> None:
    alice = lived(story, zone)
    counted = Counter((message.key.run, message.key.step) for message in alice.person.messages)
    assert all(number == 1 for number in counted.values())
    sent = Counter(
        (run, fact.name)
        for fact in alice.person.facts.of(FactKind.RECEIVED)
        if (run := fact.run) is not None and run.campaign == "welcome"
    )
    assert all(number == 1 for number in sent.values())


@given(acts, st.sampled_from(ZONES))
def test_every_run_ends_rests_or_waits_for_something_nameable(story: Story, zone: str) -> None:
    alice = lived(story, zone)
    alice.decide(())
    for run in alice.person.runs:
        assert is_settled(run), f"{run.key} stands {run.state} for {run.reason} with nothing to wake it"
        assert run.state is RunState.ENDED or run.due_at is None or run.due_at > alice.now


@given(acts, st.sampled_from(ZONES))
def test_every_planned_mail_lies_in_its_window_and_under_the_caps(story: Story, zone: str) -> None:
    alice = lived(story, zone)
    contact = alice.book.site.contact
    where = zone_of(alice.person.subscriber.timezone, alice.book.site.timezone)
    slots = sorted(m.slot_at for m in alice.person.messages if m.takes_slot and m.mail_class is MailClass.MARKETING)
    assert not any(is_quiet(at, where, contact.quiet) for at in slots)
    for at in slots:
        assert sum(at - 7 * DAY < other <= at for other in slots) <= 4


@given(acts, st.sampled_from(ZONES))
def test_the_same_life_is_decided_the_same_way_twice(story: Story, zone: str) -> None:
    assert lived(story, zone).decisions == lived(story, zone).decisions


@given(acts)
def test_looking_again_at_the_same_instant_changes_nothing(story: Story) -> None:
    alice = lived(story, "Asia/Tehran")
    alice.decide(())
    again = advance(alice.book, alice.person, (), alice.now)
    assert again.decisions == ()
    assert again.person == alice.person


@given(acts)
def test_a_fact_that_comes_twice_is_decided_about_once(story: Story) -> None:
    alice = lived(story, "Asia/Tehran")
    order = alice.fact(FactKind.VISITED, path="/pricing")
    alice.happen(order)
    facts = len(alice.person.facts)
    weight = alice.person.subscriber.weight
    alice.happen(order)
    assert len(alice.person.facts) == facts
    assert alice.person.subscriber.weight == weight


@given(st.permutations(range(6)))
def test_the_score_does_not_depend_on_the_order_facts_arrive_in(order: list[int]) -> None:
    ladder = """
stages:
  potential: {label: Potential}
  lead: {rise: "confirmed"}
scoring:
  engagement:
    - {on: visit, points: 3, at_most: 10 per 30d}
"""
    rules = book(welcome("sequences:\n  any: []"), ladder=ladder)
    alice = Life(rules)
    visits = [alice.fact(FactKind.VISITED, path="/", at=alice.now - n * 5 * HOUR) for n in range(6)]
    for number in order:
        alice.happen(visits[number])
    straight = Life(rules)
    straight.happen(*sorted(visits, key=lambda fact: (fact.at, fact.id)))
    assert abs(alice.person.subscriber.weight / straight.person.subscriber.weight - 1) < 1e-9
    assert alice.person.buckets == straight.person.buckets
