"""What a YAML syntax error means to somebody who writes campaigns.

Owns the words for it: a place, what is wrong, what to write. Must not parse anything itself.
"""

from __future__ import annotations

import re
from typing import Final

import yaml

from app.core.problem import Problem

_KEY_IN_VALUE: Final = re.compile(r"^(?P<head>\s*(?:- +)*[^\s:#\"'{\[][^:#]*: +)(?P<text>[^\"'\[{|>#].*?)\s*$")


def explain(text: str, file: str, error: yaml.YAMLError) -> Problem:
    """The problem behind PyYAML's error; the place is where the author should look, not where the reader gave up."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem("yaml", file, 1, 1, "this is not YAML", "Save it as UTF-8 text")
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    words = f"{error.context or ''}; {error.problem or ''}"
    opened = error.context_mark
    if opened is not None and ("quoted scalar" in words and "end of stream" in words):
        return Problem(
            "yaml-quote",
            file,
            opened.line + 1,
            opened.column + 1,
            "this quote is never closed",
            'Close it, or write \\" inside',
        )
    if "flow mapping" in words or "flow sequence" in words:
        return _flow(file, error, line, column)
    if "mapping values are not allowed" in words:
        return _second_colon(text, file, line, column)
    before = text.split("\n")[line - 1][: column - 1].rstrip() if mark else ""
    if "expected <block end>" in words and before[-1:] in ("}", "]", '"', "'"):
        message = f"text stands after the closing {before[-1]}"
        return Problem("yaml-quote", file, line, column, message, "Put the whole text in quotes")
    for sign, code, message, fix in _EXPLAINED:
        if sign in words:
            return Problem(code, file, line, column, message, fix)
    return Problem("yaml", file, line, column, f"YAML cannot read this: {error.problem}", "Put the text in quotes")


def _flow(file: str, error: yaml.MarkedYAMLError, line: int, column: int) -> Problem:
    kind, close = ("{", "}") if "mapping" in (error.context or "") else ("[", "]")
    opened = error.context_mark
    if opened is None:
        return Problem("yaml-bracket", file, line, column, "a bracket is missing", f"Close it with '{close}'")
    message = (
        f"the '{kind}' of {opened.line + 1}:{opened.column + 1} is not closed here, or a comma or a quote is missing"
    )
    return Problem(
        "yaml-bracket", file, line, column, message, f"Write ',' or '{close}', and quote texts that hold , : {{ }} [ ]"
    )


def _second_colon(text: str, file: str, line: int, column: int) -> Problem:
    source = text.split("\n")[line - 1] if line <= text.count("\n") + 1 else ""
    match = _KEY_IN_VALUE.match(source)
    if match is None:
        message = "a ':' stands where no key may stand"
        return Problem(
            "yaml-colon", file, line, column, message, "Check the indentation of this line and the one before"
        )
    quoted = match["text"].replace("\\", "\\\\").replace('"', '\\"')
    return Problem(
        "yaml-colon", file, line, column, "a second ': ' in this text", f'Write {match["head"].strip()} "{quoted}"'
    )


_EXPLAINED: Final = (
    (
        "could not find expected ':'",
        "yaml-key",
        "a key without ':'",
        "Write `key: value`, or quote a text of several lines",
    ),
    ("block sequence entries are not allowed", "yaml-list", "a list may not begin here", "Begin it on the next line"),
    ("sequence entries are not allowed", "yaml-list", "a list may not begin here", "Begin it on the next line"),
    (
        "expected <block end>",
        "yaml-indentation",
        "this line does not line up with the ones it belongs to",
        "Give all keys of a block, and all '-' of a list, the same indentation",
    ),
    ("unknown escape character", "yaml-escape", "an unknown \\… in double quotes", "Write \\\\ for a backslash"),
    ("expected escape sequence", "yaml-escape", "an unfinished \\… in double quotes", "Write \\\\ for a backslash"),
    (
        "that cannot start any token",
        "yaml-character",
        "a text may not begin with this character",
        'Put the text in quotes: "…"',
    ),
    ("expected a single document", "document", "a file is one document", "Put the second one into its own file"),
    (
        "expected a comment or a line break",
        "yaml-block",
        "a text may not begin on the line of | or >",
        "Begin it below",
    ),
    ("expected indentation indicator", "yaml-block", "a block text has an indentation of 1 to 9", "Write only | or >"),
    ("document separator", "document", "a file is one document, without '---'", "Delete the line"),
    ("mapping keys are not allowed", "yaml-key", "a '?' may not begin a line here", "Write `key: value`"),
    ("but found another document", "document", "a file is one document", "Put the second one into its own file"),
)
