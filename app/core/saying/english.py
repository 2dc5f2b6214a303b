"""Steps and entries in English: the words campaigns are written with.

Owns one line for each kind of step. Must not explain what a step will do to anybody.
"""

from __future__ import annotations

from typing import assert_never

from app.core.campaign import (
    AddScore,
    AddTag,
    Again,
    Ask,
    ByBox,
    ByChange,
    ByEvent,
    CallWebhook,
    Choose,
    Dormant,
    End,
    Entry,
    ForCondition,
    ForDate,
    ForDay,
    ForDays,
    ForSpan,
    HandOver,
    If,
    Notify,
    Once,
    RemoveTag,
    Send,
    SetAttributes,
    Split,
    Start,
    Step,
    Use,
    Wait,
    WaitRule,
    Yearly,
)
from app.core.instants import format_span

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def said(step: Step) -> str:
    """A step without what is inside it: `wait 3 days, 09:30`, `send ebook/story`."""
    match step:
        case Wait():
            return f"wait {wait_said(step.rule)}"
        case If():
            return f"if {step.condition.source}"
        case Choose():
            return "choose " + " | ".join([*(option.when.source for option in step.options), "else"])
        case Split():
            return "split " + ", ".join(f"{arm.name} {arm.share:.0%}" for arm in step.arms)
        case Send() | Ask() | Notify():
            return _mail_said(step)
        case _:
            return _effect_said(step)


def _mail_said(step: Send | Ask | Notify) -> str:
    match step:
        case Send():
            extras = [f"subject {step.subject}"] if step.subject else []
            extras += [f"offer {step.offer}"] if step.offer else []
            extras += [f"fresh for {format_span(step.fresh_for)}"] if step.fresh_for is not None else []
            return ", ".join((f"send {step.mail}", *extras))
        case Ask():
            return f"ask {step.mail}, survey {step.survey}, at most {format_span(step.at_most)}"
        case Notify():
            return f"notify {step.to} with {step.mail}"
        case _:
            assert_never(step)


def _effect_said(
    step: SetAttributes | AddTag | RemoveTag | AddScore | CallWebhook | Start | HandOver | Use | Dormant | End,
) -> str:
    match step:
        case SetAttributes():
            return "set " + ", ".join(f"{key}: {value}" for key, value in step.values)
        case AddTag():
            return f"tag {step.tag}"
        case RemoveTag():
            return f"untag {step.tag}"
        case AddScore():
            return f"score {step.points:+d}"
        case CallWebhook():
            return f"webhook {step.endpoint}"
        case Start():
            return f"start {step.campaign}"
        case HandOver():
            return f"hand over to {step.campaign}"
        case Use():
            return f"use {step.fragment}"
        case Dormant():
            return "dormant"
        case End():
            return "end"
        case _:
            assert_never(step)


def wait_said(rule: WaitRule) -> str:
    match rule:
        case ForSpan():
            return format_span(rule.span)
        case ForDays():
            days = f"{rule.days} day{'s' if rule.days != 1 else ''}"
            return f"{days}, {rule.at}" if rule.at is not None else days
        case ForDay():
            return f"{'workday' if rule.day is None else _DAYS[rule.day]}, {rule.at}"
        case ForDate():
            return _date_said(rule)
        case ForCondition():
            return f"until {rule.condition.source}, at most {format_span(rule.at_most)}"
        case _:
            assert_never(rule)


def _date_said(rule: ForDate) -> str:
    date = "the end of the offer" if rule.is_offer_end else rule.attribute or rule.date
    shift = f" {rule.days:+d} days" if rule.days else f" before {format_span(rule.before)}" if rule.before else ""
    return f"{date}{shift}{f', {rule.at}' if rule.at is not None else ''}"


def entry_said(entry: Entry) -> str:
    where = f" where {entry.where.source}" if entry.where else ""
    return f"{_rule_said(entry)}{where}{_again_said(entry.again)}"


def _rule_said(entry: Entry) -> str:
    rule = entry.rule
    match rule:
        case ByBox():
            return f"box {rule.box}"
        case ByEvent():
            return f"on {rule.event}"
        case ByChange():
            return f"when {rule.when.source}"
        case Yearly():
            return f"yearly {rule.attribute} {rule.days:+d} days, {rule.at}"
        case Once():
            return f"once {rule.date}, {rule.at}{f' for {rule.who.source}' if rule.who else ''}"
        case _:
            assert_never(rule)


def _again_said(again: Again) -> str:
    if again.each:
        return f", again for each {again.each}"
    return f", again after {format_span(again.after)}" if again.after is not None else ""
