"""Fetching what a mail provider points at: Amazon's signing certificates, and its addresses that confirm a topic.

Owns one guarded GET: https, no redirects, short, small. Which host may be asked is decided by who calls.
"""

from functools import lru_cache

import requests

LARGEST = 64 * 1024
_SECONDS = 5


def fetch(url: str) -> bytes:
    """The content behind an https address. Raises OSError for anything but a small 200."""
    if not url.startswith("https://"):
        raise OSError("only https is fetched")
    with requests.get(url, timeout=_SECONDS, allow_redirects=False, stream=True) as answer:
        if answer.status_code != requests.codes.ok:
            raise OSError(f"the server said {answer.status_code}")
        content = answer.raw.read(LARGEST + 1, decode_content=True)
    if len(content) > LARGEST:
        raise OSError("too large")
    return bytes(content)


@lru_cache(maxsize=16)
def certificate(url: str) -> bytes:
    """The same, remembered: a certificate has an address of its own."""
    return fetch(url)
