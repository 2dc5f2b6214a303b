"""Values against their declarations: attributes, event fields, answers, and what scenarios name.

Owns these problems. Must not know files.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.core.calendar import CalendarName, parse_date, parse_yearly_day
from app.core.campaign import AnswerCase, Ask, Split
from app.core.campaign import SetAttributes as SetStep
from app.core.check.finding import error, finding
from app.core.facts import Value
from app.core.offers import NumberScale, OptionScale, Survey
from app.core.problem import Problem
from app.core.scenario import Answer, Click, Happen, Scenario, SetAttribute, SignUp
from app.core.site import Attribute, AttributeType, Site
from app.core.text import Place
from app.core.workspace import MailFacts, Workspace


def value_findings(workspace: Workspace, facts: tuple[MailFacts, ...]) -> Iterator[Problem]:
    """Values of another type than declared, answers off the scale, arms and links that do not exist."""
    site = workspace.site
    for campaign in workspace.campaigns.values():
        for step in campaign.steps():
            if isinstance(step, SetStep):
                yield from _attributes(step.values, step.place, site)
            if isinstance(step, Ask) and step.survey in workspace.surveys:
                yield from _answers(step, workspace.surveys[step.survey])
    for person in workspace.people.values():
        yield from _attributes(tuple(person.attributes.items()), person.place, site)
    links, splits = _links(facts), _splits(workspace)
    for scenario in workspace.scenarios:
        yield from _arms(scenario, splits)
        yield from _scenario(scenario, workspace, links)


def _links(facts: tuple[MailFacts, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for each in facts:
        found[each.key] = found.get(each.key, frozenset()) | frozenset(each.links)
    return found


def _attributes(values: tuple[tuple[str, Value], ...], place: Place, site: Site) -> Iterator[Problem]:
    for key, value in values:
        attribute = site.attributes.get(key)
        wrong = misfit(value, attribute) if attribute is not None else None
        if wrong is not None:
            yield error("bad-attribute-value", place, f"'{key}' {wrong[0]}", wrong[1])


_TEXTS = (AttributeType.TEXT, AttributeType.EMAIL, AttributeType.PHONE, AttributeType.LINK)


def misfit(value: Value, attribute: Attribute) -> tuple[str, str] | None:
    """What is wrong with a value for an attribute, and what to write; None when it fits."""
    options = [option for option, _ in attribute.options]
    match attribute.type:
        case AttributeType.CHOICE if value not in options:
            return f"has no option {value!r}", f"Write one of: {', '.join(options)}"
        case AttributeType.CHOICES if not isinstance(value, tuple) or any(each not in options for each in value):
            return f"is a list of options, not {value!r}", f"Write some of: [{', '.join(options)}]"
        case AttributeType.NUMBER if isinstance(value, bool) or not isinstance(value, int | float):
            return f"is a number, not {value!r}", "Write it without quotes"
        case AttributeType.MONEY if isinstance(value, bool) or not isinstance(value, int):
            return f"is an amount, not {value!r}", "Write a whole number in the smallest unit"
        case AttributeType.BOOL if not isinstance(value, bool):
            return f"is true or false, not {value!r}", "Write: true, or false"
        case AttributeType.LIST if not isinstance(value, tuple):
            return f"is a list, not {value!r}", f"Write: [{value}]"
        case AttributeType.DATE | AttributeType.DAY:
            return _misdate(value, attribute)
        case AttributeType.TEXT | AttributeType.EMAIL | AttributeType.PHONE | AttributeType.LINK if not isinstance(
            value, str
        ):
            return f"is a text, not {value!r}", f'Write: "{value}"'
        case _:
            return None


def _misdate(value: Value, attribute: Attribute) -> tuple[str, str] | None:
    is_day = attribute.type is AttributeType.DAY
    try:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not a date")
        parse_yearly_day(value, CalendarName(attribute.calendar)) if is_day else parse_date(value)
    except ValueError as wrong:
        return f"is a date: {wrong}", 'Write it like: "07-14"' if is_day else "Write it like: 2026-11-22"
    return None


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _answers(step: Ask, survey: Survey) -> Iterator[Problem]:
    match survey.scale:
        case NumberScale(low, high):
            yield from _numbers(step, survey.key, low, high)
        case OptionScale(options):
            known = [option for option, _ in options]
            for case in step.answers:
                if case.option not in known:
                    message = f"'{survey.key}' has no answer '{case.label}'"
                    yield error("unknown-answer", step.place, message, f"Its answers are: {', '.join(known)}")
            lacking = [option for option in known if all(case.option != option for case in step.answers)]
            if lacking:
                yield finding(
                    "answer-unheard", step.place, f"the answer '{lacking[0]}' leads nowhere", f"Add: {lacking[0]}: []"
                )


def _numbers(step: Ask, key: str, low: int, high: int) -> Iterator[Problem]:
    taken: dict[int, str] = {}
    for case in step.answers:
        if case.low is None or case.high is None or case.low > case.high or case.low < low or case.high > high:
            message = f"'{key}' is answered from {low} to {high}, not '{case.label}'"
            yield error("unknown-answer", step.place, message, f"Write it like: {high - 1}-{high}")
            continue
        yield from _overlap(step, case, taken)
    lacking = [number for number in range(low, high + 1) if number not in taken]
    if lacking and len(taken) == sum(_width(case) for case in step.answers):
        shown = (
            f"{lacking[0]}-{lacking[-1]}" if lacking == list(range(lacking[0], lacking[-1] + 1)) else str(lacking[0])
        )
        yield finding("answer-unheard", step.place, f"the answers {shown} lead nowhere", f"Add: {shown}: []")


def _width(case: AnswerCase) -> int:
    return 0 if case.low is None or case.high is None else case.high - case.low + 1


def _overlap(step: Ask, case: AnswerCase, taken: dict[int, str]) -> Iterator[Problem]:
    for number in range(case.low or 0, (case.high or 0) + 1):
        if number in taken:
            message = f"the answer {number} stands in '{taken[number]}' and in '{case.label}'"
            yield error("answer-twice", step.place, message, "Let each number stand in one line")
            return
        taken[number] = case.label


# ── Scenarios ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _scenario(scenario: Scenario, workspace: Workspace, links: dict[str, frozenset[str]]) -> Iterator[Problem]:
    yield from _attributes(tuple(scenario.person.attributes.items()), scenario.person.place, workspace.site)
    for line in scenario.story:
        match line:
            case SetAttribute(values, place):
                yield from _attributes(values, place, workspace.site)
            case SignUp(fields=fields, place=place):
                yield from _attributes(tuple(fields.items()), place, workspace.site)
            case Happen(event, fields, place) if event in workspace.site.events:
                declared = workspace.site.events[event]
                known = {*dict(declared.fields), declared.run_key} - {""}
                for name in fields:
                    if name not in known:
                        message, fix = (
                            f"the event '{event}' has no field '{name}'",
                            f"It has: {', '.join(sorted(known)) or 'none'}",
                        )
                        yield error("unknown-field", place, message, fix)
            case Click(mail, link, place) if link and mail in links and link not in links[mail]:
                message = f"'{mail}' has no link '{link}'"
                yield error("unknown-link", place, message, f"It has: {', '.join(sorted(links[mail])) or 'none'}")
            case Answer(survey, value, place=place) if survey in workspace.surveys:
                yield from _given(workspace.surveys[survey], value, place)
            case _:
                pass


def _given(survey: Survey, value: Value, place: Place) -> Iterator[Problem]:
    match survey.scale:
        case NumberScale(low, high) if (
            not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high
        ):
            yield error(
                "unknown-answer", place, f"'{survey.key}' is answered from {low} to {high}", f"Write: with: {high}"
            )
        case OptionScale(options) if value not in dict(options):
            known = ", ".join(option for option, _ in options)
            message = f"'{survey.key}' has no answer '{value}'"
            yield error("unknown-answer", place, message, f"Its answers are: {known}")
        case _:
            return


def _splits(workspace: Workspace) -> dict[str, list[str]]:
    """Split → its arms, of every campaign."""
    steps = (step for campaign in workspace.campaigns.values() for step in campaign.steps())
    return {step.id: [arm.name for arm in step.arms] for step in steps if isinstance(step, Split)}


def _arms(scenario: Scenario, splits: dict[str, list[str]]) -> Iterator[Problem]:
    for split, arm in scenario.arms:
        if split not in splits:
            message = f"no campaign has a split '{split}'"
            yield error("unknown-split", scenario.place, message, f"There are: {', '.join(splits) or 'none'}")
        elif arm not in splits[split]:
            message = f"the split '{split}' has no arm '{arm}'"
            yield error("unknown-arm", scenario.place, message, f"It has: {', '.join(splits[split])}")
