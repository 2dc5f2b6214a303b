"""Conditions in Persian, as predicates of a person: «امتیازش دست‌کم ۳۰ است یا خرید کرده است».

Owns Persian wording. Must not decide how parts are joined or denied: the walk in `sentence` does.
Keys and other foreign words stand between U+2068 and U+2069, numbers in Persian digits.
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
    Op.EQ: "{} است",
    Op.NE: "{} نیست",
    Op.LT: "کمتر از {} است",
    Op.LE: "حداکثر {} است",
    Op.GT: "بیش از {} است",
    Op.GE: "دست‌کم {} است",
}
_NUMBERS: Final = {
    Name.SCORE: "امتیازش",
    Name.FIT: "امتیاز تناسبش",
    Name.ORDERS: "شمار سفارش‌هایش",
    Name.REVENUE: "مجموع خریدش",
    Name.REFERRALS: "شمار معرفی‌هایش",
}
_WORDS: Final = {
    Name.STAGE: ("در مرحلهٔ {} است", "در مرحلهٔ {} نیست"),
    Name.KIND: ("از گونهٔ {} است", "از گونهٔ {} نیست"),
    Name.LOCALE: ("زبانش {} است", "زبانش {} نیست"),
    Name.COUNTRY: ("کشورش {} است", "کشورش {} نیست"),
    Name.SOURCE: ("از منبع {} آمده است", "از منبع {} نیامده است"),
    Name.BOX: ("از فرم {} آمده است", "از فرم {} نیامده است"),
}
_NAMES: Final = {Name.LOCALE: "زبان", Name.COUNTRY: "کشور", Name.SOURCE: "منبع", Name.BOX: "فرم"}
_FLAGS: Final = {
    Name.CONFIRMED: ("نشانی‌اش تأیید شده است", "نشانی‌اش تأیید نشده است"),
    Name.REFERRED: ("با معرفی آمده است", "با معرفی نیامده است"),
}
_LABELLED: Final = {Name.STAGE: Said.STAGE, Name.KIND: Said.KIND, Name.BOX: Said.BOX}
_UNITS: Final = ((DAY, "روز"), (HOUR, "ساعت"), (MINUTE, "دقیقه"), (SECOND, "ثانیه"))
_LINKED: Final = str.maketrans({"ه": "هٔ"})  # «دقیقهٔ گذشته»
_DIGITS: Final = str.maketrans("0123456789.,%", "۰۱۲۳۴۵۶۷۸۹٫٬٪")
_FIRST_STRONG, _END = "\u2068", "\u2069"


@dataclass(frozen=True, slots=True)
class Persian:
    labels: Labels

    def joined(self, sayings: list[str], is_or: bool, is_inner: bool) -> str:
        text = f" {'یا' if is_or else 'و'} ".join(sayings)
        return f"({text})" if is_inner else text

    def held(self, span: Span, saying: str, is_denied: bool) -> str:
        if is_denied:
            return f"هنوز {_time(span)} نشده است که {saying}"
        return f"دست‌کم {_time(span)} است که {saying}"

    def says(self, leaf: Leaf, is_denied: bool) -> str:
        match leaf:
            case Compare() | OneOf() | Contains() | Truth() | Known():
                return self._valued(leaf, is_denied)
            case Tagged(tag):
                return f"برچسب {self._word(Said.TAG, tag)} {'ندارد' if is_denied else 'دارد'}"
            case InSegment(segment):
                return f"در بخش {self._word(Said.SEGMENT, segment)} {_is(is_denied)}"
            case Happened():
                return self._happened(leaf, is_denied)
            case IdleFor(span):
                has = "داشته است" if is_denied else "نداشته است"
                return f"در {_last(span)} فعالیتی {has}"
            case InStageFor(span):
                return f"{'کمتر از' if is_denied else 'دست‌کم'} {_time(span)} است که در این مرحله است"
            case HeldFor(span):
                return self.held(span, "چنین است", is_denied)
            case Overdue(factor, least):
                usual = f"{_shown(factor)} برابر فاصلهٔ معمول" + f"، دست‌کم {_time(least)}" * bool(least)
                return f"سفارش بعدی‌اش {'هنوز دیر نشده است' if is_denied else 'دیر شده است'} ({usual})"
            case Chance(share, name):
                return f"در نمونهٔ تصادفی {percent(share).translate(_DIGITS)} به نام {_apart(name)} {_is(is_denied)}"
            case _:
                assert_never(leaf)

    def _valued(self, leaf: Compare | OneOf | Contains | Truth | Known, is_denied: bool) -> str:
        if isinstance(leaf.operand, Named):
            return self._named(leaf.operand.name, leaf, is_denied)
        what, sort = self._what(leaf.operand)
        match leaf:
            case Compare(_, op, value):
                return f"{what} {_HOW_MUCH[op].format(self._value(value, sort))}"
            case OneOf(_, values):
                return f"{what} {_either([self._value(value, sort) for value in values])} {_is(is_denied)}"
            case Contains(_, value):
                return f"در {what} {self._value(value, sort)} {'نیست' if is_denied else 'هست'}"
            case Truth():
                return f"{what} «{'خیر' if is_denied else 'بله'}» است"
            case Known():
                return f"{what} معلوم {_is(is_denied)}"
            case _:
                assert_never(leaf)

    def _named(self, name: Name, leaf: Compare | OneOf | Contains | Truth | Known, is_denied: bool) -> str:
        match leaf:
            case Truth():
                return _FLAGS[name][is_denied] if name in _FLAGS else str(name)
            case Known():
                return f"{_NAMES.get(name, str(name))} معلوم {_is(is_denied)}"
            case Compare(_, op, value) if name in _NUMBERS:
                return f"{_NUMBERS[name]} {_HOW_MUCH[op].format(_shown(value))}"
            case Compare(_, op, value):
                return _WORDS[name][op is Op.NE].format(self._own(name, value))
            case OneOf(_, values) if name in _NUMBERS:
                return f"{_NUMBERS[name]} {_either([_shown(value) for value in values])} {_is(is_denied)}"
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
                return f"مقدار {self._word(Said.ATTRIBUTE, key)}", key
            case AnswerTo(survey, within, ever):
                since = f" در {_last(within)}" if within else " در هر زمان" * ever
                return f"پاسخش به {self._word(Said.SURVEY, survey)}{since}", ""
            case EventField(field):
                return f"مقدار {_apart(field)} در رویداد آغازگر", ""
            case _:
                assert_never(operand)

    def _own(self, name: Name, value: Constant) -> str:
        sort = _LABELLED.get(name)
        return self._word(sort, str(value)) if sort else _apart(str(value))

    def _value(self, value: Constant, attribute: str) -> str:
        if not isinstance(value, str):
            return _shown(value)
        label = self.labels.of(Said.OPTION, f"{attribute}.{value}")
        return f"«{label}»" if label else _apart(value)

    def _word(self, sort: Said, key: str) -> str:
        label = self.labels.of(sort, key)
        return f"«{label}»" if label else _apart(key)

    # ── What happened ────────────────────────────────────────────────────────────────────────────────────────────────

    def _happened(self, leaf: Happened, is_denied: bool) -> str:
        few = is_denied and leaf.times > 1
        since = f"در {_last(leaf.within)} " if leaf.within else "در هر زمان " * leaf.ever
        times = f"{'کمتر از' if few else 'دست‌کم'} {_shown(leaf.times)} بار " if leaf.times > 1 else ""
        same = f"با همان {_apart(leaf.same)} " * bool(leaf.same)
        return f"{since}{times}{same}{self._deed(leaf, is_denied and not few)}"

    def _deed(self, leaf: Happened, is_denied: bool) -> str:
        mail = f"ایمیل {self._word(Said.MAIL, leaf.what)}" if leaf.what else "هیچ ایمیلی" if is_denied else "ایمیلی"
        no = "ن" if is_denied else ""
        match leaf.deed:
            case Deed.RECEIVED:
                return f"{mail} را دریافت {no}کرده است" if leaf.what else f"{mail} دریافت {no}کرده است"
            case Deed.OPENED:
                return f"{mail} را باز {no}کرده است"
            case Deed.REPLIED:
                return f"به {mail} پاسخ {no}داده است"
            case Deed.CLICKED:
                return f"روی {self._link(leaf, mail, is_denied)} کلیک {no}کرده است"
            case Deed.VISITED:
                return f"{_page(leaf.what, is_denied)} {no}دیده است"
            case Deed.DID:
                return f"رویداد {self._word(Said.EVENT, leaf.what)} را انجام {no}داده است"
            case Deed.BOUGHT:
                product = f"محصول {self._word(Said.PRODUCT, leaf.what)} را "
                return f"{product}{no}خریده است" if leaf.what else f"خرید {no}کرده است"
            case _:
                assert_never(leaf.deed)

    def _link(self, leaf: Happened, mail: str, is_denied: bool) -> str:
        some = "هیچ پیوندی" if is_denied else "پیوندی"
        link = f"پیوند {self._word(Said.LINK, leaf.link)}" if leaf.link else some
        topic = f" دربارهٔ {self._word(Said.TOPIC, leaf.topic)}" * bool(leaf.topic)
        return f"{link}{topic} در {mail}" if leaf.what else f"{link}{topic}"


def _page(path: str, is_denied: bool) -> str:
    if path == "*":
        return "سایت را"
    if path.endswith("*"):
        return f"{'هیچ ' * is_denied}صفحه‌ای را که با {_apart(path[:-1])} آغاز می‌شود"
    return f"صفحهٔ {_apart(path)} را"


def _is(is_denied: bool) -> str:
    return "نیست" if is_denied else "است"


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{'، '.join(words[:-1])} یا {words[-1]}"


def _shown(value: Constant) -> str:
    if isinstance(value, str):
        return _apart(value)
    return "منفی " * (value < 0) + f"{abs(value):,}".translate(_DIGITS)


def _apart(text: str) -> str:
    return f"{_FIRST_STRONG}{text}{_END}"


def _time(span: Span) -> str:
    count, name = _counted(span)
    return f"{count} {name}"


def _last(span: Span) -> str:
    count, name = _counted(span)
    return f"{count} {name.translate(_LINKED)} گذشته"


def _counted(span: Span) -> tuple[str, str]:
    unit, name = next(((unit, name) for unit, name in _UNITS if span % unit == 0), _UNITS[-1])
    return _shown(span // unit), name
