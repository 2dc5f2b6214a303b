"""One thing wrong in a file, as a value: where it is, what is wrong, what to write instead.

Every reader and checker of files reports these; it must not know what kind of file it speaks of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding at `file:line:column` (both counted from 1).

    `code` is stable and kebab-case, so that a file can allow it by name; `message` says what is wrong, `fix` is the
    text to write instead or the thing to do.
    """

    code: str
    file: str
    line: int
    column: int
    message: str
    fix: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message} ({self.code}). {self.fix}"

    @property
    def is_error(self) -> bool:
        return self.severity == "error"
