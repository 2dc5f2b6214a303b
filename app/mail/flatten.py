"""A mail and its layout become one flat template: inheritance, includes, components and constants are carried out.

Owns what happens before HTML is looked at. It must not inline, count links or render.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from app.mail import components, markdown, mjml
from app.mail.components import NO_FACTS, Setting, SiteFacts
from app.mail.front_matter import Located
from app.mail.pieces import Kind, Origin, Piece, SyntaxFault, cut
from app.mail.source import Format, Layouts, MailSource
from app.mail.wording import say

_NAME = re.compile(r"""(?:extends|include)\s+(["'])(?P<name>[^"']+)\1\s*\Z""")
_BLOCK = re.compile(r"block\s+(?P<name>\w+)(\s+(required|scoped))*\s*\Z")
_FORBIDDEN = {
    "import": "a mail imports nothing: write the macro in the mail or use a component",
    "from": "a mail imports nothing: write the macro in the mail or use a component",
    "autoescape": "escaping is always on",
}
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Block:
    name: str
    parts: tuple[Part, ...]
    opening: Piece


Part = Piece | Block


@dataclass(frozen=True, slots=True)
class Flat:
    """`prologue` holds macros and assignments that stand before the document, `pieces` the document itself."""

    prologue: tuple[Piece, ...]
    pieces: tuple[Piece, ...]


def flatten(mail: MailSource, layouts: Layouts, facts: SiteFacts = NO_FACTS) -> Flat:
    """The whole HTML template of a mail; what is known about the site is written in. Raises SyntaxFault."""
    return _Flattener(mail, layouts, facts).flat()


def line_template(text: Located | None, file: str) -> tuple[Piece, ...]:
    """A subject or preheader as pieces. Raises SyntaxFault."""
    return cut(text.text, Origin(file, text.line, text.column)) if text else ()


class _Flattener:
    def __init__(self, mail: MailSource, layouts: Layouts, facts: SiteFacts) -> None:
        self.mail = mail
        self.facts = facts
        self.layouts = layouts

    def flat(self) -> Flat:
        is_markdown = self.mail.format is Format.MARKDOWN
        pieces = cut(self.mail.body, Origin(self.mail.file, self.mail.body_line))
        pieces = components.expand(pieces, Setting(self.mail.locale, is_markdown, self.facts))
        if is_markdown:
            pieces = self._markdown(pieces)
        prologue, parts = self._inherit(_tree(pieces), {}, 0)
        flat = tuple(_constants(self._included(_leaves(parts), 0), self._known()))
        whole = tuple(_folded(flat, self._flags()))
        if self.mail.format is Format.MJML:
            whole = mjml.to_html(whole, mjml.Language(self.mail.locale, self.mail.direction))
        return Flat(tuple(prologue), whole)

    def _markdown(self, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        """A Markdown body is the block `body` of its layout."""
        html = markdown.direct(markdown.to_html(pieces), self.mail.direction)
        where = (self.mail.file, self.mail.body_line, 1)
        layout = f'extends "layouts/{self.mail.front.layout}.html"'
        return (
            Piece(Kind.STATEMENT, layout, *where),
            Piece(Kind.STATEMENT, "block body", *where),
            *html,
            Piece(Kind.STATEMENT, "endblock", *where),
        )

    def _load(self, name: str, at: Piece) -> tuple[Piece, ...]:
        text = self.layouts.texts.get(name)
        if text is None:
            known = ", ".join(sorted(self.layouts.texts)) or "none"
            raise SyntaxFault(at.problem("layout-missing", f"there is no `{name}`", f"the layouts are: {known}"))
        return components.expand(
            cut(text, Origin(self.layouts.file(name))), Setting(self.mail.locale, is_markdown=False, facts=self.facts)
        )

    def _inherit(
        self, parts: tuple[Part, ...], blocks: dict[str, tuple[Part, ...]], depth: int
    ) -> tuple[list[Piece], tuple[Part, ...]]:
        """Fill the blocks of the outermost layout; `blocks` are the ones given so far, the innermost wins."""
        parent = next(
            (part for part in parts if isinstance(part, Piece) and part.word == "extends" and not part.is_data), None
        )
        if parent is None:
            _refuse_homeless(parts, blocks)
            return [], _filled(parts, blocks)
        if depth > _DEEPEST:
            raise SyntaxFault(
                parent.problem("layout-loop", "layouts extend each other without end", "break the circle")
            )
        match = _NAME.match(parent.text)
        if match is None:
            raise SyntaxFault(
                parent.problem("layout-name", "a layout is named by a text", 'write {% extends "layouts/base.html" %}')
            )
        given = dict(blocks)
        for block in _blocks(parts):
            given[block.name] = _over(block.parts, given[block.name]) if block.name in given else block.parts
        prologue, whole = self._inherit(_tree(self._load(match["name"], parent)), given, depth + 1)
        return [*_definitions(parts), *prologue], whole

    def _included(self, pieces: Iterable[Piece], depth: int) -> Iterator[Piece]:
        for piece in pieces:
            if piece.kind is not Kind.STATEMENT or piece.word not in ("include", *_FORBIDDEN):
                yield piece
                continue
            match = _NAME.match(piece.text)
            if piece.word in _FORBIDDEN or match is None or depth > _DEEPEST:
                fix = _FORBIDDEN.get(piece.word, 'write {% include "layouts/name.html" %}, and no circles')
                raise SyntaxFault(piece.problem("template-statement", f"`{piece.word}` cannot be used like this", fix))
            yield from self._included(self._load(match["name"], piece), depth + 1)

    def _known(self) -> dict[str, tuple[Piece, ...]]:
        """What is known when the mail is published, by the name a template uses."""
        mail = self.mail
        is_rtl = mail.direction == "rtl"
        texts = {
            "dir": mail.direction,
            "lang": mail.locale,
            "start": "right" if is_rtl else "left",
            "end": "left" if is_rtl else "right",
        }
        texts |= {f"say.{key}": word for key, word in say(mail.locale).items()}
        if self.facts.site_url:
            texts["site.url"] = self.facts.site_url.rstrip("/")
        known: dict[str, tuple[Piece, ...]] = {
            name: (Piece(Kind.DATA, escape(text), "", 1, 1),) for name, text in texts.items()
        }
        known["subject"] = _escaped(line_template(mail.front.subject, mail.file))
        known["preheader"] = _escaped(line_template(mail.front.preheader, mail.file))
        return known

    def _flags(self) -> dict[str, bool]:
        return {
            "is_service": self.mail.is_service,
            "is_notice": self.facts.is_notice,
            "is_rtl": self.mail.direction == "rtl",
            "has_preheader": self.mail.front.preheader is not None,
        }


def _escaped(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    return tuple(
        Piece(piece.kind, escape(piece.text), piece.file, piece.line, piece.column) if piece.is_data else piece
        for piece in pieces
    )


def _tree(pieces: tuple[Piece, ...]) -> tuple[Part, ...]:
    """Blocks as nested values."""
    stack: list[tuple[Piece | None, list[Part]]] = [(None, [])]
    for piece in pieces:
        if piece.kind is not Kind.STATEMENT or piece.word not in ("block", "endblock"):
            stack[-1][1].append(piece)
        elif piece.word == "block":
            stack.append((piece, []))
        else:
            opening, parts = stack.pop()
            if opening is None:
                raise SyntaxFault(piece.problem("block", "`endblock` without `block`", "remove it"))
            stack[-1][1].append(Block(_block_name(opening), tuple(parts), opening))
    opening, parts = stack[-1]
    if opening is not None:
        raise SyntaxFault(opening.problem("block", "this block is not closed", "write {% endblock %} after it"))
    return tuple(parts)


def _block_name(opening: Piece) -> str:
    match = _BLOCK.match(opening.text)
    if match is None:
        raise SyntaxFault(opening.problem("block", "a block needs a name", "write {% block body %}"))
    return match["name"]


def _blocks(parts: Iterable[Part]) -> Iterator[Block]:
    for part in parts:
        if isinstance(part, Block):
            yield part
            yield from _blocks(part.parts)


def _filled(parts: Iterable[Part], given: dict[str, tuple[Part, ...]]) -> tuple[Part, ...]:
    made: list[Part] = []
    for part in parts:
        if isinstance(part, Block):
            content = _over(given[part.name], part.parts) if part.name in given else part.parts
            rest = {name: block for name, block in given.items() if name != part.name}
            made.extend(_filled(content, rest))
        else:
            made.append(part)
    return tuple(made)


def _refuse_homeless(parts: tuple[Part, ...], blocks: dict[str, tuple[Part, ...]]) -> None:
    """What stands in a block the layout does not have would silently be left out of every mail."""
    names = set(_names(parts, blocks))
    for name, content in blocks.items():
        first = next(_leaves(content), None)
        if name not in names and first is not None:
            known = ", ".join(sorted(names)) or "none"
            raise SyntaxFault(
                first.problem("block-unknown", f"the layout has no block `{name}`", f"the layout's blocks are: {known}")
            )


def _names(parts: Iterable[Part], blocks: dict[str, tuple[Part, ...]]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Block):
            yield part.name
            yield from _names(blocks.get(part.name, part.parts), {k: v for k, v in blocks.items() if k != part.name})


def _over(content: tuple[Part, ...], parent: tuple[Part, ...]) -> tuple[Part, ...]:
    """`{{ super() }}` is the parent's content of the same block."""
    made: list[Part] = []
    for part in content:
        if isinstance(part, Piece) and part.kind is Kind.EXPRESSION and part.text.replace(" ", "") == "super()":
            made.extend(parent)
        else:
            made.append(part)
    return tuple(made)


def _leaves(parts: Iterable[Part]) -> Iterator[Piece]:
    for part in parts:
        if isinstance(part, Block):
            yield from _leaves(part.parts)
        else:
            yield part


def _definitions(parts: tuple[Part, ...]) -> Iterator[Piece]:
    """Macros and assignments outside the blocks of a mail that extends a layout; its other text says nothing."""
    inside = 0
    for part in parts:
        if not isinstance(part, Piece):
            continue
        is_statement = part.kind is Kind.STATEMENT
        opens = is_statement and (part.word == "macro" or (part.word == "set" and "=" not in part.text))
        closes = is_statement and part.word in ("endmacro", "endset")
        inside += opens
        if inside or (is_statement and part.word == "set"):
            yield part
        inside -= closes


def _constants(pieces: Iterable[Piece], known: dict[str, tuple[Piece, ...]]) -> Iterator[Piece]:
    for piece in pieces:
        if piece.kind is Kind.EXPRESSION and piece.text in known:
            for part in known[piece.text]:
                yield part if part.file else Piece(part.kind, part.text, piece.file, piece.line, piece.column)
        else:
            yield piece


def _folded(pieces: Iterable[Piece], flags: dict[str, bool]) -> Iterator[Piece]:
    """Carry out `{% if is_service %}` and its like, so that no branch is left for what is already known."""
    stack: list[bool | None] = []  # None: an ordinary condition
    for piece in pieces:
        word = piece.word if piece.kind is Kind.STATEMENT else ""
        if word == "if":
            stack.append(_flag(piece, flags))
            if stack[-1] is not None:
                continue
        elif word == "else" and stack and stack[-1] is not None:
            stack[-1] = not stack[-1]
            continue
        elif word == "for":
            stack.append(None)
        elif word in ("endif", "endfor") and stack and stack.pop() is not None:
            continue
        if all(kept is not False for kept in stack):
            yield piece


def _flag(piece: Piece, flags: dict[str, bool]) -> bool | None:
    words = piece.text.split()[1:]
    if len(words) == 1 and words[0] in flags:
        return flags[words[0]]
    if len(words) == 2 and words[0] == "not" and words[1] in flags:
        return not flags[words[1]]
    return None
