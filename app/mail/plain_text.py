"""The text part, made from the same template: links with their targets, lists, alternative texts, headings.

Owns how a mail reads without HTML, in either direction of writing. It must not invent words and must not show what the
HTML hides.
"""

from __future__ import annotations

import re
from html import unescape

from app.mail.bidi import RLM, first_strong
from app.mail.document import CLOSE, HOLE, OPEN, Document, End, Markup, Run, Tag
from app.mail.pieces import Kind
from app.mail.source import direction
from app.mail.values import digits

_SKIPPED = frozenset({"head", "style", "script", "title", "object", "svg"})
_VOID = frozenset({"br", "img", "hr", "meta", "link", "input", "area", "base", "col", "wbr", "source"})
_BLOCKS = frozenset(
    {
        "p",
        "div",
        "table",
        "tr",
        "ul",
        "ol",
        "blockquote",
        "center",
        "section",
        "article",
        "header",
        "footer",
        "figure",
        "dl",
    }
)
_BOXES = frozenset({"div", "tr", "li", "table", "center"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all|visibility\s*:\s*hidden", re.IGNORECASE)
_HIDDEN_CLASS = re.compile(r"\b(pv-)?preheader\b")
_SPACE = re.compile(r"[ \t\n\r\f]+")
_PADDING = re.compile("[\u034f\u200c\u200b\ufeff]+(?=\\s|\\Z)")
_ADDRESS = re.compile(r"https?://\S*\Z|\S+@\S+\Z")
_FILTERED = re.compile(r"\A\((.*)\)\|_[tac]\Z", re.DOTALL)
_LAST_HOLE = re.compile(f"{OPEN}(\\d+){CLOSE}\\Z")
_QUOTE, _UNQUOTE = "\ue002\n", "\n\ue003\n"
BREAK, PARAGRAPH = "\n", "\n\n"


def text_template(document: Document, locale: str) -> str:
    """Template source of the text part; expressions are shown by the filter `_p`, links by number from `_l`."""
    return _Writer(document, locale).template()


class _Writer:
    def __init__(self, document: Document, locale: str) -> None:
        self.document = document
        self.locale = locale
        self.direction = direction(locale)
        self.out: list[str] = []
        self.skip: list[str] = []  # the names of the open elements from the first hidden one on
        self.links: list[tuple[str, int]] = []
        self.lists: list[int | None] = []
        self.pre = 0
        self.cells: list[bool] = []  # whether the table shows data

    def template(self) -> str:
        for node in self.document.nodes:
            match node:
                case Tag() if not node.is_hidden:
                    self._open(node)
                case End() if not node.is_hidden:
                    self._close(node.name)
                case Run() if not node.is_hidden and not node.inside:
                    self._say(node.text)
                case Tag() | End() | Run() | Markup():
                    pass  # Outlook's own copy, comments, style sheets
        lines = self._without_gaps(_tidy("".join(self.out)).split("\n"))
        directed = [self._led(line) for line in lines]
        return self.document.woven("\n".join(directed) + "\n", self._shown)

    def _shown(self, number: int) -> str:
        piece = self.document.holes[number]
        match piece.kind:
            case Kind.EXPRESSION if piece.text.startswith("_person("):
                return "{{ " + piece.text.replace("|_m(", "|_n(") + " }}"
            case Kind.EXPRESSION if piece.text.startswith("_l[") or piece.text.endswith("|_q"):
                return "{{ " + piece.text + " }}"
            case Kind.EXPRESSION if piece.text.endswith("|_u"):
                return "{{ " + piece.text.removesuffix("|_u") + "|_w }}"
            case Kind.EXPRESSION:
                return "{{ (" + _FILTERED.sub(r"\1", piece.text) + ")|_p }}"
            case Kind.STATEMENT:
                return "{% " + piece.text + " %}"
            case Kind.DATA:
                return unescape(piece.text)

    def _open(self, tag: Tag) -> None:
        if self.skip or self._is_unseen(tag):
            if tag.name not in _VOID and tag.ends == ">":
                self.skip.append(tag.name)
            return
        if tag.name in _HEADINGS or tag.name in _BLOCKS:
            self._block(tag)
        elif tag.name == "br":
            self.out.append(BREAK)
        elif tag.name == "hr":
            self.out.append(f"{PARAGRAPH}--------{PARAGRAPH}")
        elif tag.name == "img":
            alt = (tag.get("alt") or "").strip()
            self.out.append(f"[{unescape(alt)}]" if alt else "")
        elif tag.name == "li":
            self.out.append(f"{'' if self._is_at_line_start() else BREAK}{self._bullet()} ")
        elif tag.name in ("td", "th", "dd", "dt"):
            self._cell()
        elif tag.name == "a":
            self.links.append((tag.get("href") or "", len(self.out)))
        elif tag.name == "pre":
            self.pre += 1

    def _is_unseen(self, tag: Tag) -> bool:
        style, name = tag.get("style") or "", tag.get("class") or ""
        return (
            tag.name in _SKIPPED
            or tag.get("data-text") == "skip"
            or tag.get("hidden") is not None
            or bool(_HIDDEN.search(style) or _HIDDEN_CLASS.search(name))
        )

    def _block(self, tag: Tag) -> None:
        self._break(tag.name)
        if tag.name in ("ul", "ol"):
            self.lists.append(0 if tag.name == "ol" else None)
        elif tag.name == "blockquote":
            self.out.append(_QUOTE)
        elif tag.name == "table":
            self.cells.append(tag.get("role") != "presentation" and "pv-table" in (tag.get("class") or ""))

    def _break(self, name: str) -> None:
        """A paragraph's empty line, or for boxes the end of a line that has not ended yet."""
        if name not in _BOXES:
            self.out.append(PARAGRAPH)
        elif not self._is_at_line_start():
            self.out.append(BREAK)

    def _bullet(self) -> str:
        if not self.lists or self.lists[-1] is None:
            return "  " * max(0, len(self.lists) - 1) + "-"
        self.lists[-1] += 1
        return digits(f"{self.lists[-1]}.", self.locale)

    def _is_at_line_start(self) -> bool:
        """Whether the text so far ends a line; conditions and loops take no room."""
        tail = "".join(self.out[-6:]).rstrip(" ")
        while (mark := _LAST_HOLE.search(tail)) and self.document.holes[int(mark[1])].kind is Kind.STATEMENT:
            tail = tail[: mark.start()].rstrip(" ")
        return tail.endswith("\n")

    def _cell(self) -> None:
        if self._follows_cell():
            self.out.append(" · ")
        elif not self._is_at_line_start():
            self.out.append(BREAK)

    def _follows_cell(self) -> bool:
        return bool(self.cells and self.cells[-1]) and not self._is_at_line_start()

    def _close(self, name: str) -> None:
        if self.skip:
            if name in self.skip:
                while self.skip.pop() != name:
                    pass
            return
        if name == "a" and self.links:
            self._target(*self.links.pop())
        elif name in _HEADINGS or name in _BLOCKS or name == "li":
            self._break(name)
        if name in ("ul", "ol") and self.lists:
            self.lists.pop()
        elif name == "blockquote":
            self.out.append(_UNQUOTE)
        elif name == "table" and self.cells:
            self.cells.pop()
        elif name == "pre":
            self.pre -= 1

    def _target(self, href: str, since: int) -> None:
        """The target after its label, unless the label says it already or there is nothing to follow."""
        label = "".join(self.out[since:]).strip()
        is_personal = any(piece.text.startswith("_person(") for piece in self.document.holes_in(href))
        target = href if is_personal else unescape(href).strip()
        for match in HOLE.finditer(href):
            piece = self.document.holes[int(match[1])]
            if piece.kind is Kind.DATA:
                target = target.replace(match[0], unescape(piece.text))
        if not target or target.startswith("#") or target in (label, f"mailto:{label}", f"tel:{label}"):
            return
        target = target.removeprefix("mailto:").removeprefix("tel:")
        self.out.append(f":\n{target}\n" if label else f"{target}\n")

    def _without_gaps(self, lines: list[str]) -> list[str]:
        """Statements move to the line they open or close, so that a branch not taken leaves no lines behind."""
        made: list[str] = []
        carried = ""
        is_closed = False
        for number, line in enumerate(lines):
            if is_closed and not line:
                continue
            is_closed = False
            if line and self._after_statements(line) == len(line):
                needs_gap = not carried and self._needs_gap(made, lines, number)
                if needs_gap and self._closes(line):
                    made.append(line)
                    is_closed = True
                    continue
                if needs_gap:
                    made.append("")
                carried += line
            elif not (carried and not line):
                made.append(carried + line)
                carried = ""
        return [*made, carried] if carried else made

    def _closes(self, line: str) -> bool:
        return self.document.holes_in(line)[-1].word.startswith("end")

    def _needs_gap(self, made: list[str], lines: list[str], number: int) -> bool:
        """A paragraph ends at this statement, but its empty line stands behind it."""
        follows = number + 1 < len(lines) and not lines[number + 1]
        return follows and bool(made) and bool(made[-1])

    def _led(self, line: str) -> str:
        """Every line is its own paragraph: in a Persian mail it begins from the right unless it is an address alone."""
        if self.direction != "rtl" or not line.strip() or self._is_address(line.strip()):
            return line
        is_plain = HOLE.search(line) is None
        if is_plain and first_strong(line) == "rtl" and not line[:1].isdigit():
            return line
        start = self._after_statements(line)  # a loop repeats what stands after its own mark
        return line if start == len(line) else line[:start] + RLM + line[start:]

    def _after_statements(self, line: str) -> int:
        at = 0
        while (match := HOLE.match(line, at)) and self.document.holes[int(match[1])].kind is Kind.STATEMENT:
            at = match.end()
        return at

    def _is_address(self, line: str) -> bool:
        if not HOLE.search(line):
            return bool(_ADDRESS.match(line))
        shown = [piece.text for piece in self.document.holes_in(line) if piece.kind is Kind.EXPRESSION]
        is_link = [text.startswith(("_l[", "_person(")) or text.endswith(("|_u", "|_q")) for text in shown]
        return all(is_link) and (bool(shown) or not HOLE.sub("", line)) and not re.search(r"\s", HOLE.sub("", line))

    def _say(self, text: str) -> None:
        if self.skip:
            return
        text = unescape(text)
        self.out.append(text.replace(" ", "\u00a0") if self.pre else _SPACE.sub(" ", text))


def _tidy(text: str) -> str:
    """Blank lines between paragraphs only, marks of quotations before their lines, no separator without a neighbour."""
    text = _PADDING.sub("", text)
    text = re.sub(r"[ \t\u00a0]*\n[ \t]*", "\n", text)
    text = re.sub(r"[ \t]{2,}", " ", text)
    text = re.sub(r"^[·|] +", "", text, flags=re.MULTILINE)
    text = re.sub(r" +[·|]$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return _quoted(text) if "\ue002" in text else text


def _quoted(text: str) -> str:
    depth = 0
    lines: list[str] = []
    for line in text.split("\n"):
        if line in ("\ue002", "\ue003"):
            depth += 1 if line == "\ue002" else -1
        elif depth and (line or (lines and lines[-1].startswith(">"))):
            lines.append("> " * depth + line)
        else:
            lines.append(line)
    tidy = re.sub(r"(^|\n)(?:> *\n)+(?=[^>]|\Z)", r"\1", "\n".join(lines))
    return re.sub(r"\n{3,}", "\n\n", tidy).strip()
