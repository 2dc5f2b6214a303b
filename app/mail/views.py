"""How a mail looks elsewhere: in a dark or a light program, with or without pictures, before its pictures are hosted.

Owns these changes to finished HTML, for looking only. Must never touch what is sent.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

_DARK: Final = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)", re.IGNORECASE)
_LIGHT: Final = re.compile(r"\(\s*prefers-color-scheme\s*:\s*light\s*\)", re.IGNORECASE)
_SCHEME: Final = re.compile(r'(<meta name="(?:supported-)?color-schemes?" content=")[^"]*(")', re.IGNORECASE)
_ALWAYS, _NEVER = "(min-width:0px)", "(max-width:0px)"
_SOURCE: Final = re.compile(r"""(<(?:img|v:fill|v:image)\b[^>]*?\s(?:src|srcset)=)(?:"[^"]*"|'[^']*')""", re.IGNORECASE)
_BACKGROUND: Final = re.compile(r"""\sbackground=(?:"[^"]*"|'[^']*')""", re.IGNORECASE)
_URL: Final = re.compile(r"url\([^)]*\)", re.IGNORECASE)
_TYPES: Final = {"jpg": "jpeg"}


def in_scheme(html: str, *, is_dark: bool) -> str:
    """As a program draws it that is set to dark, or to light, whatever the looker's own is set to."""
    html = _SCHEME.sub(rf"\g<1>{'dark' if is_dark else 'light'}\2", html)
    return _LIGHT.sub(_NEVER if is_dark else _ALWAYS, _DARK.sub(_ALWAYS if is_dark else _NEVER, html))


def without_pictures(html: str) -> str:
    """As programs show it that load no pictures: alternative texts only."""
    return _URL.sub("none", _BACKGROUND.sub("", _SOURCE.sub(r'\1""', html)))


def with_pictures(html: str, pictures: Mapping[str, bytes]) -> str:
    """With the bytes of pictures (by public name) in the place of their addresses: nothing is hosted yet."""
    for name, data in pictures.items():
        ending = name.rpartition(".")[2]
        uri = f"data:image/{_TYPES.get(ending, ending)};base64,{b64encode(data).decode()}"
        html = re.sub(rf'https?://[^"\s]*/i/{re.escape(name)}', lambda _, uri=uri: uri, html)  # type: ignore[misc]
    return html
