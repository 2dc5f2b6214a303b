"""Gives a loose form its meaning in the vocabulary: form to tree, with every fault found on the way.

Owns which names and functions there are and how their arguments are written. Must not know what a site has declared:
mails, attributes and the like are asked of `Words` in check.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Final, assert_never

from app.core.conditions.canonical import operand_written
from app.core.conditions.functions import FUNCTIONS, NAMES, function_leaf, function_operand
from app.core.conditions.grammar import Call, Compared, Denied, Form, Items, Joined, Literal, Word
from app.core.conditions.tokens import Fault, FaultError, fault, plain
from app.core.conditions.tree import (
    And,
    Compare,
    Constant,
    Contains,
    Name,
    Named,
    Node,
    Not,
    OneOf,
    Op,
    Operand,
    Or,
    Truth,
)

_TRUE_OR_FALSE: Final = frozenset({Name.CONFIRMED, Name.REFERRED})
_WORDS: Final = frozenset({Name.STAGE, Name.KIND, Name.LOCALE, Name.COUNTRY, Name.SOURCE, Name.BOX})
_ORDERING: Final = frozenset({"<", "<=", ">", ">="})
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_BOOLEANS: Final = {"True": True, "true": True, "TRUE": True, "False": False, "false": False, "FALSE": False}
_NOTHINGS: Final = frozenset({"None", "null", "NULL", "none"})
_EXAMPLES: Final = {
    Name.STAGE: "stage == 'lead'",
    Name.KIND: "kind == 'ready'",
    Name.SCORE: "score >= 30",
    Name.FIT: "fit >= 20",
    Name.LOCALE: "locale == 'fa'",
    Name.COUNTRY: "country == 'IR'",
    Name.SOURCE: "source == 'instagram'",
    Name.BOX: "box == 'ebook'",
    Name.ORDERS: "orders >= 1",
    Name.REVENUE: "revenue >= 5000000",
    Name.REFERRALS: "referrals >= 1",
}


def shaped(form: Form) -> Node:
    """The tree of a form that stands where something must be true or false. Raises FaultError with all faults."""
    match form:
        case Joined(sort, parts, at):
            nodes = _all(parts, shaped)
            flat = tuple(nodes)
            return Or(flat, at) if sort == "or" else And(flat, at)
        case Denied(part, at):
            return Not(shaped(part), at)
        case Compared():
            return _comparison(form)
        case Call():
            return _call(form)
        case Word():
            return Truth(_boolean_name(form), form.at)
        case Literal(_, at):
            raise fault(at, "type", "a number or a text alone is neither true nor false", "compare it with a name")
        case Items(_, at):
            raise fault(at, "type", "a list alone is neither true nor false", "write `stage in [...]`")
        case _:
            assert_never(form)


def _all(forms: tuple[Form, ...], shape: Callable[[Form], Node]) -> list[Node]:
    nodes: list[Node] = []
    faults: list[Fault] = []
    for form in forms:
        try:
            nodes.append(shape(form))
        except FaultError as error:
            faults.extend(error.faults)
    if faults:
        raise FaultError(*faults)
    return nodes


def _call(call: Call) -> Node:
    leaf = function_leaf(call, shaped)
    return Truth(operand_of(call), call.at) if leaf is None else leaf


def _boolean_name(word: Word) -> Operand:
    if word.text in _BOOLEANS:
        raise fault(
            word.at, "type", f"`{word.text}` alone says nothing", "write what must hold, or leave the condition out"
        )
    operand = _name(word)
    if operand.name not in _TRUE_OR_FALSE:
        example = _EXAMPLES[operand.name]
        raise fault(
            word.at, "type", f"`{word.text}` alone is neither true nor false", f"compare it, such as `{example}`"
        )
    return operand


def _name(word: Word) -> Named:
    if word.text in NAMES:
        return Named(Name(word.text), word.at)
    if word.text in FUNCTIONS:
        raise fault(word.at, "name", f"`{word.text}` is a function", f"write `{FUNCTIONS[word.text].example}`")
    raise _explain_name(word)


def _explain_name(word: Word) -> FaultError:
    known = [*map(str, Name), *FUNCTIONS]
    near = get_close_matches(plain(word.text)[:40].lower(), known, n=1, cutoff=0.75)
    message = f"there is no name `{word.text[:40]}`"
    if near:
        right = FUNCTIONS[near[0]].example if near[0] in FUNCTIONS else near[0]
        return fault(word.at, "name", message, f"did you mean `{right}`?")
    return fault(
        word.at, "name", message, f"write `attribute('{word.text[:40]}')` for an attribute, or quotes around a text"
    )


def operand_of(form: Form) -> Operand:
    """The operand a form names. Raises FaultError when it is something else."""
    match form:
        case Word():
            return _name(form)
        case Call():
            return function_operand(form)
        case _:
            raise fault(form.at, "type", "a name or a function goes here", "write what is compared, such as `score`")


def _comparison(form: Compared) -> Node:
    if form.sign in ("in", "not in"):
        inside = _membership(form)
        return Not(inside, form.at) if form.sign == "not in" else inside
    left, right = form.left, form.right
    if isinstance(left, Literal) and not isinstance(right, Literal):
        return _compare(Compared(right, _MIRRORED[form.sign], left, form.at))
    return _compare(form)


def _compare(form: Compared) -> Node:
    _refuse_nothing(form)
    operand = _compared_operand(form.left)
    _refuse_boolean(form, operand)
    value = _constant(form.right)
    if isinstance(operand, Named):
        _refuse_sort(operand.name, (value,), form.right.at)
        _refuse_sign(operand.name, form)
    return Compare(operand, Op(form.sign), value, form.at)


def _refuse_sort(name: Name, values: tuple[Constant, ...], at: int) -> None:
    wrong = next((value for value in values if isinstance(value, str) != (name in _WORDS)), None)
    if wrong is not None:
        sort = "a text" if name in _WORDS else "a number"
        raise fault(at, "type", f"`{name}` is {sort}", f"write for example `{_EXAMPLES[name]}`")


def _refuse_sign(name: Name, form: Compared) -> None:
    if name is Name.SCORE and form.sign not in _ORDERING:
        raise fault(form.at, "type", "a decaying score is never exactly one number", "compare with `>=` or `<`")
    if name in _WORDS and form.sign in _ORDERING:
        advice = f"name the ones you mean: `{name} in ['…', '…']`"
        raise fault(form.at, "type", f"`{name}` has no order that a comparison could ask for", advice)


def _compared_operand(form: Form) -> Operand:
    if isinstance(form, Literal | Items):
        raise fault(form.at, "type", "two constants are compared", "put a name or a function on one side")
    if isinstance(form, Call) and not _gives_value(form):
        raise fault(
            form.at,
            "type",
            f"`{form.function}(…)` is true or false, not a value",
            f"write it alone or with `not`; to ask for more than once add `times=`: `{form.function}(…, times=3)`",
        )
    if isinstance(form, Word | Call):
        return operand_of(form)
    raise fault(form.at, "type", "a condition cannot be compared", "join conditions with `and` and `or`")


def _gives_value(call: Call) -> bool:
    return call.function not in FUNCTIONS or FUNCTIONS[call.function].gives_value


def _refuse_nothing(form: Compared) -> None:
    if isinstance(form.right, Word) and form.right.text in _NOTHINGS and isinstance(form.left, Call):
        known = "known(…)" if form.sign == "!=" else "not known(…)"
        raise fault(form.right.at, "type", "a missing value cannot be compared", f"write `{known}`")


def _refuse_boolean(form: Compared, operand: Operand) -> None:
    shown = operand_written(operand)
    if isinstance(form.right, Word) and form.right.text in _BOOLEANS:
        is_wanted = _BOOLEANS[form.right.text] == (form.sign == "==")
        raise fault(
            form.right.at, "type", "true and false are not compared", f"write `{'' if is_wanted else 'not '}{shown}`"
        )
    if isinstance(operand, Named) and operand.name in _TRUE_OR_FALSE:
        raise fault(form.at, "type", f"`{shown}` is true or false, not a value", f"write `{shown}` or `not {shown}`")


def _constant(form: Form) -> Constant:
    match form:
        case Literal(value):
            return value
        case Word(text, at) if text not in NAMES and text not in FUNCTIONS:
            raise fault(at, "type", f"`{text[:40]}` is not a value", f"write `'{text[:40]}'` in quotes if it is a text")
        case Items(_, at):
            raise fault(at, "type", "a list cannot be compared", "write `in` instead of the comparison")
        case _:
            raise fault(
                form.at, "type", "only a number or a text can stand here", "compare with a constant: `orders >= 2`"
            )


def _membership(form: Compared) -> Node:
    if isinstance(form.right, Items):
        operand = _compared_operand(form.left)
        if isinstance(operand, Named) and operand.name in _TRUE_OR_FALSE:
            raise fault(form.at, "type", f"`{operand.name}` is true or false, not a value", f"write `{operand.name}`")
        if not form.right.items:
            raise fault(form.right.at, "list", "nothing is in an empty list", "write the values between the brackets")
        values = tuple(_constant(item) for item in form.right.items)
        if isinstance(operand, Named):
            _refuse_sort(operand.name, values, form.right.at)
            _refuse_sign(operand.name, form)
        return OneOf(operand, values, form.at)
    if isinstance(form.right, Literal):
        raise fault(form.right.at, "type", "`in` needs a list", f"write `in [{form.right.value!r}]`, or `==`")
    return _contained(form)


def _contained(form: Compared) -> Node:
    operand = _compared_operand(form.right)
    if isinstance(operand, Named):
        raise fault(form.right.at, "type", f"`{operand.name}` is not a list", f"compare it: `{operand.name} == …`")
    if isinstance(form.left, Literal) and isinstance(form.left.value, str):
        return Contains(operand, form.left.value, form.at)
    raise fault(
        form.left.at, "type", "only a text can be looked for in a list", f"write `'…' in {operand_written(operand)}`"
    )
