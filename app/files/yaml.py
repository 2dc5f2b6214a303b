"""YAML 1.2 with positions: text in, a tree of nodes or the problems out.

Owns scalars, duplicate keys, limits and what YAML features are refused. Must not know what any key means.
The C and the pure Python reader are interchangeable: what they read differently is refused before either sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from app.core.problem import Problem
from app.files.nodes import List, Map, Node, Scalar, Span
from app.files.syntax import explain

MAX_SIZE: Final = 200_000  # characters; a long campaign is a twentieth of that
MAX_DEPTH: Final = 40
MAX_NODES: Final = 50_000

FAST_LOADER: Final[type[Any]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PURE_LOADER: Final[type[Any]] = yaml.SafeLoader

_FORBIDDEN: Final = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_SUSPECT: Final = re.compile(r"(?:^|[\s\[{,:?-])(?:[&*!]|%[A-Za-z]|\?(?:\s|$))|[|>][-+0-9]*#|^\.\.\.", re.MULTILINE)
_SUSPECT_OR_MARKER: Final = re.compile(rf"{_SUSPECT.pattern}|^---", re.MULTILINE)
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]{1,30}|(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{0,30})?)(?:[eE][-+]?[0-9]{1,2})?")
_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

Parsed: TypeAlias = tuple[tuple[Node, ...], tuple[Problem, ...]]


def parse(text: str, file: str, loader: type[Any] = FAST_LOADER, *, is_many: bool = False) -> Parsed:
    """Read a file: its documents (one, unless `is_many`) and its problems in order of line.

    No document comes back when nothing useful could be read.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found = tuple(_refused(text, file, is_many))
    if found:
        return (), found
    try:
        roots = _roots(text, PURE_LOADER if _is_suspect(text, is_many) else loader)
    except yaml.YAMLError as error:
        return (), (explain(text, file, error),)
    if not roots:
        return (), (Problem("empty-file", file, 1, 1, "this file is empty", "Write it, or delete the file"),)
    builder = _Builder(file)
    try:
        nodes = tuple(builder.node(root, 0) for root in roots)
    except _TooMuchError as error:
        return (), (error.problem,)
    return nodes, tuple(builder.problems)


def resolve(raw: str) -> str | int | float | bool | None:
    """The value of a plain scalar by YAML 1.2's core schema; `no`, `10:30` and `01234` stay text."""
    if raw in _WORDS:
        return _WORDS[raw]
    if _INT.fullmatch(raw):
        return int(raw, 0)
    if _FLOAT.fullmatch(raw):
        return float(raw)
    return raw


# ── What is refused before YAML is read ──────────────────────────────────────────────────────────────────────────────


def _refused(text: str, file: str, is_many: bool) -> Iterator[Problem]:
    if len(text) > MAX_SIZE:
        yield Problem("file-too-large", file, 1, 1, f"this file has over {MAX_SIZE:,} characters", "Split it")
        return
    characters = tuple(_bad_characters(text, file))
    yield from characters
    if not characters and (_is_suspect(text, is_many) or _may_be_deep(text)):
        yield from _refused_tokens(text, file, is_many)


def _is_suspect(text: str, is_many: bool) -> bool:
    """Whether tags, anchors and the like may stand here: looked at token by token, and read by the pure reader only."""
    return (_SUSPECT if is_many else _SUSPECT_OR_MARKER).search(text) is not None


def _bad_characters(text: str, file: str) -> Iterator[Problem]:
    if not _FORBIDDEN.search(text):
        return
    for number, line in enumerate(text.split("\n"), 1):
        if match := _FORBIDDEN.search(line):
            yield _bad_character(match[0], Problem("", file, number, match.start() + 1, "", ""))


def _bad_character(character: str, at: Problem) -> Problem:
    if character == "\t":
        return Problem("tab", at.file, at.line, at.column, "a tab stands here", "Indent with spaces")
    if "\udc80" <= character <= "\udcff":
        return Problem("not-utf-8", at.file, at.line, at.column, "this file is not UTF-8 text", "Save it as UTF-8")
    name = f"U+{ord(character):04X}"
    return Problem("control-character", at.file, at.line, at.column, f"an invisible character, {name}", "Delete it")


def _may_be_deep(text: str) -> bool:
    """Cheap and one-sided: false means surely less than twice the allowed depth."""
    if text.count("[") + text.count("{") > MAX_DEPTH:
        depth = 0
        for mark in re.findall(r"[\[\]{}]", text):
            depth = depth + 1 if mark in "[{" else max(0, depth - 1)
            if depth > MAX_DEPTH:
                return True
    return re.search(r"^[ ]*(?:[-?:] *){20}|^ {80}", text, re.MULTILINE) is not None


_REFUSED_TOKENS: Final = {
    yaml.TagToken: ("tag", "a YAML tag (!…) has no meaning here", 'Delete it, or put the text in quotes: "!…"'),
    yaml.AnchorToken: ("anchor", "anchors (&name) are not used here", "Write it out, or put the text in quotes"),
    yaml.AliasToken: ("alias", "aliases (*name) are not used here", "Write it out, or put the text in quotes"),
    yaml.DirectiveToken: ("directive", "a YAML directive (%…) has no meaning here", "Delete the line"),
    yaml.DocumentStartToken: ("document", "a file is one document, without '---'", "Delete the line"),
    yaml.DocumentEndToken: ("document", "a file is one document, without '...'", "Delete the line"),
}


def _refused_tokens(text: str, file: str, is_many: bool) -> Iterator[Problem]:
    """Scan token by token (no recursion), up to the first syntax error, which is reported later."""
    depth = 0
    try:
        for token in yaml.scan(text, Loader=PURE_LOADER):
            kind, mark = type(token), token.start_mark
            if kind in _REFUSED_TOKENS and not (is_many and kind is yaml.DocumentStartToken):
                code, message, fix = _REFUSED_TOKENS[kind]
                yield Problem(code, file, mark.line + 1, mark.column + 1, message, fix)
            depth += _DEPTH.get(kind, 0)
            if depth > MAX_DEPTH:
                yield _too_deep(file, mark.line + 1, mark.column + 1)
                return
    except yaml.YAMLError:
        return
    except RecursionError:
        yield _too_deep(file, 1, 1)


_DEPTH: Final = {
    yaml.BlockSequenceStartToken: 1,
    yaml.BlockMappingStartToken: 1,
    yaml.FlowSequenceStartToken: 1,
    yaml.FlowMappingStartToken: 1,
    yaml.BlockEndToken: -1,
    yaml.FlowSequenceEndToken: -1,
    yaml.FlowMappingEndToken: -1,
}


def _too_deep(file: str, line: int, column: int) -> Problem:
    return Problem(
        "too-deep", file, line, column, f"nested more than {MAX_DEPTH} deep", "Use a fragment for part of it"
    )


def _roots(text: str, loader: type[Any]) -> list[yaml.Node]:
    """The documents. Where the C reader gives up, the pure one has the last word, in values and in errors alike."""
    try:
        return list(yaml.compose_all(text, Loader=loader))
    except yaml.YAMLError:
        if loader is PURE_LOADER:
            raise
        return list(yaml.compose_all(text, Loader=PURE_LOADER))


# ── From YAML's nodes to ours ────────────────────────────────────────────────────────────────────────────────────────


class _TooMuchError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class _Builder:
    file: str
    count: int = 0
    problems: list[Problem] = field(default_factory=list)

    def node(self, source: yaml.Node, depth: int) -> Node:
        self.count += 1
        span = _span(source)
        if depth > MAX_DEPTH:
            raise _TooMuchError(_too_deep(self.file, span.line, span.column))
        if self.count > MAX_NODES:
            message = f"this file has over {MAX_NODES:,} values"
            raise _TooMuchError(Problem("file-too-large", self.file, span.line, span.column, message, "Split it"))
        if isinstance(source, yaml.ScalarNode):
            style = source.style or ""
            return Scalar(resolve(source.value) if not style else source.value, source.value, style, span)
        if isinstance(source, yaml.SequenceNode):
            return List(tuple(self.node(item, depth + 1) for item in source.value), bool(source.flow_style), span)
        assert isinstance(source, yaml.MappingNode)
        return Map(tuple(self.entries(source, depth + 1)), bool(source.flow_style), span)

    def entries(self, source: yaml.MappingNode, depth: int) -> Iterator[tuple[Scalar, Node]]:
        seen: dict[str, int] = {}
        for key_source, value_source in source.value:
            key, value = self.node(key_source, depth), self.node(value_source, depth)
            if not isinstance(key, Scalar):
                self.report("key-not-text", key.span, "a key must be a word", "Write `key: value`")
            elif key.raw == "<<" and key.is_plain:
                self.report("merge-key", key.span, "merge keys (<<) are not used here", "Write the keys out")
            elif key.raw in seen:
                message = f"'{key.raw[:60]}' already stands on line {seen[key.raw]}"
                self.report("duplicate-key", key.span, message, "Keep one of the two")
            else:
                seen[key.raw] = key.span.line
                yield key, value

    def report(self, code: str, span: Span, message: str, fix: str) -> None:
        self.problems.append(Problem(code, self.file, span.line, span.column, message, fix))


def _span(source: yaml.Node) -> Span:
    start, end = source.start_mark, source.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)
