"""Deeds: what the people of a story do, as the facts the outside would record.

Owns one function per verb. Must not decide: facts are recorded and the person woken, as the web does it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias, assert_never

from app.actions.rehearse.cast import Actor
from app.core import scenario as verbs
from app.core.calendar import parse_date
from app.core.facts import Fact, FactKind, Fields, Value
from app.core.instants import MINUTE, SECOND, Instant
from app.core.windows import at_local

REACTS_AFTER = MINUTE
"""A human's open and click come so long after the line before."""


def perform(actor: Actor, line: verbs.Line) -> None:
    """Do one line of the story. Raises LookupError when it cannot be done, such as a click on a mail not received."""
    match line:
        case verbs.Pass():
            actor.stage.run_to(_until(actor, line.time))
        case verbs.Outage():
            actor.stage.skip_to(actor.stage.clock + line.span)
        case verbs.Deploy():
            actor.deploy(line.folder)
        case verbs.Bounce():
            actor.stage.refused.append(line.mail)
        case verbs.SignUp() | verbs.Confirm() | verbs.SetAttribute() | verbs.Tag():
            _tell(actor, line)
        case verbs.Expect():
            raise TypeError("an expectation is not a deed")
        case _:
            actor.stage.run_to(actor.stage.clock + SECOND)
            _act(actor, line)


_Told: TypeAlias = verbs.SignUp | verbs.Confirm | verbs.SetAttribute | verbs.Tag
_Acted: TypeAlias = (
    verbs.Open
    | verbs.Click
    | verbs.Scan
    | verbs.Visit
    | verbs.Happen
    | verbs.Buy
    | verbs.Refund
    | verbs.Answer
    | verbs.Refer
    | verbs.Reply
    | verbs.Unsubscribe
    | verbs.Complain
    | verbs.PauseMails
    | verbs.ResumeMails
)


def _tell(actor: Actor, line: _Told) -> None:
    """What she says about herself."""
    match line:
        case verbs.SignUp():
            actor.sign_up(line.box, line.fields, line.referred_by)
        case verbs.Confirm():
            actor.confirm()
        case verbs.SetAttribute():
            actor.set_attributes(dict(line.values))
        case verbs.Tag():
            actor.tag(line.tag)
        case _:
            assert_never(line)


def _act(actor: Actor, line: _Acted) -> None:
    """What she does."""
    match line:
        case verbs.Open() | verbs.Click() | verbs.Scan():
            _touch(actor, line)
        case verbs.Visit():
            _visit(actor, line)
        case verbs.Happen():
            actor.record(_fact(actor, FactKind.EVENT, name=line.event, fields=line.fields))
        case verbs.Buy() | verbs.Refund():
            _trade(actor, line)
        case verbs.Answer():
            actor.record(_answer(actor, line))
        case verbs.Refer():
            _refer(actor)
        case verbs.Reply():
            actor.record(replace(actor.about(line.mail, FactKind.REPLIED), fields={"text": line.text}))
        case verbs.Unsubscribe() | verbs.Complain() | verbs.PauseMails() | verbs.ResumeMails():
            _withdraw(actor, line)
        case _:
            assert_never(line)


def _fact(actor: Actor, kind: FactKind, name: str = "", fields: Fields | None = None, value: int = 0) -> Fact:
    return Fact(actor.stage.new_id(), kind, actor.stage.clock, name=name, fields=fields or {}, value=value)


def _touch(actor: Actor, line: verbs.Open | verbs.Click | verbs.Scan) -> None:
    if isinstance(line, verbs.Scan):
        for link in actor.links_of(line.mail) or ("",):
            scanned = replace(actor.about(line.mail, FactKind.CLICKED), link=link, is_human=False)
            actor.record(scanned, verdict="machine")
        return
    actor.stage.run_to(actor.stage.clock + REACTS_AFTER)
    if isinstance(line, verbs.Open):
        actor.record(actor.about(line.mail, FactKind.OPENED))
        return
    link = line.link or next(iter(actor.links_of(line.mail)), "")
    actor.record(replace(actor.about(line.mail, FactKind.CLICKED), link=link, topic=actor.topic_of(line.mail, link)))


def _visit(actor: Actor, line: verbs.Visit) -> None:
    for _ in range(line.times):
        seen = _fact(actor, FactKind.VISITED)
        actor.record(replace(seen, path=line.path, topic=actor.topic_of_page(line.path)))


def _trade(actor: Actor, line: verbs.Buy | verbs.Refund) -> None:
    if isinstance(line, verbs.Buy):
        fields: dict[str, Value] = {
            "order_id": line.order_id or actor.next_order(),
            "total": line.amount,
            **line.fields,
        }
        order = _fact(actor, FactKind.ORDERED, fields=fields, value=line.amount)
        actor.orders.append((str(fields["order_id"]), line.amount))
        actor.record(replace(order, products=line.products))
        return
    known = dict(actor.orders)
    order_id = line.order_id or next(reversed(known), "")
    amount = known.get(order_id, 0) if line.amount is None else line.amount
    actor.record(_fact(actor, FactKind.REFUNDED, fields={"order_id": order_id, "amount": amount}, value=amount))


def _answer(actor: Actor, line: verbs.Answer) -> Fact:
    value = line.value if isinstance(line.value, int) else 0
    fields: dict[str, Value] = {"answer": line.value, "comment": line.comment}
    return _fact(actor, FactKind.ANSWERED, name=line.survey, fields=fields, value=value)


def _refer(actor: Actor) -> None:
    actor.friends += 1
    actor.record(_fact(actor, FactKind.REFERRED))
    actor.record(_fact(actor, FactKind.EVENT, name="referral_milestone", fields={"number": actor.friends}))


def _withdraw(actor: Actor, line: verbs.Unsubscribe | verbs.Complain | verbs.PauseMails | verbs.ResumeMails) -> None:
    match line:
        case verbs.Unsubscribe():
            actor.record(_fact(actor, FactKind.UNSUBSCRIBED))
        case verbs.Complain():
            actor.record(_fact(actor, FactKind.COMPLAINED, name=line.mail))
        case verbs.PauseMails():
            span = line.span if line.span is not None else 3650 * 24 * 60 * MINUTE
            actor.record(_fact(actor, FactKind.PAUSED, value=actor.stage.clock + span))
        case verbs.ResumeMails():
            actor.record(_fact(actor, FactKind.RESUMED))
        case _:
            assert_never(line)


def _until(actor: Actor, time: int | verbs.Moment) -> Instant:
    if isinstance(time, verbs.Moment):
        return at_local(parse_date(time.date), time.at, actor.stage.zone)
    return actor.stage.clock + time
