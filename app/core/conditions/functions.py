"""The functions of the condition language: their arguments, and the nodes they become.

Owns the table of functions. Must not know the vocabulary of a site, nor how a node is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from app.core.conditions.canonical import digest_of
from app.core.conditions.grammar import Call, Form, Literal, Word
from app.core.conditions.tokens import FaultError, fault, plain
from app.core.conditions.tree import (
    And,
    AnswerTo,
    AttributeOf,
    Chance,
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
    Node,
    Not,
    Operand,
    Or,
    Overdue,
    Tagged,
)
from app.core.instants import Span, parse_span

Shape = Callable[[Form], Node]

NAMES: Final = frozenset(map(str, Name))
_DEEDS: Final = frozenset(map(str, Deed))
MOST_TIMES: Final = 1_000
LARGEST_FACTOR: Final = 100
KNOWABLE_NAMES: Final = frozenset({Name.LOCALE, Name.COUNTRY, Name.SOURCE, Name.BOX})


@dataclass(frozen=True, slots=True)
class Function:
    """`needed` arguments stand by position, `first` says what the first is; `options` are written with their name."""

    example: str
    needed: int = 1
    most: int = 1
    first: str = ""
    options: tuple[str, ...] = ()
    gives_value: bool = False


_COUNTED: Final = ("times", "within", "ever")
FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "attribute": Function("attribute('budget')", first="the attribute", gives_value=True),
        "answer": Function("answer('nps')", first="the survey", options=("within", "ever"), gives_value=True),
        "event": Function("event('total')", first="the field", gives_value=True),
        "known": Function("known('budget')", first="the attribute"),
        "tagged": Function("tagged('vip')", first="the tag"),
        "in_segment": Function("in_segment('big_spenders')", first="the segment"),
        "received": Function("received('ebook/story')", needed=0, first="the mail", options=_COUNTED),
        "opened": Function("opened('ebook/story')", needed=0, first="the mail", options=_COUNTED),
        "clicked": Function(
            "clicked('ebook/story', link='download')", needed=0, first="the mail", options=("link", "topic", *_COUNTED)
        ),
        "replied": Function("replied('ebook/story')", needed=0, first="the mail", options=_COUNTED),
        "visited": Function("visited('/pricing*')", first="the path", options=_COUNTED),
        "did": Function("did('demo_requested')", first="the event", options=("same", *_COUNTED)),
        "bought": Function("bought(product='herbs')", needed=0, most=0, options=("product", "same", *_COUNTED)),
        "idle_for": Function("idle_for('60d')", first="the time"),
        "in_stage_for": Function("in_stage_for('14d')", first="the time"),
        "held_for": Function("held_for('14d', score < 20)", needed=2, most=2, first="the time"),
        "overdue": Function("overdue(1.5, least='14d')", first="the factor", options=("least",)),
        "chance": Function("chance('10%', 'name')", needed=2, most=2, first="the share"),
    }
)


def function_operand(call: Call) -> Operand:
    """The operand of a function that gives a value. Raises FaultError for any other."""
    _accept(call)
    match call.function:
        case "attribute":
            return AttributeOf(_key(call, 0), call.at)
        case "answer":
            within, ever = _since(call)
            return AnswerTo(_key(call, 0), within, ever, call.at)
        case "event":
            return EventField(_key(call, 0), call.at)
        case _:
            raise fault(call.at, "type", f"`{call.function}(…)` is true or false, not a value", "write it alone")


def function_leaf(call: Call, shape: Shape) -> Leaf | None:
    """The leaf of a function that is true or false; None for one that gives a value."""
    function = _accept(call)
    if function.gives_value:
        return None
    if call.function in _DEEDS:
        return _happened(call)
    match call.function:
        case "known":
            return Known(_knowable(call), call.at)
        case "tagged":
            return Tagged(_key(call, 0), call.at)
        case "in_segment":
            return InSegment(_key(call, 0), call.at)
        case "idle_for":
            return IdleFor(_span(call.args[0]), call.at)
        case "in_stage_for":
            return InStageFor(_span(call.args[0]), call.at)
        case "held_for":
            return _held(call, shape)
        case "overdue":
            return Overdue(_factor(call.args[0]), _optional_span(call, "least") or 0, call.at)
        case _:
            return Chance(_share(call.args[0]), _key(call, 1), call.at)


# ── Which arguments there may be ─────────────────────────────────────────────────────────────────────────────────────


def _accept(call: Call) -> Function:
    function = FUNCTIONS.get(call.function)
    if function is None:
        raise _explain_function(call)
    seen: set[str] = set()
    for name, _ in call.options:
        if name.text not in function.options:
            raise _explain_option(call, function, (name.text, name.at))
        if name.text in seen:
            raise fault(name.at, "argument", f"`{name.text}=` is given twice", "remove one of them")
        seen.add(name.text)
    if not function.needed <= len(call.args) <= function.most:
        raise _explain_arguments(call, function)
    return function


def _explain_function(call: Call) -> FaultError:
    shown = call.function[:40]
    if call.function in NAMES:
        return fault(call.at, "function", f"`{shown}` is a name, not a function", f"write `{shown}` without brackets")
    near = get_close_matches(plain(shown).lower(), FUNCTIONS, n=1, cutoff=0.6)
    advice = f"did you mean `{FUNCTIONS[near[0]].example}`?" if near else f"there are {', '.join(sorted(FUNCTIONS))}"
    return fault(call.at, "function", f"there is no function `{shown}`", advice)


def _explain_option(call: Call, function: Function, option: tuple[str, int]) -> FaultError:
    name, at = option[0][:40], option[1]
    message = f"`{call.function}` has no option `{name}=`"
    if function.first and f"the {name}" == function.first:
        return fault(at, "argument", message, f"write {function.first} first, without a name: `{function.example}`")
    near = get_close_matches(plain(name).lower(), function.options, n=1, cutoff=0.5)
    if near:
        return fault(at, "argument", message, f"did you mean `{near[0]}=`?")
    known = ", ".join(f"`{each}=`" for each in function.options)
    return fault(at, "argument", message, f"it has {known}" if known else f"write `{function.example}`")


def _explain_arguments(call: Call, function: Function) -> FaultError:
    if len(call.args) < function.needed:
        return fault(call.at, "argument", f"`{call.function}` needs more than this", f"write `{function.example}`")
    extra = call.args[function.most]
    return fault(extra.at, "argument", f"`{call.function}` takes no such argument here", f"write `{function.example}`")


# ── Reading arguments ────────────────────────────────────────────────────────────────────────────────────────────────


def _text(form: Form) -> str:
    if isinstance(form, Literal) and isinstance(form.value, str):
        if form.value.strip():
            return form.value
        raise fault(form.at, "argument", "this text is empty", "write the key between the quotes")
    shown = form.text[:40] if isinstance(form, Word) else "…"
    raise fault(form.at, "argument", "a text in quotes goes here", f"write `'{shown}'`")


def _key(call: Call, position: int) -> str:
    return _text(call.args[position])


def _option(call: Call, name: str) -> Form | None:
    return next((form for token, form in call.options if token.text == name), None)


def _optional_text(call: Call, name: str) -> str:
    form = _option(call, name)
    return "" if form is None else _text(form)


def _optional_span(call: Call, name: str) -> Span | None:
    form = _option(call, name)
    return None if form is None else _span(form)


def _span(form: Form) -> Span:
    text = _text(form) if not isinstance(form, Literal) or isinstance(form.value, str) else str(form.value)
    try:
        span = parse_span(text)
    except ValueError as error:
        raise fault(form.at, "duration", str(error), _span_advice(text)) from None
    if span <= 0:
        raise fault(form.at, "duration", "a time of nothing is never over or always", "write at least '1s'")
    return span


def _span_advice(text: str) -> str:
    twin = plain(text).strip().replace(" ", "")
    for candidate in (twin, f"{twin}d"):
        try:
            parse_span(candidate)
        except ValueError:
            continue
        return f"write `'{candidate}'`"
    return "write a duration such as '7d'"


def _share(form: Form) -> float:
    text = _text(form) if not isinstance(form, Literal) or isinstance(form.value, str) else str(form.value)
    digits = text.removesuffix("%")
    is_number = digits.replace(".", "", 1).isascii() and digits.replace(".", "", 1).isdigit() and len(digits) <= 10
    if not text.endswith("%") or not is_number or not digits[0].isdigit() or not digits[-1].isdigit():
        raise fault(form.at, "share", f"`{text[:40]}` is not a share", "write a percentage in quotes: '10%'")
    share = float(digits) / 100
    if not 0 < share < 1:
        raise fault(form.at, "share", "a share is more than 0% and less than 100%", "write for example '10%'")
    return share


def _factor(form: Form) -> int | float:
    if isinstance(form, Literal) and not isinstance(form.value, str) and 0 < form.value <= LARGEST_FACTOR:
        return form.value
    raise fault(form.at, "argument", f"a number between 0 and {LARGEST_FACTOR} goes here", "write for example 1.5")


def _times(call: Call) -> int:
    form = _option(call, "times")
    if form is None:
        return 1
    if isinstance(form, Literal) and isinstance(form.value, int) and 1 <= form.value <= MOST_TIMES:
        return form.value
    raise fault(form.at, "argument", f"`times=` is a whole number from 1 to {MOST_TIMES}", "write for example times=3")


def _since(call: Call) -> tuple[Span | None, bool]:
    within, form = _optional_span(call, "within"), _option(call, "ever")
    if form is None:
        return within, False
    if not isinstance(form, Word) or form.text != "True":
        raise fault(form.at, "argument", "`ever=` is only ever True", "write `ever=True`, or leave it out")
    if within is not None:
        raise fault(form.at, "argument", "`within=` and `ever=` exclude each other", "keep one of them")
    return within, True


# ── Functions with more to say ───────────────────────────────────────────────────────────────────────────────────────


def _happened(call: Call) -> Happened:
    deed = Deed(call.function)
    within, ever = _since(call)
    return Happened(
        deed=deed,
        what=_what(deed, call),
        link=_link(call),
        topic=_optional_text(call, "topic"),
        times=_times(call),
        within=within,
        ever=ever,
        same=_optional_text(call, "same"),
        at=call.at,
    )


def _what(deed: Deed, call: Call) -> str:
    if deed is Deed.BOUGHT:
        return _optional_text(call, "product")
    what = _key(call, 0) if call.args else ""
    return _path(what, call.args[0].at) if deed is Deed.VISITED else what


def _path(path: str, at: int) -> str:
    if "*" in path[:-1]:
        raise fault(at, "path", "a `*` stands only at the end of a path", f"write `'{path.partition('*')[0][:80]}*'`")
    if not path.startswith(("/", "*")):
        raise fault(at, "path", "a path begins with `/`", f"write `'/{path[:80]}'`")
    return path


def _link(call: Call) -> str:
    link = _optional_text(call, "link")
    if link and not call.args:
        at = next(form.at for token, form in call.options if token.text == "link")
        raise fault(
            at, "argument", "a link is named within its mail", "write the mail first: `clicked('mail', link='…')`"
        )
    return link


def _knowable(call: Call) -> Operand:
    form = call.args[0]
    if isinstance(form, Call):
        return function_operand(form)
    key = _text(form)
    if key in KNOWABLE_NAMES:
        return Named(Name(key), call.at)
    if key in NAMES:
        raise fault(form.at, "argument", f"`{key}` is always known", "remove this part")
    return AttributeOf(key, call.at)


def _held(call: Call, shape: Shape) -> HeldFor:
    span, part = _span(call.args[0]), shape(call.args[1])
    inner = _inner_held(part)
    if inner is not None:
        raise fault(inner.at, "argument", "`held_for` stands inside `held_for`", "use one, with the times added up")
    return HeldFor(span, part, digest_of(part), call.at)


def _inner_held(node: Node) -> HeldFor | None:
    match node:
        case Or(parts) | And(parts):
            return next((held for part in parts if (held := _inner_held(part))), None)
        case Not(part):
            return _inner_held(part)
        case HeldFor():
            return node
        case _:
            return None
