"""A flat template seen as HTML: tags, attributes and text, with the template's holes where they stand.

Owns the scanning of mail HTML, conditional comments of Outlook included. It must not parse expressions, build trees or
repair markup: what is written comes out as written.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from app.mail.pieces import Kind, Piece, protect

OPEN, CLOSE = "\ue000", "\ue001"  # private use: a hole is OPEN, its number, CLOSE
HOLE = re.compile(f"{OPEN}(\\d+){CLOSE}")

_MARKUP = re.compile(
    r"""(?P<conditional><!--\[if[^\]]*\]>(?:-->|<!-->)?|<!\[endif\]-->|<!--<!\[endif\]-->|<!--\s*<!\[endif\]-->)"""
    r"""|(?P<bare_if><!\[if(?P<condition>[^\]]*)\]>)|(?P<bare_end><!\[endif\]>)"""
    r"""|(?P<comment><!--.*?-->)|(?P<doctype><!doctype[^>]*>)|(?P<xml><\?[^>]*>)"""
    r"""|(?P<close></(?P<closed>[a-zA-Z][^\s>/]*)[^>]*>)|(?P<tag><(?P<name>[a-zA-Z][^\s>/]*))""",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    rf"""\s*(?:(?P<end>/?\s*>)|(?P<hole>{OPEN}\d+{CLOSE})|(?P<name>[^\s"'<>/=]+)"""
    r"""(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'<>`]+)))?|(?P<junk>.))""",
    re.DOTALL,
)
_RAW_TEXT = ("style", "script", "title", "textarea")


class Where(StrEnum):
    """What surrounds a hole."""

    TEXT = "text"
    ATTRIBUTE = "attribute"
    TAG = "tag"
    RAW = "raw"
    STYLE = "style"
    HIDDEN = "hidden"  # inside a comment only Outlook reads


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag. `attributes` keep order; a value of None is a bare name; `holes` stand between the attributes."""

    name: str
    attributes: tuple[tuple[str, str | None], ...]
    is_hidden: bool
    ends: str
    file: str
    line: int
    column: int

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.attributes if key.lower() == name), None)

    def put(self, name: str, value: str) -> Tag:
        """The tag with an attribute set, in its old place when it had one."""
        if self.get(name) is None:
            return replace(self, attributes=(*self.attributes, (name, value)))
        return replace(
            self, attributes=tuple((key, value if key.lower() == name else old) for key, old in self.attributes)
        )

    def without(self, *names: str) -> Tag:
        return replace(self, attributes=tuple(pair for pair in self.attributes if pair[0].lower() not in names))

    def __str__(self) -> str:
        return f"<{self.name}{''.join(_attribute(*pair) for pair in self.attributes)}{self.ends}"


def _attribute(name: str, value: str | None) -> str:
    if value is None:
        return f" {name}"
    quote = "'" if '"' in value else '"'
    return f" {name}={quote}{value}{quote}"


@dataclass(frozen=True, slots=True)
class End:
    name: str
    is_hidden: bool

    def __str__(self) -> str:
        return f"</{self.name}>"


@dataclass(frozen=True, slots=True)
class Markup:
    """A doctype, a comment, a conditional mark: text nobody reads."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Run:
    """Text between tags, entities as written; `inside` is the raw-text element around it."""

    text: str
    inside: str
    is_hidden: bool

    def __str__(self) -> str:
        return self.text


Node = Tag | End | Markup | Run


@dataclass(slots=True)
class Document:
    """The nodes of a template and the pieces of its holes; passes replace `nodes` and add holes."""

    nodes: list[Node]
    holes: list[Piece] = field(default_factory=list)

    def add(self, piece: Piece) -> str:
        """A new hole, as the text to put where it shall stand."""
        self.holes.append(piece)
        return f"{OPEN}{len(self.holes) - 1}{CLOSE}"

    def holes_in(self, text: str) -> list[Piece]:
        return [self.holes[int(match[1])] for match in HOLE.finditer(text)]

    def filled(self, text: str) -> str:
        """Text as template source."""
        return self.woven(text, lambda number: _source(self.holes[number]))

    def woven(self, text: str, hole: Callable[[int], str]) -> str:
        """Text as template source with each hole written by a function of its number."""
        made, at = [], 0
        for match in HOLE.finditer(text):
            made.append(protect(text[at : match.start()]))
            made.append(hole(int(match[1])))
            at = match.end()
        return "".join([*made, protect(text[at:])])

    def placed(self) -> Iterator[tuple[int, Where, Node]]:
        """Every hole with what surrounds it."""
        for node in self.nodes:
            for number, where in _holes_of(node):
                yield number, where, node


def _source(piece: Piece) -> str:
    match piece.kind:
        case Kind.DATA:
            return piece.text
        case Kind.EXPRESSION:
            return "{{ " + piece.text + " }}"
        case Kind.STATEMENT:
            return "{% " + piece.text + " %}"


def _holes_of(node: Node) -> Iterator[tuple[int, Where]]:
    if isinstance(node, Run):
        where = Where.TEXT
        if node.inside:
            where = Where.STYLE if node.inside == "style" else Where.RAW
        elif node.is_hidden:
            where = Where.HIDDEN
        yield from ((int(match[1]), where) for match in HOLE.finditer(node.text))
    elif isinstance(node, Tag):
        for name, value in node.attributes:
            yield from ((int(match[1]), Where.TAG) for match in HOLE.finditer(name))
            yield from ((int(match[1]), Where.ATTRIBUTE) for match in HOLE.finditer(value or ""))
    elif isinstance(node, Markup):
        yield from ((int(match[1]), Where.HIDDEN) for match in HOLE.finditer(node.text))


def scan(pieces: Iterable[Piece]) -> Document:
    """Read a flat template. Total: any text gives a document that writes the same mail."""
    return _Scanner(tuple(pieces)).document()


class _Scanner:
    def __init__(self, pieces: tuple[Piece, ...]) -> None:
        self.holes: list[Piece] = []
        self.starts: list[int] = []
        self.pieces = pieces
        parts: list[str] = []
        length = 0
        for piece in pieces:
            self.starts.append(length)
            if piece.is_data:
                part = piece.text.replace(OPEN, "").replace(CLOSE, "")
            else:
                part = f"{OPEN}{len(self.holes)}{CLOSE}"
                self.holes.append(piece)
            parts.append(part)
            length += len(part)
        self.text = "".join(parts)
        self.nodes: list[Node] = []
        self.is_hidden = False
        self.at = 0

    def document(self) -> Document:
        while self.at < len(self.text):
            match = _MARKUP.search(self.text, self.at)
            self._text(self.text[self.at : match.start() if match else len(self.text)])
            if match is None:
                break
            self.at = match.end()
            self._markup(match)
        return Document(self.nodes, self.holes)

    def _text(self, text: str, inside: str = "") -> None:
        if text:
            self.nodes.append(Run(text, inside, self.is_hidden))

    def _markup(self, match: re.Match[str]) -> None:
        kind = match.lastgroup if match.lastgroup not in ("closed", "name", "condition") else None
        kind = kind or ("close" if match["close"] else "bare_if" if match["bare_if"] else "tag")
        if kind == "tag":
            self._tag(match)
        elif kind == "close":
            self.nodes.append(End(match["closed"].lower(), self.is_hidden))
        elif kind == "conditional":
            self._conditional(match[0])
        elif kind == "bare_if":  # the bare form would become a dead comment in any parser
            self.nodes.append(Markup(f"<!--[if{match['condition']}]><!-->"))
        elif kind == "bare_end":
            self.nodes.append(Markup("<!--<![endif]-->"))
        elif kind == "doctype" or (
            kind == "comment"
            and any(self.holes[int(hole[1])].kind is Kind.STATEMENT for hole in HOLE.finditer(match[0]))
        ):
            self.nodes.append(Markup(match[0]))

    def _conditional(self, text: str) -> None:
        if text.startswith("<!--[if"):
            self.is_hidden = text.endswith("]>")
            text = text if self.is_hidden else text.removesuffix("-->").removesuffix("<!") + "<!-->"
        else:
            text = "<![endif]-->" if self.is_hidden else "<!--<![endif]-->"
            self.is_hidden = False
        self.nodes.append(Markup(text))

    def _tag(self, match: re.Match[str]) -> None:
        name = match["name"] if ":" in match["name"] else match["name"].lower()
        attributes, ends = self._attributes()
        self.nodes.append(Tag(name, attributes, self.is_hidden, ends, *self._place(match.start())))
        if name in _RAW_TEXT:
            end = re.compile(f"</{name}", re.IGNORECASE).search(self.text, self.at)
            stop = end.start() if end else len(self.text)
            self._text(self.text[self.at : stop], name)
            self.at = stop

    def _attributes(self) -> tuple[tuple[tuple[str, str | None], ...], str]:
        found: list[tuple[str, str | None]] = []
        while match := _ATTRIBUTE.match(self.text, self.at):
            self.at = match.end()
            if match["end"]:
                return tuple(found), "/>" if match["end"].startswith("/") else ">"
            if match["hole"]:
                found.append((match["hole"], None))
            elif match["name"]:
                value = match["double"] if match["double"] is not None else match["single"]
                found.append((match["name"], value if value is not None else match["bare"]))
        self.at = len(self.text)
        return tuple(found), ">"

    def _place(self, offset: int) -> tuple[str, int, int]:
        """Where a tag stands in its own file."""
        row = bisect_right(self.starts, offset) - 1
        piece = self.pieces[row]
        before = piece.text[: offset - self.starts[row]] if piece.is_data else ""
        lines = before.count("\n")
        column = len(before) - before.rfind("\n") if lines else piece.column + len(before)
        return piece.file, piece.line + lines, column
