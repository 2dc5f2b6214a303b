"""The grammar of a condition: tokens to a loose form, by operator precedence (Pratt).

Owns precedence, brackets and the limit on nesting. Must not know which names and functions there are:
that is the shape's matter. Weakest first: or, and, not, comparisons and `in` (never chained), then the single things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from app.core.conditions.tokens import FaultError, Sort, Token, fault, tokens

DEEPEST: Final = 30
MOST_ITEMS: Final = 200
COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
_OTHER_TONGUES: Final = {
    "is": "==",
    "eq": "==",
    "equals": "==",
    "contains": "in",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "IN": "in",
    "And": "and",
    "Or": "or",
    "Not": "not",
    "In": "in",
}
_KEYWORDS: Final = frozenset({"and", "or", "not", "in"})


@dataclass(frozen=True, slots=True)
class Word:
    """A bare name."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float
    at: int


@dataclass(frozen=True, slots=True)
class Items:
    items: tuple[Form, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    args: tuple[Form, ...]
    options: tuple[tuple[Token, Form], ...]
    at: int


@dataclass(frozen=True, slots=True)
class Denied:
    part: Form
    at: int


@dataclass(frozen=True, slots=True)
class Joined:
    """`sort` is `and` or `or`; at least two parts, none of them joined by the same word."""

    sort: str
    parts: tuple[Form, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Compared:
    """`sign` is a comparison, `in` or `not in`."""

    left: Form
    sign: str
    right: Form
    at: int


Form: TypeAlias = Word | Literal | Items | Call | Denied | Joined | Compared


def read(source: str) -> Form:
    """The form of a whole condition. Raises FaultError with the offset of the first thing that does not fit."""
    reader = _Reader(source)
    if reader.token.sort is Sort.END:
        raise fault(
            0, "empty", "this condition is empty", "write what must hold, such as `confirmed`, or leave the key out"
        )
    form = reader.joined("or")
    reader.expect_end()
    return form


class _Reader:
    """Holds the place in the tokens; every method leaves it after what it read."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._next = 0
        self._depth = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next]

    def joined(self, sort: str) -> Form:
        """Parts joined by `or`, each of them parts joined by `and`."""
        part = self._denied if sort == "and" else lambda: self.joined("and")
        first = part()
        parts = [first]
        while self._takes(sort):
            parts.append(part())
        if len(parts) == 1:
            return first
        return Joined(sort, tuple(inner for each in parts for inner in _parts(each, sort)), first.at)

    def _denied(self) -> Form:
        at = self.token.at
        if not self._takes("not"):
            return self._compared()
        self._go_down(at)
        part = self._denied()
        self._depth -= 1
        return Denied(part, at)

    def _compared(self) -> Form:
        left = self._single()
        sign = self._sign()
        if sign is None:
            return left
        middle = self.token.at
        right = self._single()
        last = self.token
        again = self._sign()
        if again is not None:
            raise self._explain_chain((left, middle), last.at, again)
        return Compared(left, sign, right, left.at)

    def _sign(self) -> str | None:
        token = self.token
        if token.sort is Sort.SIGN and token.text in COMPARISONS:
            self._next += 1
            return token.text
        if token.sort is Sort.SIGN and token.text == "=":
            raise fault(token.at, "assignment", "`=` does not compare", "write `==`")
        if self._takes("in"):
            return "in"
        if token.text == "not" and token.sort is Sort.NAME and self._tokens[self._next + 1].text == "in":
            self._next += 2
            return "not in"
        return None

    def _explain_chain(self, first: tuple[Form, int], second: int, again: str) -> FaultError:
        left, middle = first
        one = self._source[left.at : second].strip()
        two = self._source[middle:second].strip()
        right = self.token.at
        self._single()
        three = self._source[right : self.token.at].strip()
        advice = f"{one} and {two} {again} {three}"
        return fault(second, "chain", "comparisons cannot be chained", f"write `{advice[:200]}`")

    def _single(self) -> Form:
        token = self.token
        if token.sort is Sort.SIGN and token.text in "([":
            return self._bracket(token)
        self._next += token.sort is not Sort.END
        if token.sort is Sort.NUMBER:
            return Literal(_number(token.text), token.at)
        if token.sort is Sort.TEXT:
            return Literal(token.text, token.at)
        if token.sort is Sort.SIGN and token.text == "-" and self.token.sort is Sort.NUMBER:
            self._next += 1
            return Literal(-_number(self._tokens[self._next - 1].text), token.at)
        if token.sort is Sort.NAME and token.text not in _KEYWORDS:
            return self._call(token) if self.token.text == "(" and self.token.sort is Sort.SIGN else self._word(token)
        raise _explain_gap(token)

    def _word(self, token: Token) -> Word:
        if token.text in _OTHER_TONGUES:
            raise fault(token.at, "word", f"`{token.text}` is not a word here", f"write `{_OTHER_TONGUES[token.text]}`")
        return Word(token.text, token.at)

    def _bracket(self, opening: Token) -> Form:
        self._next += 1
        self._go_down(opening.at)
        form: Form
        if opening.text == "[":
            form = Items(tuple(self._items(opening)), opening.at)
        else:
            form = self.joined("or")
            self._close(")", opening)
        self._depth -= 1
        return form

    def _items(self, opening: Token) -> list[Form]:
        items: list[Form] = []
        while not self._is_sign("]"):
            items.append(self._single())
            if len(items) > MOST_ITEMS:
                raise fault(
                    opening.at, "list", f"a list has at most {MOST_ITEMS} items", "use an attribute or a tag instead"
                )
            if not self._takes_sign(","):
                break
        self._close("]", opening)
        return items

    def _call(self, name: Token) -> Call:
        opening = self.token
        self._next += 1
        self._go_down(name.at)
        args: list[Form] = []
        options: list[tuple[Token, Form]] = []
        while not self._is_sign(")"):
            self._argument(args, options)
            if not self._takes_sign(","):
                break
        self._close(")", opening)
        self._depth -= 1
        return Call(name.text, tuple(args), tuple(options), name.at)

    def _argument(self, args: list[Form], options: list[tuple[Token, Form]]) -> None:
        name, after = self.token, self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        if name.sort is Sort.NAME and after.sort is Sort.SIGN and after.text == "=":
            self._next += 2
            options.append((name, self._single()))
        elif options:
            raise fault(name.at, "argument", "this stands after an option with a name", "put it before the options")
        else:
            args.append(self.joined("or"))

    def _takes(self, keyword: str) -> bool:
        return self._step(self.token.sort is Sort.NAME and self.token.text == keyword)

    def _takes_sign(self, sign: str) -> bool:
        return self._step(self._is_sign(sign))

    def _step(self, is_taken: bool) -> bool:
        self._next += is_taken
        return is_taken

    def _is_sign(self, sign: str) -> bool:
        return self.token.sort is Sort.SIGN and self.token.text == sign

    def _close(self, sign: str, opening: Token) -> None:
        if self._takes_sign(sign):
            return
        if self.token.sort is Sort.END:
            raise fault(opening.at, "bracket", f"this `{opening.text}` is never closed", f"add `{sign}`")
        raise _explain_rest(self.token, f"or close the bracket with `{sign}`")

    def _go_down(self, at: int) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise fault(at, "too-deep", f"brackets and `not` are nested more than {DEEPEST} deep", "take brackets away")

    def expect_end(self) -> None:
        if self.token.sort is not Sort.END:
            raise _explain_rest(self.token, "or remove the rest")


def _parts(form: Form, sort: str) -> tuple[Form, ...]:
    return form.parts if isinstance(form, Joined) and form.sort == sort else (form,)


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _explain_gap(token: Token) -> FaultError:
    if token.sort is Sort.END:
        return fault(
            token.at, "unfinished", "the condition ends too early", "write what is missing, or remove the last word"
        )
    if token.text in ("=", "=="):
        return fault(token.at, "sign", f"nothing stands before `{token.text}`", "write the name that is compared")
    return fault(token.at, "unexpected", f"`{token.text}` cannot stand here", "a name, a function or a value goes here")


def _explain_rest(token: Token, otherwise: str) -> FaultError:
    if token.text in _OTHER_TONGUES and token.sort is Sort.NAME:
        return fault(token.at, "word", f"`{token.text}` is not a word here", f"write `{_OTHER_TONGUES[token.text]}`")
    if token.sort is Sort.SIGN and token.text in ")]":
        return fault(token.at, "bracket", f"this `{token.text}` closes nothing", "remove it")
    shown = f"'{token.text}'" if token.sort is Sort.TEXT else token.text
    return fault(
        token.at,
        "unexpected",
        f"`{shown[:40]}` follows without a sign",
        f"write `and` or `or`, {otherwise}",
    )
