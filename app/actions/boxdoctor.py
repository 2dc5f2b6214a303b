"""Box doctor: how a box stands on a page of somebody's site, as far as it shows without a browser.

Owns the checks of a page's HTML and policy. Each says what is so and how it is mended; the page's words are the web's.
Must not judge what only a browser sees: for that the page is opened with #parvar-doctor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from html.parser import HTMLParser
from urllib.parse import urlsplit

from app.core.boxes import Box, BoxShape
from app.net.pages import Fetched, fetch
from app.net.webhooks import Refusal
from app.world import World


class Check(StrEnum):
    """What is looked at, in this order."""

    ANSWER = "answer"
    ORIGIN = "origin"
    EMBED = "embed"
    PLACE = "place"
    ASYNC = "async"
    SCRIPT_POLICY = "script-src"
    CONNECT_POLICY = "connect-src"
    IMAGE_POLICY = "img-src"
    FRAME_POLICY = "frame-src"
    FORM_POLICY = "form-action"
    PAGES = "pages"
    ROOM = "room"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: well or not, and what the words for it need."""

    check: Check
    is_well: bool
    detail: str = ""


def examine(world: World, box: Box, url: str) -> list[Finding]:
    """Fetch a page and look at it. A page that cannot be had is one finding."""
    try:
        page = fetch(url, world.settings.webhook_networks)
    except (Refusal, OSError, ValueError) as fault:
        return [Finding(Check.ANSWER, is_well=False, detail=str(fault)[:200])]
    return list(look(box, page, world.settings.base_url))


def look(box: Box, page: Fetched, base_url: str) -> Iterator[Finding]:
    """What a page's text and policy say of a box."""
    yield Finding(Check.ANSWER, page.status == 200 and page.kind == "text/html", f"{page.status} {page.kind}")
    seen = _Seen(base_url, box.key)
    seen.feed(page.text)
    origin = _origin(page.url)
    yield Finding(Check.ORIGIN, origin in (*box.origins, _origin(base_url)), origin)
    yield Finding(Check.EMBED, bool(seen.ways), ", ".join(sorted(seen.ways)))
    if "script" in seen.ways:
        yield from _script(box, seen)
    yield from _policies(box, page, seen, base_url)
    if box.shape not in (BoxShape.INLINE, BoxShape.LOCKER) or box.show:
        yield Finding(Check.PAGES, _is_shown(box, urlsplit(page.url).path or "/"), urlsplit(page.url).path or "/")


def _script(box: Box, seen: _Seen) -> Iterator[Finding]:
    needs_place = box.shape in (BoxShape.INLINE, BoxShape.LOCKER)
    yield Finding(Check.PLACE, seen.has_place if needs_place else seen.has_place or box.key in seen.scripts, box.key)
    yield Finding(Check.ASYNC, seen.is_async)
    if needs_place and seen.has_place:
        yield Finding(Check.ROOM, seen.has_room)


def _is_shown(box: Box, path: str) -> bool:
    named = [rule.pages for rule in box.show]
    return not named or any(not pages or any(_matches(page, path) for page in pages) for pages in named)


def _matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Seen(HTMLParser):
    """What of us stands on a page: `ways` are script, frame and form."""

    def __init__(self, base_url: str, key: str) -> None:
        super().__init__()
        self._base, self._key = base_url, key
        self.ways: set[str] = set()
        self.scripts: set[str] = set()
        self.has_place = self.has_room = self._is_in_place = False
        self.is_async = True
        self.has_nonce = False
        self.policies: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._is_in_place and tag in ("svg", "img", "form", "canvas"):
            self.has_room = True
        self._is_in_place = self._is_in_place and tag == "svg"
        if given.get("data-parvar") == self._key:
            self.has_place = self._is_in_place = True
            self.has_room = bool(re.search(r"height\s*:", given.get("style", "")))
        match tag:
            case "script" if given.get("src", "").startswith(f"{self._base}/b/"):
                self._loader(given)
            case "iframe" if self._is_ours(given.get("src", "")):
                self.ways.add("frame")
            case "form" if self._is_ours(given.get("action", "")):
                self.ways.add("form")
            case "meta" if given.get("http-equiv", "").lower() == "content-security-policy":
                self.policies.append(given.get("content", ""))

    def _loader(self, given: dict[str, str]) -> None:
        name = given["src"].removeprefix(f"{self._base}/b/").partition("?")[0].removesuffix(".js")
        if name in ("embed", self._key):
            self.ways.add("script")
            self.scripts.add(name)
            self.has_nonce = "nonce" in given
            self.is_async = self.is_async and ("async" in given or "defer" in given)

    def _is_ours(self, url: str) -> bool:
        return url.partition("?")[0].partition("#")[0] == f"{self._base}/b/{self._key}"


# ── The policy (Content Security Policy, level 3) ────────────────────────────────────────────────────────────────────

_FALLS_BACK = {
    Check.SCRIPT_POLICY: ("script-src-elem", "script-src", "default-src"),
    Check.CONNECT_POLICY: ("connect-src", "default-src"),
    Check.IMAGE_POLICY: ("img-src", "default-src"),
    Check.FRAME_POLICY: ("frame-src", "child-src", "default-src"),
    Check.FORM_POLICY: ("form-action",),
}


def _policies(box: Box, page: Fetched, seen: _Seen, base_url: str) -> Iterator[Finding]:
    """Every policy must allow what the way that was chosen needs."""
    policies, own = [one for one in (*page.policy.split(","), *seen.policies) if one.strip()], _origin(page.url)
    needed = [Check.SCRIPT_POLICY, Check.CONNECT_POLICY] if "script" in seen.ways else []
    needed += [Check.IMAGE_POLICY] if "script" in seen.ways and box.theme.image else []
    needed += [Check.FRAME_POLICY] if "frame" in seen.ways else []
    needed += [Check.FORM_POLICY] if "form" in seen.ways else []
    for check in needed:
        ours = _Ours(_origin(base_url), is_own=own == _origin(base_url), has_nonce=seen.has_nonce)
        yield Finding(check, all(_allows(policy, check, ours) for policy in policies), ours.origin)


@dataclass(frozen=True, slots=True)
class _Ours:
    """What a policy has to allow. `is_own`: the page is of our own origin; `has_nonce`: our script tag carries one."""

    origin: str
    is_own: bool
    has_nonce: bool


def _allows(policy: str, check: Check, ours: _Ours) -> bool:
    rules: dict[str, list[str]] = {}
    for words in (rule.split() for rule in policy.split(";") if rule.strip()):
        rules.setdefault(words[0].lower(), words[1:])
    sources = next((rules[name] for name in _FALLS_BACK[check] if name in rules), None)
    if sources is None or ("'self'" in sources and ours.is_own):
        return True
    if check is Check.SCRIPT_POLICY and "'strict-dynamic'" in sources:
        return ours.has_nonce
    return any(_covers(source.lower(), ours.origin) for source in sources)


def _covers(source: str, origin: str) -> bool:
    """Whether a source names an origin: `*`, a scheme, a host with or without `*.`. Paths are taken as covering."""
    parts = urlsplit(origin)
    if source in ("*", f"{parts.scheme}:"):
        return True
    scheme, found, rest = source.partition("://")
    host = (rest if found else source).partition("/")[0]
    if found and scheme != parts.scheme and not (scheme == "http" and parts.scheme == "https"):
        return False
    own = parts.netloc.lower() if ":" in host else (parts.hostname or "")
    return own.endswith(host[1:]) if host.startswith("*.") else own == host
