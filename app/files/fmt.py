"""The canonical form of a file: one order of keys, one indentation, one way of quoting; comments stay.

Owns writing. Must not change what a file means: when it cannot be sure, it leaves the text as it is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from app.files.comments import Remarks, find_comments, remarks_of
from app.files.nodes import List, Map, Node, Scalar, to_data
from app.files.reader import FORMS
from app.files.yaml import PURE_LOADER, parse, resolve

WIDTH: Final = 120
_INDENT: Final = 2
_PLAIN_KEY: Final = re.compile(r"[^\W_][\w/.@ -]*(?<! )")


def fmt(text: str) -> str:
    """The canonical form of a file. A text that cannot be read, or not surely be kept, comes back unchanged.

    The same again gives the same; data and comments are those of the text (keys of a form may change places).
    """
    parts = re.split(r"^---[ ]*$\n?", text.replace("\r\n", "\n"), flags=re.MULTILINE)
    documents = [document(part) for part in parts]
    if any(written is None for written in documents):
        return text
    return "---\n".join(written for written in documents if written is not None)


def document(text: str) -> str | None:
    """One document in canonical form, or None when it cannot be read or not surely be kept."""
    nodes, problems = parse(text, "", PURE_LOADER)
    if problems or len(nodes) != 1 or not isinstance(nodes[0], Map):
        return None
    root = _ordered(nodes[0])
    writer = _Writer(remarks_of(text, nodes[0]), text)
    written = "\n".join((*writer.block(root, 0), *writer.remarks.end)) + "\n"
    return written if _is_same(text, nodes[0], written) else None


def _ordered(root: Map) -> Node:
    form = next((form for kind, form in FORMS.items() if root.entries and kind == root.entries[0][0].raw), None)
    return form.ordered(root) if form else root


def _is_same(text: str, root: Node, written: str) -> bool:
    nodes, problems = parse(written, "", PURE_LOADER)
    if problems or len(nodes) != 1 or to_data(nodes[0]) != to_data(root):
        return False
    before = Counter(comment for _, _, comment in find_comments(text, root))
    return before == Counter(comment for _, _, comment in find_comments(written, nodes[0]))


class _Writer:
    def __init__(self, remarks: Remarks, text: str) -> None:
        self.remarks = remarks
        self.lines = text.split("\n")

    # ── Blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def block(self, node: Node, indent: int) -> Iterator[str]:
        """The lines of a map or list in block form."""
        match node:
            case Map(entries):
                for index, (key, value) in enumerate(entries):
                    yield from self._before(key, indent, is_first=index == 0)
                    yield from self._entry(_key(key) + ":", key, value, indent)
            case List(items):
                for index, item in enumerate(items):
                    yield from self._before(item, indent, is_first=index == 0)
                    yield from self._item(item, indent)
            case Scalar():
                yield " " * indent + _scalar(node)

    def _before(self, node: Node, indent: int, *, is_first: bool) -> Iterator[str]:
        at = (node.span.line, node.span.column)
        if at in self.remarks.spaced and not is_first:
            self.remarks.spaced.discard(at)
            yield ""
        for comment in self.remarks.above.pop(at, ()):
            yield " " * indent + comment
        behind = self.remarks.behind.get(at, [])
        for comment in behind[1:]:
            yield " " * indent + comment
        del behind[1:]

    def _behind(self, node: Node) -> str:
        comments = self.remarks.behind.pop((node.span.line, node.span.column), [])
        return f"  {comments[0]}" if comments else ""

    def _entry(self, head: str, owner: Node, value: Node, indent: int) -> Iterator[str]:
        lead = " " * indent + head
        behind = self._behind(owner)
        if isinstance(value, Scalar):
            yield from self._scalar_entry(lead, value, behind, indent)
            return
        line = f"{lead} {_flow(value)}"
        if self._stays_flow(value, line):
            yield line + behind
        else:
            yield lead + behind
            yield from self.block(value, indent + _INDENT)

    def _scalar_entry(self, lead: str, value: Scalar, behind: str, indent: int) -> Iterator[str]:
        block = self._literal(value, indent + _INDENT)
        if block is not None:
            yield f"{lead} {block[0]}{behind}"
            yield from block[1:]
        elif value.is_empty:
            yield lead + behind
        else:
            yield f"{lead} {_scalar(value)}{behind}"

    def _item(self, item: Node, indent: int) -> Iterator[str]:
        dash = " " * indent + "-"
        if isinstance(item, Scalar) or self._stays_flow(item, f"{dash} {_flow(item)}"):
            yield from self._entry("-", item, item, indent)
            return
        lines = list(self.block(item, indent + _INDENT))
        first = next((number for number, line in enumerate(lines) if line.strip() and line.lstrip()[0] != "#"), 0)
        yield from (" " * indent + line.strip() for line in lines[:first])
        yield dash + " " + lines[first][indent + _INDENT :]
        yield from lines[first + 1 :]

    def _stays_flow(self, node: Node, line: str) -> bool:
        if isinstance(node, List | Map) and not (node.items if isinstance(node, List) else node.entries):
            return True
        return _is_flow(node) and len(line) <= WIDTH and not self._has_inner_remarks(node)

    def _has_inner_remarks(self, node: Node) -> bool:
        """Comments between the brackets can only be kept line by line."""
        inside = set(_inner_starts(node))
        first = (node.span.line, node.span.column)
        above = any(at in inside and at != first for at in self.remarks.above)
        return above or (
            node.span.end_line > node.span.line and any(at in inside and at != first for at in self.remarks.behind)
        )

    def _literal(self, value: Scalar, indent: int) -> list[str] | None:
        """A text of several lines as `|`, when it can be written so exactly."""
        text = value.raw
        if value.style not in ("|", ">") or "\n" not in text.rstrip("\n") or not text.strip():
            return None
        body = text.removesuffix("\n")
        rows = body.split("\n")
        if body.endswith("\n") or rows[0][:1] in (" ", "") or any(row != row.rstrip() for row in rows):
            return None
        mark = "|" if text.endswith("\n") else "|-"
        return [mark, *(" " * indent + row if row else "" for row in rows)]


def _inner_starts(node: Node) -> Iterator[tuple[int, int]]:
    match node:
        case List(items):
            for item in items:
                yield item.span.line, item.span.column
                yield from _inner_starts(item)
        case Map(entries):
            for key, value in entries:
                yield key.span.line, key.span.column
                yield from _inner_starts(value)
        case _:
            return


def _is_flow(node: Node) -> bool:
    return not isinstance(node, List | Map) or node.is_flow


# ── One line ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _flow(node: Node) -> str:
    match node:
        case Scalar():
            return _scalar(node)
        case List(items):
            return "[" + ", ".join(_flow(item) for item in items) + "]"
        case Map(entries):
            return "{" + ", ".join(_pair(key, value) for key, value in entries) + "}"


def _pair(key: Scalar, value: Node) -> str:
    is_bare = isinstance(value, Scalar) and value.is_empty and key.is_plain
    return _key(key) if is_bare else f"{_key(key)}: {_flow(value)}"


def _key(key: Scalar) -> str:
    if _PLAIN_KEY.fullmatch(key.raw) and (key.is_plain or isinstance(resolve(key.raw), str)):
        return key.raw
    return key.raw if key.is_plain else _quoted(key.raw)


def _scalar(value: Scalar) -> str:
    if value.is_plain and value.span.line == value.span.end_line:
        return value.raw
    return _quoted(value.raw)


def _quoted(text: str) -> str:
    if '"' in text and "'" not in text and text.isprintable() and "\n" not in text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)
