"""Form letters: what a mail says alike to many, kept with blanks for what only one reader has.

Owns which values can be filled in after rendering, the stand-ins that find their places, and the filling. Must not
render, sign or know headers.

A mail is rendered once with stand-ins for the reader's links and name; for the next reader only the blanks are filled.
That is right for values a template only prints, or asks whether they are there: the stand-in has the length and the
letters of the real one. Every other value the mail depends on is part of the question a form answers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from jinja2 import nodes

from app.mail.encode import base64_lines, quoted_piece, utf8_piece
from app.mail.values import Values

T = TypeVar("T")

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
Reals: TypeAlias = list[str]
"""The values of the blanks: her links, the beginning of counted links, the pixel, words; empty where there is none."""
Swaps: TypeAlias = tuple[tuple[str, str], ...]
"""Stand-ins with what they stand for."""
_ADDRESSES: Final = re.compile(r"[A-Za-z0-9./:_~\n-]*").fullmatch
_NAMES: Final = (
    re.compile("[A-Za-zÀ-ÖØ-öø-ʯ]+(?:[ -][A-Za-zÀ-ÖØ-öø-ʯ]+)*").fullmatch,
    re.compile("[آ-غف-يپچژکگی]+(?:[ \u200c][آ-غف-يپچژکگی]+)*").fullmatch,
)
"""Names in Latin letters and in Persian ones: nothing in them is escaped, cleaned or turned around."""
_SHORTEST, _LONGEST = 3, 60
_STAND_INS: Final = ("QzXjVkWqJxZv", "ظضژغثذءأؤئةى")
"""For names of each alphabet, two letters each: nobody is called so, and none is part of another."""
_MARK: Final = "zqxjvkwqzxqjkvwzqxqzjvkqwx"


def ask(needs: Needs, attributes: Values, addresses: Sequence[str]) -> tuple[Question, Reals] | None:
    """What a form for this reader must be made for, and what fills its blanks.

    `addresses` are those of `needs.links`, then the beginning of counted links and the pixel. None when one of the
    values fits no form.
    """
    if not _ADDRESSES("\n".join(addresses)):
        return None
    question: list[object] = []
    for address in addresses:
        question += (address[: address.rfind("/") + 1], len(address))
    reals = list(addresses)
    for name in needs.said:
        value = attributes.get(name)
        likeness = _likeness(value) if value.__class__ is str else None
        reals.append("" if likeness is None else value)  # type: ignore[arg-type]
        question.append(_weight(value) if likeness is None else likeness)
    question += [_weight(attributes.get(name)) for name in needs.weighed]
    return tuple(question), reals


@lru_cache(maxsize=4096)
def _likeness(name: str) -> tuple[int, int] | None:
    """What a stand-in must be like: of which alphabet, and how many bytes long. None for what nothing may stand for."""
    size = len(name.encode("utf-8", "replace"))
    if not _SHORTEST <= size <= _LONGEST:
        return None
    return next(((alphabet, size) for alphabet, matches in enumerate(_NAMES) if matches(name)), None)


def _weight(value: object) -> object:
    """A value as part of a question: 1, 1.0 and True print differently."""
    return value if value.__class__ is str else (value.__class__, repr(value))


def stand_ins(needs: Needs, reals: Reals) -> Reals | None:
    """Something for each value: as long in bytes, of the same letters, found nowhere else; None when there is not."""
    first = len(reals) - len(needs.said)
    made = [_address_like(real, number) for number, real in enumerate(reals[:first])]
    made += [_name_like(real, number) for number, real in enumerate(reals[first:])]
    given = [each for each in made if each]
    return made if len(set(given)) == len([real for real in reals if real]) else None


def _address_like(address: str, number: int) -> str:
    """The same place with another end."""
    stem = address[: address.rfind("/") + 1]
    room = len(address) - len(stem)
    return "" if room < len(_MARK) else f"{stem}{_MARK}{number:0{room - len(_MARK)}}"


def _name_like(name: str, number: int) -> str:
    likeness = _likeness(name)
    if likeness is None:
        return ""
    alphabet, size = likeness
    letters = _STAND_INS[alphabet][2 * number : 2 * number + 2] * size
    if alphabet == 0:
        return letters[:size]
    return f"{letters[0]} {letters[1 : size // 2]}" if letters and size % 2 else letters[: size // 2]


# ── Filling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def swapped(text: str, swaps: Swaps) -> str:
    """The text with the values for their stand-ins; in one go, for a name may look like another's stand-in."""
    real = dict(swaps)
    return re.sub("|".join(map(re.escape, real)), lambda found: real[found[0]], text)


class Line(NamedTuple):
    """A short text in parts; every second one is a blank, of the value with this number."""

    parts: tuple[str, ...]
    numbers: tuple[int, ...]

    def filled(self, reals: Reals) -> str:
        if not self.numbers:
            return self.parts[0]
        made = list(self.parts)
        made[1::2] = [reals[number] for number in self.numbers]
        return "".join(made)


class Stencil:
    """Finds stand-ins in texts, all in one go, for a name may look like another's stand-in."""

    __slots__ = ("_cut", "_number_of")

    def __init__(self, stands: Reals) -> None:
        self._number_of = {stand: number for number, stand in enumerate(stands) if stand}
        self._cut = re.compile(f"({'|'.join(map(re.escape, self._number_of)) or '$^'})").split

    def line(self, text: str) -> Line:
        """The text with blanks where the stand-ins are."""
        parts = self._cut(text)
        return Line(tuple(parts), tuple(self._number_of[part] for part in parts[1::2]))


class Blank(NamedTuple):
    """One blank of a text for the wire: which value, what stands around it, and at which pieces it is."""

    number: int
    before: bytes
    after: bytes
    at: tuple[int, ...]


class Wire(NamedTuple):
    """A text in pieces for the wire, its blanks empty."""

    pieces: tuple[bytes, ...]
    blanks: tuple[Blank, ...]
    is_base64: bool

    def filled(self, reals: Sequence[bytes]) -> list[bytes]:
        """The pieces with these values, in the encoding of the text."""
        made = list(self.pieces)
        for number, before, after, places in self.blanks:
            piece = before + reals[number] + after
            for at in places:
                made[at] = piece
        return [base64_lines(b"".join(made))] if self.is_base64 else made


def wire_of(pieces: Sequence[bytes], fills: Mapping[int, str], stencil: Stencil, *, is_base64: bool) -> Wire | None:
    """The pieces with blanks where the stand-ins are. `fills` are the texts behind some of the pieces, by their place.

    None when a stand-in does not stand there alone.
    """
    encode = utf8_piece if is_base64 else quoted_piece
    found: dict[tuple[int, bytes, bytes], list[int]] = defaultdict(list)
    made = list(pieces)
    for at, text in fills.items():
        parts, numbers = stencil.line(text)
        if len(numbers) > 1:
            return None
        if numbers:
            found[numbers[0], encode(parts[0]), encode(parts[2])].append(at)
            made[at] = b""
    places = {at: which for which, every in found.items() for at in every}
    merged, moved = _merged(made, places)
    blanks = tuple(Blank(*which, tuple(moved[at] for at in every)) for which, every in found.items())
    return Wire(merged, blanks, is_base64)


def _merged(pieces: Sequence[bytes], apart: Container[int]) -> tuple[tuple[bytes, ...], dict[int, int]]:
    """The pieces with neighbours joined, but for those that stay apart; and where these are now."""
    made: list[bytes] = [b""]
    moved: dict[int, int] = {}
    for at, piece in enumerate(pieces):
        if at in apart:
            moved[at] = len(made)
            made += (b"", b"")
        else:
            made[-1] += piece
    return tuple(made), moved


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """A mail drawn up for everybody of whom a question has the same answer.

    `texts` are the text part and the HTML with stand-ins in them. `site` is held, for forms are found by its identity.
    """

    site: Values
    stands: Reals
    subject: Line
    texts: tuple[T, T]
    wires: tuple[Wire, Wire]

    def swaps(self, reals: Reals) -> Swaps:
        return tuple([pair for pair in zip(self.stands, reals, strict=True) if pair[0]])

    def bodies(self, reals: Reals) -> tuple[list[bytes], list[bytes]]:
        """Text part and HTML for the wire."""
        text, html = self.wires
        encode = utf8_piece if html.is_base64 else quoted_piece
        encoded = [encode(real) for real in reals]
        if text.is_base64 == html.is_base64:
            return text.filled(encoded), html.filled(encoded)
        encode = utf8_piece if text.is_base64 else quoted_piece
        return text.filled([encode(real) for real in reals]), html.filled(encoded)
