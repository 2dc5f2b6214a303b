"""Markdown bodies become the HTML of a mail, with every template expression kept where it stands.

Owns the Markdown dialect: CommonMark, tables, and attributes in braces (`{.button name=download}`). It must not read
front matter or layouts.
"""

from __future__ import annotations

import re
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.attrs import attrs_block_plugin, attrs_plugin

from app.mail.components import button_marks
from app.mail.pieces import Kind, Piece

_TOKEN = re.compile(r"<!--zq(\d+)qz-->\n?|zq(\d+)qz")
_LOOPED_LIST = re.compile(
    r"<!--zq(?P<first>\d+)qz-->\n?(?P<open><(?P<list>ul|ol)[^>]*>\n)(?P<items>(?:(?!</?(?:ul|ol)).)*)(?P<close></(?P=list)>\n?)"
    r"<!--zq(?P<last>\d+)qz-->\n?",
    re.DOTALL,
)
_MARKS = {"name": "data-link", "topic": "data-topic", "track": "data-track"}
_DIRECTED = {"table_open", "blockquote_open", "bullet_list_open", "ordered_list_open", "td_open", "th_open"}
_CLASSES = {"table_open": "pv-table", "blockquote_open": "pv-blockquote", "hr": "pv-hr"}


def to_html(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The body as HTML pieces. Statements alone on their line stay between blocks, all else stays in its sentence."""
    dialect = _dialect()
    tokens = dialect.parse(_text(pieces))
    for token in tokens:
        _dress(token)
    _free_buttons(tokens)
    _free_surveys(tokens, pieces)
    html = str(dialect.renderer.render(tokens, dialect.options, {}))
    return tuple(_restored(_one_list(html, pieces), pieces))


def _dialect() -> MarkdownIt:
    dialect = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return dialect.use(attrs_plugin).use(attrs_block_plugin)


def _text(pieces: tuple[Piece, ...]) -> str:
    parts: list[str] = []
    for number, piece in enumerate(pieces):
        if piece.is_data:
            parts.append(piece.text)
        elif piece.kind is Kind.STATEMENT and _is_alone(pieces, number):
            parts.append(f"<!--zq{number}qz-->")
        else:
            parts.append(f"zq{number}qz")
    return "".join(parts)


def _is_alone(pieces: tuple[Piece, ...], number: int) -> bool:
    """Whether nothing else stands on this statement's line."""
    before = pieces[number - 1] if number else None
    after = pieces[number + 1] if number + 1 < len(pieces) else None
    starts = before is None or (before.is_data and re.search(r"(\A|\n) {0,3}\Z", before.text) is not None)
    if starts and before is not None and before.is_data and "\n" not in before.text and number > 1:
        starts = False
    ends = after is None or (after.is_data and re.match(r"[ \t]*(\n|\Z)", after.text) is not None)
    return starts and ends


def _one_list(html: str, pieces: tuple[Piece, ...]) -> str:
    """A loop around list items repeats the items, not the list."""

    def swapped(match: re.Match[str]) -> str:
        first, last = pieces[int(match["first"])], pieces[int(match["last"])]
        if first.word != "for" or last.word != "endfor":
            return match[0]
        return f"{match['open']}<!--zq{match['first']}qz-->{match['items']}<!--zq{match['last']}qz-->{match['close']}"

    return _LOOPED_LIST.sub(swapped, html)


def _restored(html: str, pieces: tuple[Piece, ...]) -> list[Piece]:
    """The HTML with its pieces back in place; static text keeps the place of the piece before it."""
    file = pieces[0].file if pieces else ""
    where = (pieces[0].line, pieces[0].column) if pieces else (1, 1)
    made: list[Piece] = []
    at = 0
    for token in _TOKEN.finditer(html):
        if token.start() > at:
            made.append(Piece(Kind.DATA, html[at : token.start()], file, *where))
        piece = pieces[int(token[1] or token[2])]
        made.append(piece)
        where = (piece.line, piece.column)
        at = token.end()
    if at < len(html):
        made.append(Piece(Kind.DATA, html[at:], file, *where))
    return made


def _dress(token: Token) -> None:
    """Classes the layout styles, directions on blocks, and our names for links."""
    if token.type in _DIRECTED:
        token.attrSet("dir", "zqdirqz")
    if token.type in _CLASSES:
        token.attrJoin("class", _CLASSES[token.type])
    for child in token.children or ():
        if child.type == "link_open":
            for short, mark in _MARKS.items():
                value = child.attrs.pop(short, None)
                if value is not None:
                    child.attrSet(mark, str(value))
        elif child.type == "image":
            child.attrJoin("class", "pv-image")


def _free_buttons(tokens: list[Token]) -> None:
    """Buttons become tables; a paragraph that holds nothing else gives way, for a table may not stand in one."""
    for number, token in enumerate(tokens):
        if token.type != "inline" or not token.children:
            continue
        if _make_buttons(token.children) and tokens[number - 1].type == "paragraph_open":
            tokens[number - 1].hidden = tokens[number + 1].hidden = True


def _free_surveys(tokens: list[Token], pieces: tuple[Piece, ...]) -> None:
    """A survey draws a table of its own: the paragraph that holds nothing else becomes a plain block."""
    for number, token in enumerate(tokens):
        found = _TOKEN.fullmatch(token.content.strip()) if token.type == "inline" else None
        if found and pieces[int(found[1] or found[2])].text.startswith("survey("):
            tokens[number - 1].tag = tokens[number + 1].tag = "div"


def _make_buttons(children: list[Token]) -> bool:
    """Whether the children are buttons only; those that stand in a sentence stay links in a button's dress."""
    spans = [
        (number, _closing(children, number))
        for number, child in enumerate(children)
        if child.type == "link_open" and "button" in str(child.attrs.get("class", "")).split()
    ]
    inside = {number for first, last in spans for number in range(first, last + 1)}
    rest = [child for number, child in enumerate(children) if number not in inside]
    is_alone = bool(spans) and all(child.type == "softbreak" or not child.content.strip() for child in rest)
    for first, last in spans:
        attributes = dict(children[first].attrs)
        attributes.pop("class", None)
        if is_alone:
            children[first], children[last] = map(_raw, button_marks(_written(attributes)))
        else:
            children[first].attrs = {**attributes, "class": "pv-button-inline"}
    return is_alone


def _closing(children: list[Token], number: int) -> int:
    return next(at for at in range(number, len(children)) if children[at].type == "link_close")


def _written(attributes: dict[str, str | int | float]) -> str:
    return " ".join(f'{name}="{escape(str(value))}"' for name, value in attributes.items())


def _raw(source: str) -> Token:
    return Token("html_inline", "", 0, content=source.replace("{{ dir }}", "zqdirqz"))


def direct(pieces: tuple[Piece, ...], direction: str) -> tuple[Piece, ...]:
    """Write the mail's direction where Markdown's own blocks ask for it."""
    return tuple(
        Piece(piece.kind, piece.text.replace("zqdirqz", direction), piece.file, piece.line, piece.column)
        if piece.is_data
        else piece
        for piece in pieces
    )
