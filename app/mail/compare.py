"""Whether two documents are the same mail: the same tree, texts and styles, whatever their spelling.

Owns the proof the publish step rests on: styles written once must give what styles written for each reader would.
It must not repair anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from app.mail.css import cascade, declarations, read_sheet

# derived from styles for old programs; a style that depends on data may lead to another guess
_DERIVED = frozenset({"width", "height", "bgcolor", "align", "valign"})
_ADDRESSES = frozenset({"href", "src", "action"})  # the serialiser escapes blanks in them
_SPACE = re.compile(r"\s+")

Step = tuple[str, ...]


def same_mail(one: str, other: str) -> bool:
    """Whether both documents draw the same."""
    return _walk(one) == _walk(other)


def first_difference(one: str, other: str) -> str:
    """The first place where they differ, in words; empty when they are the same."""
    left, right = _walk(one), _walk(other)
    for mine, theirs in zip(left, right, strict=False):
        if mine != theirs:
            return f"{' '.join(mine)[:120]} | {' '.join(theirs)[:120]}"
    return "" if len(left) == len(right) else "one document is longer"


def _walk(html: str) -> list[Step]:
    root = etree.fromstring(html, etree.HTMLParser(no_network=True, huge_tree=True))
    return _joined(_steps(root))


def _steps(element: etree._Element) -> Iterator[Step]:
    tag: object = element.tag  # a function for comments and instructions
    if not isinstance(tag, str):
        text = element.text or ""
        if text.startswith(("[if", "<![")):
            yield "comment", _SPACE.sub(" ", text).strip()
    elif tag != "style" or _kept(element.text):
        yield "open", tag, *_attributes(element)
        yield from _text(_kept(element.text) if tag == "style" else element.text)
        for child in element:
            yield from _steps(child)
        yield "close", tag
    yield from _text(element.tail)


def _kept(css: str | None) -> str:
    """What a style sheet says to any reader; plain rules that met no element say nothing."""
    return read_sheet(css or "").kept


def _text(text: str | None) -> Iterator[Step]:
    if text:
        yield "text", text


def _joined(steps: Iterator[Step]) -> list[Step]:
    """Neighbouring texts as one, white space as one blank."""
    made: list[Step] = []
    for step in steps:
        if step[0] == "text" and made and made[-1][0] == "text":
            made[-1] = ("text", made[-1][1] + step[1])
        else:
            made.append(step)
    tidy = [("text", _SPACE.sub(" ", step[1]).strip()) if step[0] == "text" else step for step in made]
    return [step for step in tidy if step != ("text", "")]


def _attributes(element: etree._Element) -> Iterator[str]:
    for name in sorted(map(str, element.attrib)):
        value = str(element.attrib[name])
        if name == "style":
            yield "style=" + ";".join(
                sorted(f"{item.name}:{_flat(item.value)}{item.is_important}" for item in cascade(declarations(value)))
            )
        elif name not in _DERIVED:
            yield f"{name}={value.replace(' ', '%20') if name in _ADDRESSES else value}"


def _flat(value: str) -> str:
    return _SPACE.sub("", value)
