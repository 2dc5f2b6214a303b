"""Texts for people, one per locale, and the place in a file where something was written.

Owns `Text` and `Place`. Must not know which locales a site has.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a source file; lines and columns count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Place("", 0, 0)


@dataclass(frozen=True, slots=True)
class Text:
    """A text in several locales, in the order written; a plain text has the one locale ""."""

    variants: tuple[tuple[str, str], ...]

    @classmethod
    def plain(cls, text: str) -> Text:
        return cls((("", text),))

    @classmethod
    def said(cls, english: str, persian: str) -> Text:
        """What the product itself says, in its two languages."""
        return cls((("en", english), ("fa", persian)))

    def in_locale(self, locale: str) -> str:
        """The text for a locale, else for its language, else the first one written."""
        known = dict(self.variants)
        for key in (locale, locale.partition("-")[0], ""):
            if key in known:
                return known[key]
        return self.variants[0][1] if self.variants else ""

    def __bool__(self) -> bool:
        return any(text for _, text in self.variants)


NO_TEXT = Text(())
