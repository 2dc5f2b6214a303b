"""Pages: one page of somebody's site, fetched to look at how a box stands on it.

Owns how much is read, how often a redirect is followed, and that every address is judged like a webhook's: nothing
inside our own network is asked. Must not know what is looked for.
"""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from app.net.webhooks import Pinned, Refusal, address_of

LARGEST = 2 * 1024 * 1024
"""Bytes of a page; what comes after is not looked at."""
MOST_REDIRECTS = 3
_MOVED = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page as it was answered: where it was in the end, what kind of text, and its policies, joined by commas."""

    url: str
    status: int
    kind: str
    policy: str
    text: str


def fetch(url: str, allowed: Sequence[str] = ()) -> Fetched:
    """Get a page. Raises Refusal, and OSError when nobody answers. `allowed`: networks inside that may be asked."""
    for _ in range(MOST_REDIRECTS + 1):
        found, next_url = _get(url, allowed)
        if not next_url:
            return found
        url = urljoin(url, next_url)
    raise Refusal("the page is moved on and on")


def _get(url: str, allowed: Sequence[str]) -> tuple[Fetched, str]:
    parts = urlsplit(url)
    address = address_of(parts, allowed)
    is_secret = parts.scheme == "https"
    wire = Pinned(parts.hostname or "", parts.port or (443 if is_secret else 80), address, is_secret=is_secret)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        wire.request("GET", path, headers={"User-Agent": "Parvar box doctor", "Accept": "text/html"})
        answer = wire.getresponse()
        text = answer.read(LARGEST).decode(answer.headers.get_content_charset() or "utf-8", "replace")
        policy = ", ".join(answer.headers.get_all("Content-Security-Policy") or ())
        found = Fetched(url, answer.status, answer.headers.get_content_type(), policy, text)
        return found, (answer.headers.get("Location") or "") if answer.status in _MOVED else ""
    except (http.client.HTTPException, LookupError, ValueError) as fault:
        raise OSError(f"{type(fault).__name__}: {fault}") from fault
    finally:
        wire.close()
