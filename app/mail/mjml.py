"""Mails in MJML: responsive tables written by a compiler, with every template expression kept where it stands.

Owns the structure of MJML and the handing over to its compiler, an optional library. The compiler sees structure only:
texts, addresses and template marks travel as tokens. It must not fetch, include or repair anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module, metadata
from typing import Final, cast

from app.core.problem import Problem
from app.mail.document import HOLE, Document, End, Markup, Node, Run, Tag, scan
from app.mail.mjml_words import ATTRIBUTES, CHILDREN, DEFAULTS, HOLDS_TEXT, STATEMENTS
from app.mail.pieces import Kind, Piece, SyntaxFault

INSTALL: Final = "pip install parvar[mjml]"
_TOKEN: Final = re.compile(r"<!--zqm(\d+)qz-->|zqm(\d+)qz")
_COMMENT: Final = re.compile(r"<!--zqm\d+qz-->")
_BEGIN, _END = "<!--[if mso | IE]>", "<![endif]-->"
_OUTLOOK: Final = re.compile(rf"({re.escape(_BEGIN)}.*?{re.escape(_END)})", re.DOTALL)
_WITHOUT_WAY: Final = re.compile(r"<(?:table|td|th|div|body)\b(?![^>]*\sdir=)", re.IGNORECASE)
_DATA_TABLE: Final = re.compile(r"<table\b(?![^>]*\srole=)(?=[^>]*>zqm)", re.IGNORECASE)
_PREVIEW: Final = '<div style="display:none;'
_MARKS: Final = ("data-link", "data-topic", "data-track")
_ADDRESSES: Final = ("href", "src", "thumbnails-src")
_DIRECTED: Final = frozenset({"table", "td", "th"})

Compile = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Language:
    """What the mail's language decides."""

    locale: str
    direction: str


def to_html(pieces: tuple[Piece, ...], language: Language) -> tuple[Piece, ...]:
    """The whole HTML document of an MJML mail. Raises SyntaxFault, at the author's place, for what MJML cannot hold."""
    return _Compiler(scan(pieces), language).html()


def version() -> str:
    """The version of the compiler; empty when it is not installed. Another one may draw otherwise."""
    try:
        return metadata.version("mjml-python")
    except metadata.PackageNotFoundError:
        return ""


def compiler(at: Tag) -> Compile:
    """The compiler of the optional library. Raises SyntaxFault when it is not installed."""
    try:
        return cast("Compile", import_module("mjml").mjml2html)
    except ImportError as missing:
        message = "this mail is written in MJML, and its compiler is not installed"
        raise SyntaxFault(_problem(at, "mjml-not-installed", message, INSTALL)) from missing


def _problem(at: Tag, code: str, message: str, fix: str) -> Problem:
    return Problem(code, at.file, at.line, at.column, message, fix)


@dataclass(slots=True)
class _Compiler:
    document: Document
    language: Language
    source: list[str] = field(default_factory=list)
    slots: list[tuple[Piece, ...]] = field(default_factory=list)
    needed: list[tuple[int, Tag, str]] = field(default_factory=list)
    """Attributes made of data: number of the slot, tag, name. The compiler may want to calculate with them."""
    open: list[Tag] = field(default_factory=list)
    at: int = 0

    def html(self) -> tuple[Piece, ...]:
        root = self._root()
        before = self.document.nodes[: self.at]
        self._walk()
        if self.open:
            last = self.open[-1]
            raise SyntaxFault(_problem(last, "mjml-structure", f"<{last.name}> is not closed", f"add </{last.name}>"))
        try:
            made = compiler(root)("".join(self.source), fonts={})
        except ValueError as fault:
            raise SyntaxFault(_problem(root, "mjml-structure", f"MJML cannot be read: {fault}", "mend it")) from fault
        made = _freed(made)
        self._must_stand(made)
        return (*self._pieces(before, root), *self._restored(self._directed(made), root))

    def _root(self) -> Tag:
        """Before the document only assignments and white space stand."""
        for number, node in enumerate(self.document.nodes):
            if isinstance(node, Tag) and node.name == "mjml":
                self.at = number
                return node
            if not isinstance(node, Run | Markup) or (isinstance(node, Run) and self._says(node)):
                break
        first = Tag("mjml", (), False, ">", *self._place())
        fix = 'begin with <mjml>, or with {% extends "layouts/base.mjml" %} and a block `body`'
        raise SyntaxFault(_problem(first, "mjml-structure", "an MJML mail is one <mjml> document", fix))

    def _place(self) -> tuple[str, int, int]:
        tag = next((node for node in self.document.nodes if isinstance(node, Tag)), None)
        hole = next(iter(self.document.holes), None)
        found = tag or hole
        return (found.file, found.line, found.column) if found else ("", 1, 1)

    def _walk(self) -> None:
        nodes = self.document.nodes
        while self.at < len(nodes):
            node = nodes[self.at]
            self.at += 1
            match node:
                case Tag():
                    self._open(node)
                case End():
                    self._close(node)
                case Run():
                    self._between(node)
                case Markup():
                    pass  # comments and conditions of Outlook: MJML writes its own

    # What stands in the structure.

    def _open(self, tag: Tag) -> None:
        self._check(tag)
        is_empty = tag.ends != ">"
        written = "".join(f' {name}="{value}"' for name, value in self._attributes(tag))
        self.source.append(f"<{tag.name}{written}{' /' if is_empty else ''}>")
        if is_empty:
            return
        if tag.name in HOLDS_TEXT:
            self._content(tag)
            return
        self.open.append(tag)
        if tag.name == "mjml":
            self._lead()

    def _check(self, tag: Tag) -> None:
        parent = self.open[-1].name if self.open else ""
        known = CHILDREN[parent]
        if tag.name in known:
            return
        code, place = "mjml-structure", f"in <{parent}>" if parent else "at the outside"
        if not tag.name.startswith("mj"):
            fix = f"put it into {', '.join(f'<{name}>' for name in sorted(HOLDS_TEXT & known)) or '<mj-text>'}"
            raise SyntaxFault(_problem(tag, code, f"<{tag.name}> cannot stand {place}", fix))
        near = get_close_matches(tag.name, known, 1, 0.7)
        fix = f"did you mean <{near[0]}>?" if near else "here may stand: " + ", ".join(sorted(known) or ["nothing"])
        raise SyntaxFault(_problem(tag, code, f"<{tag.name}> cannot stand {place}", fix))

    def _attributes(self, tag: Tag) -> Iterator[tuple[str, str]]:
        """What the compiler is told: addresses and data as tokens, the marks of a link behind its address."""
        if tag.name == "mjml":
            yield from (("lang", self.language.locale), ("dir", self.language.direction))
        for name, value in tag.attributes:
            if HOLE.search(name) or value is None:
                fix = 'write name="value", and conditions around whole elements'
                raise SyntaxFault(_problem(tag, "mjml-attribute", f"<{tag.name}> holds more than attributes", fix))
            if name.lower() in _MARKS or (tag.name == "mjml" and name in ("lang", "dir")):
                continue
            self._check_attribute(tag, name, value)
            is_address = name in _ADDRESSES
            if not is_address and not HOLE.search(value):
                yield name, value.replace('"', "&quot;").replace("<", "&lt;")
                continue
            slot = self._slot((*self._split(value, tag), *(self._marks(tag) if name == "href" else ())))
            if not is_address:
                self.needed.append((slot, tag, name))
            yield name, f"zqm{slot}qz"

    def _check_attribute(self, tag: Tag, name: str, value: str) -> None:
        if name not in ATTRIBUTES:
            near = get_close_matches(name, ATTRIBUTES, 1, 0.7)
            fix = f"did you mean `{near[0]}`?" if near else "remove it"
            raise SyntaxFault(_problem(tag, "mjml-attribute", f"MJML has no attribute `{name}`", fix))
        if name == "background-url" and not value.startswith("https://"):
            fix = "write its address, with https://: it is drawn by a style, which nobody can point elsewhere"
            raise SyntaxFault(_problem(tag, "mjml-attribute", "a background is a picture on the web", fix))

    def _marks(self, tag: Tag) -> tuple[Piece, ...]:
        """Marks of a link, put behind its address by ending the quoted value early."""
        given = [(mark, tag.get(mark)) for mark in _MARKS]
        text = "".join(f'" {mark}="{value}' for mark, value in given if value)
        return self._split(text, tag) if text else ()

    def _content(self, tag: Tag) -> None:
        """All up to the end of the element, kept from the compiler as it was written."""
        start = self.at
        nodes = self.document.nodes
        while self.at < len(nodes):
            node = nodes[self.at]
            self.at += 1
            if isinstance(node, End) and node.name == tag.name:
                inner = list(self._pieces(nodes[start : self.at - 1], tag))
                if tag.name == "mj-title":
                    inner = [_quoted(piece) for piece in inner]
                token = f"zqm{self._slot(tuple(inner))}qz" if inner else ""
                self.source.append(f"{token}</{tag.name}>")
                return
        raise SyntaxFault(_problem(tag, "mjml-structure", f"<{tag.name}> is not closed", f"add </{tag.name}>"))

    def _close(self, end: End) -> None:
        if self.open and self.open[-1].name == end.name:
            self.open.pop()
            self.source.append(f"</{end.name}>")
            return
        if self.open:
            last = self.open[-1]
            message = f"<{last.name}> is not closed before </{end.name}>"
            raise SyntaxFault(_problem(last, "mjml-structure", message, f"add </{last.name}>"))
        first = Tag("mjml", (), False, ">", *self._place())
        raise SyntaxFault(_problem(first, "mjml-structure", f"</{end.name}> closes nothing", "remove it"))

    def _between(self, run: Run) -> None:
        """Between elements only conditions and loops stand, around whole elements."""
        if not self.open:
            return
        parent = self.open[-1]
        if self._says(run):
            fix = "put it into <mj-text>"
            raise SyntaxFault(_problem(parent, "mjml-structure", f"text stands directly in <{parent.name}>", fix))
        for piece in self.document.holes_in(run.text):
            if parent.name not in STATEMENTS:
                fix = "put it around the whole element, or into <mj-text>"
                raise SyntaxFault(
                    piece.problem("mjml-structure", f"`{piece.word}` cannot stand in <{parent.name}>", fix)
                )
            self.source.append(f"<mj-raw><!--zqm{self._slot((piece,))}qz--></mj-raw>")

    def _says(self, run: Run) -> bool:
        """Whether a run between elements holds words or values."""
        shown = [piece for piece in self.document.holes_in(run.text) if piece.kind is Kind.EXPRESSION]
        return bool(shown or HOLE.sub("", run.text).strip())

    def _lead(self) -> None:
        """The defaults of the language; what the author says comes later and wins."""
        defaults = "".join(f"<{tag} {values}/>" for tag, values in DEFAULTS[self.language.direction])
        head = f"<mj-attributes>{defaults}</mj-attributes>"
        rest = (node for node in self.document.nodes[self.at :] if isinstance(node, Tag))
        first = next(rest, None)
        if first is None or first.name != "mj-head" or first.ends != ">":
            self.source.append(f"<mj-head>{head}</mj-head>")
            return
        self.at = self.document.nodes.index(first, self.at) + 1
        self.open.append(first)
        self.source.append(f"<mj-head>{head}")

    # Tokens and what they stand for.

    def _slot(self, pieces: tuple[Piece, ...]) -> int:
        self.slots.append(pieces)
        return len(self.slots) - 1

    def _split(self, text: str, at: Tag) -> tuple[Piece, ...]:
        """Text of the document as pieces."""
        made: list[Piece] = []
        start = 0
        for hole in HOLE.finditer(text):
            made.append(Piece(Kind.DATA, text[start : hole.start()], at.file, at.line, at.column))
            made.append(self.document.holes[int(hole[1])])
            start = hole.end()
        made.append(Piece(Kind.DATA, text[start:], at.file, at.line, at.column))
        return tuple(piece for piece in made if piece.text)

    def _pieces(self, nodes: list[Node], at: Tag) -> Iterator[Piece]:
        for node in nodes:
            at = node if isinstance(node, Tag) else at
            is_cell = isinstance(node, Tag) and node.name in _DIRECTED and node.get("dir") is None
            shown = node.put("dir", self.language.direction) if is_cell and isinstance(node, Tag) else node
            yield from self._split(str(shown), at)

    def _must_stand(self, html: str) -> None:
        """What the compiler wanted to calculate with must not come from data."""
        kept = {int(match[1] or match[2]) for match in _TOKEN.finditer(html)}
        for slot, tag, name in self.needed:
            if slot not in kept:
                fix = "write a fixed value"
                raise SyntaxFault(_problem(tag, "mjml-attribute", f"`{name}` cannot come from data", fix))

    def _directed(self, html: str) -> str:
        """The direction on every box, and our name for the words an inbox shows."""
        way = f' dir="{self.language.direction}"'
        html = html.replace(_PREVIEW, '<div class="pv-preheader" style="display:none;', 1)
        html = _DATA_TABLE.sub('<table class="pv-table"', html)
        return _WITHOUT_WAY.sub(lambda match: match[0] + way, html)

    def _restored(self, html: str, root: Tag) -> Iterator[Piece]:
        where = (root.file, root.line, root.column)
        at = 0
        for token in _TOKEN.finditer(html):
            slot = self.slots[int(token[1] or token[2])]
            start = token.start()
            begun = html.rfind("<", at, start)  # a tag has the place of what stands in it
            if slot and begun >= 0 and html.find(">", begun, start) < 0:
                yield Piece(Kind.DATA, html[at:begun], *where)
                at, where = begun, (slot[0].file, slot[0].line, slot[0].column)
            yield Piece(Kind.DATA, html[at:start], *where)
            yield from slot
            if slot:
                where = (slot[-1].file, slot[-1].line, slot[-1].column)
            at = token.end()
        yield Piece(Kind.DATA, html[at:], *where)


def _freed(html: str) -> str:
    """Tokens out of the parts only Outlook reads, where the compiler puts some: a mark there would end the comment."""
    parts = _OUTLOOK.split(html)
    odd = (_COMMENT.sub(rf"{_END}\g<0>{_BEGIN}", part) for part in parts[1::2])
    parts[1::2] = [part.replace(f"{_BEGIN}{_END}", "") for part in odd]
    return "".join(parts)


def _quoted(piece: Piece) -> Piece:
    """Safe in an attribute too, where the compiler repeats the title."""
    if not piece.is_data:
        return piece
    return Piece(piece.kind, piece.text.replace('"', "&quot;"), piece.file, piece.line, piece.column)
