"""A small site in memory, a stage it plays on, and people put there.

The stage holds the real store and the real engine on a virtual clock (see app/actions/rehearse).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from app.actions.inspect import Inspection, inspect
from app.actions.rehearse.cast import Actor
from app.actions.rehearse.stage import Stage
from app.core.facts import Fact, FactKind, Fields
from app.core.instants import SECOND
from app.core.scenario import Moment, Person, Scenario
from app.core.windows import Clock

SITE = """
site:
  name: Green Basket
  slogan: Fresh every week
  url: https://example.com
  sender: {name: Sara, address: sara@example.com, reply_to: sara@example.com}
  postal_address: 12 Valiasr St, Tehran
  locales: [en]
  timezone: Asia/Tehran
  currency: {code: IRR}
attributes:
  first_name: {type: text, label: First name}
events:
  asked: {}
contact:
  limits: [1 per day]
  over_limit: {delay_up_to: 7d}
  quiet_hours: "21:00-08:00"
guards: {confirm_above: 500 per hour}
priorities: [first, second]
"""
LADDER = """
stages:
  potential: {label: Potential}
  lead: {rise: "confirmed"}
  prospect: {rise: "score >= 10"}
  customer: {rise: "orders >= 1"}
scoring:
  half_life: 30d
  engagement:
    - {on: confirmed, points: 5}
    - {on: click, points: 3, at_most: 15 per 30d}
"""
BOX = """
box: book
title: A book
consent: I agree
fields: [email]
confirm_mail: system/confirm
"""
WELCOME = """
campaign: welcome
title: Welcome
state: live
enter: {box: book}
goal: "bought()"
sequences:
  lead:
    - send: a
    - wait: {days: 2, at: "09:30"}
    - send: b
    - wait:
        until: "clicked('b')"
        at_most: 4d
        then: [{send: c}]
        else: [{send: d}]
  any: []
"""
LETTER = """---
subject: {subject}
preheader: A line
---
Hello, [read on](https://example.com/read){{name=read}}.
"""
LAYOUT = """<html><body>{% block body %}{% endblock %}
<p>{{ site.postal_address }} <a href="{{ links.unsubscribe }}">leave</a></p></body></html>
"""
CONFIRM = """---
subject: Please confirm
service: true
preheader: One click
---
[Confirm]({{ links.confirm }})
"""
MAILS = ("a", "b", "c", "d", "e")


def sources_of(campaigns: Mapping[str, str], site: str = SITE, ladder: str = LADDER) -> dict[str, str]:
    sources = {"campaigns/site.yaml": site, "campaigns/ladder.yaml": ladder, "campaigns/boxes/book.yaml": BOX}
    sources |= {f"campaigns/{key}.yaml": text for key, text in campaigns.items()}
    sources |= {f"email_templates/{name}.md": LETTER.format(subject=f"Mail {name}") for name in MAILS}
    return sources | {"email_templates/system/confirm.md": CONFIRM, "email_templates/layouts/base.html": LAYOUT}


_read: dict[str, Inspection] = {}


def site_with(*campaigns: str, site: str = SITE, ladder: str = LADDER) -> Inspection:
    """The inspected files of these campaigns; each is called by its first line. Read once per text."""
    named = {text.strip().splitlines()[0].partition(":")[2].strip(): text for text in campaigns}
    key = repr((sorted(named.items()), site, ladder))
    if key not in _read:
        inspection = inspect(sources_of(named, site, ladder), date(2026, 11, 1))
        assert inspection.workspace is not None, inspection.problems
        assert not inspection.errors, [str(error) for error in inspection.errors]
        _read[key] = inspection
    return _read[key]


def play(inspection: Inspection, start: str = "2026-11-01", hour: int = 10) -> Stage:
    """A stage with this site live."""
    person = Person("nobody", "nobody@example.com")
    return Stage(inspection, Scenario("test", "a test", Moment(start, Clock(hour)), person, ()))


class Player(Actor):
    """One of several people on a stage."""

    def __init__(self, stage: Stage, name: str) -> None:
        person = Person(name, f"{name}@example.com", attributes={"first_name": name.capitalize()})
        super().__init__(stage, lambda _: (_ for _ in ()).throw(LookupError("no folder")))
        self.person = person

    def joins(self) -> Player:
        """Signs up through the box and confirms."""
        self.sign_up("book", {})
        self.confirm()
        return self

    def does(self, kind: FactKind, name: str = "", fields: Fields | None = None, value: int = 0) -> None:
        self.stage.run_to(self.stage.clock + SECOND)
        fact = Fact(self.stage.new_id(), kind, self.stage.clock, name=name, fields=fields or {}, value=value)
        self.record(fact)

    def clicks(self, mail: str) -> None:
        self.stage.run_to(self.stage.clock + SECOND)
        self.record(replace(self.about(mail, FactKind.CLICKED), link="read"))

    def leaves(self) -> None:
        self.does(FactKind.UNSUBSCRIBED)

    def buys(self, order: str = "1") -> None:
        self.does(FactKind.ORDERED, fields={"order_id": order}, value=100)


def people_on(stage: Stage) -> tuple[Player, Player, Player]:
    """Alice is confirmed, Bob has not confirmed yet, Carol came and left."""
    alice, bob, carol = (Player(stage, name) for name in ("alice", "bob", "carol"))
    alice.joins()
    bob.sign_up("book", {})
    carol.joins()
    carol.leaves()
    return alice, bob, carol
