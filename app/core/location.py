"""Locations: addresses people may be sent on to.

Owns what a `Location` header may carry. Must not know where an address came from or whether it is ours.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

LONGEST: Final = 4_096
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\]")
_SCHEME: Final = re.compile(r"https?://[^/?#]", re.IGNORECASE)


def location(url: str) -> str | None:
    """The address as a `Location` header may carry it, or None when it is not a plain http(s) address.

    ASCII is kept byte for byte, query included; other characters are percent-encoded as UTF-8 (RFC 3987
    section 3.1), a host name by IDNA. Refused: other schemes, user names, spaces, control characters, backslashes.
    """
    if len(url) > LONGEST or not _SCHEME.match(url) or _UNSAFE.search(url):
        return None
    try:
        host = urlsplit(url).netloc
        plain = url if url.isascii() else _ascii(url, host)
    except (ValueError, UnicodeError):
        return None
    return None if "@" in host or host.startswith(":") else plain


def _ascii(url: str, host: str) -> str:
    before, _, after = url.partition(host)
    return before + host.encode("idna").decode() + quote(after, safe="".join(map(chr, range(0x21, 0x7F))))
