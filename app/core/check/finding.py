"""A finding: something that can be read and run, and is probably not meant.

Owns making one. Must not look for any.
"""

from __future__ import annotations

from typing import Literal

from app.core.problem import Problem
from app.core.text import Place


def finding(
    code: str, place: Place, message: str, fix: str, severity: Literal["error", "warning"] = "warning"
) -> Problem:
    """A problem at a place of a file."""
    return Problem(code, place.file, place.line, place.column, message, fix, severity)


def error(code: str, place: Place, message: str, fix: str) -> Problem:
    """A finding that stops publishing: what it speaks of cannot work."""
    return finding(code, place, message, fix, "error")
