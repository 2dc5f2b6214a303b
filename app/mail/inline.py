"""CSS moves onto the elements, because many mail programs drop the style sheet.

Owns the wrapping of premailer: it matches and orders, we read the CSS and write the styles, so that no value is lost
or rewritten. It must never reach the network or the disk, and must not change a word of the text.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

from lxml import etree
from premailer import Premailer

from app.mail.css import Declaration, Sheet, cascade, declarations, read_sheet

_OWN = "data-zqstyle"
_MARK = re.compile(r"zqd(\d+)qz")
_HOLE = re.compile(r"zq\d+qz")
_HEAD = re.compile(r"\A(.*?)(?=<html[\s>])", re.IGNORECASE | re.DOTALL)
_DOCTYPE = re.compile(r"\A\s*(?:<!doctype[^>]*>)?", re.IGNORECASE)
_TAG = re.compile(r"<[a-zA-Z]")
_OUR_CLASS = re.compile(r"\.pv-")
_PIXELS = re.compile(r"(\d+)(?:px)?\Z")
_SIZES = re.compile(r"\d+%?\Z")
_WIDE = frozenset({"table", "td", "th", "img", "col", "tr", "hr"})
_ALIGNED = frozenset({"table", "td", "th", "tr", "p", "div", "h1", "h2", "h3", "h4", "h5", "h6"})


@dataclass(frozen=True, slots=True)
class Inlined:
    """`has_sibling_rules`: a selector counts neighbours, so the result holds for this very structure only."""

    html: str
    has_sibling_rules: bool


def inline(html: str) -> str:
    """The document with its plain rules on its elements. Doctype, @media, hacks and conditional comments stay."""
    return inline_document(html).html


def inline_document(html: str) -> Inlined:
    """As `inline`, with what the publish step must know. Total for any text that holds an element."""
    head, body = _cut_head(html)
    if not _TAG.search(body):
        return Inlined(html, has_sibling_rules=False)
    root = etree.fromstring(body, _parser())
    sheets = _take_sheets(root)
    worker = _Inliner(sheets)
    _put_aside(root)
    worker.transform(root, pretty_print=False)
    worker.write(root)
    text = etree.tostring(root, method="html", encoding="unicode")
    return Inlined(head + _without_made_meta(text, body), any(sheet.depends_on_siblings for sheet in sheets))


def _parser() -> etree.HTMLParser:
    return etree.HTMLParser(no_network=True, remove_comments=False, huge_tree=True)


def _cut_head(html: str) -> tuple[str, str]:
    """Doctype and comments before the document, kept verbatim: the parser would lose or respell them."""
    match = _HEAD.match(html) or _DOCTYPE.match(html)
    end = match.end() if match else 0
    return html[:end], html[end:]


def _without_made_meta(text: str, body: str) -> str:
    """The serialiser writes a content type of its own into a head that had none."""
    if "http-equiv" in body.lower():
        return text
    return re.sub(r'<meta http-equiv="Content-Type" content="text/html; charset=[^"]*">', "", text, count=1)


def _take_sheets(root: etree._Element) -> tuple[Sheet, ...]:
    """Read the style sheets and leave in the document only what is kept."""
    sheets = []
    for link in [link for link in root.iter("link") if "stylesheet" in link.get("rel", "").lower()]:
        _remove(link)
    for style in root.iter("style"):
        if style.get("data-premailer") == "ignore" or style.get("media", "all").lower() not in ("all", "screen", ""):
            style.set("data-premailer", "ignore")
            continue
        sheets.append(read_sheet(style.text or ""))
        style.set("data-zqsheet", str(len(sheets) - 1))
        style.set("data-premailer", "ignore")
        style.text = f"zqs{len(sheets) - 1}qz"
    return tuple(sheets)


def _popped(element: etree._Element, name: str) -> str | None:
    """The attribute's value, which the element loses."""
    value = element.get(name)
    if value is not None:
        del element.attrib[name]
    return value


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is None:
        return
    previous = element.getprevious()
    if element.tail:
        if previous is not None:
            previous.tail = (previous.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _put_aside(root: etree._Element) -> None:
    """Styles the author wrote on an element are never parsed by premailer; they are appended afterwards."""
    for element in root.iter(etree.Element):
        own = _popped(element, "style")
        if own is not None:
            element.set(_OWN, own)
    carrier = etree.SubElement(_head(root), "style")
    carrier.text = "zqcarrier"


def _head(root: etree._Element) -> etree._Element:
    head = root.find("head")
    if head is None:
        head = etree.Element("head")
        root.insert(0, head)
        head.set("data-zqmade", "1")
    return head


class _Inliner(Premailer):  # type: ignore[misc]
    """Premailer with our reading of CSS: each rule becomes one opaque mark, resolved when styles are written."""

    def __init__(self, sheets: tuple[Sheet, ...]) -> None:
        super().__init__(
            allow_network=False,
            allow_loading_external_files=False,
            strip_important=False,
            disable_validation=True,
            remove_unset_properties=False,
            align_floating_images=False,
            disable_leftover_css=True,
            cache_css_parsing=False,
            cssutils_logging_level=logging.CRITICAL,
        )
        self.sheets = sheets
        self.rules = [rule for sheet in sheets for rule in sheet.rules]
        self.used: set[int] = set()

    def _parse_style_rules(self, _: str, ruleset_index: int) -> tuple[list[Any], list[Any]]:
        rules = []
        for number, rule in enumerate(self.rules):
            order = (0, *rule.specificity, ruleset_index, number)
            rules.append((order, rule.selector, f"zqd{number}qz:x"))
        return rules, []

    def _style_to_basic_html_attributes(self, element: Any, style_content: str, force: bool = False) -> None:
        """Done by `write`, from the resolved values."""

    def write(self, root: etree._Element) -> None:
        """Turn marks into styles, add the author's own, and put back what stays in the head."""
        for element in root.iter(etree.Element):
            numbers = [int(match) for match in _MARK.findall(_popped(element, "style") or "")]
            self.used.update(numbers)
            own = _popped(element, _OWN)
            found = cascade([item for number in numbers for item in self.rules[number].declarations])
            style = written(found, own)
            if style:
                element.set("style", style)
                _attributes(element, found, own)
        self._restore(root)

    def _restore(self, root: etree._Element) -> None:
        start = 0
        unused: list[str] = []
        for sheet in self.sheets:
            stop = start + len(sheet.rules)
            unused.append(
                "\n".join(rule.source for number, rule in enumerate(sheet.rules, start) if self._stays(number))
            )
            start = stop
        for style in list(root.iter("style")):
            number = _popped(style, "data-zqsheet")
            if number is None:
                if style.text == "zqcarrier":
                    _remove(style)
                continue
            style.text = "\n".join(part for part in (unused[int(number)], self.sheets[int(number)].kept) if part)
            if not style.text.strip():
                _remove(style)
        for head in root.findall("head"):
            if _popped(head, "data-zqmade") and not len(head):
                _remove(head)

    def _stays(self, number: int) -> bool:
        """A rule that met nothing may wait for what a client makes of the mail; our own unused parts may go."""
        return number not in self.used and not _OUR_CLASS.search(self.rules[number].selector)


def written(found: tuple[Declaration, ...], own: str | None) -> str:
    """The style attribute: rules first, the author's own last, so that it wins as in a browser."""
    if own is None:
        return "; ".join(map(str, found))
    mine = () if _HOLE.search(own) else declarations(own)  # what depends on data may be absent
    names = {item.name for item in mine}
    important = {item.name for item in mine if item.is_important}
    kept = [item for item in found if item.name not in names or (item.is_important and item.name not in important)]
    return "; ".join([*map(str, kept), own.strip().rstrip(";")]).strip("; ")


def _attributes(element: etree._Element, found: tuple[Declaration, ...], own: str | None) -> None:
    """The attributes old programs read instead of styles; never over one the author wrote."""
    values = {item.name: item.value for item in cascade([*found, *declarations(own or "")])}
    tag = str(element.tag)
    if tag in _WIDE:
        for name in ("width", "height"):
            pixels = _PIXELS.match(values.get(name, ""))
            size = pixels[1] if pixels else values.get(name, "")
            if _SIZES.match(size) and (name == "width" or tag != "table"):
                _offer(element, name, size)
    if tag in ("td", "th", "table", "tr", "body"):
        colour = values.get("background-color", "")
        if re.fullmatch(r"#[0-9a-fA-F]{6}|#[0-9a-fA-F]{3}|[a-z]{3,20}", colour) and colour not in (
            "transparent",
            "inherit",
            "initial",
        ):
            _offer(element, "bgcolor", _six(colour))
    if tag in ("td", "th", "tr") and values.get("vertical-align") in ("top", "middle", "bottom", "baseline"):
        _offer(element, "valign", values["vertical-align"])
    if tag in _ALIGNED - {"table"} and values.get("text-align") in ("left", "right", "center"):
        _offer(element, "align", values["text-align"])


def _offer(element: etree._Element, name: str, value: str) -> None:
    if name not in element.attrib:
        element.set(name, value)


def _six(colour: str) -> str:
    """Three-digit colours confuse Lotus Notes."""
    return "#" + "".join(digit * 2 for digit in colour[1:]) if re.fullmatch(r"#\w{3}", colour) else colour
