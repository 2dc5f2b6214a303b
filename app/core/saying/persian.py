"""Steps and entries in Persian: «صبر ۲ روز، ساعت ۰۹:۳۰». Keys stand apart, conditions are sentences.

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
from app.core.conditions import Condition, sentence
from app.core.figures import figures, isolated
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Span

DAYS = ("دوشنبه", "سه‌شنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه")
_UNITS = ((DAY, "روز"), (HOUR, "ساعت"), (MINUTE, "دقیقه"), (SECOND, "ثانیه"))
_DAY_AND_NIGHT = 36 * HOUR
"""Shorter spans of whole days are said in hours, as files do: `24h`."""


def said(step: Step) -> str:
    """A step without what is inside it."""
    match step:
        case Wait():
            return f"صبر {wait_said(step.rule)}"
        case If():
            return f"اگر {condition_said(step.condition)}"
        case Choose():
            return "انتخاب " + " | ".join([*(condition_said(option.when) for option in step.options), "وگرنه"])
        case Split():
            arms = (f"{isolated(arm.name)} {percent(arm.share)}" for arm in step.arms)
            return "آزمایش " + "، ".join(arms)
        case Send() | Ask() | Notify():
            return _mail_said(step)
        case _:
            return _effect_said(step)


def _mail_said(step: Send | Ask | Notify) -> str:
    match step:
        case Send():
            extras = [f"موضوع {isolated(step.subject)}"] if step.subject else []
            extras += [f"پیشنهاد {isolated(step.offer)}"] if step.offer else []
            extras += [f"تا {span_said(step.fresh_for)} تازه"] if step.fresh_for is not None else []
            return "، ".join((f"ارسال {isolated(step.mail)}", *extras))
        case Ask():
            asked = f"پرسش {isolated(step.survey)} در {isolated(step.mail)}"
            return f"{asked}، حداکثر {span_said(step.at_most)}"
        case Notify():
            return f"خبر دادن به {isolated(step.to)} با {isolated(step.mail)}"
        case _:
            assert_never(step)


def _effect_said(
    step: SetAttributes | AddTag | RemoveTag | AddScore | CallWebhook | Start | HandOver | Use | Dormant | End,
) -> str:
    match step:
        case SetAttributes():
            return "یادداشت " + "، ".join(isolated(f"{key}: {value}") for key, value in step.values)
        case AddTag():
            return f"برچسب {isolated(step.tag)}"
        case RemoveTag():
            return f"برداشتن برچسب {isolated(step.tag)}"
        case AddScore():
            return f"امتیاز {isolated(figures(f'{step.points:+d}'))}"
        case CallWebhook():
            return f"فراخوانی وب‌هوک {isolated(step.endpoint)}"
        case Start():
            return f"آغاز هم‌زمان {isolated(step.campaign)}"
        case HandOver():
            return f"سپردن به {isolated(step.campaign)}"
        case Use():
            return f"گام‌های مشترک {isolated(step.fragment)}"
        case Dormant():
            return "آرام گرفتن بازاریابی تا کنش دوبارهٔ فرد"
        case End():
            return "پایان"
        case _:
            assert_never(step)


def wait_said(rule: WaitRule) -> str:
    match rule:
        case ForSpan():
            return span_said(rule.span)
        case ForDays():
            days = f"{figures(rule.days)} روز"
            return f"{days}، ساعت {figures(rule.at)}" if rule.at is not None else days
        case ForDay():
            return f"تا {'روز کاری بعد' if rule.day is None else DAYS[rule.day]}، ساعت {figures(rule.at)}"
        case ForDate():
            return f"تا {_date_said(rule)}"
        case ForCondition():
            return f"تا {condition_said(rule.condition)}، حداکثر {span_said(rule.at_most)}"
        case _:
            assert_never(rule)


def _date_said(rule: ForDate) -> str:
    named = f"تاریخ {isolated(rule.attribute)}" if rule.attribute else figures(rule.date or "")
    date = "پایان پیشنهاد" if rule.is_offer_end else named
    if rule.days:
        date = f"{figures(abs(rule.days))} روز {'پس' if rule.days > 0 else 'پیش'} از {date}"
    elif rule.before:
        date = f"{span_said(rule.before)} پیش از {date}"
    return f"{date}، ساعت {figures(rule.at)}" if rule.at is not None else date


# ── Entries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def entry_said(entry: Entry) -> str:
    where = f"، اگر {condition_said(entry.where)}" if entry.where else ""
    return f"{_rule_said(entry)}{where}{_again_said(entry.again)}"


def _rule_said(entry: Entry) -> str:
    rule = entry.rule
    match rule:
        case ByBox():
            return f"جعبهٔ {isolated(rule.box)}"
        case ByEvent():
            return f"رویداد {isolated(rule.event)}"
        case ByChange():
            return f"همین که {condition_said(rule.when)}"
        case Yearly():
            shift = f"{figures(abs(rule.days))} روز {'پس' if rule.days > 0 else 'پیش'} از " if rule.days else ""
            return f"هر سال {shift}{isolated(rule.attribute)}، ساعت {figures(rule.at)}"
        case Once():
            who = f" برای هر که {condition_said(rule.who)}" if rule.who else ""
            return f"یک بار، {figures(rule.date)}، ساعت {figures(rule.at)}{who}"
        case _:
            assert_never(rule)


def _again_said(again: Again) -> str:
    if again.each:
        return f"، دوباره برای هر {isolated(again.each)}"
    return f"، دوباره پس از {span_said(again.after)}" if again.after is not None else ""


# ── Pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def condition_said(condition: Condition) -> str:
    return f"«{sentence(condition, 'fa')}»"


def span_said(span: Span) -> str:
    """`۴ روز`, `۲۴ ساعت`, `۹۰ ثانیه`: in the largest unit that divides it."""
    for unit, name in _UNITS:
        count, rest = divmod(span, unit)
        if count and not rest and not (unit == DAY and span < _DAY_AND_NIGHT):
            return f"{figures(count)} {name}"
    return f"{figures(span // SECOND)} ثانیه"


def percent(share: float) -> str:
    return figures(f"{share:.0%}").replace("%", "٪")
