"""Flow: a campaign as people read it: what begins it, its sequences line by line, what ends it.

Owns the words of steps, entries and conditions. Must not know how many people stand anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from app.core.campaign import (
    AddScore,
    AddTag,
    Ask,
    ByBox,
    ByChange,
    ByEvent,
    CallWebhook,
    Campaign,
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
    Steps,
    Use,
    Wait,
    WaitRule,
    Yearly,
)
from app.core.conditions import Condition, Labels, Said, parse, sentence
from app.web.dashboard.shell import campaign_title, kind_label, shelved, text_of
from app.web.dashboard.wording import figures, is_persian, percent, say, span, tongue

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a flow. `sort` picks its sign; `depth` how far it stands in; `step` the id people stand at."""

    sort: str
    title: str
    depth: int
    step: str = ""
    detail: str = ""
    mail: str = ""
    file: str = ""
    branch: str = ""


def lines(steps: Steps, depth: int = 0) -> Iterator[Line]:
    """Every step of a sequence in file order, blocks standing in."""
    for step in steps:
        place = f"{step.place.file}:{step.place.line}" if step.place.line else ""
        yield Line(
            sort=type(step).__name__.lower(),
            title=title_of(step),
            depth=depth,
            step=step.id,
            detail=detail_of(step),
            mail=getattr(step, "mail", ""),
            file=place,
        )
        for label, block in _blocks(step):
            if block or label:
                yield Line("branch", label, depth + 1, branch=label)
                yield from lines(block, depth + 2) if block else _nothing(depth + 2)


def _nothing(depth: int) -> Iterator[Line]:
    yield Line("nothing", say("nothing more here, go on"), depth)


def _blocks(step: Step) -> Iterator[tuple[str, Steps]]:
    match step:
        case If():
            yield say("if so"), step.then
            yield say("otherwise"), step.otherwise
        case Wait(rule=ForCondition()):
            yield say("once it is so"), step.then
            yield say("if the time runs out"), step.otherwise
        case Choose():
            for option in step.options:
                yield said(option.when), option.then
            yield say("otherwise"), step.otherwise
        case Split():
            for arm in step.arms:
                yield say("%(arm)s, %(share)s of people", arm=arm.name, share=percent(arm.share, 0)), arm.then
        case Ask():
            for case in step.answers:
                yield say("answer %(answer)s", answer=figures(case.label)), case.then
            yield say("no answer"), step.none
        case Use():
            yield "", step.steps
        case _:
            return


def title_of(step: Step) -> str:
    """What a step does, in a few words."""
    match step:
        case Wait():
            return waits_for(step.rule)
        case Send() | Ask() | Notify():
            return _mail_words(step)
        case If() | Choose() | Split() | Use():
            return _fork_words(step)
        case Start() | HandOver() | Dormant() | End():
            return _turn_words(step)
        case _:
            return _note_words(step)


def _mail_words(step: Send | Ask | Notify) -> str:
    match step:
        case Send():
            return say("Send %(mail)s", mail=step.mail)
        case Ask():
            return say("Ask %(survey)s in %(mail)s", survey=step.survey, mail=step.mail)
        case Notify():
            return say("Tell %(to)s with %(mail)s", to=step.to, mail=step.mail)
        case _:
            assert_never(step)


def _fork_words(step: If | Choose | Split | Use) -> str:
    match step:
        case If():
            return say("Is it so that the person %(condition)s?", condition=said(step.condition))
        case Choose():
            return say("Choose the first that fits")
        case Split():
            return say("Test %(name)s, judged by %(metric)s", name=step.id, metric=step.metric)
        case Use():
            return say("The shared steps %(name)s", name=step.fragment)
        case _:
            assert_never(step)


def _turn_words(step: Start | HandOver | Dormant | End) -> str:
    match step:
        case Start():
            return say("Also begin “%(campaign)s”", campaign=campaign_title(step.campaign))
        case HandOver():
            return say("Hand over to “%(campaign)s”", campaign=campaign_title(step.campaign))
        case Dormant():
            return say("Let marketing rest until they act again")
        case End():
            return say("End here")
        case _:
            assert_never(step)


def _note_words(step: SetAttributes | AddTag | RemoveTag | AddScore | CallWebhook) -> str:
    match step:
        case SetAttributes():
            return say("Note: %(values)s", values=", ".join(f"{key} = {value}" for key, value in step.values))
        case AddTag():
            return say("Tag with %(tag)s", tag=step.tag)
        case RemoveTag():
            return say("Take the tag %(tag)s away", tag=step.tag)
        case AddScore():
            return say("Change the score by %(n)s", n=step.points)
        case CallWebhook():
            return say("Call the webhook %(name)s", name=step.endpoint)
        case _:
            assert_never(step)


def detail_of(step: Step) -> str:
    note = text_of(step.note) if step.note else ""
    if isinstance(step, Send):
        extras = [note]
        if step.subject:
            extras.append(say("subject %(name)s", name=step.subject))
        if step.offer:
            extras.append(say("offer %(name)s", name=step.offer))
        if step.fresh_for:
            extras.append(say("only while fresh, %(span)s", span=span(step.fresh_for)))
        return " · ".join(filter(None, extras))
    if isinstance(step, Wait) and isinstance(step.rule, ForCondition):
        return " · ".join(filter(None, (note, say("at most %(span)s", span=span(step.rule.at_most)))))
    return note


def waits_for(rule: WaitRule) -> str:
    match rule:
        case ForSpan():
            return say("Wait %(span)s", span=span(rule.span))
        case ForDays():
            days = say("1 day") if rule.days == 1 else say("%(n)s days", n=rule.days)
            if rule.at is None:
                return say("Wait %(span)s", span=days)
            return say("Wait %(span)s, then until %(time)s", span=days, time=figures(str(rule.at)))
        case ForDay():
            day = say("the next working day") if rule.day is None else say(WEEKDAYS[rule.day])
            return say("Wait for %(day)s at %(time)s", day=day, time=figures(str(rule.at)))
        case ForDate():
            return _waits_for_date(rule)
        case ForCondition():
            return say("Wait until someone %(condition)s", condition=said(rule.condition))
        case _:
            assert_never(rule)


def _waits_for_date(rule: ForDate) -> str:
    if rule.is_offer_end:
        what = say("the offer's end")
    else:
        what = rule.date or say("the date in %(attribute)s", attribute=rule.attribute)
    if rule.before:
        return say("Wait until %(span)s before %(date)s", span=span(rule.before), date=figures(what))
    return say("Wait until %(date)s", date=figures(what))


# ── Entries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def entry_words(entry: Entry) -> str:
    """Who begins, in a sentence."""
    words = _rule_words(entry)
    if entry.where is not None:
        words = say("%(entry)s, if the person %(condition)s", entry=words, condition=said(entry.where))
    if entry.again.after:
        words = say("%(entry)s; again after %(span)s", entry=words, span=span(entry.again.after))
    elif entry.again.each:
        words = say("%(entry)s; once for each %(field)s", entry=words, field=entry.again.each)
    return words


def _rule_words(entry: Entry) -> str:
    rule = entry.rule
    match rule:
        case ByBox():
            return say("Whoever confirms through the box %(box)s", box=rule.box)
        case ByEvent():
            return say("Whoever does %(event)s", event=rule.event)
        case ByChange():
            return say("Whoever newly %(condition)s", condition=said(rule.when))
        case Yearly():
            return say("Each year on %(attribute)s, at %(time)s", attribute=rule.attribute, time=figures(str(rule.at)))
        case Once():
            who = said(rule.who) if rule.who else say("may be mailed")
            date = figures(rule.date)
            return say("On %(date)s, everybody who %(condition)s", date=date, condition=who)
        case _:
            assert_never(rule)


def sequence_words(campaign: Campaign, name: str) -> str:
    if name == "any":
        return say("Every other stage") if len(campaign.sequences) > 1 else say("Every stage")
    if name == "on_goal":
        return say("After the goal")
    held = shelved()
    found = next((stage.label for stage in held.book.ladder.stages if stage.key == name), None) if held else None
    return text_of(found) if found else name


# ── Conditions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def said(condition: Condition) -> str:
    """A condition as words about a person."""
    return sentence(condition, tongue(), labels())


def said_source(source: str) -> str:
    """The same from its text; the text itself when it cannot be read."""
    parsed = parse(source)
    return said(parsed) if isinstance(parsed, Condition) else source


def labels() -> Labels:
    """The words of the files for stages, kinds, attributes, options and topics, in the page's language."""
    held = shelved()
    if held is None:
        return Labels()
    site, ladder, locale = held.book.site, held.book.ladder, "fa" if is_persian() else "en"
    texts: dict[tuple[Said, str], str] = {(Said.STAGE, s.key): s.label.in_locale(locale) for s in ladder.stages}
    texts |= {(Said.KIND, key): kind_label(key) for key, _ in ladder.kinds}
    for attribute in site.attributes.values():
        texts[Said.ATTRIBUTE, attribute.key] = attribute.label.in_locale(locale)
        for option, text in attribute.options:
            texts[Said.OPTION, f"{attribute.key}.{option}"] = text.in_locale(locale)
    texts |= {(Said.TOPIC, topic.key): topic.label.in_locale(locale) for topic in site.topics.values()}
    return Labels({key: text for key, text in texts.items() if text})
