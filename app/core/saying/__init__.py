"""Saying: steps and entries in the words campaigns are written with, for plans, graphs and messages.

Owns the way to a language: English as files are written, Persian for those who read it. Must not know either.
"""

from __future__ import annotations

from app.core.campaign import Entry, Step
from app.core.saying import english, persian
from app.core.saying.english import entry_said, said, wait_said
from app.core.text import Text

__all__ = ["entry_said", "entry_text", "said", "step_text", "wait_said"]


def step_text(step: Step) -> Text:
    """A step without what is inside it: `wait 3 days, 09:30`."""
    return Text.said(english.said(step), persian.said(step))


def entry_text(entry: Entry) -> Text:
    return Text.said(english.entry_said(entry), persian.entry_said(entry))
