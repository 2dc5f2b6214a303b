"""What keeps people from reading a mail: found before it is published, in either language.

Owns the findings about what is read aloud, read on a phone, or read by weak eyes. It must not change the mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape
from typing import Final

from app.core.problem import Problem
from app.mail.compiled import CompiledMail
from app.mail.contrast import SMALLEST, Words, words_of
from app.mail.document import HOLE, Document, End, Node, Run, Tag
from app.mail.inline import inline
from app.mail.source import Format, MailSource

_VAGUE_WORDS = (
    "here|click here|click|more|read more|this|this link|link|this page|details|go|"
    "اینجا|این‌جا|کلیک|اینجا کلیک کنید|کلیک کنید|لینک|این لینک|پیوند|این پیوند|بیشتر|ادامه|جزئیات"
)
_VAGUE: Final = frozenset(_VAGUE_WORDS.split("|"))
_NAMES_A_FILE: Final = re.compile(
    r"\S+\.(?:png|jpe?g|gif|webp|svg)\Z|(?:img|dsc|image|screenshot)[-_ ]?\d+\Z", re.IGNORECASE
)
_SAYS_NOTHING: Final = frozenset({"image", "picture", "photo", "banner", "logo image", "تصویر", "عکس", "بنر"})
_HEADING: Final = re.compile(r"h([1-6])\Z")
_STATEMENT: Final = re.compile(r"\{%.*?%\}", re.DOTALL)
_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_FEW_WORDS = 20
_MOST = 3


def access(mail: MailSource, document: Document, compiled: CompiledMail) -> Iterator[Problem]:
    """Findings about the reading of a mail."""
    look = _Look(mail, document)
    yield from look.links()
    yield from look.pictures(compiled.text)
    yield from look.headings()
    yield from look.tables()
    yield from look.directions()
    yield from look.colours(compiled)


@dataclass(frozen=True, slots=True)
class _Look:
    mail: MailSource
    document: Document

    @staticmethod
    def _at(tag: Tag, code: str, message: str, fix: str) -> Problem:
        return Problem(code, tag.file, tag.line, tag.column, message, fix, "warning")

    def _near(self, tag: Tag, words: str) -> Tag:
        """The tag with the line of its words: Markdown does not tell where a part of a paragraph stood."""
        if self.mail.format is not Format.MARKDOWN or tag.file != self.mail.file:
            return tag
        for number, line in enumerate(self.mail.body.split("\n")):
            column = line.find(words)
            if words and column >= 0:
                return replace(tag, line=self.mail.body_line + number, column=column + 1)
        return tag

    def _seen(self) -> Iterator[tuple[int, Tag]]:
        nodes = enumerate(self.document.nodes)
        return ((at, node) for at, node in nodes if isinstance(node, Tag) and not node.is_hidden)

    def links(self) -> Iterator[Problem]:
        for at, tag in self._seen():
            if tag.name != "a" or tag.get("href") is None:
                continue
            label = _label(self.document.nodes[at + 1 :])
            if not label:
                fix = "write words between <a> and </a>, or an alternative text for its picture"
                yield self._at(tag, "link-without-text", "a link nobody can name", fix)
            elif label.strip(" .…›»>←→:!").lower() in _VAGUE:
                yield self._at(
                    self._near(tag, label),
                    "link-text-vague",
                    f"“{label}” read aloud by itself says nothing",
                    "say what is behind it",
                )

    def pictures(self, text: str) -> Iterator[Problem]:
        seen = [tag for _, tag in self._seen() if tag.name == "img"]
        for tag in seen:
            alt = unescape(tag.get("alt") or "").strip()
            if _NAMES_A_FILE.match(alt) or alt.lower() in _SAYS_NOTHING:
                yield self._at(
                    self._near(tag, alt),
                    "alt-name",
                    f"“{alt}” does not say what the picture shows",
                    "say it as to a friend on the phone",
                )
        words = re.findall(r"\w+", _EXPRESSION.sub(" x ", _STATEMENT.sub(" ", text)))
        if len(seen) > 1 and len(words) < _FEW_WORDS * len(seen):
            message = f"{len(seen)} pictures and {len(words)} words"
            yield self._at(seen[0], "images-mostly", message, "say in words what the pictures say")

    def headings(self) -> Iterator[Problem]:
        before = 1
        for _, tag in self._seen():
            match = _HEADING.match(tag.name)
            if match is None:
                continue
            rank = int(match[1])
            if rank > before + 1:
                yield self._at(
                    tag, "heading-skipped", f"<{tag.name}> stands below no <h{rank - 1}>", f"write <h{before + 1}>"
                )
            before = rank

    def tables(self) -> Iterator[Problem]:
        """The first table of several rows and columns without headers: the reader hears cells of nothing."""
        for at, tag in self._seen():
            if tag.name == "table" and tag.get("role") is None and _is_data(self.document.nodes[at + 1 :]):
                fix = 'write <th> for its headers, or role="presentation" when it only places things'
                yield self._at(tag, "table-without-headers", "a table without headers", fix)
                return

    def directions(self) -> Iterator[Problem]:
        for _, tag in self._seen():
            way = (tag.get("dir") or self.mail.direction).lower()
            if tag.name in ("body", "table") and way in ("ltr", "rtl") and way != self.mail.direction:
                message = f"<{tag.name}> runs {way} in a mail that runs {self.mail.direction}"
                yield self._at(tag, "direction-mismatch", message, f'write dir="{self.mail.direction}"')

    def colours(self, compiled: CompiledMail) -> Iterator[Problem]:
        html = _EXPRESSION.sub("x", _STATEMENT.sub("", compiled.html))
        html = html if compiled.is_inlined else inline(html)
        yield from self._unread(html, is_dark=False)
        yield from self._unread(html, is_dark=True)
        tiny = next((words for words in words_of(html) if 1 < words.look.size < SMALLEST), None)
        if tiny:
            message = f"“{tiny.text[:40]}” is {tiny.look.size:g} px"
            yield self._at(self._place(tiny.text), "text-tiny", message, f"write {SMALLEST:g} px or more")

    def _unread(self, html: str, *, is_dark: bool) -> Iterator[Problem]:
        where = "in a dark program" if is_dark else ""
        told: dict[object, Words] = {}
        for words in words_of(html, is_dark=is_dark):
            if not words.look.is_readable and words.look.size > 1:
                told.setdefault((words.look.ink, words.look.ground), words)
        for words in list(told.values())[:_MOST]:
            ratio, ink, ground = words.look.ratio, _hex(words.look.ink), _hex(words.look.ground)
            message = f"“{words.text[:40]}” {where} is {ink} on {ground}, {ratio:.1f} to 1".replace("  ", " ")
            yield self._at(
                self._place(words.text), "contrast-low", message, "make one of them darker or lighter: 4.5 to 1"
            )

    def _place(self, text: str) -> Tag:
        """The tag before these words; the beginning of the body when they stand nowhere as such."""
        last = Tag("body", (), False, ">", self.mail.file, self.mail.body_line, 1)
        for node in self.document.nodes:
            if isinstance(node, Tag):
                last = node
            elif isinstance(node, Run) and text[:40] in " ".join(unescape(HOLE.sub("x", node.text)).split()):
                return self._near(last, text[:40])
        return Tag("body", (), False, ">", self.mail.file, self.mail.body_line, 1)


def _label(nodes: Sequence[Node]) -> str:
    """What a link says: its words and the alternative texts of its pictures; a value counts as a word."""
    said: list[str] = []
    for node in nodes:
        if isinstance(node, End) and node.name == "a":
            break
        if isinstance(node, Run) and not node.is_hidden:
            said.append(HOLE.sub(" … ", node.text))
        elif isinstance(node, Tag) and node.name == "img":
            said.append(HOLE.sub(" … ", node.get("alt") or ""))
    return " ".join(unescape(" ".join(said)).split())


def _is_data(nodes: Sequence[Node]) -> bool:
    """Several rows of several cells, none a header, up to the end of the table; a table within places things."""
    rows = cells = most = 0
    for node in nodes:
        if isinstance(node, End) and node.name == "table":
            break
        if isinstance(node, Tag) and node.name in ("table", "th"):
            return False
        if isinstance(node, Tag) and node.name == "tr":
            rows, cells = rows + 1, 0
        elif isinstance(node, Tag) and node.name == "td":
            cells += 1
            most = max(most, cells)
    return rows > 1 and most > 1


def _hex(colour: tuple[int, int, int] | None) -> str:
    return "#" + "".join(f"{each:02x}" for each in colour) if colour else "?"
