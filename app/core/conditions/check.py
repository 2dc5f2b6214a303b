"""Checks a condition against what the site has declared, and against where it stands.

Owns the findings about conditions. Must not ask the condition of anybody. Every finding says what to write instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, assert_never

from app.core.conditions.condition import Condition
from app.core.conditions.needs import MAIL_DEEDS, walk
from app.core.conditions.sorts import Bears, Sort, Valued, misfits, sort_of
from app.core.conditions.tokens import plain
from app.core.conditions.tree import (
    And,
    AnswerTo,
    AttributeOf,
    Chance,
    Compare,
    Contains,
    Deed,
    EventField,
    Happened,
    HeldFor,
    IdleFor,
    InSegment,
    InStageFor,
    Known,
    Name,
    Named,
    Node,
    Not,
    OneOf,
    Operand,
    Or,
    Overdue,
    Tagged,
    Truth,
)
from app.core.conditions.words import IN_A_RUN, WITH_TIMERS, ConditionSite, Words
from app.core.problem import Problem
from app.core.subscriber import NO_KIND


def check(condition: Condition, words: Words, site: ConditionSite) -> tuple[Problem, ...]:
    """All problems of a parsed condition, in the order they stand in its text."""
    checker = _Checker(words, site)
    found = sorted({finding for node in walk(condition.tree) for finding in checker.node(node)}, key=_place)
    return tuple(_problem(finding, condition) for finding in found)


@dataclass(frozen=True, slots=True)
class Finding:
    at: int
    code: str
    message: str
    fix: str
    severity: Literal["error", "warning"] = "error"


def _place(finding: Finding) -> tuple[int, str]:
    return finding.at, finding.message


def _problem(finding: Finding, condition: Condition) -> Problem:
    place = condition.place_of(finding.at)
    code = f"condition-{finding.code}"
    return Problem(code, place.file, place.line, place.column, finding.message, finding.fix, finding.severity)


@dataclass(frozen=True, slots=True)
class _Checker:
    words: Words
    site: ConditionSite

    def node(self, node: Node) -> Iterator[Finding]:
        """Findings of this node alone; its children come by themselves."""
        match node:
            case Or() | And() | Not() | IdleFor() | InStageFor() | Overdue() | Chance():
                return
            case Compare() | OneOf() | Contains() | Truth() | Known():
                yield from self._valued(node)
            case Tagged(tag, at):
                yield from self._tag(tag, at)
            case InSegment(segment, at):
                yield from _unknown(at, "segment", segment, self.words.segments)
            case Happened():
                yield from self._happened(node)
            case HeldFor():
                yield from self._held(node)
            case _:
                assert_never(node)

    # ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _valued(self, leaf: Valued) -> Iterator[Finding]:
        missing = tuple(self._operand(leaf.operand))
        yield from missing
        if missing:
            return
        if isinstance(leaf.operand, Named):
            yield from self._named(leaf.operand, leaf)
            return
        for sort in self._sorts(leaf.operand):
            for message, fix in misfits(leaf, sort):
                yield Finding(leaf.at, "type", message, fix)

    def _operand(self, operand: Operand) -> Iterator[Finding]:
        """Whether there is such a thing here at all."""
        match operand:
            case Named():
                yield from self._circle(operand)
            case AttributeOf(key, at):
                yield from _unknown(at, "attribute", key, self.words.attributes)
            case AnswerTo(survey, _, ever, at):
                yield from _unknown(at, "survey", survey, self.words.surveys)
                yield from self._ever(ever, at)
            case EventField(field, at):
                yield from self._event_field(field, at)
            case _:
                assert_never(operand)

    def _circle(self, operand: Named) -> Iterator[Finding]:
        is_circle = (operand.name, self.site) in (
            (Name.KIND, ConditionSite.KIND),
            (Name.FIT, ConditionSite.SITE_RULE),
        )
        if is_circle:
            message = f"`{operand.name}` is what this rule decides"
            yield Finding(operand.at, "circle", message, "ask for the facts behind it instead")

    def _event_field(self, field: str, at: int) -> Iterator[Finding]:
        if not self.words.entered_by:
            message = "no event begins a run here, so there is no event to ask"
            yield Finding(at, "place", message, "use it in a campaign with `enter: {on: …}`, or ask `did('…')`")
        for key in self.words.entered_by:
            event = self.words.events.get(key)
            if event is not None:
                known = dict(event.fields)
                yield from _unknown(at, f"field of the event {key}", field, {*known, event.run_key} - {""})

    def _sorts(self, operand: Operand) -> Iterator[Sort]:
        match operand:
            case AttributeOf(key):
                attribute = self.words.attributes[key]
                yield sort_of(attribute.type, tuple(option for option, _ in attribute.options))
            case AnswerTo(survey):
                answers = self.words.surveys[survey]
                yield Sort(Bears.CHOICE if answers.options else Bears.SCALE, answers.options, answers.low, answers.high)
            case EventField(field):
                for key in self.words.entered_by:
                    event = self.words.events.get(key)
                    if event is not None:
                        yield sort_of(dict(event.fields).get(field, "text"), ())
            case Named():
                return
            case _:
                assert_never(operand)

    def _named(self, operand: Named, leaf: Valued) -> Iterator[Finding]:
        values = leaf.values if isinstance(leaf, OneOf) else (leaf.value,) if isinstance(leaf, Compare) else ()
        known = self._declared(operand.name)
        for value in values:
            if known is not None and isinstance(value, str):
                yield from _unknown(leaf.at, str(operand.name), value, known)
            if operand.name is Name.COUNTRY and isinstance(value, str):
                yield from _country(leaf.at, value)

    def _declared(self, name: Name) -> Collection[str] | None:
        match name:
            case Name.STAGE:
                return self.words.stages
            case Name.KIND:
                return (*self.words.kinds, NO_KIND)
            case Name.LOCALE:
                return self.words.locales
            case Name.BOX:
                return self.words.boxes
            case _:
                return None

    # ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _tag(self, tag: str, at: int) -> Iterator[Finding]:
        if self.words.tags is not None and tag not in self.words.tags:
            near = _nearest(tag, self.words.tags)
            advice = f"did you mean `{near}`?" if near else "set it in a step (`tag:`), or remove this part"
            yield Finding(at, "never", f"nothing sets the tag `{tag[:60]}`", advice, "warning")

    def _happened(self, leaf: Happened) -> Iterator[Finding]:
        if leaf.deed in MAIL_DEEDS and leaf.what:
            yield from self._mail(leaf)
        if leaf.deed is Deed.DID:
            yield from _unknown(leaf.at, "event", leaf.what, self.words.events)
        if leaf.deed is Deed.BOUGHT and leaf.what and self.words.products is not None:
            yield from _unknown(leaf.at, "product", leaf.what, self.words.products)
        if leaf.topic:
            yield from _unknown(leaf.at, "topic", leaf.topic, self.words.topics)
        if leaf.same:
            yield from self._same(leaf)
        yield from self._untracked(leaf)
        yield from self._ever(leaf.ever, leaf.at)

    def _mail(self, leaf: Happened) -> Iterator[Finding]:
        if leaf.what not in self.words.mails:
            yield from _unknown(leaf.at, "mail", leaf.what, self.words.mails)
            return
        if leaf.link:
            yield from _unknown(leaf.at, f"link in the mail {leaf.what}", leaf.link, self.words.mails[leaf.what])
        if self.words.sent is not None and leaf.what not in self.words.sent:
            message = f"no campaign and no box sends the mail `{leaf.what}`, so this never happens"
            yield Finding(leaf.at, "never", message, "send the mail somewhere, or remove this part", "warning")

    def _untracked(self, leaf: Happened) -> Iterator[Finding]:
        is_off = {Deed.OPENED: not self.words.tracks_opens, Deed.CLICKED: not self.words.tracks_clicks}
        if is_off.get(leaf.deed, False):
            message = f"`{leaf.deed}` never happens: the site does not track it person by person"
            advice = "ask for something else, or set `individual` under `tracking`"
            yield Finding(leaf.at, "never", message, advice, "warning")

    def _same(self, leaf: Happened) -> Iterator[Finding]:
        if self.site not in IN_A_RUN or not self.words.run_key:
            message = "`same=` compares with the key of the run, and runs have none here"
            yield Finding(leaf.at, "place", message, "give the entry `again: {each: …}`, or remove `same=`")
        elif leaf.deed is Deed.DID and leaf.what in self.words.events:
            event = self.words.events[leaf.what]
            known = {*dict(event.fields), event.run_key} - {""}
            yield from _unknown(leaf.at, f"field of the event {leaf.what}", leaf.same, known)

    def _ever(self, ever: bool, at: int) -> Iterator[Finding]:
        if ever and self.site not in IN_A_RUN:
            yield Finding(at, "needless", "facts count ever here anyway", "remove `ever=True`", "warning")

    def _held(self, leaf: HeldFor) -> Iterator[Finding]:
        if self.site not in WITH_TIMERS:
            message = "`held_for` stands only in `rise`, `fall`, kinds and segments"
            yield Finding(leaf.at, "place", message, "make a segment of it and ask in_segment('…')")


def _unknown(at: int, sort: str, word: str, known: Collection[str]) -> Iterator[Finding]:
    if word in known:
        return
    near = _nearest(word, known)
    some = ", ".join(sorted(known)[:8])
    advice = f"did you mean `{near}`?" if near else f"there are: {some}" if some else "declare it first"
    code = f"unknown-{sort.partition(' ')[0]}"
    yield Finding(at, code, f"there is no {sort} `{word[:60]}`", advice)


def _nearest(word: str, known: Collection[str]) -> str | None:
    folded = {plain(each).casefold(): each for each in sorted(known)}
    near = get_close_matches(plain(word)[:60].casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def _country(at: int, value: str) -> Iterator[Finding]:
    if not (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
        advice = f"write `'{value.upper()}'`" if len(value) == 2 and value.isascii() else "write for example 'IR'"
        yield Finding(at, "type", "a country is written with two capital letters (ISO 3166-1)", advice)
