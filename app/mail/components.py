"""Building blocks a mail may call: button, columns, image, quote, card, coupon, divider, and the site's own content.

Owns their markup: tables that every mail program draws alike. They are laid out when a mail is published, so that
styles are inlined and links are counted; nothing of them is left to do for each recipient.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

from app.mail.pieces import Kind, Origin, Piece, SyntaxFault, cut, protect
from app.mail.values import Values, plain

_CALL = re.compile(r"(button|image|quote|card|coupon|divider)\s*\((.*)\)\s*\Z", re.DOTALL)
_CONTENT = re.compile(r"(product|testimonial|guarantee|article)\s*\((.*)\)\s*\Z", re.DOTALL)
_KEYWORD = re.compile(r"([a-z_]+)\s*=(?!=)\s*(.*)\Z", re.DOTALL)
_OPEN, _CLOSE = "([{", ")]}"
_TABLE = 'role="presentation" cellpadding="0" cellspacing="0" border="0" dir="{{ dir }}"'


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, as template source."""

    given: dict[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def put(self, name: str) -> str:
        """The argument where HTML text or a quoted attribute value stands."""
        source = self.given[name]
        literal = _literal(source)
        return "{{ " + source + " }}" if literal is None else protect(escape(literal))

    def link(self, name: str = "name") -> str:
        """`href` with the marks that name, classify or exempt a link."""
        marks = [(name, "data-link"), ("topic", "data-topic"), ("track", "data-track")]
        extra = "".join(f' {mark}="{self.put(name)}"' for name, mark in marks if name in self)
        return f'href="{self.put("href")}"{extra}'


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What is known about the site when a mail is published.

    `content` holds the site's products, testimonials and so on by key, texts in the mail's language; None means that
    nobody asked for them, and their blocks stay empty. `is_notice`: the mail goes to the site's own people.
    """

    site_url: str = ""
    content: Mapping[str, Values] | None = None
    is_notice: bool = False


NO_FACTS = SiteFacts()
Maker = Callable[[Arguments], str]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where components are laid out."""

    locale: str
    is_markdown: bool
    facts: SiteFacts = SiteFacts()


def expand(pieces: tuple[Piece, ...], setting: Setting) -> tuple[Piece, ...]:
    """Replace every call of a component by its markup.

    In Markdown, block components stand alone and the text between `{% columns %}` marks is still Markdown.
    Raises SyntaxFault for unknown or missing arguments.
    """
    made: list[Piece] = []
    widths = _column_widths(pieces)
    for number, piece in enumerate(pieces):
        source = _markup(piece, widths.get(number, ""), setting)
        if source is None:
            made.append(piece)
            continue
        if setting.is_markdown and piece.kind is Kind.STATEMENT:
            source = f"\n\n{source}\n\n"
        placed = cut(source, Origin(piece.file, piece.line, piece.column))
        made.extend(Piece(part.kind, part.text, piece.file, piece.line, piece.column) for part in placed)
    return tuple(made)


def _markup(piece: Piece, width: str, setting: Setting) -> str | None:
    if piece.kind is Kind.STATEMENT:
        return _column_markup(piece, width)
    if piece.is_data:
        return None
    if content := _CONTENT.match(piece.text):
        return _content(piece, content, setting)
    call = _CALL.match(piece.text)
    if call is None:
        return None
    maker, names, needed = _MAKERS[call[1]]
    return _tight(maker(Arguments(_bind(piece, call[1], call[2], (names, needed)))))


def _tight(source: str) -> str:
    return re.sub(r"\n\s*", "", source)


def _content(piece: Piece, call: re.Match[str], setting: Setting) -> str:
    """A block made of the site's content: everything about it is known, so its links are the same for everybody."""
    kind = call[1]
    given = _bind(piece, kind, call[2], (("key", "link", "topic", "track", "label"), 1))
    key = _literal(given.pop("key"))
    if setting.facts.content is None:
        return ""
    values = setting.facts.content.get(key or "")
    if values is None:
        known = ", ".join(sorted(setting.facts.content)) or "none yet"
        raise SyntaxFault(piece.problem("content-missing", f"there is no content `{key}`", f"known: {known}"))
    if values.get("kind", kind) != kind:
        raise SyntaxFault(piece.problem("content-kind", f"`{key}` is not a {kind}", f"write {values['kind']}('{key}')"))
    texts = {name: repr(plain(value, setting.locale)) for name, value in values.items() if value not in (None, "", ())}
    maker, names = _CONTENT_MAKERS[kind]
    return _tight(maker(Arguments({ours: texts[theirs] for ours, theirs in names if theirs in texts} | given)))


def _bind(piece: Piece, name: str, source: str, shape: tuple[tuple[str, ...], int]) -> dict[str, str]:
    names, needed = shape
    given: dict[str, str] = {}
    for position, part in enumerate(split_arguments(source)):
        keyword = _KEYWORD.match(part)
        key = keyword[1] if keyword else (names[position] if position < len(names) else part)
        if key not in names or key in given:
            raise SyntaxFault(
                piece.problem("component-argument", f"{name}() does not take `{key}`", f"it takes: {', '.join(names)}")
            )
        given[key] = keyword[2] if keyword else part
    for key in names[:needed]:
        if key not in given:
            raise SyntaxFault(piece.problem("component-argument", f"{name}() needs `{key}`", f'add `{key}="…"`'))
    return given


def split_arguments(source: str) -> list[str]:
    """The arguments of a call, cut at the commas that stand outside quotes and brackets."""
    parts, depth, start, quote = [], 0, 0, ""
    for at, character in enumerate(source):
        if quote:
            quote = "" if character == quote and source[at - 1] != "\\" else quote
        elif character in "\"'":
            quote = character
        elif character in _OPEN + _CLOSE:
            depth += 1 if character in _OPEN else -1
        elif character == "," and depth == 0:
            parts.append(source[start:at].strip())
            start = at + 1
    parts.append(source[start:].strip())
    return [part for part in parts if part]


def _literal(source: str) -> str | None:
    """The text of a constant argument, None for anything that depends on data."""
    try:
        value = ast.literal_eval(source)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


# Columns are written as statements, because they hold whole paragraphs.


def _column_markup(piece: Piece, width: str) -> str | None:
    cell = f'<td class="pv-column" width="{width}" valign="top" dir="{{{{ dir }}}}">'
    match piece.word:
        case "columns":
            return f'<table class="pv-columns" width="100%" {_TABLE}><tr>{cell}'
        case "column":
            return f"</td>{cell}"
        case "endcolumns":
            return "</td></tr></table>"
        case _:
            return None


def _column_widths(pieces: tuple[Piece, ...]) -> dict[int, str]:
    """The width of every column mark: all columns of a row are equal."""
    widths: dict[int, str] = {}
    rows: list[list[int]] = []
    for number, piece in enumerate(pieces):
        if piece.kind is not Kind.STATEMENT:
            continue
        if piece.word == "columns":
            rows.append([number])
        elif piece.word in ("column", "endcolumns"):
            if not rows:
                raise SyntaxFault(
                    piece.problem("columns", f"`{piece.word}` without `columns`", "write {% columns %} before it")
                )
            if piece.word == "column":
                rows[-1].append(number)
            else:
                row = rows.pop()
                widths.update((mark, f"{100 // len(row)}%") for mark in row)
    if rows:
        fault = pieces[rows[-1][0]]
        raise SyntaxFault(
            fault.problem("columns", "`columns` is not closed", "write {% endcolumns %} after the last one")
        )
    return widths


def button_marks(attributes: str) -> tuple[str, str]:
    """What stands before and after the label of a button, given the attributes of its link."""
    before = f'<table class="pv-button" {_TABLE}><tr><td class="pv-button-cell" dir="{{{{ dir }}}}">'
    return f'{before}<a class="pv-button-link" {attributes}>', "</a></td></tr></table>"


def _button(given: Arguments) -> str:
    before, after = button_marks(given.link())
    return before + given.put("label") + after


def _image(given: Arguments) -> str:
    width = f' width="{given.put("width")}"' if "width" in given else ""
    picture = f'<img class="pv-image" src="{given.put("src")}" alt="{given.put("alt")}"{width} border="0">'
    return f"<a {given.link()}>{picture}</a>" if "href" in given else picture


def _quote(given: Arguments) -> str:
    by = f'<p class="pv-quote-by">{given.put("by")}' if "by" in given else ""
    about = f'<span class="pv-quote-about"> · {given.put("about")}</span>' if "about" in given else ""
    return f"""<table class="pv-quote" width="100%" {_TABLE}><tr><td class="pv-quote-cell" dir="{{{{ dir }}}}">
        <p class="pv-quote-text">{given.put("text")}</p>{by}{about}{"</p>" if by else ""}</td></tr></table>"""


def _note(given: Arguments) -> str:
    title = f'<p class="pv-note-title">{given.put("title")}</p>' if "title" in given else ""
    text = f'<p class="pv-note-text">{given.put("text")}</p>' if "text" in given else ""
    label = given.put("label") if "label" in given else "{{ say.more }}"
    link = f'<p class="pv-note-link"><a {given.link("link")}>{label}</a></p>' if "href" in given else ""
    return f"""<table class="pv-note" width="100%" {_TABLE}><tr><td class="pv-note-cell" dir="{{{{ dir }}}}">
        {title}{text}{link}</td></tr></table>"""


def _card(given: Arguments) -> str:
    name, alt = given.put("name"), given.put("alt") if "alt" in given else given.put("name")
    picture = (
        f'<img class="pv-product-image" src="{given.put("image")}" alt="{alt}" width="160" border="0">'
        if "image" in given
        else ""
    )
    cell = (
        f'<td class="pv-product-picture" width="176" valign="top" dir="{{{{ dir }}}}">{picture}</td>' if picture else ""
    )
    price = f'<p class="pv-product-price">{given.put("price")}</p>' if "price" in given else ""
    text = f'<p class="pv-product-text">{given.put("text")}</p>' if "text" in given else ""
    label = given.put("label") if "label" in given else "{{ say.order }}"
    link = f'<p class="pv-product-link"><a {given.link("link")}>{label}</a></p>' if "href" in given else ""
    return f"""<table class="pv-product" width="100%" {_TABLE}><tr>{cell}
        <td class="pv-product-words" valign="top" dir="{{{{ dir }}}}"><p class="pv-product-name">{name}</p>
        {text}{price}{link}</td></tr></table>"""


def _coupon(given: Arguments) -> str:
    text = f'<p class="pv-coupon-text">{given.put("text")}</p>' if "text" in given else ""
    ends = f'<p class="pv-coupon-ends">{{{{ say.until }}}}: {given.put("ends")}</p>' if "ends" in given else ""
    return f"""<table class="pv-coupon" width="100%" {_TABLE}><tr><td class="pv-coupon-cell" align="center">
        {text}<p class="pv-coupon-code" dir="ltr">{given.put("code")}</p>{ends}</td></tr></table>"""


def _divider(_: Arguments) -> str:
    return f'<table class="pv-divider" width="100%" {_TABLE}><tr><td class="pv-divider-line">&nbsp;</td></tr></table>'


_LINK = ("href", "name", "topic", "track")
# maker, the names of the arguments in order, how many of them are needed
_MAKERS: dict[str, tuple[Maker, tuple[str, ...], int]] = {
    "button": (_button, ("label", *_LINK), 2),
    "image": (_image, ("src", "alt", "width", *_LINK), 2),
    "quote": (_quote, ("text", "by", "about"), 1),
    "card": (_card, ("name", "price", "image", "text", "alt", "label", "href", "link", "topic", "track"), 1),
    "coupon": (_coupon, ("code", "text", "ends"), 1),
    "divider": (_divider, (), 0),
}
# maker, (its argument, the field of the content)
_CARD = (("name", "name"), ("price", "price"), ("image", "image"), ("text", "text"), ("alt", "alt"), ("href", "url"))
_CONTENT_MAKERS: dict[str, tuple[Maker, tuple[tuple[str, str], ...]]] = {
    "product": (_card, _CARD),
    "article": (_card, (("name", "title"), *_CARD[2:])),
    "testimonial": (_quote, (("text", "quote"), ("by", "author"), ("about", "about"))),
    "guarantee": (_note, (("title", "title"), ("text", "text"), ("href", "url"))),
}
