"""Words: the one way to a text of the catalogues, in the language of the page.

Owns nothing but the call; imported as `_`, so that the words of the code are found when catalogues are made.
"""

from __future__ import annotations

from flask_babel import gettext  # type: ignore[import-untyped,unused-ignore]


def say(text: str, **values: str) -> str:
    """The text in the page's language, `%(name)s` filled in."""
    return str(gettext(text, **values))
