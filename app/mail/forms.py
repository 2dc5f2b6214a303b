"""Form letters: what a mail says alike to many, kept with blanks for what only one reader has.

Owns which values can be filled in after rendering, and the stand-ins that find their places. Must not render, sign or
know headers or the wire.

A mail is rendered once with stand-ins for the reader's tokens and name; for the next reader only the blanks are filled.
That is right for values a template only prints, or asks whether they are there: the stand-in has the length and the
letters of the real one. Every other value the mail depends on is part of the question a form answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from jinja2 import nodes

from app.mail.encode import quoted_piece, utf8_piece
from app.mail.values import Value, Values

# ── What a mail depends on ───────────────────────────────────────────────────────────────────────────────────────────

_PLACES: Final = frozenset(("_t", "_a", "_u", "_p", "_w"))
"""The filters of places that letters pass as they are, and addresses too; only a value within an address is recoded."""
_PASSING: Final = (nodes.And, nodes.Or, nodes.Not, nodes.CondExpr)
"""What asks whether a value is there and passes it on unchanged."""
_PLAIN: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Const, nodes.Name, nodes.Getattr, nodes.Filter,
    nodes.Compare, nodes.Operand, nodes.Test, nodes.Getitem, *_PASSING,
)  # fmt: skip
"""Templates made of other things, such as loops and captured texts, are rendered for each reader."""
_ALIKE: Final = frozenset(("lang", "dir", "_images", "_l"))
_COUNTED: Final = frozenset(("_b", "_pixel"))


class Needs(NamedTuple):
    """What a mail asks of its reader. `said` attributes are only printed, or asked whether they are there."""

    said: tuple[str, ...]
    weighed: tuple[str, ...]
    links: tuple[str, ...]


def needs_of(templates: Iterable[nodes.Template]) -> Needs | None:
    """What these templates depend on; None when it is more than a form can answer for."""
    reading = _Reading()
    if not all(reading.read(template, is_said=False) for template in templates):
        return None
    return Needs(tuple(sorted(reading.said - reading.weighed)), tuple(sorted(reading.weighed)), tuple(reading.links))


class _Reading:
    """A walk through templates that gathers how the reader's values are used."""

    def __init__(self) -> None:
        self.said: set[str] = set()
        self.weighed: set[str] = set()
        self.links: dict[str, None] = {}

    def read(self, node: nodes.Node, *, is_said: bool) -> bool:
        """False when a form cannot answer for this."""
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            return self._value(node.node.name, node.attr, is_said=is_said)
        if isinstance(node, nodes.Name):
            return node.name in _ALIKE or (is_said and node.name in _COUNTED)
        within = [self.read(child, is_said=_passes(node, child, is_said)) for child in node.iter_child_nodes()]
        return isinstance(node, _PLAIN) and all(within)

    def _value(self, of: str, name: str, *, is_said: bool) -> bool:
        match of:
            case "subscriber":
                (self.said if is_said else self.weighed).add(name)
            case "links":
                self.links[name] = None
                return is_said and name != "magnet"
            case _:
                return of == "site"
        return True


def _passes(node: nodes.Node, child: nodes.Node, is_said: bool) -> bool:
    """Whether a value in this place is printed as it is, or only asked whether it is there."""
    match node:
        case nodes.Output():
            return True
        case nodes.If():
            return child is node.test
        case nodes.Filter():
            return is_said and node.name in _PLACES and child is node.node
        case _:
            return is_said and isinstance(node, _PASSING)


# ── Questions ────────────────────────────────────────────────────────────────────────────────────────────────────────

Question: TypeAlias = tuple[object, ...]
Stands: TypeAlias = tuple[str, ...]
"""For each token of a reader and each word said to her; empty where nothing may stand in."""
_NAMES: Final = (
    re.compile("[A-Za-zÀ-ÖØ-öø-ʯ]+(?:[ -][A-Za-zÀ-ÖØ-öø-ʯ]+)*").fullmatch,
    re.compile("[آ-غف-يپچژکگی]+(?:[ \u200c][آ-غف-يپچژکگی]+)*").fullmatch,
)
"""Names in Latin letters and in Persian ones: nothing in them is escaped, cleaned or turned around."""
_SHORTEST, _LONGEST = 3, 60
_STAND_INS: Final = ("QzXjVkWqJxZv", "ظضژغثذءأؤئةى")
"""For names of each alphabet, two letters each: nobody is called so, and none is part of another."""
_MARK: Final = "zqxjvkwqzxqjkvwzqxqzjvkqwx"


class Word(NamedTuple):
    """A value said to a reader: what a form must be made for, and the value; that is empty where it has no blank."""

    likeness: object
    text: str = ""
    quoted: bytes = b""
    plain: bytes = b""


def ask(needs: Needs, attributes: Values) -> tuple[Question, list[Word]]:
    """What a form for this reader must be made for, and what fills its blanks besides her tokens."""
    words = []
    question: list[object] = []
    for name in needs.said:
        value = attributes.get(name)
        word = _word(value) if value.__class__ is str else Word(_weight(value))
        words.append(word)
        question.append(word.likeness)
    if needs.weighed:
        question += [_weight(attributes.get(name)) for name in needs.weighed]
    return tuple(question), words


@lru_cache(maxsize=4096)
def _word(text: str) -> Word:
    """With its alphabet and length in bytes for a likeness; the text itself when nothing may stand for it."""
    size = len(text.encode("utf-8", "replace"))
    alphabet = next((number for number, matches in enumerate(_NAMES) if matches(text)), None)
    if alphabet is None or not _SHORTEST <= size <= _LONGEST:
        return Word(text)
    return Word((alphabet, size), text, quoted_piece(text), utf8_piece(text))


def _weight(value: Value) -> object:
    """A value as part of a question: 1, 1.0 and True print differently."""
    return value if value.__class__ is str else (value.__class__, repr(value))


def stand_ins(sizes: Sequence[int], words: Sequence[Word]) -> Stands | None:
    """Something for each token and word: as long in bytes, of its letters, found nowhere else; None when there is not.

    Tokens are letters of base 64 or 32, so many as `sizes` says.
    """
    tokens = [f"{_MARK}{number:02}".ljust(size, "q") for number, size in enumerate(sizes)]
    if list(map(len, tokens)) != list(sizes):
        return None
    said = [_name_like(word, number) for number, word in enumerate(words)]
    given = [each for each in (*tokens, *said) if each]
    wanted = len(tokens) + len([word for word in words if word.text])
    return (*tokens, *said) if len(set(given)) == wanted else None


def _name_like(word: Word, number: int) -> str:
    if not word.text:
        return ""
    size = len(word.plain)
    alphabet = 0 if _NAMES[0](word.text) else 1
    letters = _STAND_INS[alphabet][2 * number : 2 * number + 2] * size
    if alphabet == 0:
        return letters[:size]
    return f"{letters[0]} {letters[1 : size // 2]}" if letters and size % 2 else letters[: size // 2]


# ── Stand-ins and what they stand for ────────────────────────────────────────────────────────────────────────────────


class Swaps(NamedTuple):
    """Stand-ins, each with what it stands for, in UTF-8 and as long as itself."""

    stands: Stands = ()
    reals: tuple[bytes, ...] = ()


NO_SWAPS: Final = Swaps()


def swapped(text: str, swaps: Swaps) -> str:
    """The text with the values for their stand-ins."""
    parts, numbers = Stencil(swaps.stands).line(text)
    made = list(parts)
    made[1::2] = [swaps.reals[number].decode() for number in numbers]
    return "".join(made)


class Line(NamedTuple):
    """A short text in parts; every second one is a blank, of the value with this number."""

    parts: tuple[str, ...]
    numbers: tuple[int, ...]

    def filled(self, values: Sequence[str]) -> str:
        made = list(self.parts)
        made[1::2] = [values[number] for number in self.numbers]
        return "".join(made)


class Stencil:
    """Finds stand-ins in texts, all in one go, for a name may look like another's stand-in."""

    __slots__ = ("_cut", "_number_of")

    def __init__(self, stands: Stands) -> None:
        self._number_of = {stand: number for number, stand in enumerate(stands) if stand}
        self._cut = re.compile(f"({'|'.join(map(re.escape, self._number_of)) or '$^'})").split

    def line(self, text: str) -> Line:
        """The text with blanks where the stand-ins are."""
        parts = self._cut(text)
        return Line(tuple(parts), tuple(self._number_of[part] for part in parts[1::2]))
