"""Conditions in English, as predicates of a person: "has a score of at least 30 or has bought".

Owns English wording. Must not decide how parts are joined or denied: the walk in `sentence` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from app.core.conditions.canonical import percent
from app.core.conditions.sentence import Labels, Said
from app.core.conditions.tree import (
    AnswerTo,
    AttributeOf,
    Chance,
    Compare,
    Constant,
    Contains,
    Deed,
    EventField,
    Happened,
    HeldFor,
    IdleFor,
    InSegment,
    InStageFor,
    Known,
    Leaf,
    Name,
    Named,
    OneOf,
    Op,
    Operand,
    Overdue,
    Tagged,
    Truth,
)
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Span

_HOW_MUCH: Final = {
    Op.EQ: "exactly {}",
    Op.NE: "not exactly {}",
    Op.LT: "less than {}",
    Op.LE: "at most {}",
    Op.GT: "more than {}",
    Op.GE: "at least {}",
}
_NUMBERS: Final = {
    Name.SCORE: "has a score of {}",
    Name.FIT: "has a fit of {}",
    Name.ORDERS: "has an order count of {}",
    Name.REVENUE: "has spent {}",
    Name.REFERRALS: "has a referral count of {}",
}
_WORDS: Final = {
    Name.STAGE: ("is in the stage {}", "is not in the stage {}"),
    Name.KIND: ("is of the kind {}", "is not of the kind {}"),
    Name.LOCALE: ("reads {}", "does not read {}"),
    Name.COUNTRY: ("lives in {}", "does not live in {}"),
    Name.SOURCE: ("came from {}", "did not come from {}"),
    Name.BOX: ("came by the box {}", "did not come by the box {}"),
}
_FLAGS: Final = {
    Name.CONFIRMED: ("has confirmed the address", "has not confirmed the address"),
    Name.REFERRED: ("was referred", "was not referred"),
}
_LABELLED: Final = {Name.STAGE: Said.STAGE, Name.KIND: Said.KIND, Name.BOX: Said.BOX}
_UNITS: Final = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"))
_FIRST_STRONG, _END = "\u2068", "\u2069"


@dataclass(frozen=True, slots=True)
class English:
    labels: Labels

    def joined(self, sayings: list[str], is_or: bool, is_inner: bool) -> str:
        text = f" {'or' if is_or else 'and'} ".join(sayings)
        return f"({text})" if is_inner else text

    def held(self, span: Span, saying: str, is_denied: bool) -> str:
        return f"{'not yet for' if is_denied else 'for at least'} {_time(span)}: {saying}"

    def says(self, leaf: Leaf, is_denied: bool) -> str:
        match leaf:
            case Compare() | OneOf() | Contains() | Truth() | Known():
                return self._valued(leaf, is_denied)
            case Tagged(tag):
                return f"has {'no' if is_denied else 'the'} tag {self._word(Said.TAG, tag)}"
            case InSegment(segment):
                return f"is {'not ' * is_denied}in the segment {self._word(Said.SEGMENT, segment)}"
            case Happened():
                return self._happened(leaf, is_denied)
            case IdleFor(span):
                return f"has {'' if is_denied else 'not '}been active in the last {_last(span)}"
            case InStageFor(span):
                return f"has been in this stage for {'less than' if is_denied else 'at least'} {_time(span)}"
            case HeldFor(span):
                return self.held(span, "the same", is_denied)
            case Overdue(factor, least):
                usual = f"{factor} times the usual gap" + f", at least {_time(least)}" * bool(least)
                return f"is {'not yet ' * is_denied}overdue with the next order ({usual})"
            case Chance(share, name):
                return f"is {'not ' * is_denied}in the random {percent(share)} called {_apart(name)}"
            case _:
                assert_never(leaf)

    def _valued(self, leaf: Compare | OneOf | Contains | Truth | Known, is_denied: bool) -> str:
        if isinstance(leaf.operand, Named):
            return self._named(leaf.operand.name, leaf, is_denied)
        what, sort = self._what(leaf.operand)
        match leaf:
            case Compare(_, op, value):
                return f"has {self._much(op, self._value(value, sort))} as {what}"
            case OneOf(_, values):
                several = _either([self._value(value, sort) for value in values])
                return f"has {'none of ' * is_denied}{several} as {what}"
            case Contains(_, value):
                return f"has {'not ' * is_denied}{self._value(value, sort)} among {what}"
            case Truth():
                return f"has {'no' if is_denied else 'yes'} as {what}"
            case Known():
                return f"has {'no known' if is_denied else 'a known'} {what}"
            case _:
                assert_never(leaf)

    def _named(self, name: Name, leaf: Compare | OneOf | Contains | Truth | Known, is_denied: bool) -> str:
        match leaf:
            case Truth():
                return _FLAGS[name][is_denied] if name in _FLAGS else str(name)
            case Known():
                return f"has {'no known' if is_denied else 'a known'} {name}"
            case Compare(_, op, value) if name in _NUMBERS:
                return _NUMBERS[name].format(_HOW_MUCH[op].format(_shown(value)))
            case Compare(_, op, value):
                return _WORDS[name][op is Op.NE].format(self._own(name, value))
            case OneOf(_, values) if name in _NUMBERS:
                several = _either([_shown(value) for value in values])
                return _NUMBERS[name].format(f"{'not ' * is_denied}{several}")
            case OneOf(_, values):
                return _WORDS[name][is_denied].format(_either([self._own(name, value) for value in values]))
            case _:
                return str(name)

    def _what(self, operand: Operand) -> tuple[str, str]:
        """How the operand is called, and the attribute its options belong to."""
        match operand:
            case Named(name):
                return str(name), ""
            case AttributeOf(key):
                return self._word(Said.ATTRIBUTE, key), key
            case AnswerTo(survey, within, ever):
                since = f" in the last {_last(within)}" if within else " at any time" * ever
                return f"answer to {self._word(Said.SURVEY, survey)}{since}", ""
            case EventField(field):
                return f"{_apart(field)} of the event", ""
            case _:
                assert_never(operand)

    def _much(self, op: Op, value: str) -> str:
        return {Op.EQ: value, Op.NE: f"something other than {value}"}.get(op, _HOW_MUCH[op].format(value))

    def _own(self, name: Name, value: Constant) -> str:
        sort = _LABELLED.get(name)
        return self._word(sort, str(value)) if sort else _apart(str(value))

    def _value(self, value: Constant, attribute: str) -> str:
        if isinstance(value, str):
            return self.labels.of(Said.OPTION, f"{attribute}.{value}") or _apart(value)
        return _shown(value)

    def _word(self, sort: Said, key: str) -> str:
        return self.labels.of(sort, key) or _apart(key)

    # ── What happened ────────────────────────────────────────────────────────────────────────────────────────────────

    def _happened(self, leaf: Happened, is_denied: bool) -> str:
        few = is_denied and leaf.times > 1
        times = f" {'fewer than' if few else 'at least'} {leaf.times} times" if leaf.times > 1 else ""
        since = f" in the last {_last(leaf.within)}" if leaf.within else " at any time" * leaf.ever
        same = f" with the same {_apart(leaf.same)}" * bool(leaf.same)
        has = "has not" if is_denied and not few else "has"
        return f"{has} {self._deed(leaf, is_denied and not few)}{same}{times}{since}"

    def _deed(self, leaf: Happened, is_denied: bool) -> str:
        mail = f"the mail {self._word(Said.MAIL, leaf.what)}" if leaf.what else "any mail" if is_denied else "a mail"
        match leaf.deed:
            case Deed.RECEIVED:
                return f"received {mail}"
            case Deed.OPENED:
                return f"opened {mail}"
            case Deed.REPLIED:
                return f"replied to {mail}"
            case Deed.CLICKED:
                return self._clicked(leaf, mail, "any" if is_denied else "a")
            case Deed.VISITED:
                return f"visited {_page(leaf.what)}"
            case Deed.DID:
                return f"done {self._word(Said.EVENT, leaf.what)}"
            case Deed.BOUGHT:
                return f"bought {self._word(Said.PRODUCT, leaf.what)}" if leaf.what else "bought"
            case _:
                assert_never(leaf.deed)

    def _clicked(self, leaf: Happened, mail: str, some: str) -> str:
        link = f"the link {self._word(Said.LINK, leaf.link)}" if leaf.link else f"{some} link"
        topic = f" about {self._word(Said.TOPIC, leaf.topic)}" * bool(leaf.topic)
        return f"clicked {link}{topic} in {mail}"


def _page(path: str) -> str:
    if path == "*":
        return "the site"
    return f"a page that begins with {_apart(path[:-1])}" if path.endswith("*") else f"the page {_apart(path)}"


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _shown(value: Constant) -> str:
    return _apart(value) if isinstance(value, str) else f"{value:,}"


def _apart(text: str) -> str:
    """Keys and texts in another script stand in a run of their own, so that they cannot turn the line round."""
    return text if text.isascii() else f"{_FIRST_STRONG}{text}{_END}"


def _time(span: Span) -> str:
    unit, name = next(((unit, name) for unit, name in _UNITS if span % unit == 0), _UNITS[-1])
    count = span // unit
    return f"{count} {name}{'s' * (count != 1)}"


def _last(span: Span) -> str:
    return _time(span).removeprefix("1 ")
