"""The head of a mail source: a few `key: value` lines between two lines of three dashes.

Owns a small strict reader with line and column; it knows plain and quoted texts, true and false, one level of
mapping and lists of texts. It must not grow into YAML: that belongs to the files room.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from app.core.problem import Problem

KEYS = ("subject", "subjects", "preheader", "service", "topic", "layout", "attachments", "allow")
_ENTRY = re.compile(r"(?P<indent> *)(?P<key>[^\s:#\"'{\[\-][^:#]*?)\s*:(?:\s+(?P<value>.*?))?\s*$")
_ITEM = re.compile(r" *- +(?P<value>.+?)\s*$")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'")
_NAME = re.compile(r"[a-z0-9][a-z0-9_\-]*")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/", "0": "\0"}


@dataclass(frozen=True, slots=True)
class Located:
    """A text and where it stands."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What the head of a mail says; `subjects` are the named variants of the subject."""

    subject: Located | None = None
    subjects: tuple[tuple[str, Located], ...] = ()
    preheader: Located | None = None
    service: bool = False
    topic: str = ""
    layout: str = "base"
    attachments: tuple[Located, ...] = ()
    allow: tuple[Located, ...] = ()


class _Fault(Exception):
    def __init__(self, line: int, column: int, code: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.where = (line, column)
        self.what = (code, message, fix)


Value = Located | dict[str, Located] | list[Located]


def split(text: str) -> tuple[str, str, int]:
    """The head, the body, and the line on which the body begins; the head is empty when there is none."""
    lines = text.split("\n")
    if lines[0].strip() != "---":
        return "", text, 1
    for number, line in enumerate(lines[1:], start=2):
        if line.rstrip() == "---":
            return "\n".join(lines[1 : number - 1]), "\n".join(lines[number:]), number + 1
    return "", text, 1


def read(head: str, file: str) -> tuple[FrontMatter, tuple[Problem, ...]]:
    """Read the head (its first line is line 2 of the file)."""
    problems: list[Problem] = []
    values: dict[str, Value] = {}
    try:
        values = _entries(head)
    except _Fault as fault:
        problems.append(_problem(file, fault))
    front = FrontMatter()
    try:
        front = _front_matter(values)
    except _Fault as fault:
        problems.append(_problem(file, fault))
    return front, tuple(problems)


def _problem(file: str, fault: _Fault) -> Problem:
    code, message, fix = fault.what
    return Problem(code, file, *fault.where, message, fix)


def _entries(head: str) -> dict[str, Value]:
    values: dict[str, Value] = {}
    open_key = ""
    for line, text in enumerate(head.split("\n"), start=2):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        if "\t" in text:
            raise _Fault(line, text.index("\t") + 1, "front-matter-tab", "a tab in the front matter", "use spaces")
        if text.startswith((" ", "- ")):
            _continue(values, open_key, text, line)
            continue
        key, value = _entry(text, line)
        if key in values:
            raise _Fault(line, 1, "duplicate-key", f"`{key}` is given twice", "keep one of the two lines")
        values[key] = value
        open_key = key
    return values


def _entry(text: str, line: int) -> tuple[str, Value]:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise _Fault(line, 1, "front-matter-line", "this line is not `key: value`", 'write for example `subject: "…"`')
    key = match["key"]
    if key not in KEYS:
        raise _Fault(line, 1, "unknown-key", f"a mail has no `{key}`", _nearest(key, KEYS))
    raw = match["value"] or ""
    return key, _value(raw, line, match.start("value") + 1 if raw else len(text) + 1)


def _continue(values: dict[str, Value], key: str, text: str, line: int) -> None:
    """A line that belongs to the mapping or list begun by the key above."""
    begun = values.get(key)
    if isinstance(begun, Located) and not begun.text:
        begun = values[key] = [] if text.lstrip().startswith("- ") else {}
    item, entry = _ITEM.fullmatch(text), _ENTRY.fullmatch(text)
    if isinstance(begun, list) and item:
        begun.append(_scalar(item["value"], line, item.start("value") + 1))
    elif isinstance(begun, dict) and entry and entry["value"]:
        _put(begun, entry["key"], _scalar(entry["value"], line, entry.start("value") + 1))
    else:
        raise _Fault(line, 1, "front-matter-line", "this line belongs to nothing above it", "indent only below a key")


def _put(into: dict[str, Located], key: str, value: Located) -> None:
    if key in into:
        raise _Fault(value.line, 1, "duplicate-key", f"`{key}` is given twice", "keep one of the two")
    into[key] = value


def _value(raw: str, line: int, column: int) -> Value:
    if raw.startswith("{"):
        return _mapping(raw, line, column)
    if raw.startswith("["):
        return [_scalar(part, line, column + at) for at, part in _parts(raw, "]", line, column)]
    return _scalar(raw, line, column)


def _mapping(raw: str, line: int, column: int) -> dict[str, Located]:
    values: dict[str, Located] = {}
    for at, part in _parts(raw, "}", line, column):
        key, colon, text = part.partition(":")
        if not colon:
            raise _Fault(line, column + at, "front-matter-line", "an entry without `:`", 'write `{bold: "…"}`')
        lead = len(key) + 1 + len(text) - len(text.lstrip())
        _put(values, key.strip().strip("\"'"), _scalar(text.strip(), line, column + at + lead))
    return values


def _parts(raw: str, close: str, line: int, column: int) -> list[tuple[int, str]]:
    """The comma-separated parts of `{…}` or `[…]`, with their offsets; quotes hold commas."""
    parts: list[tuple[int, str]] = []
    start = at = 1
    while at < len(raw):
        quoted = _QUOTED.match(raw, at) if raw[:at].rstrip()[-1:] in "{[,:" else None
        if quoted:
            at = quoted.end()
        elif raw[at] in ("," + close):
            part = raw[start:at]
            if part.strip():
                parts.append((start + len(part) - len(part.lstrip()), part.strip()))
            if raw[at] == close:
                _nothing_after(raw[at + 1 :], line, column + at + 1)
                return parts
            start = at = at + 1
        else:
            at += 1
    raise _Fault(line, column, "front-matter-line", f"`{raw[0]}` is not closed on this line", f"add `{close}`")


def _scalar(raw: str, line: int, column: int) -> Located:
    if raw[:1] in ("'", '"'):
        match = _QUOTED.match(raw)
        if match is None:
            raise _Fault(line, column, "front-matter-quote", "this quote is not closed", f"add {raw[0]} at the end")
        _nothing_after(raw[match.end() :], line, column + match.end())
        return Located(_unquote(match[0]), line, column + 1)
    text = re.split(r"\s#", raw, maxsplit=1)[0].rstrip()
    if text[:1] in "&*!|>%@`" and text:
        raise _Fault(line, column, "front-matter-quote", f"a text may not begin with `{text[0]}`", "put it in quotes")
    if ": " in _outside_braces(text):
        raise _Fault(
            line, column, "front-matter-quote", "a plain text may not hold `: `", f"put it in quotes: {_quote(text)}"
        )
    return Located(text, line, column)


def _outside_braces(text: str) -> str:
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text)


def _nothing_after(rest: str, line: int, column: int) -> None:
    if rest.strip() and not rest.lstrip().startswith("#"):
        raise _Fault(
            line, column, "front-matter-quote", f"unexpected text after the value: {rest.strip()[:20]}", "remove it"
        )


def _unquote(raw: str) -> str:
    if raw[0] == "'":
        return raw[1:-1].replace("''", "'")
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), raw[1:-1])


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _nearest(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.6)
    return f"did you mean `{near[0]}`?" if near else "known keys: " + ", ".join(known)


def _front_matter(values: dict[str, Value]) -> FrontMatter:
    return FrontMatter(
        subject=_text(values, "subject"),
        subjects=_subjects(values.get("subjects")),
        preheader=_text(values, "preheader"),
        service=_flag(values.get("service")),
        topic=_name(values, "topic"),
        layout=_name(values, "layout") or "base",
        attachments=tuple(_texts(values.get("attachments"), "attachments")),
        allow=tuple(_texts(values.get("allow"), "allow")),
    )


def _text(values: dict[str, Value], key: str) -> Located | None:
    value = values.get(key)
    if value is None or isinstance(value, Located):
        return value
    raise _Fault(_line(value), 1, "front-matter-type", f"`{key}` is one text", f'write `{key}: "…"`')


def _line(value: Value) -> int:
    if isinstance(value, Located):
        return value.line
    first = next(iter(value.values() if isinstance(value, dict) else value), None)
    return first.line if first else 2


def _subjects(value: Value | None) -> tuple[tuple[str, Located], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict) or not value:
        raise _Fault(_line(value), 1, "front-matter-type", "`subjects` names variants", 'write `subjects: {bold: "…"}`')
    return tuple(value.items())


def _flag(value: Value | None) -> bool:
    if value is None:
        return False
    if isinstance(value, Located) and value.text in ("true", "false"):
        return value.text == "true"
    raise _Fault(_line(value), 1, "front-matter-type", "`service` is true or false", "write `service: true`")


def _name(values: dict[str, Value], key: str) -> str:
    value = _text(values, key)
    if value is None:
        return ""
    if not _NAME.fullmatch(value.text):
        raise _Fault(
            value.line, value.column, "front-matter-name", f"`{value.text}` is not a key", "use a-z, 0-9, _ and -"
        )
    return value.text


def _texts(value: Value | None, key: str) -> list[Located]:
    if value is None:
        return []
    if isinstance(value, Located) and value.text:
        return [value]
    if isinstance(value, list):
        return value
    raise _Fault(_line(value), 1, "front-matter-type", f"`{key}` is a list", f"write `{key}: [guide.pdf]`")
