"""Deeds: what the people of a story do, as the facts the outside would record.

Owns one function per verb. Must not decide: facts are recorded and the person woken, as the web does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias, assert_never

from app.actions import leaving, surveys
from app.actions.bounces import take_in
from app.actions.rehearse.cast import Actor
from app.actions.rehearse.impossible import Impossible
from app.actions.stock import note_product, set_sold_elsewhere
from app.actions.surveys import asking_mails
from app.actions.track.orders import Status, take_orders
from app.core import scenario as verbs
from app.core.calendar import parse_date
from app.core.facts import Fact, FactKind, Fields
from app.core.figures import isolated
from app.core.instants import MINUTE, SECOND, Instant
from app.core.windows import at_local
from app.links import MailRef
from app.mail.inbound_event import InboundEvent, InboundKind
from app.store.products import Product

REACTS_AFTER = MINUTE
"""A human's open and click come so long after the line before."""


def perform(actor: Actor, line: verbs.Line) -> None:
    """Do one line of the story. Raises Impossible when it cannot be done, such as a click on a mail not received."""
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
    | verbs.FillPool
    | verbs.SellElsewhere
    | verbs.Stock
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
            _answer(actor, line)
        case verbs.Refer():
            actor.refer(line.friend)
        case verbs.Reply():
            actor.record(replace(actor.about(line.mail, FactKind.REPLIED), fields={"text": line.text}))
        case verbs.Unsubscribe() | verbs.Complain() | verbs.PauseMails() | verbs.ResumeMails():
            _withdraw(actor, line)
        case verbs.FillPool() | verbs.SellElsewhere() | verbs.Stock():
            _keep_shop(actor, line)
            actor.stage.work()
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
    """What the shop's own program tells of an order."""
    if isinstance(line, verbs.Buy):
        order_id = line.order_id or actor.next_order()
        coupon = {"coupon": actor.held_code(line.code)} if line.code else {}
        more = {"products": list(line.products), "fields": dict(line.fields), **coupon}
        _tell_order(actor, order_id, line.amount, more)
        actor.orders[order_id] = line.amount, 0
        return
    order_id = line.order_id or next(reversed(actor.orders), "")
    if order_id not in actor.orders:
        raise Impossible(
            f"there is no order {order_id}".rstrip(), f"سفارش {isolated(order_id)} نیست" if order_id else "سفارشی نیست"
        )
    total, before = actor.orders[order_id]
    refunded = total if line.amount is None else before + line.amount
    _tell_order(actor, order_id, total, {"refunded": refunded})
    actor.orders[order_id] = total, refunded


def _tell_order(actor: Actor, order_id: str, total: int, more: Mapping[str, object]) -> None:
    row = {"order_id": order_id, "subscriber": actor.public_id.hex(), "total": total, **more}
    (told,) = take_orders(actor.stage.world, actor.stage.shelved(), [row])
    if told.status is Status.REJECTED:
        raise Impossible(told.error, isolated(told.error))
    actor.stage.work()


def _answer(actor: Actor, line: verbs.Answer) -> None:
    """Press the button on the page behind the latest mail that asks."""
    world, shelved = actor.stage.world, actor.stage.shelved()
    asking = [mail for mail in map(actor.last, asking_mails(shelved, line.survey)) if mail is not None]
    if not asking:
        raise Impossible(
            f"no mail that asks {line.survey} has arrived", f"ایمیلی با پرسش {isolated(line.survey)} نیامده است"
        )
    latest = max(asking, key=lambda mail: (mail.at, mail.id))
    seen = surveys.answer(world, shelved, MailRef(latest.id, 0), str(line.value), line.comment)
    if not seen.is_kept:
        raise _not_taken(line, is_open=seen.standing is surveys.Standing.OPEN)
    actor.stage.work()


def _not_taken(line: verbs.Answer, *, is_open: bool) -> Impossible:
    survey = isolated(line.survey)
    if not is_open:
        return Impossible(f"{line.survey} is closed", f"پرسش {survey} بسته است")
    return Impossible(f"{line.value} is no answer to {line.survey}", f"پاسخ {isolated(line.value)} برای {survey} نیست")


def _withdraw(actor: Actor, line: verbs.Unsubscribe | verbs.Complain | verbs.PauseMails | verbs.ResumeMails) -> None:
    match line:
        case verbs.Unsubscribe():
            leaving.leave(actor.stage.world, actor.public_id)
            actor.stage.work()
        case verbs.Complain():
            _complain(actor, line)
        case verbs.PauseMails():
            span = line.span if line.span is not None else 3650 * 24 * 60 * MINUTE
            actor.record(_fact(actor, FactKind.PAUSED, value=actor.stage.clock + span))
        case verbs.ResumeMails():
            actor.record(_fact(actor, FactKind.RESUMED))
        case _:
            assert_never(line)


def _complain(actor: Actor, line: verbs.Complain) -> None:
    """Her provider tells us, by the address it was sent to, or by the mail."""
    if line.is_friend and not actor.friends:
        raise Impossible("she has brought no friend", "دوستی نیاورده است")
    mail = actor.last(line.mail) if line.mail and not line.is_friend else None
    if line.mail and mail is None:
        raise Impossible(f"{line.mail} has not arrived", f"ایمیل {isolated(line.mail)} نیامده است")
    person = actor.friends[-1].person if line.is_friend else actor.person
    event_id = str(actor.stage.clock)
    complaint = InboundEvent(InboundKind.COMPLAINT, event_id, "story", recipient=person.address)
    if mail is not None:
        complaint = replace(complaint, message_id=mail.message.message_id)
    take_in(actor.stage.world, (complaint,))
    actor.stage.work()


def _keep_shop(actor: Actor, line: verbs.FillPool | verbs.SellElsewhere | verbs.Stock) -> None:
    """What the shop does, whoever is looking."""
    stage = actor.stage
    match line:
        case verbs.FillPool():
            stage.leave_codes(line.pool, line.left)
        case verbs.SellElsewhere():
            set_sold_elsewhere(stage.world, line.offer, line.count)
        case verbs.Stock():
            told = Product(line.product, stage.clock, line.name, line.url, "", line.price, line.count)
            note_product(stage.world, stage.shelved(), told)
        case _:
            assert_never(line)


def _until(actor: Actor, time: int | verbs.Moment) -> Instant:
    if isinstance(time, verbs.Moment):
        return at_local(parse_date(time.date), time.at, actor.stage.zone)
    return actor.stage.clock + time
