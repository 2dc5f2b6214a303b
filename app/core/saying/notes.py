"""Notes: why something was published, where a command said so and nobody wrote it.

Owns these few sentences in both languages. What a person wrote is left as it is.
"""

from __future__ import annotations

import re
from typing import Final

from app.core.figures import figures
from app.core.text import Text

EXAMPLES: Final = "the example campaigns"
BACK: Final = "back to the release before"
_BACK_TO = re.compile(r"back to release (\d+)")
_KNOWN = {EXAMPLES: "کارزارهای نمونه", BACK: "بازگشت به انتشار پیشین"}


def back_to(release: int | None) -> str:
    """What a rollback says of itself; None for the release before the live one."""
    return BACK if release is None else f"back to release {release}"


def note_text(note: str) -> Text:
    """A kept note in both languages."""
    back = _BACK_TO.fullmatch(note)
    if back:
        return Text.said(note, f"بازگشت به انتشار {figures(back[1])}")
    return Text.said(note, _KNOWN.get(note, note))
