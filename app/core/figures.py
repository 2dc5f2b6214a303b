"""Figures: digits and foreign words as Persian writes them in a line.

Owns digits, grouping and setting apart. Must not know dates or sentences.
"""

from __future__ import annotations

_FIGURES = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def figures(text: object) -> str:
    """Digits as Persian writes them."""
    return str(text).translate(_FIGURES)


def grouped(count: int) -> str:
    """A whole number as Persian writes it: ۱٬۲۳۴."""
    return figures(f"{count:,}").replace(",", "٬")


def isolated(text: object) -> str:
    """Latin keys and addresses in a line of Persian, kept in one piece (Unicode TR9: FSI … PDI)."""
    return f"\u2068{text}\u2069"
